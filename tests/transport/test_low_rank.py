"""The low-rank solver against the dense plan of its factors, its objective by hand, and shifts that it cures."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import make_moons
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsClassifier

from sterna.transport import OTMapping, TransportLabelPropagation
from sterna.transport._low_rank import FactoredCoupling, factored_plan


def moons(n, seed, degrees=35.0):
    Xs, ys = make_moons(n, noise=0.08, random_state=seed)
    Xt, yt = make_moons(n + 40, noise=0.08, random_state=seed + 100)
    angle = np.deg2rad(degrees)
    return Xs, ys, Xt @ [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]], yt


def fit(model, Xs, ys, Xt):
    y = np.r_[ys.astype(float), np.full(len(Xt), np.nan)]
    return model.fit(np.vstack([Xs, Xt]), y, sample_domain=np.repeat([1, -2], [len(Xs), len(Xt)]))


def plan_of(Xs, Xt, rank=8, regularization=0.02):
    return factored_plan(Xs, Xt, rank, regularization, np.random.RandomState(0))[0]


def test_a_factored_coupling_is_its_dense_matrix():
    rng = np.random.default_rng(0)
    factored = FactoredCoupling(rng.random((7, 3)), rng.random((5, 3)))
    dense = factored.left @ factored.right.T
    Y, Z = rng.normal(size=(5, 2)), rng.normal(size=(4, 7))
    np.testing.assert_allclose(factored @ Y, dense @ Y)
    np.testing.assert_allclose(Z @ factored, Z @ dense)
    np.testing.assert_allclose(Z[0] @ factored, Z[0] @ dense)
    np.testing.assert_allclose((factored * 3.0).T @ Z.T, 3 * dense.T @ Z.T)
    for axis in (None, 0, 1):
        np.testing.assert_allclose(factored.sum(axis=axis), dense.sum(axis=axis))


def test_marginals_are_uniform_and_the_mass_not_negative():
    Xs, _, Xt, _ = moons(60, 0)
    plan = plan_of(Xs, Xt)
    dense = plan.coupling.left @ plan.coupling.right.T
    assert dense.min() >= 0
    assert np.linalg.matrix_rank(dense) <= 8
    np.testing.assert_allclose(dense.sum(axis=1), 1 / 60, rtol=0.02)
    np.testing.assert_allclose(dense.sum(axis=0), 1 / 100, rtol=0.02)
    assert plan.marginal_error == pytest.approx(np.abs(dense.sum(axis=0) - 1 / 100).sum())


def test_rows_are_displaced_with_their_template_points_by_hand():
    Xs, _, Xt, _ = moons(30, 0)
    coupling = plan_of(Xs, Xt, rank=4).coupling
    expected = Xs.copy()
    for i in range(30):
        for k in range(4):
            share = coupling.left[i, k] / sum(coupling.left[i])
            source = sum(coupling.left[m, k] * Xs[m] for m in range(30)) / sum(coupling.left[:, k])
            target = sum(coupling.right[m, k] * Xt[m] for m in range(70)) / sum(coupling.right[:, k])
            expected[i] = expected[i] + share * (target - source)
    np.testing.assert_allclose(coupling.displace(Xs, Xt), expected)


def test_the_cost_falls_with_the_rank_towards_the_exact_one():
    import ot

    Xs, _, Xt, _ = moons(80, 0)
    cost = ot.dist(Xs, Xt)
    costs = [np.vdot(p.left @ p.right.T, cost) for p in (plan_of(Xs, Xt, r, 0.01).coupling for r in (1, 4, 32))]
    assert np.all(np.diff(costs) < 0)
    exact = ot.emd2([], [], cost)
    assert costs[0] == pytest.approx(cost.mean())  # one point: the independent plan
    assert exact < costs[-1] < exact + 0.15 * (costs[0] - exact)


def test_equal_clouds_stay_where_they_are():
    Xs, ys, *_ = moons(100, 0)
    model = fit(OTMapping(solver="low-rank", random_state=0), Xs, ys, Xs)
    np.testing.assert_allclose(model.carried_, Xs, atol=0.05)


@pytest.mark.parametrize("method", [OTMapping, TransportLabelPropagation])
def test_recovers_from_a_rotation(method):
    gains = []
    for seed in range(3):
        Xs, ys, Xt, yt = moons(120, seed)
        base = KNeighborsClassifier(3)
        gains.append(
            fit(method(base, solver="low-rank", random_state=0), Xs, ys, Xt).score(Xt, yt) - base.fit(Xs, ys).score(Xt, yt)
        )
    assert np.mean(gains) > 0.05


def test_regression_recovers_from_another_scale_and_origin():
    rng = np.random.default_rng(0)
    Xs, latent = rng.normal(size=(300, 3)), rng.normal(size=(300, 3))
    weights = np.array([2.0, -1.0, 0.5])
    Xt, yt = latent * [1.5, 0.8, 1.2] + [3.0, -2.0, 1.0], latent @ weights
    model = fit(OTMapping(Ridge(), solver="low-rank", random_state=0), Xs, Xs @ weights, Xt)
    assert model.score(Xt, yt) > 0.8
    assert Ridge().fit(Xs, Xs @ weights).score(Xt, yt) < 0.5
    assert fit(TransportLabelPropagation(Ridge(), solver="low-rank", random_state=0), Xs, Xs @ weights, Xt).score(Xt, yt) > 0.8


def test_fragile_inputs_and_health():
    """A constant column, three target rows, duplicates, an outlier, more features than rows."""
    rng = np.random.default_rng(0)
    Xs, ys, Xt, _ = moons(40, 0)
    Xs, Xt = np.c_[Xs, np.ones(40)], np.c_[Xt, np.ones(80)]
    Xs[0], Xs[2] = [1e6, 1e6, 1.0], Xs[1]
    for target, rank in ((Xt[:3], 1), (Xt, 20)):
        model = fit(OTMapping(KNeighborsClassifier(3), solver="low-rank", random_state=0), Xs, ys, target)
        assert np.isfinite(model.carried_).all()
        assert model.health_["rank"] == rank
        assert model.health_["n_batches"] == 1
        assert model.health_["transported_mass"] == pytest.approx(1.0, abs=1e-3)
    wide = rng.normal(size=(2, 12, 30))
    assert np.isfinite(fit(OTMapping(solver="low-rank"), wide[0], np.arange(12) % 2, wide[1]).carried_).all()
