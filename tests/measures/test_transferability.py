"""Measures of transferability against other computations of the same number."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.spatial.distance import pdist
from scipy.stats import multivariate_normal, spearmanr
from sklearn.covariance import ledoit_wolf, shrunk_covariance
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from sterna.measures import _gram, gbc, h_score, knn_score, leep, linear_probe, logme, nce, nleep, parc, transrate


def rows(n, d, n_classes=3, spread=0.8, seed=0):
    """Features whose classes differ in their means, and the classes."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % n_classes)
    return rng.normal(size=(n, d)) + spread * rng.normal(size=(n_classes, d))[y], y


def largest_evidence(F, t):
    """By a general optimiser over the marginal Gaussian of the labels."""

    def lost(logs):
        covariance = np.eye(len(F)) / np.exp(logs[1]) + F @ F.T / np.exp(logs[0])
        return -multivariate_normal(np.zeros(len(F)), covariance).logpdf(t) / len(F)

    found = [minimize(lost, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}) for start in ([0, 0], [3, 2])]
    return -min(result.fun for result in found)


@pytest.mark.parametrize(("n", "d"), [(60, 5), (30, 30), (25, 60)])
def test_logme_is_the_largest_evidence(n, d):
    F, y = rows(n, d)
    expected = np.mean([largest_evidence(F, (y == c).astype(float)) for c in range(3)])
    assert logme(F, y) == pytest.approx(expected, abs=1e-6)


def test_logme_of_values():
    F, _ = rows(50, 4)
    t = F @ [1.0, -2.0, 0.0, 0.5] + np.random.default_rng(1).normal(size=50)
    assert logme(F, t) == pytest.approx(largest_evidence(F, t), abs=1e-6)


@pytest.mark.parametrize("order", ["C", "F"])
def test_logme_of_float32_and_of_either_memory_order(order):
    F, y = rows(200, 20)
    assert logme(np.asarray(F, np.float32, order=order), y) == pytest.approx(logme(F, y), abs=1e-6)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(("n", "d"), [(4000, 64), (300, 500)])
def test_logme_of_float32_keeps_the_directions_beside_a_large_mean(n, d, order, monkeypatch):
    monkeypatch.setattr(_gram, "_BLOCK_ENTRIES", 3000)  # several blocks
    rng = np.random.default_rng(0)
    F = (3 + np.maximum(rng.normal(size=(n, d)), 0)).astype(np.float32)
    y = F[:, 0] - F[:, 1] + 0.1 * rng.normal(size=n)
    assert logme(np.asarray(F, order=order), y) == pytest.approx(logme(F.astype(np.float64), y), abs=1e-6)
    assert len(_gram.gram_spectrum(F)[0]) == np.linalg.matrix_rank(F.astype(np.float64))


def test_logme_of_features_that_say_all_is_finite():
    y = np.arange(12) % 3
    assert np.isfinite(logme(np.eye(3)[y], y))


def test_leep_by_a_loop():
    rng = np.random.default_rng(0)
    theta, y = rng.dirichlet([1, 1, 1, 1], 40), rng.integers(3, size=40)
    conditional = np.zeros((3, 4))
    for z in range(4):
        for c in range(3):
            conditional[c, z] = sum(theta[i, z] for i in range(40) if y[i] == c) / theta[:, z].sum()
    expected = np.mean([np.log(sum(conditional[y[i], z] * theta[i, z] for z in range(4))) for i in range(40)])
    assert leep(theta, y) == pytest.approx(expected)


def test_leep_of_hard_predictions_is_nce():
    rng = np.random.default_rng(0)
    z, y = rng.integers(4, size=100), rng.integers(3, size=100)
    assert leep(np.eye(4)[z], y) == pytest.approx(nce(z, y))


def test_nce_is_the_entropy_that_is_left():
    z, y = np.array(["a", "a", "a", "b", "b", "c"]), np.array([0, 0, 1, 1, 1, 0])
    expected = 0.5 * (2 / 3 * np.log(2 / 3) + 1 / 3 * np.log(1 / 3))
    assert nce(z, y) == pytest.approx(expected)


def test_nleep_of_one_cluster_is_the_entropy_of_the_classes():
    F, y = rows(60, 4)
    assert nleep(F, y, n_components=1) == pytest.approx(np.log(1 / 3))


@pytest.mark.parametrize("shrinkage", [None, 0.2])
@pytest.mark.parametrize(("n", "d"), [(60, 8), (20, 50)])
def test_h_score_with_the_inverse_written_out(n, d, shrinkage):
    F, y = rows(n, d)
    centred = F - F.mean(axis=0)
    C, rho = ledoit_wolf(centred, assume_centered=True)
    if shrinkage:
        C, rho = shrunk_covariance(centred.T @ centred / n, shrinkage), shrinkage
    means = np.array([centred[y == c].mean(axis=0) for c in y])
    expected = (1 - rho) * np.trace(np.linalg.inv(C) @ means.T @ means / n)
    assert h_score(F, y, shrinkage=shrinkage) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("n", "d"), [(60, 8), (20, 50)])
def test_transrate_by_determinants(n, d):
    F, y = rows(n, d)
    Z = F - F.mean(axis=0)
    Z /= np.sqrt(np.mean(np.sum(Z**2, axis=1)))

    def rate(Z):
        return np.linalg.slogdet(np.eye(d) + Z.T @ Z / (len(Z) * 1e-4))[1] / 2

    expected = rate(Z) - sum(np.mean(y == c) * rate(Z[y == c]) for c in range(3))
    assert transrate(F, y) == pytest.approx(expected)


@pytest.mark.parametrize("covariance", ["spherical", "diagonal"])
def test_gbc_by_integration(covariance):
    """exp(-D_B) is the integral of the root of the product of two densities."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 50)
    F = rng.normal(size=(100, 2)) * np.where(y, 1.5, 1.0)[:, None] + y[:, None]
    grid = np.stack(np.meshgrid(*[np.linspace(-12, 12, 400)] * 2), axis=-1)
    densities = []
    for c in (0, 1):
        variance = F[y == c].var(axis=0)
        variance = np.full(2, variance.mean()) if covariance == "spherical" else variance
        densities.append(multivariate_normal(F[y == c].mean(axis=0), np.diag(variance)).pdf(grid))
    overlap = np.sqrt(densities[0] * densities[1]).sum() * (24 / 399) ** 2
    assert gbc(F, y, covariance=covariance) == pytest.approx(-2 * overlap, rel=1e-3)


def test_parc_by_scipy():
    F, y = rows(40, 6)
    features = 1 - pdist(F, "correlation").round(12)
    labels = 1 - pdist(np.eye(3)[y], "correlation").round(12)
    assert parc(F, y, n_components=None) == pytest.approx(100 * spearmanr(features, labels).statistic)


def nearest_of_most(F, y, k):
    """Row by row: of the classes with most of the k neighbours the one that a neighbour shows first."""
    right = []
    for i in range(len(F)):
        near = y[[j for j in np.argsort(np.linalg.norm(F - F[i], axis=1)) if j != i][:k]]
        most = max(np.sum(near == c) for c in near)
        right.append(next(c for c in near if np.sum(near == c) == most) == y[i])
    return np.mean(right)


@pytest.mark.parametrize("k", [1, 2, 5, 59])
def test_knn_by_leaving_each_row_out(k):
    F, y = rows(60, 4, n_classes=5)
    assert knn_score(F, y, n_neighbors=k, metric="euclidean") == pytest.approx(nearest_of_most(F, y, k))
    with_ties = knn_score(F, y, n_neighbors=k, metric="euclidean")
    for numbers in ([4, 3, 2, 1, 0], [2, 0, 4, 1, 3]):
        assert knn_score(F, np.array(numbers)[y], n_neighbors=k, metric="euclidean") == with_ties


@pytest.mark.parametrize("names", ["ABBCCA", "ACCBBA"])
def test_knn_of_two_tied_classes_takes_the_nearer(names):
    """Row 0 of class A sees B, B, C, C and then A (or C, C, B, B, A): whatever they are called, the first pair wins."""
    values = [knn_score(np.arange(6.0)[:, None], list(names), metric="euclidean", n_neighbors=k) for k in (4, 5)]
    assert values == [nearest_of_most(np.arange(6.0)[:, None], np.array(list(names)), k) for k in (4, 5)]


@pytest.mark.parametrize(("n", "d"), [(120, 6), (40, 80)])
def test_probe_predicts_as_ridge_regression(n, d):
    from sterna.measures._linear_probe import _PENALTIES, _ridge

    F, _ = rows(n, d)
    t = F[:, :3].sum(axis=1) + np.random.default_rng(1).normal(size=n)
    train, test = np.arange(n) % 4 > 0, np.arange(n) % 4 == 0
    found = _ridge(F[train], t[train, None], F[test])[:, 0]
    unit = F[train].var(axis=0).sum() * train.sum() / min(d, train.sum() - 1)
    fits = [Ridge(penalty * unit).fit(F[train], t[train]).predict(F[test]) for penalty in _PENALTIES]
    assert min(np.abs(found - fit).max() for fit in fits) < 1e-8


def test_the_probe_s_penalty_has_the_least_error_on_rows_left_out():
    from sterna.measures._linear_probe import _left_out_error

    F, _ = rows(12, 30)
    t = F[:, :2].sum(axis=1)
    errors = [cross_val_predict(Ridge(3.0), F, t, cv=LeaveOneOut()) - t]
    U, s, _ = np.linalg.svd(F - F.mean(axis=0), full_matrices=False)
    U, s, centred = U[:, :-1], s[:-1], (t - t.mean())[:, None]
    assert _left_out_error(U, s**2 / (s**2 + 3.0), U.T @ centred, centred) == pytest.approx(np.sum(np.square(errors)))


def test_the_penalty_of_many_rows_is_that_of_leaving_out():
    from sterna.measures._linear_probe import _generalised_error, _left_out_error

    F, _ = rows(600, 10)
    t = F[:, :2].sum(axis=1) + np.random.default_rng(1).normal(size=600)
    U, s, _ = np.linalg.svd(F - F.mean(axis=0), full_matrices=False)
    centred = (t - t.mean())[:, None]
    shrunk = s**2 / (s**2 + np.array([1.0, 1e3])[:, None])
    exact = [_left_out_error(U, row, U.T @ centred, centred) for row in shrunk]
    np.testing.assert_allclose(_generalised_error(shrunk, U.T @ centred, centred), exact, rtol=0.01)


def test_probe_has_an_interval_by_rows():
    F, y = rows(400, 5, spread=1.0)
    probe = linear_probe(F, y, random_state=0)
    assert float(probe) == probe.value == probe.by_row.mean()
    assert probe.high - probe.low == pytest.approx(2 * 1.966 * probe.by_row.std(ddof=1) / 20, rel=1e-3)
    fresh = [linear_probe(*rows(400, 5, spread=1.0, seed=0), random_state=seed).value for seed in range(5)]
    assert probe.low < np.mean(fresh) < probe.high


def test_probe_of_values_is_r2():
    rng = np.random.default_rng(0)
    F = rng.normal(size=(300, 4))
    t = F @ [1.0, -1.0, 0.5, 0.0] + rng.normal(size=300)
    assert linear_probe(F, t, random_state=0).value == pytest.approx(2.25 / 3.25, abs=0.12)
    assert abs(linear_probe(np.random.default_rng(2).normal(size=(300, 4)), t, random_state=0).value) < 0.05
