"""Contracts that every measure of transferability keeps; they are found by discovery."""

from __future__ import annotations

import inspect

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import sterna

MEASURES = {name: measure for name, measure in sterna.all_measures().items() if measure.direction == "larger is better"}
FEATURES = [name for name, measure in MEASURES.items() if measure.takes == "features and labels"]
each_measure = pytest.mark.parametrize("name", MEASURES)
each_of_features = pytest.mark.parametrize("name", FEATURES)


def given(name, spread=1.0, n=90, seed=0):
    """What a measure takes, and the labels; with a spread of 0 the first says nothing of the second."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % 3)
    X = rng.normal(size=(n, 6)) + spread * np.eye(3, 6)[y]
    takes = MEASURES[name].takes
    if takes == "features and labels":
        return X, y
    proba = np.exp(X[:, :4]) / np.exp(X[:, :4]).sum(axis=1, keepdims=True)
    return (proba if takes == "source probabilities and labels" else proba.argmax(axis=1)), y


def value(name, first, y, **parameters):
    seed = {"random_state": 0} if "random_state" in inspect.signature(MEASURES[name]).parameters else {}
    return float(MEASURES[name](first, y, **seed, **parameters))


@each_measure
def test_facts_are_declared(name):
    measure = MEASURES[name]
    assert measure.bounds[0] < measure.bounds[1]
    assert measure.needs_labels
    assert set(measure.tasks) <= {"classification", "regression"}
    assert measure.reference
    for section in ("Parameters", "Returns", "Notes", "References", "Examples"):
        assert f"{section}\n    ---" in measure.__doc__


@each_measure
def test_features_that_tell_the_classes_are_better_and_within_bounds(name):
    values = [value(name, *given(name, spread)) for spread in (0.0, 1.5, 4.0)]
    assert values[0] < values[1] < values[2]
    low, high = MEASURES[name].bounds
    assert low <= values[0]
    assert values[2] <= high


@pytest.mark.parametrize(
    ("name", "parameter", "bad"),
    [
        (name, p.name, bad)
        for name, measure in MEASURES.items()
        for p in inspect.signature(measure).parameters.values()
        if p.kind == p.KEYWORD_ONLY and p.name != "random_state" and not isinstance(p.default, bool)
        for bad in ("x", -1, float("nan"))
    ],
)
def test_bad_parameters_get_a_sentence_that_names_them(name, parameter, bad):
    with pytest.raises(ValueError, match=rf"{parameter} is {bad!r}"):
        value(name, *given(name), **{parameter: bad})


@each_measure
def test_names_of_classes_do_not_matter(name):
    first, y = given(name)
    expected = value(name, first, y)
    assert value(name, first, np.array(["wolf", "ant", "cat"])[y]) == pytest.approx(expected, rel=1e-6)
    assert value(name, first, np.array(["wolf", "ant", "cat"], dtype=object)[y].tolist()) == pytest.approx(expected, rel=1e-6)
    assert value(name, first, 10 - 3 * y) == pytest.approx(expected, rel=1e-6)
    assert value(name, first, y.astype(float)) == pytest.approx(expected, rel=1e-6)


@each_measure
def test_never_writes_to_the_users_arrays_and_repeats_itself(name):
    arrays = given(name)
    for array in arrays:
        array.setflags(write=False)
    assert value(name, *arrays) == value(name, *arrays)


@each_of_features
def test_other_containers(name):
    X, y = given(name)
    expected = value(name, X, y)
    assert value(name, pd.DataFrame(X), pd.Series(y)) == pytest.approx(expected)
    assert value(name, sparse.csr_array(X), y) == pytest.approx(expected)
    assert value(name, np.asfortranarray(X), y) == pytest.approx(expected)
    assert value(name, X.astype(np.float32), y) == pytest.approx(expected, rel=0.02, abs=0.02)


@each_of_features
def test_constant_columns_change_nothing(name):
    X, y = given(name)
    if name == "parc":
        pytest.skip("compares the profile of a row, of which a constant is a part")
    wide = np.column_stack([X - X.mean(axis=0), np.zeros(len(X))])
    same = value(name, X - X.mean(axis=0), y)
    assert value(name, wide, y) == pytest.approx(same, rel=0.15 if name in ("nleep", "gbc") else 1e-6)


@each_of_features
def test_features_that_are_all_alike_are_worth_nothing(name):
    _, y = given(name)
    found = value(name, np.ones((len(y), 6)), y)
    assert np.isfinite(found)
    assert found <= value(name, *given(name, 1.5))


@each_of_features
@pytest.mark.parametrize(("n", "d"), [(2, 3), (3, 1), (6, 500)])
def test_few_rows_give_a_value_or_a_sentence(name, n, d):
    X, y = np.random.default_rng(0).normal(size=(n, d)), np.arange(n) % 2
    if (n == 2 and name in ("linear_probe", "parc")) or (n == 3 and name == "linear_probe"):
        with pytest.raises(ValueError, match=f"{name}: features has {n} rows; give"):
            value(name, X, y)
    else:
        assert np.isfinite(value(name, X, y))


@each_of_features
def test_a_class_of_one_row(name):
    X, y = given(name)
    y = np.where(np.arange(len(y)) == 7, 3, y)
    assert np.isfinite(value(name, X, y))


@each_of_features
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: (np.where(np.arange(len(X))[:, None] == 4, np.nan, X), y), "NaN or infinite values in row 4"),
        (lambda X, y: (X, np.zeros_like(y)), "one class only, .*0"),
        (lambda X, y: (X[:-1], y), "shape .90,., but features has 89 rows"),
        (lambda X, y: (X[:, 0], y), "shape .90,.; give"),
        (lambda X, y: (X[:0], y[:0]), "0 rows"),
        (lambda X, y: (X, np.where(np.arange(len(y)) == 3, np.nan, y)), "no label in row 3"),
        (lambda X, y: (np.full(X.shape, "a"), y), "no numbers"),
    ],
)
def test_bad_input_is_told_in_one_sentence(name, change, message):
    with pytest.raises(ValueError, match=f"{name}: .*{message}"):
        value(name, *change(*given(name)))


@each_of_features
def test_values_are_refused_or_scored(name):
    X, _ = given(name)
    t = X[:, 0] + 0.1
    if "regression" in MEASURES[name].tasks:
        assert np.isfinite(value(name, X, t))
    else:
        with pytest.raises(ValueError, match=f"{name}: y holds .*use logme or linear_probe"):
            value(name, X, t)


def test_probabilities_must_be_some():
    first, y = given("leep")
    with pytest.raises(ValueError, match=r"leep: row 2 of the probabilities sums to"):
        value("leep", np.where(np.arange(len(y))[:, None] == 2, 3.0, first), y)


def test_nce_wants_both_labels_of_each_row():
    with pytest.raises(ValueError, match="y_source has 3 labels, y 2"):
        sterna.measures.nce([0, 1, 1], [0, 1])
    with pytest.raises(ValueError, match="y has no label in row 1"):
        sterna.measures.nce([0, 1], [0, None])
