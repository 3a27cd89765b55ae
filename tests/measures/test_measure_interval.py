"""Intervals: of every measure, right in width where the width is known, and by halves that hold together what belongs together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.stats import norm

import sterna
from sterna.measures import column_drift, label_shift, logme, measure_interval, mmd, proxy_a_distance
from sterna.measures._facts import measure_facts

MEASURES = {name: measure for name, measure in sterna.all_measures().items() if measure.takes != "embeddings"}


def given(takes, n=36, seed=0):
    """Data of what a measure takes; three classes of unequal size."""
    rng = np.random.default_rng(seed)
    y = np.minimum(np.arange(n) % 5, 2)
    X = rng.normal(size=(n, 4)) + 1.5 * np.eye(3, 4)[y]
    if takes in ("features", "table"):
        return X, rng.normal(size=(n + 10, 4)) + 0.5
    if takes == "labels":
        return rng.normal(size=n), rng.normal(size=n + 10)
    if takes == "representations":
        return X, X @ rng.normal(size=(4, 3))
    if takes == "features and labels of both":
        return X, y > 0, X[::-1] + 0.5, y[::-1] > 0
    proba = np.exp(X) / np.exp(X).sum(axis=1, keepdims=True)
    first = {
        "features and labels": X,
        "source probabilities and labels": proba,
        "source labels and labels": proba.argmax(axis=1),
    }
    return first[takes], y


def made(function, takes="features", bounds=(-np.inf, np.inf)):
    """A measure of one's own."""
    return measure_facts(
        direction="larger is farther", bounds=bounds, symmetric=False, needs_labels=False, takes=takes, reference="none"
    )(function)


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_has_a_finite_interval_around_its_value(name):
    measure = MEASURES[name]
    found = measure_interval(measure, *given(measure.takes), n_resamples=3)
    assert np.isfinite([found.low, found.value, found.high]).all()
    low, high = measure.bounds
    assert low <= found.low <= found.value <= found.high <= high
    assert found.low < found.high
    assert found.n_resamples == 3


@pytest.mark.parametrize("name", ["mmd", "logme", "cka"])
def test_same_seed_same_interval(name):
    data = given(MEASURES[name].takes)
    first, second, other = (measure_interval(MEASURES[name], *data, n_resamples=4, random_state=seed) for seed in (3, 3, 4))
    assert first == second
    assert first.low != other.low


def test_width_for_a_difference_of_means_is_student_s():
    """The variance of the halves is unbiased for s^2 / n + t^2 / m, and 2000 of them leave 2 % of chance."""
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(80, 1)), 3 * rng.normal(size=(51, 1))
    gap = made(lambda a, b: b.mean() - a.mean())
    found = measure_interval(gap, source, target, n_resamples=2000, confidence=0.9)
    error = np.sqrt(source.var(ddof=1) / 80 + target.var(ddof=1) / 51)
    assert found.value == pytest.approx(target.mean() - source.mean())
    assert found.high - found.low == pytest.approx(2 * norm.ppf(0.95) * error, rel=0.06)
    assert (found.high + found.low) / 2 == pytest.approx(found.value)


def test_width_for_paired_rows_is_that_of_the_pairs():
    rng = np.random.default_rng(0)
    first = rng.normal(size=(100, 1))
    second = first + 0.1 * rng.normal(size=(100, 1))
    gap = made(lambda a, b: np.mean(a - b), takes="representations")
    found = measure_interval(gap, first, second, n_resamples=1000)
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.std(first - second, ddof=1) / 10, rel=0.08)


def test_intervals_cover_as_often_as_they_say():
    rng = np.random.default_rng(0)
    gap = made(lambda a, b: np.median(b) - np.median(a))
    hits = []
    for _ in range(150):
        found = measure_interval(gap, rng.normal(size=(60, 1)), rng.normal(size=(60, 1)) + 1, n_resamples=20)
        hits.append(found.low <= 1 <= found.high)
    assert 0.9 <= np.mean(hits) <= 0.99


def test_a_distance_of_equal_distributions_is_covered():
    """The unbiased statistic's mean is 0 then, and the bootstrap's values would lie above it."""
    hits = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        found = measure_interval(mmd, rng.normal(size=(40, 2)), rng.normal(size=(40, 2)), n_resamples=20)
        hits.append(found.low <= 0 <= found.high)
    assert np.mean(hits) >= 0.95


def test_halves_hold_rows_once_with_their_labels_and_all_classes():
    n = 45
    y = np.repeat([0, 1, 2, 3], [20, 14, 10, 1])
    X = np.column_stack([np.arange(n), y])
    sizes = []

    def look(features, labels):
        assert np.array_equal(features[:, 1], labels)
        assert len(np.unique(features[:, 0])) == len(features)
        counts = np.bincount(labels, minlength=4)
        assert counts[3] == 1
        sizes.append(counts)
        return features[:, 0].mean()

    measure_interval(made(look, takes="features and labels"), X, y, n_resamples=50)
    assert np.array_equal(sizes[0], [20, 14, 10, 1])
    assert np.mean(sizes[1:], axis=0) == pytest.approx([10, 7, 5, 1])


def test_domains_with_labels_are_halved_each_for_itself():
    def look(X, y, other, its):
        assert np.array_equal(X[:, 0], y)
        assert np.array_equal(other[:, 0], its)
        seen.append((len(X), len(other)))
        return X.mean()

    seen = []
    data = np.arange(20.0)[:, None], np.arange(20) % 20, np.arange(40.0)[:, None], np.arange(40.0)
    measure_interval(made(look, takes="features and labels of both"), *(part % 2 for part in data), n_resamples=5)
    assert seen == [(20, 40)] + [(10, 20)] * 5


def test_no_more_rows_than_asked_for_and_than_the_measure_takes():
    seen = []

    def look(a, b, *, max_rows=70):
        seen.append((len(a), len(b)))
        return a.mean()

    X = np.random.default_rng(0).normal(size=(100, 1))
    measure_interval(made(look), X, X[:60], n_resamples=2)
    assert seen == [(70, 60), (35, 30), (35, 30)]
    seen.clear()
    measure_interval(made(look), X, X, n_resamples=2, max_rows=40, parameters={"max_rows": 90})
    assert seen == [(40, 40), (20, 20), (20, 20)]


def test_parameters_reach_the_measure_and_bounds_are_kept():
    X, y = given("features and labels")
    assert measure_interval(MEASURES["knn_score"], X, y, n_resamples=3, parameters={"n_neighbors": 1}).value == pytest.approx(
        MEASURES["knn_score"](X, y, n_neighbors=1)
    )
    source, target = given("features")
    assert measure_interval(proxy_a_distance, source, target + 9, n_resamples=3).high == 2


def test_other_containers():
    source, target = given("features")
    expected = measure_interval(mmd, source, target, n_resamples=3)
    for container in (pd.DataFrame, sparse.csr_array, sparse.coo_matrix, np.ndarray.tolist):
        found = measure_interval(mmd, container(source), container(target), n_resamples=3)
        assert [found.low, found.high] == pytest.approx([expected.low, expected.high])
    X, y = given("features and labels")
    words = pd.Series(np.array(["ant", "bee", "cat"], dtype=object)[y])
    assert measure_interval(logme, pd.DataFrame(X), words, n_resamples=3) == measure_interval(logme, X, y, n_resamples=3)


def test_tables_with_text_and_labels_with_holes():
    rng = np.random.default_rng(0)
    tables = [pd.DataFrame({"n": rng.normal(size=n), "t": rng.choice(["a", "b"], n)}) for n in (40, 50)]
    found = measure_interval(column_drift, *tables, n_resamples=5)
    assert found.value == column_drift(*tables)["statistic"].max()
    labels = ["a", "b", None, "a"] * 10, ["a", "b", "c", None] * 12
    assert measure_interval(label_shift, *labels, n_resamples=5).value == label_shift(*labels).value


def test_labels_may_be_left_out_where_the_measure_allows_it():
    X, y, other, _ = given("features and labels of both")
    for absent in (None, np.full(len(other), np.nan)):
        found = measure_interval(MEASURES["ben_david_bound"], X, y, other, absent, n_resamples=2)
        assert found.low < found.high


def test_values_are_no_classes():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    found = measure_interval(MEASURES["linear_probe"], X, X[:, 0] + rng.normal(size=60), n_resamples=5)
    assert 0 < found.value < found.high < 1


def test_a_value_that_is_not_defined_is_told():
    rows = np.random.default_rng(0).normal(size=(30, 2))
    with pytest.raises(ValueError, match="cka is not defined on these rows; give more rows, or rows that differ"):
        measure_interval(MEASURES["cka"], rows, np.ones((30, 2)), n_resamples=2)
    lone = np.zeros((30, 1))
    lone[3] = 1.0
    with pytest.raises(ValueError, match=r"cka is not defined on \d+ of 20 halves of the rows"):
        measure_interval(MEASURES["cka"], rows, lone, n_resamples=20, parameters={"unbiased": False})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: measure_interval(np.mean, np.ones((20, 1))), "mean carries no facts of a measure; give one of"),
        (lambda: measure_interval(mmd, np.ones((20, 1))), "mmd takes 2 data arguments .features., but 1 were given"),
        (lambda: measure_interval(mmd, np.ones((9, 1)), np.ones((20, 1))), "data argument 1 has 9 rows; an interval needs 10"),
        (
            lambda: measure_interval(logme, np.ones((20, 1)), np.ones(19)),
            "argument 1 has 20 rows, but 2, of the same rows, has 19",
        ),
        (lambda: measure_interval(label_shift, [None] * 20 + [1], [1] * 20), "data argument 1 has 1 rows"),
        (lambda: measure_interval(mmd, np.ones((20, 1)), np.ones((20, 1)), confidence=95), "confidence is 95; give a number"),
        (lambda: measure_interval(mmd, np.ones((20, 1)), np.ones((20, 1)), n_resamples=1), "n_resamples is 1; give"),
        (lambda: measure_interval(mmd, np.ones((20, 1)), np.full((20, 1), np.nan)), "X_target holds NaN"),
    ],
)
def test_bad_input_is_told_in_one_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()
