"""Scores of held-out source rows under weights."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from sterna.select import dev, devn, effective_sample_size, importance_weighted_validation, importance_weights


def held_out(n=200, seed=0):
    """Rows of N(0, 1), a loss that grows with x, and the true ratio to N(0.7, 1)."""
    x = np.random.default_rng(seed).normal(size=n)
    return np.clip(x, 0, None), np.exp(0.7 * x - 0.245)


def dev_by_numpy(losses, weights):
    """Algorithm 1 as published, by covariance matrices."""
    weighted = weights * losses
    eta = -np.cov(weighted, weights)[0, 1] / np.var(weights, ddof=1)
    return np.mean(weighted) + eta * np.mean(weights) - eta


@pytest.mark.parametrize("scorer", [importance_weighted_validation, dev])
def test_true_ratios_give_the_loss_on_the_target(scorer):
    target = np.clip(np.random.default_rng(1).normal(loc=0.7, size=200_000), 0, None).mean()
    values = [-scorer(*held_out(seed=seed)) for seed in range(100)]
    assert np.mean(values) == pytest.approx(target, abs=0.03)


def test_the_control_variate_lowers_the_variance():
    plain = [np.mean(np.prod(held_out(seed=seed), axis=0)) for seed in range(200)]
    controlled = [-dev(*held_out(seed=seed)) for seed in range(200)]
    assert np.std(controlled) < 0.7 * np.std(plain)


def test_weighted_loss_by_hand():
    assert importance_weighted_validation([0.0, 1.0, 2.0], [1.0, 2.0, 1.0]) == pytest.approx(-1.0)


@pytest.mark.parametrize("scorer", [importance_weighted_validation, devn])
def test_the_scale_of_weights_does_not_matter(scorer):
    losses, weights = held_out()
    for scale in (1e-300, 1e-3, 1e3, 1e300):
        assert scorer(losses, scale * weights) == pytest.approx(scorer(losses, weights))


def test_dev_equals_the_published_form():
    losses, weights = held_out()
    assert dev(losses, weights) == pytest.approx(-dev_by_numpy(losses, weights))
    normalised = weights / weights.max()
    normalised += 1 - normalised.mean()
    assert devn(losses, weights) == pytest.approx(-dev_by_numpy(losses, normalised))


def test_dev_of_weights_of_mean_one_is_the_weighted_loss():
    losses, weights = held_out()
    weights = weights / weights.mean()
    assert dev(losses, weights) == pytest.approx(importance_weighted_validation(losses, weights))


def test_ratios_that_are_not_divided_by_their_mean():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(300, 1)), rng.normal(loc=1.0, size=(300, 1))
    raw, weights = importance_weights(source, target, normalized=False), importance_weights(source, target)
    assert weights == pytest.approx(raw / raw.mean())
    assert raw.mean() != pytest.approx(1.0, abs=1e-6)
    assert raw.max() <= 20


def test_weights_of_any_form_are_those_of_the_array():
    rng = np.random.default_rng(0)
    source, target = (np.where(np.abs(X) > 0.5, X, 0.0) for X in (rng.normal(size=(60, 2)), rng.normal(loc=1.0, size=(50, 2))))
    dense, thin = importance_weights(source, target), importance_weights(sparse.csr_array(source), sparse.csr_array(target))
    assert importance_weights(source.tolist(), pd.DataFrame(target)) == pytest.approx(dense)
    for form in (sparse.coo_array, sparse.csc_matrix):
        assert importance_weights(form(source), form(target)) == pytest.approx(thin)
    assert importance_weights(source, sparse.coo_array(target)) == pytest.approx(thin)
    assert importance_weights(sparse.coo_array(source[:1]), target.tolist()) == pytest.approx([1.0])


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (np.ones((5, 2)), np.ones((5, 3)), "X_source has 2 columns but X_target has 3; give the same features of both"),
        (sparse.coo_array(np.ones((5, 2))), [[1.0], [2.0]], "X_source has 2 columns but X_target has 1"),
        (np.ones((5, 2)), [[1.0, np.nan]] * 3, "X_target holds NaN or infinite values; impute them first"),
        ([["a", "b"]] * 3, np.ones((5, 2)), "X_source holds values that are no numbers"),
        ([1.0, 2.0], np.ones((5, 1)), r"X_source has the shape \(2,\); give \(n_samples, n_features\)"),
        (np.ones((0, 2)), np.ones((5, 2)), "X_source has 0 rows and 2 columns; give a row and a column or more"),
    ],
)
def test_rows_without_a_weight_get_a_sentence(source, target, message):
    with pytest.raises(ValueError, match=message):
        importance_weights(source, target)


@pytest.mark.parametrize("weights", [[0.3, 0.3, 0.3], [0.1 + 0.2, 0.3, 0.3]])
@pytest.mark.parametrize("scorer", [dev, devn])
def test_weights_that_do_not_vary_leave_nothing_to_correct(scorer, weights):
    weights = np.array(weights) / (np.max(weights) if scorer is devn else 1.0)
    assert scorer([0.0, 1.0, 5.0], weights) == pytest.approx(-weights[0] * 2)


def test_one_row():
    assert importance_weighted_validation([0.4], [3.0]) == pytest.approx(-0.4)
    assert dev([0.4], [1.0]) == devn([0.4], [5.0]) == pytest.approx(-0.4)


def test_no_loss_is_the_best_value():
    assert importance_weighted_validation([0, 0], [1, 2]) == dev([0, 0], [1, 2]) == devn([0, 0], [1, 2]) == 0.0


def test_dev_is_a_line_of_weighted_losses_over_weights_where_they_are_one():
    losses, weights = held_out()
    for scale in (0.3, 1.0, 4.0):
        line = np.polyfit(scale * weights, scale * weights * losses, 1)
        assert dev(losses, scale * weights) == pytest.approx(-np.polyval(line, 1.0))


def test_devn_adds_a_damped_covariance_to_the_loss_on_the_source():
    losses, weights = held_out()
    covariance = np.cov(weights, losses, ddof=0)[0, 1]
    assert devn(losses, weights) == pytest.approx(-losses.mean() - covariance / weights.max())
    assert -losses.mean() > devn(losses, weights) > importance_weighted_validation(losses, weights)


def test_one_huge_weight_does_not_decide_devn():
    losses, weights = held_out()
    losses[0], weights[0] = 5.0, 1e6
    assert importance_weighted_validation(losses, weights) == pytest.approx(-5.0, abs=0.01)
    assert devn(losses, weights) == pytest.approx(-losses.mean(), abs=0.05)


def test_extreme_weights_overflow_nowhere():
    losses, weights = held_out()
    assert np.isfinite(dev(losses, 1e200 * weights))
    slope = np.polyfit(weights, weights * losses, 1)[0]
    assert dev(losses, 1e-200 * weights) == pytest.approx(-slope)  # nothing is left but the correction


def test_effective_sample_size_by_variance():
    """The variance of a weighted mean of independent values, over that of one value, is one over the effective size."""
    weights = np.random.default_rng(0).exponential(size=50)
    values = np.random.default_rng(1).normal(size=(20_000, 50))
    assert 1 / np.average(values, axis=1, weights=weights).var() == pytest.approx(effective_sample_size(weights), rel=0.05)


@pytest.mark.parametrize(("weights", "size"), [([2.0] * 7, 7), ([0, 0, 1.0], 1), ([1e-300, 1e-300], 2), ([1e-200, 1.0], 1)])
def test_effective_sample_size_of_extremes(weights, size):
    assert effective_sample_size(weights) == pytest.approx(size)
