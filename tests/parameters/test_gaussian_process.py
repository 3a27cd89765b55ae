"""GaussianProcessTransfer against the model written out in numpy, scikit-learn's Gaussian process, and concept shift."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.stats import multivariate_normal
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct

from sterna.parameters import GaussianProcessTransfer
from sterna.parameters._coregionalisation import (
    Hyperparameters,
    Layout,
    exact_posterior,
    learn,
    marginal_likelihood,
    sparse_posterior,
)

H = Hyperparameters(
    rbf=0.8,
    linear=0.4,
    lengths=np.array([0.7, 1.5]),
    offset=0.3,
    noise=np.array([0.05, 0.02, 0.1]),
    amplitude=np.array([1.0, 1.4, 0.6]),
    correlation=np.array([1.0, 0.7, -0.4]),
)


def rows(seed=0, counts=(6, 9, 5)):
    rng = np.random.default_rng(seed)
    domain = np.repeat(np.arange(len(counts)), counts)
    return rng.normal(size=(len(domain), 2)), rng.normal(size=len(domain)), domain


def naive_covariance(h, A, of_a, B, of_b):
    """Entry by entry, from the definition of the model."""
    K = np.empty((len(A), len(B)))
    for i in range(len(A)):
        for j in range(len(B)):
            s, t = of_a[i], of_b[j]
            k = h.rbf * np.exp(-0.5 * np.sum(((A[i] - B[j]) / h.lengths) ** 2)) + h.linear * A[i] @ B[j] / A.shape[1]
            mixed = h.amplitude[s] * h.amplitude[t] * (1.0 if s == t else h.correlation[s] * h.correlation[t])
            K[i, j] = mixed * k + (h.offset if s == t else 0.0)
    return K


def naive_posterior(h, X, y, domain, new):
    K = naive_covariance(h, X, domain, X, domain) + np.diag(h.noise[domain])
    of_new = np.zeros(len(new), dtype=int)
    cross = naive_covariance(h, new, of_new, X, domain)
    variance = np.diag(naive_covariance(h, new, of_new, new, of_new) - cross @ np.linalg.solve(K, cross.T))
    return cross @ np.linalg.solve(K, y), np.sqrt(variance + h.noise[0])


def peer(h):
    """scikit-learn's kernel of one domain; columns are divided by the root of their number for the linear part."""
    return ConstantKernel(h.rbf) * RBF(h.lengths) + ConstantKernel(h.linear / 2) * DotProduct(0, "fixed")


class Raw:
    """Units that change nothing, for two columns and three domains."""

    center, scale, y_center, y_scale = np.zeros(2), np.ones(2), np.zeros(3), np.ones(3)


def test_marginal_likelihood_is_that_of_the_normal_distribution():
    X, y, domain = rows()
    K = naive_covariance(H, X, domain, X, domain) + np.diag(H.noise[domain])
    assert marginal_likelihood(H, X, y, domain)[0] == pytest.approx(multivariate_normal(cov=K).logpdf(y))


@pytest.mark.parametrize("ard", [True, False])
def test_gradient_equals_finite_differences(ard):
    X, y, domain = rows()
    layout = Layout(2, 3, ard, None)
    theta = layout.start(0.3) + 0.3 * np.random.default_rng(1).normal(size=len(layout.start(0.3)))
    theta[-2:] = 0.0, -0.6
    slope = approx_fprime(theta, lambda t: layout.objective(t, X, y, domain)[0], 1e-6)
    np.testing.assert_allclose(layout.objective(theta, X, y, domain)[1], slope, rtol=1e-3, atol=1e-4)


def test_posterior_equals_the_model_written_out():
    X, y, domain = rows()
    new = np.random.default_rng(2).normal(size=(7, 2))
    mean, deviation = naive_posterior(H, X, y, domain, new)
    everything = np.arange(len(X))
    for found in (exact_posterior(H, Raw, X, y, domain), sparse_posterior(H, Raw, X, y, domain, everything)):
        np.testing.assert_allclose(found.predict(new), mean, rtol=1e-4)
        np.testing.assert_allclose(found.predict_std(new), deviation, rtol=1e-4)


def test_inducing_rows_give_titsias_posterior():
    """By the plain formula: mean K_*u (K_uu + K_uf N^-1 K_fu)^-1 K_uf N^-1 y."""
    X, y, domain = rows()
    few = np.array([0, 3, 5, 7, 12, 16, 18])
    new = np.random.default_rng(2).normal(size=(7, 2))
    of_new = np.zeros(7, dtype=int)
    K_uu = naive_covariance(H, X[few], domain[few], X[few], domain[few])
    K_uf = naive_covariance(H, X[few], domain[few], X, domain)
    K_nu = naive_covariance(H, new, of_new, X[few], domain[few])
    S = K_uu + K_uf / H.noise[domain] @ K_uf.T
    found = sparse_posterior(H, Raw, X, y, domain, few)
    np.testing.assert_allclose(found.predict(new), K_nu @ np.linalg.solve(S, K_uf / H.noise[domain] @ y), rtol=1e-4)
    prior = np.diag(naive_covariance(H, new, of_new, new, of_new))
    variance = prior - np.diag(K_nu @ (np.linalg.inv(K_uu) - np.linalg.inv(S)) @ K_nu.T)
    np.testing.assert_allclose(found.predict_std(new), np.sqrt(variance + H.noise[0]), rtol=1e-4)


def test_correlation_0_is_the_target_alone():
    X, y, domain = rows()
    alone = domain == 0
    h = replace(H, offset=0.0, correlation=np.array([1.0, 0.0, 0.0]))
    model = GaussianProcessRegressor(peer(h), alpha=h.noise[0], optimizer=None).fit(X[alone], y[alone])
    mean, deviation = model.predict(X + 1, return_std=True)
    found = exact_posterior(h, Raw, X, y, domain)
    np.testing.assert_allclose(found.predict(X + 1), mean, rtol=1e-6)
    np.testing.assert_allclose(found.predict_std(X + 1) ** 2, deviation**2 + h.noise[0], rtol=1e-6)


def test_correlation_1_is_all_rows_pooled():
    """A source of another amplitude is one function in other units, its noise too."""
    X, y, domain = rows()
    h = replace(H, offset=0.0, correlation=np.ones(3))
    units = h.amplitude[domain]
    model = GaussianProcessRegressor(peer(h), alpha=h.noise[domain] / units**2, optimizer=None).fit(X, y / units)
    mean, deviation = model.predict(X + 1, return_std=True)
    found = exact_posterior(h, Raw, X, y, domain)
    np.testing.assert_allclose(found.predict(X + 1), mean, rtol=1e-6)
    np.testing.assert_allclose(found.predict_std(X + 1) ** 2, deviation**2 + h.noise[0], rtol=1e-6)


def test_without_domains_the_likelihood_reaches_scikit_learns():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 1))
    y = np.sin(2 * X[:, 0]) + 0.1 * rng.normal(size=60)
    X, y = (X - X.mean()) / X.std(), (y - y.mean()) / y.std()
    domain = np.zeros(60, dtype=int)
    layout = Layout(1, 1, False, None)
    h, result = learn(layout, X, y, domain, 200)
    assert result.success
    kernel = ConstantKernel(h.rbf) * RBF(h.lengths[0]) + ConstantKernel(h.linear, "fixed") * DotProduct(0, "fixed")
    model = GaussianProcessRegressor(kernel, alpha=h.noise[0] + 1e-12).fit(X, y)
    assert marginal_likelihood(replace(h, offset=0.0), X, y, domain)[0] > model.log_marginal_likelihood_value_ - 0.5


def curves(seed, correlation, n_source=120, n_target=12, n_test=200):
    """The target's function is `correlation` times the source's and a part of its own, at another level."""
    rng = np.random.default_rng(seed)
    n = n_source + n_target + n_test
    X = rng.uniform(-3, 3, size=(n, 2))
    shared, own = np.sin(2 * X[:, 0] + 1) + 0.5 * X[:, 1], np.cos(2 * X[:, 0] + 1) + 0.3 * X[:, 1] ** 2
    y = correlation * shared + np.sqrt(1 - correlation**2) * own + 3
    y[:n_source] = 2 * shared[:n_source]
    y += 0.1 * rng.normal(size=n)
    known = n_source + n_target
    return X[:known], y[:known], np.repeat([1, -2], [n_source, n_target]), X[known:], y[known:]


def errors(seed, correlation, **kwargs):
    X, y, sample_domain, X_new, y_new = curves(seed, correlation, **kwargs)
    models = [
        GaussianProcessTransfer().fit(X, y, sample_domain=sample_domain),
        *(GaussianProcessTransfer().fit(X[part], y[part]) for part in (sample_domain < 0, sample_domain > 0)),
    ]
    return models[0], [np.sqrt(np.mean((model.predict(X_new) - y_new) ** 2)) for model in models]


@pytest.mark.parametrize("correlation", [1.0, -1.0])
def test_learns_a_related_and_a_contrary_source(correlation):
    """The source's function doubled, at another level, or its opposite."""
    for seed in range(3):
        model, (transfer, target, source) = errors(seed, correlation)
        assert model.correlation_[0] * correlation > 0.95
        assert model.health_["amplitude"][1] == pytest.approx(2, rel=0.3)
        assert transfer < 0.5 * min(target, source)


def test_a_source_without_relation_loses_its_weight():
    found = [errors(seed, 0.0, n_source=60, n_target=40) for seed in range(5)]
    assert max(abs(model.correlation_[0]) for model, _ in found) < 0.4
    transfer, target, source = np.mean([error for _, error in found], axis=0)
    assert transfer < 1.1 * target
    assert transfer < 0.2 * source


def test_sources_are_told_apart():
    X, y, sample_domain, *_ = curves(0, 1.0, n_target=20)
    sample_domain[:60] = 7
    y[:60] = np.random.default_rng(1).permutation(y[:60])
    model = GaussianProcessTransfer().fit(X, y, sample_domain=sample_domain)
    assert model.source_ids_.tolist() == [1, 7]
    found = model.health_["task_correlation"]
    assert found[1] > 0.9
    assert model.health_["source_noise"][7] > 5 * model.health_["source_noise"][1] or abs(found[7]) < 0.5


def test_intervals_cover():
    inside = []
    for seed in range(4):
        X, y, sample_domain, X_new, y_new = curves(seed, 1.0, n_source=80, n_target=30)
        mean, deviation = GaussianProcessTransfer().fit(X, y, sample_domain=sample_domain).predict(X_new, return_std=True)
        inside.append(np.mean(abs(mean - y_new) < 1.96 * deviation))
        assert np.median(deviation) < 0.3
    assert 0.85 < np.mean(inside) < 0.99


def test_units_change_nothing():
    X, y, sample_domain, X_new, _ = curves(0, 0.7)
    plain = GaussianProcessTransfer().fit(X, y, sample_domain=sample_domain)
    other = GaussianProcessTransfer().fit(X * [1e4, 1e-3] + 5, 1e3 * y - 7, sample_domain=sample_domain)
    expected = np.array(plain.predict(X_new, return_std=True))
    found = np.array(other.predict(X_new * [1e4, 1e-3] + 5, return_std=True))
    np.testing.assert_allclose((found + [[7], [0]]) / 1e3, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("factor", "level"), [(1e6, 0.0), (1e-6, 0.0), (1.0, 1e6), (1e3, -1e6)])
def test_a_source_in_other_units_or_at_a_far_level(factor, level):
    X, y, sample_domain, X_new, y_new = curves(0, 1.0)
    y = np.where(sample_domain > 0, factor * y + level, y)
    model = GaussianProcessTransfer().fit(X, y, sample_domain=sample_domain)
    assert model.correlation_[0] > 0.95
    assert model.score(X_new, y_new) > 0.95


def test_beyond_the_limit_rows_are_drawn_of_every_domain():
    """The inducing form against all rows, and a source of three rows among many."""
    X, y, sample_domain, X_new, y_new = curves(0, 0.9, n_source=240, n_target=60)
    sample_domain[:3] = 5
    whole = GaussianProcessTransfer().fit(X, y, sample_domain=sample_domain)
    model = GaussianProcessTransfer(n_inducing=120, random_state=0).fit(X, y, sample_domain=sample_domain)
    assert (whole.health_["n_inducing"], model.health_["n_inducing"]) == (0, 120)
    assert np.bincount(model.estimator_.domain).tolist() == [60, 57, 3]
    assert model.score(X_new, y_new) > whole.score(X_new, y_new) - 0.01


def test_a_given_correlation_is_held():
    X, y, sample_domain, *_ = curves(0, 1.0)
    model = GaussianProcessTransfer(correlation=-0.25).fit(X, y, sample_domain=sample_domain)
    assert model.correlation_ == [-0.25]


def test_says_that_it_ran_out_of_iterations():
    X, y, sample_domain, *_ = curves(0, 1.0)
    with pytest.warns(ConvergenceWarning, match="raise max_iter"):
        model = GaussianProcessTransfer(max_iter=1).fit(X, y, sample_domain=sample_domain)
    assert not model.health_["converged"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fragile_inputs(dtype):
    """A constant column, a copy of a column, huge means, equal rows, one or two labels, equal labels, more columns than rows."""
    X, y, sample_domain, X_new, _ = curves(0, 1.0, n_source=12, n_target=4)

    def spoil(X):
        return np.c_[X, np.full(len(X), 7.0), X[:, 0], X[:, 1] + 1e3, np.zeros((len(X), 20))].astype(dtype)

    for kept in (slice(None), slice(0, 13), slice(0, 14), [0, 0, 0, 13, 13], [0, 13]):
        for labels in (y, np.ones(len(y))):
            model = GaussianProcessTransfer().fit(spoil(X)[kept], labels[kept], sample_domain=sample_domain[kept])
            assert np.isfinite(model.predict(spoil(X_new), return_std=True)).all()
            if labels is not y:
                np.testing.assert_allclose(model.predict(spoil(X_new)), 1.0)
