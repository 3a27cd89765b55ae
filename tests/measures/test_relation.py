import numpy as np
import pytest
from scipy.stats import kstest

from sterna.measures._agreeing_directions import agreeing_directions, least_different
from sterna.measures._axis_test import axis_p_value
from sterna.measures._class_sets import class_sets, estimated_class_sets
from sterna.measures._column_map import rescaled, turned
from sterna.measures._common_subspace import association_p_value, common_subspace
from sterna.measures._given_features import independence_p_value, left_out_residuals, same_given_features
from sterna.measures._given_label import same_given_label
from sterna.measures._permutations import least_p_value, permutation_p_value
from sterna.measures._relation import label_weight, regressions_differ
from sterna.measures._source_model import Seen, estimated_shares, with_shares


def test_equals_the_textbook_f_test_where_the_variance_is_the_same():
    """Against the Chow test by sums of squares, of the model with and without interactions."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        X = [np.column_stack([np.ones(n), rng.normal(size=n)]) for n in (400, 300)]
        y = [X[0] @ [1.0, 2.0] + rng.normal(size=400), X[1] @ [1.0, 2.15] + rng.normal(size=300)]
        rest = [np.sum((b - a @ np.linalg.lstsq(a, b, rcond=None)[0]) ** 2) for a, b in zip(X, y, strict=True)]
        stack, response = np.vstack(X), np.concatenate(y)
        pooled = np.sum((response - stack @ np.linalg.lstsq(stack, response, rcond=None)[0]) ** 2)
        from scipy.stats import f

        chow = f.sf(((pooled - sum(rest)) / 2) / (sum(rest) / 696), 2, 696)
        assert regressions_differ(y[0], X[0], y[1], X[1]) == pytest.approx(chow, abs=0.05)


@pytest.mark.parametrize("n_target", [20, 200])
def test_p_values_hold_their_level_with_unequal_variance(n_target):
    p_values = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        X = [np.column_stack([np.ones(n), rng.normal(size=n)]) for n in (200, n_target)]
        y = [part.sum(axis=1) + scale * rng.normal(size=len(part)) for part, scale in zip(X, (1.0, 3.0), strict=True)]
        p_values.append(regressions_differ(y[0], X[0], y[1], X[1]))
    assert np.mean(np.array(p_values) <= 0.05) <= 0.085
    assert kstest(p_values, "uniform").pvalue > 0.001


def test_weights_take_a_bend_out_that_the_straight_line_misses():
    """One parabola, seen at different places: straight lines differ, weighted ones do not."""
    rng = np.random.default_rng(0)
    x = [rng.normal(size=4000), rng.normal(size=400) + 1]
    y = [part**2 + 0.1 * rng.normal(size=len(part)) for part in x]
    design = [np.column_stack([np.ones(len(part)), part]) for part in x]
    weight = np.exp(x[0] - 0.5)
    assert regressions_differ(y[0], design[0], y[1], design[1]) < 1e-6
    assert regressions_differ(y[0], design[0], y[1], design[1], weight / weight.mean()) > 0.01


def test_too_little_to_tell_is_one():
    ones = np.ones((3, 1))
    assert regressions_differ(np.arange(3.0), ones, np.arange(3.0) + 9, ones) == 1.0
    assert regressions_differ(np.zeros(50), np.ones((50, 1)), np.zeros(50), np.ones((50, 1))) == 1.0


def test_label_weights_give_the_targets_labels():
    rng = np.random.default_rng(0)
    source, target = rng.choice(3, 1000, p=[0.6, 0.3, 0.1]), rng.choice(3, 2000, p=[0.2, 0.3, 0.5])
    weight = label_weight(source, target, 3)
    shares = np.bincount(source, weights=weight) / weight.sum()
    np.testing.assert_allclose(shares, np.bincount(target) / 2000, atol=0.002)
    source, target = rng.normal(size=4000), 0.8 * rng.normal(size=4000) + 0.5
    weight = label_weight(source, target, None)
    assert np.average(source, weights=weight) == pytest.approx(0.5, abs=0.06)


def test_shares_are_found_without_labels():
    """Two Gaussians one apart on each side, shares 0.5 in the source and 0.2 in the target."""
    rng = np.random.default_rng(0)
    y = rng.random(5000) < 0.2
    x = rng.normal(size=5000) + np.where(y, 1.0, -1.0)
    chance = 1 / (1 + np.exp(-2 * x))
    seen, even = Seen(np.column_stack([1 - chance, chance]), x[:, None]), np.array([0.5, 0.5])
    assert estimated_shares(seen, even)[1] == pytest.approx(0.2, abs=0.03)
    exact = 0.2 * np.exp(-((x - 1) ** 2) / 2) / (0.2 * np.exp(-((x - 1) ** 2) / 2) + 0.8 * np.exp(-((x + 1) ** 2) / 2))
    np.testing.assert_allclose(with_shares(seen, even, np.array([0.8, 0.2])).predicted[:, 1], exact)


def test_left_out_residuals_are_those_of_a_fit_without_the_row():
    """Against a ridge regression on explicit Nyström features, fitted once a row, at the width and penalty that err least."""
    from sklearn.linear_model import Ridge
    from sklearn.metrics.pairwise import euclidean_distances

    from sterna.measures._given_features import PENALTIES, WIDTHS

    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 2))
    y, centres = np.sin(2 * X[:, :1]) + 0.1 * rng.normal(size=(40, 1)), X[:12]
    between = euclidean_distances(centres)
    middle = np.median(between[np.triu_indices(12, 1)] ** 2)
    losses = []
    for width in WIDTHS:
        kernels = [np.exp(-(euclidean_distances(A, centres) ** 2) / (2 * middle * width**2)) for A in (X, centres)]
        values, vectors = np.linalg.eigh(kernels[1])
        features = kernels[0] @ vectors[:, values > 1e-6 * values[-1]] / np.sqrt(values[values > 1e-6 * values[-1]])
        features -= features.mean(axis=0)
        for penalty in PENALTIES:
            left = []
            for i in range(40):
                rows = np.arange(40) != i
                # centred features and response with a free intercept: what leaving out a centred row amounts to
                left.append(y[i, 0] - Ridge(alpha=penalty).fit(features[rows], y[rows]).predict(features[i : i + 1])[0])
            losses.append(np.array(left).ravel())
    best = min(losses, key=lambda left: np.mean(left**2))
    np.testing.assert_allclose(left_out_residuals(X, centres, [y])[0][:, 0], best, atol=0.02)


def test_the_independence_test_is_the_largest_of_random_signs():
    rng = np.random.default_rng(0)
    label, domain, weights = rng.normal(size=(60, 2)), rng.normal(size=60), np.column_stack([np.ones(60), rng.normal(size=60)])
    products = np.stack([label[:, a] * domain * weights[:, b] for a in range(2) for b in range(2)])
    products /= np.sqrt((products**2).sum(axis=1, keepdims=True))
    drawn = [np.abs(products @ rng.choice([-1.0, 1.0], 60)).max() for _ in range(4000)]
    expected = np.mean(np.array(drawn) >= np.abs(products.sum(axis=1)).max())
    assert independence_p_value(label, domain, weights, np.random.RandomState(0)) == pytest.approx(expected, abs=0.05)
    assert independence_p_value(np.zeros((9, 1)), np.ones(9), np.ones((9, 1)), np.random.RandomState(0)) == 1.0


def test_covariate_shift_of_a_bent_relation_holds_the_level_and_another_relation_is_seen():
    p_values = {0.0: [], 0.8: []}
    for seed in range(20):
        rng = np.random.default_rng(seed)
        Xs, Xt = rng.normal(size=(200, 2)), rng.normal(size=(150, 2)) + [1.0, 0.0]
        for change, found in p_values.items():
            ys, yt = np.sin(2 * Xs[:, 0]), np.sin(2 * Xt[:, 0]) + change * Xt[:, 1]
            ys, yt = (y + 0.5 * rng.normal(size=len(y)) for y in (ys, yt))
            found.append(same_given_features(Xs, ys, Xt, yt, None, np.arange(2), np.random.RandomState(seed))[0])
    assert sum(p <= 0.0125 for p in p_values[0.0]) <= 3
    assert sum(p <= 0.0125 for p in p_values[0.8]) >= 18


def test_rows_without_a_counterpart_are_not_comparable():
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(150, 2)), rng.normal(size=(150, 2)) + [9.0, 0.0]]
    y = [part[:, 0] > part[:, 0].mean() for part in X]
    _, apart = same_given_features(X[0], y[0] * 1, X[1], y[1] * 1, 2, np.arange(2), np.random.RandomState(0))
    _, mixed = same_given_features(X[0], y[0] * 1, X[0][::-1], y[0][::-1] * 1, 2, np.arange(2), np.random.RandomState(0))
    assert apart < 10
    assert mixed > 250


def test_label_shift_keeps_rows_of_one_class_alike_exactly():
    """Permuting within classes: p-values hold their level although the shares differ as 5 to 1."""
    p_values, power = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        y = [rng.choice(2, n, p=p) for n, p in ((80, [0.5, 0.5]), (60, [0.9, 0.1]))]
        X = [part[:, None] * 3.0 + rng.normal(size=(len(part), 2)) for part in y]
        p_values.append(same_given_label(X[0], y[0], X[1], y[1], True, np.random.RandomState(seed)))
        power.append(same_given_label(X[0], y[0], X[1] + 1.0, y[1], True, np.random.RandomState(seed)))
    assert np.mean(np.array(p_values) <= 0.1) <= 0.2  # 13 of 60 or more by chance in 1 of 100 cases
    assert np.mean(np.array(p_values) <= 0.5) <= 0.65
    assert np.mean(np.array(power) <= 0.0125) > 0.95
    none = np.random.RandomState(0)
    assert same_given_label(X[0], y[0], X[1], y[1] + 5, True, none) is None


def test_numbers_are_compared_at_the_same_label():
    rng = np.random.default_rng(0)
    y = [rng.normal(size=300), 0.6 * rng.normal(size=200) + 0.5]
    X = [part[:, None] + 0.5 * rng.normal(size=(len(part), 2)) for part in y]
    assert same_given_label(X[0], y[0], X[1], y[1], False, np.random.RandomState(0)) > 0.01
    assert same_given_label(X[0], y[0], X[1] * [-1, 1], y[1], False, np.random.RandomState(0)) < 0.01


def test_columns_are_rescaled_as_if_the_target_had_the_sources_labels():
    """x = 4 y + noise, then 3 x + 5; the shares of the label differ, which the map does not take for a scale."""
    rng = np.random.default_rng(0)
    y = [rng.choice(2, 4000, p=p) for p in ([0.5, 0.5], [0.9, 0.1])]
    X = [4.0 * part[:, None] + rng.normal(size=(4000, 1)) for part in y]
    rows = np.arange(4000)
    known = rescaled(X[0], y[0], 3 * X[1] + 5, rows, y[1], 2)
    np.testing.assert_allclose(known, X[1], atol=0.3)


@pytest.mark.parametrize("n_classes", [None, 2])
def test_only_columns_that_go_the_other_way_are_turned(n_classes):
    rng = np.random.default_rng(0)
    y = rng.normal(size=300) if n_classes is None else np.arange(300) % 2
    X = y[:, None] * [1.0, 2.0] + 0.1 * rng.normal(size=(300, 2))
    back = turned(X, y, X * [-1, 1] + [2 * X[:, 0].mean(), 0], np.arange(300), y, n_classes)
    np.testing.assert_allclose(back, X, atol=1e-9)


def test_the_common_subspace_is_the_one_that_was_made():
    """The second column tells the class the other way round in the target, the first as in the source."""
    rng = np.random.default_rng(0)
    y = [np.arange(n) % 2 for n in (300, 200)]
    X = [
        np.column_stack([2.0 * part, 3.0 * part * sign]) + rng.normal(size=(len(part), 2))
        for part, sign in zip(y, (1, -1), strict=True)
    ]
    found = common_subspace(X[0], y[0], X[1], y[1], 2, 0.0125, np.random.RandomState(0))
    assert found.n_dimensions == 1
    assert found.p_same > 0.0125
    assert max(found.p_better, found.p_informative) < 0.001
    assert found.error == pytest.approx(0.16, abs=0.08)  # half the distance, 1, is exceeded by Gaussian noise in 16 %
    assert common_subspace(X[0][:, :1], y[0], X[1][:, :1], y[1], 2, 0.0125, np.random.RandomState(0)) is None


@pytest.mark.parametrize("n_classes", [None, 3])
def test_the_association_of_predictions_is_tested_as_permutations_do(n_classes):
    rng = np.random.default_rng(0)
    y = rng.normal(size=80) if n_classes is None else rng.integers(3, size=80)
    tells = 0.15 * y[:, None] if n_classes is None else 0.2 * (y[:, None] == np.arange(3))
    predicted = tells + rng.normal(size=(80, n_classes or 1))

    def agreement(labels):
        return predicted[:, 0] @ labels if n_classes is None else predicted[np.arange(80), labels].sum()

    drawn = [agreement(rng.permutation(y)) for _ in range(20000)]
    assert association_p_value(predicted, y, n_classes) == pytest.approx(np.mean(np.array(drawn) >= agreement(y)), abs=0.01)


def test_what_does_not_vary_has_no_association():
    y = np.arange(40) % 2
    assert association_p_value(np.full((40, 2), 0.3), y, 2) == 1.0
    assert association_p_value(np.random.default_rng(0).random((40, 2)), np.zeros(40, dtype=int), 2) == 1.0
    assert association_p_value(np.eye(2)[1 - y], y, 2) > 0.999  # the wrong way round


def test_the_least_of_several_p_values_is_corrected_by_the_permutations_themselves():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 200))
    shares = np.array([[np.mean(values >= value) for value in values] for values in (one, other)]).min(axis=0)
    assert least_p_value([one, other]) == np.mean(shares <= shares[0])
    assert least_p_value([one]) == permutation_p_value(one)
    assert least_p_value([one, 2 * one, one]) == permutation_p_value(one)  # what tells the same costs nothing
    assert least_p_value([np.zeros(200), one]) == permutation_p_value(one)
    p_values = [least_p_value(rng.normal(size=(3, 100))) for _ in range(400)]
    assert kstest(p_values, "uniform").pvalue > 0.01


def test_a_difference_that_correlated_columns_hide_is_seen_within_labels():
    """Distances are about twelve copies of a column; another column moves, along an axis of its own."""
    rng = np.random.default_rng(0)
    y = [np.arange(80) % 2, np.arange(80) % 2]
    X = [np.column_stack([np.repeat(rng.normal(size=(80, 1)), 12, axis=1), rng.normal(size=80)]) for _ in range(2)]
    assert same_given_label(X[0], y[0], X[1], y[1], True, np.random.RandomState(0)) > 0.05
    moved = X[1] + np.r_[np.zeros(12), 0.7]
    assert same_given_label(X[0], y[0], moved, y[1], True, np.random.RandomState(0)) < 0.01


def subspace_cost(V, gaps, spreads):
    n_features = gaps.shape[1]
    return sum(
        np.sum((V.T @ d) ** 2) + np.sum((V.T @ D @ V) ** 2) / (n_features + 1) for d, D in zip(gaps, spreads, strict=True)
    )


def test_directions_are_taken_away_by_what_they_cost():
    """The first step against the cost itself without each of the directions; and differences whose directions are known."""
    rng = np.random.default_rng(0)
    gaps = rng.normal(size=(2, 4))
    spreads = rng.normal(size=(2, 4, 4))
    spreads += spreads.transpose(0, 2, 1)
    basis = least_different(gaps, spreads)
    np.testing.assert_allclose(basis.T @ basis, np.eye(4), atol=1e-12)
    costs = [subspace_cost(basis[:, :k], gaps, spreads) for k in range(1, 5)]
    assert costs == sorted(costs)
    slope = gaps.T @ gaps + 2 * sum(D @ D for D in spreads) / 5
    left_out = [np.delete(np.linalg.eigh(slope)[1], i, axis=1) for i in range(4)]
    assert costs[2] == pytest.approx(min(subspace_cost(V, gaps, spreads) for V in left_out))
    along = np.array([3.0, 0.0, 4.0, 0.0]) / 5
    one = least_different(np.zeros((1, 4)), np.outer(along, along)[None])
    np.testing.assert_allclose(np.abs(one[:, -1]), np.abs(along), atol=1e-9)
    means = least_different(gaps, np.zeros((2, 4, 4)))
    np.testing.assert_allclose(gaps @ means[:, :2], 0, atol=1e-9)  # two means leave two directions


def test_directions_that_vary_with_a_changed_one_agree_all_the_same():
    """Columns 2 and 3 keep their places and go with the first two, which are turned round and moved; all six are then mixed."""
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(6, 6))
    y = [np.arange(n) % 2 for n in (400, 300)]
    parts = []
    for label, sign in zip(y, (1, -1), strict=True):
        X = rng.normal(size=(len(label), 6)) + label[:, None] * [2.0, 1.0, 1.5, 1.0, 0.0, 0.0]
        X[:, 2:4] += 0.8 * X[:, :2]
        X[:, :2] = sign * X[:, :2] + (1.0 if sign < 0 else 0.0)
        parts.append(X @ mix)
    coefficients = mix @ agreeing_directions(parts[0], y[0], parts[1], y[1])[:, :3]  # of the columns before they were mixed
    assert np.abs(coefficients[:2]).max() < 0.2 * np.abs(coefficients).max()


def test_means_along_an_axis_of_little_variance_are_seen():
    """Against the largest t-statistic with Bonferroni; the discrepancy by distances looks at the wide axis only."""
    from scipy.stats import ttest_ind

    from sterna.measures import mmd

    alike, p_values, bonferroni, distances = [], [], [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        Xs, Xt = (rng.normal(size=(n, 3)) * [8.0, 2.0, 2.0] for n in (80, 50))
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        alike.append(axis_p_value(Xs @ turn, Xt @ turn, np.random.RandomState(seed)))
        Xt[:, 1] += 1.6
        p_values.append(axis_p_value(Xs @ turn, Xt @ turn, np.random.RandomState(seed)))
        bonferroni.append(min(1.0, 3 * ttest_ind(Xs, Xt).pvalue.min()))
        distances.append(mmd(Xs, Xt, n_permutations=200, random_state=seed).p_value)
    assert np.mean(np.array(alike) <= 0.1) <= 0.25
    seen = [np.mean(np.array(p) <= 0.01) for p in (p_values, bonferroni, distances)]
    assert seen[0] == pytest.approx(seen[1], abs=0.13)
    assert seen[0] > seen[2] + 0.3
    assert axis_p_value(np.ones((5, 2)), np.ones((4, 2)), np.random.RandomState(0)) == 1.0


def test_a_class_is_absent_only_where_chance_would_not_miss_it():
    rng = np.random.RandomState(0)
    source = np.repeat([0, 1, 2], [50, 40, 10])
    assert class_sets(source, np.repeat([0, 1], [11, 9]), 3, 0.0125, rng) is None  # 0.9^20 = 0.12
    many = class_sets(source, np.repeat([0, 1], [110, 90]), 3, 0.0125, rng)
    assert (many.absent, many.new, many.seen) == ([2], [], True)
    both = class_sets(source[source < 2], np.repeat([0, 2], [90, 5]), 3, 0.0125, rng)
    assert (both.absent, both.new) == ([1], [2])
    assert class_sets(source, source[:0], 3, 0.0125, rng) is None
    old = np.array([0.5, 0.4, 0.1])
    assert estimated_class_sets(np.array([0.6, 0.4, 0.0]), old, 200).absent == [2]
    assert estimated_class_sets(np.array([0.6, 0.39, 0.01]), old, 200) is None
