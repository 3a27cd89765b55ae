"""DistributionWeightedCombination: posteriors of known Gaussians, priors of least error, rows sent to the right expert."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.svm import LinearSVC

from sterna.baselines import SourceOnly
from sterna.multisource import DistributionWeightedCombination
from sterna.multisource._distribution_weighted import fit_priors


def two_regions(seed, n=300, values=False, n_labelled=0):
    """Two sources four apart whose rules are opposite, and a target of rows like either's; the target's labels too."""
    rng = np.random.default_rng(seed)
    left = rng.random(3 * n) < 0.5
    domain = np.where(np.arange(3 * n) >= 2 * n, -3, np.where(left, 1, 2))
    X = rng.normal(size=(3 * n, 2))
    X[:, 1] += np.where(left, -2, 2)
    y = np.where(left, -3, 3) * X[:, 0] + rng.normal(size=3 * n)
    y = y if values else (y > 0).astype(float)
    truth = y[2 * n :].copy()
    y[2 * n + n_labelled :] = np.nan
    return X, y, domain, truth


@pytest.mark.parametrize("values", [False, True])
def test_the_target_is_a_mixture_of_sources_with_opposite_rules(values):
    base = Ridge() if values else None
    for seed in range(3):
        X, y, domain, truth = two_regions(seed, values=values)
        target = X[domain < 0]
        model = DistributionWeightedCombination(base).fit(X, y, sample_domain=domain)
        plain = SourceOnly(base).fit(X, y, sample_domain=domain)
        assert model.score(target, truth) > 0.75
        assert model.score(target, truth) > plain.score(target, truth) + 0.25
        assert model.health_["sharpness"] > 0.9


def test_weights_are_ratios_of_the_densities():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(0, 1, 3000), rng.normal(1, 1, 1000), rng.normal(0.5, 1, 50)])[:, None]
    domain = np.repeat([1, 2, -3], [3000, 1000, 50])
    y = np.where(domain == 1, -1.0, 1.0)
    y[domain < 0] = np.nan
    grid = np.linspace(-1, 2, 7)[:, None]
    first, second = norm.pdf(grid[:, 0]), norm.pdf(grid[:, 0], 1)
    for classifier in (None, LinearDiscriminantAnalysis()):  # balanced, and with the prior of the rows
        model = DistributionWeightedCombination(Ridge(), domain_classifier=classifier).fit(X, y, sample_domain=domain)
        np.testing.assert_allclose(model.predict(grid), (second - first) / (first + second), atol=0.05)


def test_priors_have_the_least_error_on_a_grid():
    rng = np.random.default_rng(0)
    densities, predictions = rng.random((40, 2)), rng.normal(size=(2, 40, 1))
    true = np.array([0.8, 0.2])
    q = densities * true / (densities @ true)[:, None]
    expected = np.einsum("nk,kno->no", q, predictions) + 0.1 * rng.normal(size=(40, 1))
    grid = np.linspace(0.01, 0.99, 981)
    errors = []
    for z in grid:
        mixed = [
            (z * densities[i, 0] * predictions[0, i, 0] + (1 - z) * densities[i, 1] * predictions[1, i, 0])
            / (z * densities[i, 0] + (1 - z) * densities[i, 1])
            for i in range(40)
        ]
        errors.append(np.mean((np.array(mixed) - expected[:, 0]) ** 2))
    assert fit_priors(densities, predictions, expected)[0] == pytest.approx(grid[np.argmin(errors)], abs=0.01)


def test_reversed_sources_are_named(three_sources):
    X, y, domain, new, truth = three_sources(0)
    other = (domain == 1) | (domain == 2)
    y[other] = 1 - y[other]
    model = DistributionWeightedCombination().fit(X, y, sample_domain=domain)
    assert model.health_["harmful_sources"] == [1, 2]
    assert model.score(new, truth) > 0.75
    assert SourceOnly().fit(X, y, sample_domain=domain).score(new, truth) < 0.5


def test_without_labels_priors_are_uniform_and_few_labels_train(three_sources):
    X, y, domain, _, _ = three_sources(0, n_labelled=4)
    model = DistributionWeightedCombination().fit(X, y, sample_domain=domain)
    assert model.health_["priors_from"] == "uniform"
    np.testing.assert_array_equal(model.priors_, np.full(3, 1 / 3))
    known = (domain == 1) | ((domain < 0) & ~np.isnan(y))
    np.testing.assert_allclose(model.experts_[0].coef_, LogisticRegression(max_iter=1000).fit(X[known], y[known]).coef_)


def test_a_base_without_probabilities_votes_and_far_rows_keep_finite(three_sources):
    X, y, domain, _, _ = three_sources(0)
    y[domain == 1] = 0  # one class
    model = DistributionWeightedCombination(LinearSVC()).fit(X.astype(np.float32), y, sample_domain=domain)
    assert not hasattr(model, "predict_proba")
    assert set(model.predict(1e6 * X)) <= {0.0, 1.0}
    proba = DistributionWeightedCombination().fit(X, y, sample_domain=domain).predict_proba(1e6 * X)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
