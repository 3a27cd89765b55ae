"""Contracts that every measure keeps; measures are found by discovery."""

from __future__ import annotations

import inspect

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import sterna
from sterna.measures import __all__ as public

MEASURES = {
    name: measure for name, measure in sterna.all_measures().items() if measure.takes in ("features", "table", "labels")
}
#: All that say how far two things are apart; those that take other things than `pair` gives have tests of their own.
DISTANCES = {name: measure for name, measure in sterna.all_measures().items() if measure.direction.endswith("is farther")}
SEEDED = {"random_state": 0}
BLIND_TO_MEANS = {"coral_distance"}


def pair(takes, shift=0.0, seed=0, n=60):
    """Two samples of what a measure takes, of different sizes, `shift` standard deviations apart."""
    rng = np.random.default_rng(seed)
    if takes == "labels":
        return rng.normal(size=n), rng.normal(size=n + 20) + shift
    return rng.normal(size=(n, 3)), rng.normal(size=(n + 20, 3)) + shift


def keywords(measure):
    """The parameters that are given by name, and their defaults, without the seed."""
    parameters = inspect.signature(measure).parameters.values()
    return {p.name: p.default for p in parameters if p.kind == p.KEYWORD_ONLY and p.name != "random_state"}


def value_of(result):
    return float(result["statistic"].max()) if isinstance(result, pd.DataFrame) else float(result)


each_measure = pytest.mark.parametrize("name", MEASURES)
each_of_features = pytest.mark.parametrize("name", [n for n, m in MEASURES.items() if m.takes == "features"])


def test_discovery_finds_every_function_that_carries_facts():
    assert {"column_drift", "domain_auc", "label_shift", "logme", "mmd", "overlap"} <= set(sterna.all_measures())
    assert set(sterna.all_measures()) <= set(public)
    assert "measure" not in sterna.all_measures()


@pytest.mark.parametrize("name", DISTANCES)
def test_facts_are_declared(name):
    measure = DISTANCES[name]
    assert measure.direction in ("larger is farther", "smaller is farther")
    assert measure.bounds[0] < measure.bounds[1]
    assert isinstance(measure.symmetric, bool)
    assert isinstance(measure.needs_labels, bool)
    assert measure.takes in ("features", "table", "labels", "features and labels of both", "embeddings")
    assert measure.reference
    assert measure.__doc__ is not None
    for section in ("Parameters", "Returns", "Notes", "Examples"):
        assert f"{section}\n    ---" in measure.__doc__


@each_measure
def test_far_domains_are_farther_and_within_bounds(name):
    if name in BLIND_TO_MEANS:
        pytest.skip("compares covariances, which a shift leaves as they are")
    measure = MEASURES[name]
    near, far = (value_of(measure(*pair(measure.takes, shift), **SEEDED)) for shift in (0.0, 2.0))
    assert near < far if measure.direction == "larger is farther" else near > far
    low, high = measure.bounds
    assert low <= min(near, far)
    assert max(near, far) <= high


@pytest.mark.parametrize(
    ("name", "parameter", "bad"),
    [
        (name, parameter, bad)
        for name, measure in MEASURES.items()
        for parameter, default in keywords(measure).items()
        if not isinstance(default, bool)
        for bad in ("x", -1, float("nan"))
    ],
)
def test_bad_parameters_get_a_sentence_that_names_them(name, parameter, bad):
    measure = MEASURES[name]
    with pytest.raises(ValueError, match=rf"{parameter} is {bad!r}"):
        measure(*pair(measure.takes), **{parameter: bad})


@each_measure
def test_symmetry_is_as_declared(name):
    measure = MEASURES[name]
    if not measure.symmetric:
        pytest.skip("declared asymmetric")
    source, target = pair(measure.takes, 1.0)
    there, back = value_of(measure(source, target, **SEEDED)), value_of(measure(target, source, **SEEDED))
    assert there == pytest.approx(back, abs=1e-6)


@each_measure
def test_same_seed_same_result(name):
    measure = MEASURES[name]
    source, target = pair(measure.takes, 1.0)
    first, second = measure(source, target, **SEEDED), measure(source, target, **SEEDED)
    if isinstance(first, pd.DataFrame):
        pd.testing.assert_frame_equal(first, second)
    else:
        assert first == second


@each_measure
def test_never_writes_to_the_users_arrays(name):
    measure = MEASURES[name]
    arrays = pair(measure.takes, 1.0)
    for array in arrays:
        array.setflags(write=False)
    measure(*arrays, **SEEDED)


@each_measure
def test_float32_gives_the_same(name):
    measure = MEASURES[name]
    source, target = pair(measure.takes, 1.0)
    single = measure(source.astype(np.float32), target.astype(np.float32), **SEEDED)
    assert value_of(single) == pytest.approx(value_of(measure(source, target, **SEEDED)), abs=0.01)


@each_measure
def test_constant_values_are_no_distance(name):
    measure = MEASURES[name]
    source, target = (np.zeros_like(part) for part in pair(measure.takes))
    at_no_distance = {"domain_auc": 0.5, "overlap": 1.0}.get(name, 0.0)
    assert value_of(measure(source, target, **SEEDED)) == pytest.approx(at_no_distance, abs=1e-12)


@each_measure
def test_a_column_that_tells_the_domains_apart_is_the_farthest(name):
    if name in BLIND_TO_MEANS:
        pytest.skip("compares covariances, and constants have none")
    measure = MEASURES[name]
    source, target = pair(measure.takes)
    far = value_of(measure(np.zeros_like(source), np.ones_like(target), **SEEDED))
    if measure.direction == "smaller is farther":
        assert far < 0.1
    else:
        assert far > (0.5 if name == "mmd" else 0.99)


@each_of_features
def test_sparse_equals_dense(name):
    measure = MEASURES[name]
    source, target = (np.where(np.abs(part) > 1, part, 0.0) for part in pair("features", 0.5, n=200))
    dense = value_of(measure(source, target, **SEEDED))
    as_sparse = value_of(measure(sparse.csr_matrix(source), sparse.csr_array(target), **SEEDED))
    # scaling and the trees' columns differ where columns may not be centred
    assert as_sparse == pytest.approx(dense, abs=1e-9 if name == "mmd" else 0.1)


@each_of_features
@pytest.mark.parametrize("n_rows", [(2, 2), (2, 30), (30, 3)])
def test_few_rows_give_a_value(name, n_rows):
    rng = np.random.default_rng(0)
    source, target = (rng.normal(size=(n, 4)) for n in n_rows)
    assert np.isfinite(value_of(MEASURES[name](source, target, **SEEDED)))


@each_of_features
@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (np.ones((1, 2)), np.ones((5, 2)), "X_source has 1 rows"),
        (np.ones((5, 2)), np.ones((1, 2)), "X_target has 1 rows"),
        (np.ones((5, 2)), np.ones((5, 3)), "X_source has 2 columns but X_target has 3"),
        (np.full((5, 2), np.nan), np.ones((5, 2)), "X_source holds NaN"),
        (np.ones((5, 2)), np.full((5, 2), np.inf), "X_target holds NaN or infinite"),
        (sparse.csr_array([[np.nan], [1.0]]), np.ones((5, 1)), "X_source holds NaN"),
        (pd.DataFrame({"a": ["x", "y", "z"]}), np.ones((5, 1)), "no numbers"),
        (np.ones(5), np.ones((5, 1)), r"shape \(5,\)"),
        (np.ones((5, 0)), np.ones((5, 0)), "0 columns"),
    ],
)
def test_bad_features_get_a_sentence(name, source, target, message):
    with pytest.raises(ValueError, match=message):
        MEASURES[name](source, target)
