import numpy as np
import pytest
from scipy import sparse
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from sterna.measures import domain_auc, js_divergence
from sterna.measures._domain_scores import aligned, auc_interval, domain_scores
from sterna.measures._pairs import fold_of_rows


def delong(low, high):
    """DeLong's variance of the area by placements, in plain loops."""
    of_high = [np.mean([(h > x) + 0.5 * (h == x) for x in low]) for h in high]
    of_low = [np.mean([(h > x) + 0.5 * (h == x) for h in high]) for x in low]
    return np.mean(of_high), np.var(of_high, ddof=1) / len(high) + np.var(of_low, ddof=1) / len(low)


@pytest.mark.parametrize("shift", [0.0, 0.5, 1.0])
def test_interval_is_delongs_times_the_root_of_two(shift):
    rng = np.random.default_rng(0)
    area, variance = delong(rng.normal(size=300), rng.normal(size=200) + shift)
    low, high = auc_interval(area, 300, 200, 0.95)
    assert high - low == pytest.approx(2 * norm.ppf(0.975) * np.sqrt(2 * variance), rel=0.08)
    assert low < area < high


def test_interval_at_the_ends_is_neither_empty_nor_outside():
    assert auc_interval(1.0, 80, 80, 0.95)[1] == 1.0
    assert 0.85 < auc_interval(1.0, 80, 80, 0.95)[0] < 0.99
    assert auc_interval(0.0, 80, 80, 0.95) == pytest.approx([1 - x for x in auc_interval(1.0, 80, 80, 0.95)[::-1]])
    assert auc_interval(1.0, 10, 10, 0.95)[0] < auc_interval(1.0, 80, 80, 0.95)[0]


def test_interval_covers_no_shift():
    """95 in 100; without the factor 2 it is 83 (and 6 or more of 50 then miss with probability below 1e-5)."""
    covered = []
    for seed in range(50):
        rng = np.random.default_rng(seed)
        auc = domain_auc(rng.normal(size=(60, 4)), rng.normal(size=(60, 4)), random_state=seed)
        covered.append(auc.low <= 0.5 <= auc.high)
    assert np.mean(covered) >= 0.9


def test_area_is_the_mean_over_folds_of_scores_held_out():
    rng = np.random.default_rng(0)
    scores = domain_scores(rng.normal(size=(70, 3)), rng.normal(size=(50, 3)) + 0.5, np.random.RandomState(0))
    by_fold = []
    for k in range(5):
        parts = scores.source[scores.source_fold == k], scores.target[scores.target_fold == k]
        by_fold.append(roc_auc_score(np.repeat([0, 1], [len(part) for part in parts]), np.concatenate(parts)))
    assert scores.auc() == pytest.approx(np.mean(by_fold))


def test_agrees_with_the_best_possible_area():
    """Two Gaussians one standard deviation apart: Phi(1 / sqrt 2)."""
    rng = np.random.default_rng(0)
    auc = domain_auc(rng.normal(size=(2000, 1)), rng.normal(size=(2000, 1)) + 1, random_state=0)
    assert auc.value == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=0.02)
    assert auc.low < norm.cdf(1 / np.sqrt(2)) < auc.high


def test_sees_what_a_linear_classifier_does_not():
    rng = np.random.default_rng(0)
    wide = domain_auc(rng.normal(size=(400, 2)), 3 * rng.normal(size=(400, 2)), random_state=0)
    assert wide.low > 0.7
    signs = rng.choice([-1.0, 1.0], size=(400, 1))
    crossed = np.hstack([signs, signs]) + 0.3 * rng.normal(size=(400, 2))
    signs = rng.choice([-1.0, 1.0], size=(400, 2)) + 0.3 * rng.normal(size=(400, 2))
    assert domain_auc(signs, crossed, random_state=0).low > 0.6


def test_wide_data_and_bounded_rows():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(50, 300)), rng.normal(size=(50, 300)) + 0.5
    assert domain_auc(source, target, random_state=0).value > 0.9
    source, target = rng.normal(size=(20000, 2)), rng.normal(size=(20000, 2)) + 1
    few = domain_auc(source, target, max_rows=200, random_state=0)
    assert few.high - few.low == pytest.approx(np.subtract(*auc_interval(few.value, 200, 200, 0.95)[::-1]))


def test_scale_of_a_column_does_not_matter():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(100, 3)), rng.normal(size=(100, 3)) + [1, 0, 0]
    factors = np.array([1e-6, 1e6, 1.0])
    plain, scaled = domain_auc(source, target, random_state=0), domain_auc(source * factors, target * factors, random_state=0)
    assert scaled.value == pytest.approx(plain.value, abs=1e-6)


def test_aligned_gives_mean_and_spread_and_keeps_constant_columns():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(50, 3)), 4 * rng.normal(size=(70, 3)) + 2
    other[:, 2] = 7.0
    moved = aligned(other, other, one)
    np.testing.assert_allclose(moved.mean(axis=0), one.mean(axis=0))
    np.testing.assert_allclose(moved.std(axis=0)[:2], one.std(axis=0)[:2])
    assert moved.std(axis=0)[2] == pytest.approx(0, abs=1e-12)


def test_alignment_takes_a_change_of_scale_out_but_not_of_shape():
    rng = np.random.default_rng(0)
    source, other_scale = rng.normal(size=(300, 2)), 5 * rng.normal(size=(300, 2)) + 3
    after = domain_scores(source, other_scale, np.random.RandomState(0), align=True)
    assert after.interval(0.95)[0] < 0.5 < after.interval(0.95)[1]
    two_heaps = rng.choice([-3.0, 3.0], size=(300, 2)) + 0.3 * rng.normal(size=(300, 2))
    assert domain_scores(source, two_heaps, np.random.RandomState(0), align=True).auc() > 0.8


@pytest.mark.parametrize("part", [200, 100, 30])
def test_rows_that_both_domains_hold_tell_nothing(part):
    X = np.random.default_rng(0).normal(size=(200, 3))
    areas = [float(domain_auc(X, np.random.default_rng(seed).permutation(X)[:part], random_state=seed)) for seed in range(5)]
    assert np.mean(areas) == pytest.approx(0.5, abs=0.05)
    assert float(domain_auc(np.repeat(X, 2, axis=0), X, random_state=0)) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("n_columns", [3, 100])
def test_exchanging_the_domains_changes_nothing(form, n_columns):
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(60, n_columns)), rng.normal(size=(80, n_columns)) * 1.2
    target[:20] = source[:20]
    pair = form(np.where(np.abs(source) > 0.5, source, 0)), form(np.where(np.abs(target) > 0.5, target, 0))
    for measure in (domain_auc, js_divergence):
        there, back = (float(measure(*order, random_state=0)) for order in (pair, pair[::-1]))
        assert there == pytest.approx(back, abs=1e-6)


def test_equal_rows_share_a_fold_and_folds_are_even():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(103, 2)), rng.normal(size=(57, 2))
    target[:30], source[100:] = source[:30], source[:3]
    folds = fold_of_rows(source, target, 5, 0)
    np.testing.assert_array_equal(folds[0][:30], folds[1][:30])
    np.testing.assert_array_equal(folds[0][100:], folds[0][:3])
    assert np.ptp(np.bincount(folds[0])) <= 1
    assert np.ptp(np.bincount(folds[1])) <= 1
    for one, other in zip(folds, fold_of_rows(target, source, 5, 0)[::-1], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("n_source", "n_target"), [(2, 2), (4, 3), (40, 60)])
def test_equal_rows_that_are_most_of_all_leave_no_fold_empty(n_source, n_target):
    folds = fold_of_rows(np.zeros((n_source, 1)), np.zeros((n_target, 1)), min(5, n_target), 0)
    for fold in folds:
        assert set(fold) == set(range(min(5, n_target)))


def test_a_category_is_learnt_from_its_copies():
    """Of shares 0.3 and 0.6 the best area is (1 + 0.6 - 0.3) / 2."""
    rng = np.random.default_rng(0)
    areas = [domain_auc(rng.random((150, 1)) < 0.3, rng.random((150, 1)) < 0.6, random_state=0).value for _ in range(10)]
    assert np.mean(areas) == pytest.approx(0.65, abs=0.04)
