"""Paired differences against naive loops, against known quantiles, and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sterna.verdict import Interval, _statistics, compare_paired
from sterna.verdict._statistics import critical_value, power_analysis


def make_folds(rng, n_rows, n_repeats, n_folds=5):
    """A partition of the rows into folds for each repeat."""
    return np.stack([rng.permutation(np.arange(n_rows) % n_folds) for _ in range(n_repeats)], axis=1)


def naive(gains, folds):
    """Mean, variance and degrees of freedom of each comparison by loops over the formulas of the docstring."""
    kept = [i for i in range(gains.shape[0]) if not np.isnan(gains[i, :, 0]).all()]
    n, n_repeats, n_comparisons = len(kept), gains.shape[1], gains.shape[2]
    n_models = n_repeats * (int(folds[kept].max()) + 1)
    means, variances, freedoms = [], [], []
    for c in range(n_comparisons):
        row_mean = {}
        for i in kept:
            seen = [gains[i, r, c] for r in range(n_repeats) if not np.isnan(gains[i, r, c])]
            row_mean[i] = sum(seen) / len(seen)
        mean = sum(row_mean.values()) / n
        rows = sum((row_mean[i] - mean) ** 2 for i in kept) / (n - 1) / n
        by_model, single = {}, 0.0
        for i in kept:
            seen = [r for r in range(n_repeats) if not np.isnan(gains[i, r, c])]
            for r in seen:
                if len(seen) > 1:
                    part = (gains[i, r, c] - row_mean[i]) * np.sqrt(len(seen) / (len(seen) - 1)) / (n * len(seen))
                    by_model[r, folds[i, r]] = by_model.get((r, folds[i, r]), 0.0) + part
                    single += part**2
        models = max(sum(part**2 for part in by_model.values()) - single, 0.0)
        if n_repeats == 1:  # the variance between folds, as far as it is more than that between rows
            names = sorted({int(folds[i, 0]) for i in kept})
            sums = [sum(row_mean[i] - mean for i in kept if folds[i, 0] == k) for k in names]
            between = sum(value**2 for value in sums) / n**2 * len(names) / (len(names) - 1)
            models, n_models = max(between - rows, 0.0), len(names)
        means.append(mean)
        variances.append(rows + models)
        total = rows + models
        shares = (rows / total, models / total) if total > 0 else (1.0, 0.0)
        freedoms.append(1 / (shares[0] ** 2 / (n - 1) + shares[1] ** 2 / (n_models // 2)))
    return np.array(means), np.array(variances), min(freedoms)


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("n_repeats", [1, 2, 5])
def test_against_naive_loops(missing, n_repeats):
    rng = np.random.default_rng(n_repeats)
    folds = make_folds(rng, 37, n_repeats)
    gains = rng.normal(size=(37, n_repeats, 1)) + rng.normal(size=(37, 1, 1)) + 0.3
    gains[rng.random(gains.shape) < missing] = np.nan
    means, variances, freedom = naive(gains, folds)
    result = compare_paired(gains, folds)
    assert result.standard_errors == pytest.approx(np.sqrt(variances), rel=1e-12)
    assert result.critical_value == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-9)
    interval = result.intervals[0]
    half = result.critical_value * np.sqrt(variances[0])
    assert [interval.mean, interval.low, interval.high] == pytest.approx([means[0], means[0] - half, means[0] + half])


def test_several_comparisons_have_the_errors_of_each_alone_and_one_wider_critical_value():
    rng = np.random.default_rng(3)
    folds = make_folds(rng, 40, 4)
    gains = rng.normal(size=(40, 4, 3)) * [1.0, 5.0, 0.2]
    together = compare_paired(gains, folds)
    means, variances, freedom = naive(gains, folds)
    np.testing.assert_allclose(together.standard_errors, np.sqrt(variances), rtol=1e-12)
    np.testing.assert_allclose([interval.mean for interval in together.intervals], means, rtol=1e-12)
    alone = stats.t.ppf(0.975, freedom)
    bonferroni = stats.t.ppf(1 - 0.025 / 3, freedom)
    assert alone < together.critical_value < bonferroni * 1.02


def test_one_repeat_is_the_paired_t_interval_where_the_folds_do_not_differ():
    rng = np.random.default_rng(0)
    values = np.tile(rng.normal(0.2, 1.0, size=(6, 1)), (1, 5))  # every fold has the same six values
    result = compare_paired(values.reshape(30, 1, 1), np.tile(np.arange(5), 6)[:, None])
    expected = stats.ttest_1samp(values.ravel(), 0.0).confidence_interval(0.95)
    assert [result.intervals[0].low, result.intervals[0].high] == pytest.approx([expected.low, expected.high])


def test_one_repeat_covers_what_the_models_of_a_split_have_in_common():
    """Each fold's model has an error of its own; the paired t interval misses the truth (0) in a third of such runs."""
    rng = np.random.default_rng(0)
    missed, missed_by_t = 0, 0
    for _ in range(400):
        folds = make_folds(rng, 40, 1)
        values = 0.5 * rng.normal(size=5)[folds[:, 0]] + rng.normal(size=40)
        interval = compare_paired(values[:, None, None], folds).intervals[0]
        missed += not interval.low <= 0 <= interval.high
        missed_by_t += stats.ttest_1samp(values, 0.0).pvalue < 0.05
    assert missed <= 0.09 * 400 < missed_by_t


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_independent_comparisons_are_corrected_as_sidak(confidence):
    n_comparisons = 6
    parts = np.eye(n_comparisons)
    measured = critical_value(parts, np.ones(n_comparisons), 1e7, confidence)
    sidak = stats.norm.ppf((1 + confidence ** (1 / n_comparisons)) / 2)
    assert measured == pytest.approx(sidak, rel=0.015)


def test_identical_comparisons_cost_nothing():
    rng = np.random.default_rng(0)
    folds = make_folds(rng, 50, 3)
    gains = np.repeat(rng.normal(size=(50, 3, 1)), 5, axis=2)
    five, one = compare_paired(gains, folds), compare_paired(gains[:, :, :1], folds)
    assert five.critical_value == pytest.approx(one.critical_value, rel=0.02)


def test_opposite_comparisons_cost_nothing():
    parts = np.random.default_rng(0).normal(size=(50, 1)) * [1.0, -1.0]
    errors = np.sqrt((parts**2).sum(axis=0))
    assert critical_value(parts, errors, 30.0, 0.95) == pytest.approx(stats.t.ppf(0.975, 30.0), rel=0.02)


def test_no_comparison_at_all():
    result = compare_paired(np.empty((10, 2, 0)), np.zeros((10, 2), dtype=int))
    assert result.intervals == []
    assert len(result.standard_errors) == 0


@pytest.mark.parametrize(("resolution", "expected"), [(0.0, 0.0), (0.05, 0.05)])
def test_no_difference_is_no_evidence(resolution, expected):
    result = compare_paired(np.zeros((20, 3, 2)), make_folds(np.random.default_rng(0), 20, 3), resolution=resolution)
    for interval in result.intervals:
        assert interval.mean == 0.0
        assert interval.word == "no evidence"
        assert interval.high == -interval.low == pytest.approx(result.critical_value * expected)
    assert result.standard_errors == pytest.approx([expected, expected])


def test_a_difference_under_the_resolution_is_not_told_from_none():
    """One row of twenty better in each repeat, all others equal: a paired t test of the rows has the same answer."""
    gains = np.zeros((20, 3, 1))
    gains[4] = 1.0
    result = compare_paired(gains, make_folds(np.random.default_rng(0), 20, 3), resolution=1 / 20)
    assert result.intervals[0].mean == pytest.approx(0.05)
    assert result.intervals[0].word == "no evidence"


def test_rows_never_evaluated_do_not_count():
    rng = np.random.default_rng(0)
    folds = make_folds(rng, 30, 3)
    gains = rng.normal(size=(30, 3, 2))
    gains[20:] = np.nan
    some, alone = compare_paired(gains, folds), compare_paired(gains[:20], folds[:20])
    assert some.intervals == alone.intervals


def test_shifting_and_scaling_the_gains():
    rng = np.random.default_rng(0)
    folds = make_folds(rng, 30, 3)
    gains = rng.normal(size=(30, 3, 2))
    before, after = compare_paired(gains, folds), compare_paired(7 * gains + 3, folds)
    for old, new in zip(before.intervals, after.intervals, strict=True):
        assert [new.mean, new.low, new.high] == pytest.approx([7 * old.mean + 3, 7 * old.low + 3, 7 * old.high + 3])


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 25), st.integers(1, 4), st.integers(1, 3), st.integers(0, 10**6))
def test_intervals_hold_their_means_and_mirror_when_the_sides_are_swapped(n_rows, n_repeats, n_comparisons, seed):
    rng = np.random.default_rng(seed)
    folds = make_folds(rng, n_rows, n_repeats, n_folds=3)
    gains = rng.choice([-1.0, 0.0, 1.0], size=(n_rows, n_repeats, n_comparisons))
    result, mirrored = compare_paired(gains, folds, resolution=1 / n_rows), compare_paired(-gains, folds, resolution=1 / n_rows)
    opposite = {"helps": "hurts", "hurts": "helps", "no evidence": "no evidence"}
    for interval, other in zip(result.intervals, mirrored.intervals, strict=True):
        assert interval.low <= interval.mean <= interval.high
        assert [other.low, other.high] == pytest.approx([-interval.high, -interval.low])
        assert other.word == opposite[interval.word]


def test_words():
    assert Interval(1.0, 0.1, 2.0).word == "helps"
    assert Interval(-1.0, -2.0, -0.1).word == "hurts"
    assert Interval(1.0, 0.0, 2.0).word == "no evidence"
    assert Interval(-1.0, -2.0, 0.0).word == "no evidence"


def simulate(rng, n_rows, n_repeats, n_comparisons, model_sd, noise_sd, binary):
    """Gains with mean 0: a part of the row, a part of the model (shared by a fold in a repeat), and noise."""
    folds = make_folds(rng, n_rows, n_repeats)
    rows = rng.normal(size=(n_rows, 1, n_comparisons))
    models = model_sd * rng.normal(size=(n_repeats, 5, n_comparisons))
    gains = rows + models[np.arange(n_repeats), folds] + noise_sd * rng.normal(size=(n_rows, n_repeats, n_comparisons))
    return (np.where(np.abs(gains) > 1.3, np.sign(gains), 0.0) if binary else gains), folds


@pytest.mark.parametrize(
    ("n_rows", "n_repeats", "n_comparisons", "model_sd", "noise_sd", "binary"),
    [
        (30, 5, 1, 0.0, 0.0, False),  # rows alone: the paired t test
        (30, 5, 1, 0.5, 0.5, False),
        (30, 5, 1, 2.0, 0.0, False),  # the seed and the split decide
        (30, 1, 1, 0.0, 1.0, False),
        (100, 3, 8, 0.3, 0.3, False),
        (30, 5, 8, 1.0, 1.0, False),
        (40, 5, 6, 0.3, 0.5, True),  # as accuracy: -1, 0, 1
    ],
)
def test_coverage(n_rows, n_repeats, n_comparisons, model_sd, noise_sd, binary, monkeypatch):
    """All intervals hold the true difference, 0, in about 95 % of the runs, and in no setting far less often."""
    monkeypatch.setattr(_statistics, "N_DRAWS", 4000)
    rng = np.random.default_rng(5)
    n_runs, missed = 400, 0
    for _ in range(n_runs):
        gains, folds = simulate(rng, n_rows, n_repeats, n_comparisons, model_sd, noise_sd, binary)
        result = compare_paired(gains, folds, resolution=1 / n_rows if binary else 0.0)
        missed += any(not interval.low <= 0 <= interval.high for interval in result.intervals)
    assert stats.binomtest(missed, n_runs, 0.06, alternative="greater").pvalue > 0.001, f"{missed} of {n_runs} missed"
    assert missed / n_runs > 0.003, f"far too wide: {missed} of {n_runs} missed"


def test_power_analysis_is_consistent_with_itself():
    power = power_analysis(0.04, 2.5, 60, smallest=0.05)
    reach = (2.5 + stats.norm.ppf(0.8)) * 0.04
    assert power["detectable"] == pytest.approx(reach)
    curve = {point["n_labels"]: point["detectable"] for point in power["curve"]}
    assert curve[60] == pytest.approx(reach)
    assert curve[240] == pytest.approx(reach / 2)
    assert curve[power["n_labels"]] == pytest.approx(0.05, rel=0.01)
    assert curve[power["n_labels"]] <= 0.05
    assert list(curve) == sorted(curve)
    assert power["smallest_difference"] == 0.05


def test_power_analysis_needs_no_more_labels_where_the_difference_shows_already():
    power = power_analysis(0.001, 2.0, 100, smallest=0.05)
    assert power["n_labels"] < 100
    assert power["detectable"] < 0.05


def test_power_by_simulation():
    """At `n_labels` rows a true difference of the smallest size is shown in about 80 % of the runs."""
    rng = np.random.default_rng(0)
    pilot = compare_paired(rng.normal(size=(400, 1, 1)), make_folds(rng, 400, 1))
    power = power_analysis(float(pilot.standard_errors[0]), pilot.critical_value, 400, smallest=0.25)
    shown = 0
    for _ in range(400):
        gains = 0.25 + rng.normal(size=(power["n_labels"], 1, 1))
        shown += compare_paired(gains, make_folds(rng, len(gains), 1)).intervals[0].word == "helps"
    assert 0.72 < shown / 400 < 0.88
