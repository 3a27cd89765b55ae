from __future__ import annotations

import numpy as np
import pytest
from densratio import densratio
from sklearn.linear_model import Ridge

from sterna import CollapseWarning
from sterna.reweight import RuLSIF
from sterna.reweight._rulsif import _held_out_losses, _moments


def data(seed=0, n_source=80, n_target=60, d=2):
    rng = np.random.default_rng(seed)
    Xs, Xt = rng.normal(size=(n_source, d)), rng.normal(0.6, 0.7, size=(n_target, d))
    y = np.r_[Xs[:, 0], np.full(n_target, np.nan)]
    return Xs, Xt, (np.vstack([Xs, Xt]), y, np.repeat([1, -2], [n_source, n_target]))


def naive_theta(Xs, Xt, centers, sigma, lam, alpha):
    """Coefficients by loops over rows and centres, straight from the paper."""
    b = len(centers)
    k = lambda x: np.array([np.exp(-np.sum((x - c) ** 2) / (2 * sigma**2)) for c in centers])  # noqa: E731
    H, h = np.zeros((b, b)), np.zeros(b)
    for x in Xt:
        H += alpha * np.outer(k(x), k(x)) / len(Xt)
        h += k(x) / len(Xt)
    for x in Xs:
        H += (1 - alpha) * np.outer(k(x), k(x)) / len(Xs)
    return np.linalg.solve(H + lam * np.eye(b), h), H, h, k


@pytest.mark.parametrize("alpha", [0.0, 0.1, 0.5])
def test_equals_a_naive_loop(alpha):
    Xs, Xt, (X, y, sample_domain) = data()
    fixed = {"bandwidth": 0.8, "regularization": 0.05, "standardize": False, "n_centers": 20}
    model = RuLSIF(Ridge(), alpha=alpha, **fixed).fit(X, y, sample_domain=sample_domain)
    theta, H, h, k = naive_theta(Xs, Xt, model.centers_, 0.8, 0.05, alpha)
    np.testing.assert_allclose(model.theta_, theta, rtol=1e-7)
    ratio = np.array([max(0.0, k(x) @ theta) for x in Xs])
    np.testing.assert_allclose(model.weights_, ratio / ratio.mean(), rtol=1e-7)
    assert model.health_["pearson_divergence"] == pytest.approx(h @ theta - 0.5 * theta @ H @ theta - 0.5)


@pytest.mark.parametrize("alpha", [0.0, 0.1])
def test_equals_the_densratio_package(alpha):
    """All target rows are centres, so that both use the same; densratio sets negative coefficients to 0, not values."""
    Xs, Xt, (X, y, sample_domain) = data()
    model = RuLSIF(Ridge(), alpha=alpha, bandwidth=0.8, regularization=0.1, standardize=False, n_centers=60)
    model.fit(X, y, sample_domain=sample_domain)
    reference = densratio(
        Xt, Xs, method="RuLSIF", alpha=alpha, sigma_range=[0.8], lambda_range=[0.1], kernel_num=60, verbose=False
    )
    assert set(map(tuple, model.centers_)) == set(map(tuple, reference.kernel_info.centers))
    model.theta_ = np.maximum(model.theta_, 0)
    np.testing.assert_allclose(model._ratio(Xs), reference.compute_density_ratio(Xs), rtol=1e-6)


def test_held_out_losses_are_those_of_refitting_without_the_fold():
    Xs, Xt, _ = data(n_source=23, n_target=17)
    rng = np.random.default_rng(0)
    folds = [rng.integers(0, 3, 23), rng.integers(0, 3, 17)]
    centers, lambdas, alpha, sigma = Xt[:6], np.array([0.01, 1.0]), 0.2, 0.9
    found = _held_out_losses(_moments(Xs, Xt, centers, sigma, folds), lambdas, alpha)
    for lam, loss in zip(lambdas, found, strict=True):
        expected = 0.0
        for fold in range(3):
            theta, _, _, k = naive_theta(Xs[folds[0] != fold], Xt[folds[1] != fold], centers, sigma, lam, alpha)
            on_target = np.array([k(x) @ theta for x in Xt[folds[1] == fold]])
            on_source = np.array([k(x) @ theta for x in Xs[folds[0] == fold]])
            expected += alpha / 2 * np.mean(on_target**2) + (1 - alpha) / 2 * np.mean(on_source**2) - np.mean(on_target)
        assert loss == pytest.approx(expected / 3)


def test_cross_validation_takes_the_best_pair_of_the_grid():
    _, _, (X, y, sample_domain) = data(n_source=150, n_target=150)
    model = RuLSIF(Ridge(), random_state=0).fit(X, y, sample_domain=sample_domain)
    fixed = RuLSIF(Ridge(), bandwidth=model.bandwidth_, regularization=model.regularization_)
    fixed.fit(X, y, sample_domain=sample_domain)
    assert fixed.bandwidth_ == model.bandwidth_
    assert model.regularization_ < 10  # the domains differ, so that the flattest of fits is not the best


def test_finds_the_true_relative_ratio_of_gaussians():
    rng = np.random.default_rng(0)
    n, alpha = 3000, 0.1
    Xs, Xt = rng.normal(size=(n, 1)), rng.normal(1, 1, size=(n, 1))
    X, y = np.vstack([Xs, Xt]), np.r_[Xs[:, 0], np.full(n, np.nan)]
    model = RuLSIF(Ridge(), alpha=alpha).fit(X, y, sample_domain=np.repeat([1, -2], n))
    ratio = np.exp(Xs[:, 0] - 0.5)
    truth = ratio / (alpha * ratio + 1 - alpha)
    assert np.corrcoef(model.weights_, truth)[0, 1] > 0.98
    assert np.mean(np.abs(model.weights_ - truth / truth.mean())) < 0.1


def test_alpha_bounds_the_relative_ratio():
    _, _, (X, y, sample_domain) = data(n_source=400, n_target=400)
    sizes = []
    for alpha in (0.0, 0.1, 0.5):
        model = RuLSIF(Ridge(), alpha=alpha).fit(X, y, sample_domain=sample_domain)
        sizes.append(model.health_["effective_share"])
        if alpha:
            assert model._ratio((X - X.mean(axis=0)) / X.std(axis=0)).max() < 1.5 / alpha
    assert sizes[0] < sizes[1] < sizes[2]


def test_domains_far_apart_are_a_warning():
    rng = np.random.default_rng(0)
    X = np.vstack([rng.normal(0, 0.01, (100, 2)), rng.normal(500, 0.01, (100, 2))])
    y = np.r_[X[:100, 0], np.full(100, np.nan)]
    model = RuLSIF(Ridge(), bandwidth=0.01)
    with pytest.warns(CollapseWarning, match="no source row that resembles the target"):
        model.fit(X, y, sample_domain=np.repeat([1, -2], 100))
    np.testing.assert_array_equal(model.weights_, 1)
    assert model.health_["effective_sample_size"] == 0
    assert model.health_["pearson_divergence"] > 0.8 * (1 / 0.1 - 1) / 2


def test_blocks_of_rows_do_not_change_the_moments(monkeypatch):
    import sterna.reweight._rulsif as module

    _, _, (X, y, sample_domain) = data()
    whole = RuLSIF(Ridge(), random_state=0).fit(X, y, sample_domain=sample_domain).weights_
    monkeypatch.setattr(module, "blocks", lambda X, b: (slice(i, i + 7) for i in range(0, X.shape[0], 7)))
    np.testing.assert_allclose(
        RuLSIF(Ridge(), random_state=0).fit(X, y, sample_domain=sample_domain).weights_, whole, rtol=1e-8
    )
