import numpy as np
import pytest
from scipy.stats import kstest

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
