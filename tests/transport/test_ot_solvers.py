"""The further solvers of OTMapping against linear programs, POT's own classes, optimality conditions, and shifts they cure."""

from __future__ import annotations

import numpy as np
import ot
import pytest
from scipy.optimize import approx_fprime, linprog, minimize
from sklearn.datasets import make_moons
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier, kneighbors_graph

import sterna
from sterna.transport import OTMapping
from sterna.transport._plan import class_shares, squared_distances, transport_cost
from sterna.transport._solvers import exact_plan, group_lasso_plan, laplacian_plan, unbalanced_plan

SOLVERS = ["emd", "group-lasso", "laplacian", "unbalanced"]


def stack(Xs, ys, Xt, yt=None):
    y_target = np.full(len(Xt), np.nan) if yt is None else yt
    return np.vstack([Xs, Xt]), np.r_[ys.astype(float), y_target], np.r_[np.full(len(Xs), 1), np.full(len(Xt), -2)]


def fit(model, *domains):
    X, y, sample_domain = stack(*domains)
    return model.fit(X, y, sample_domain=sample_domain)


def moons(n, seed, degrees=35.0):
    Xs, ys = make_moons(n, noise=0.08, random_state=seed)
    Xt, yt = make_moons(n, noise=0.08, random_state=seed + 100)
    angle = np.deg2rad(degrees)
    return Xs, ys, Xt @ [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]], yt


def small_problem(n=6, m=5):
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(n, 2)), rng.normal(size=(m, 2)) + 0.5
    cost = squared_distances(Xs, Xt)
    unit = np.median(cost)
    return cost / unit, Xs / unit**0.5, Xt / unit**0.5


def test_exact_plan_equals_a_linear_program():
    cost, *_ = small_problem()
    rows, columns = np.kron(np.eye(6), np.ones(5)), np.kron(np.ones(6), np.eye(5))
    found = linprog(cost.ravel(), A_eq=np.vstack([rows, columns]), b_eq=np.r_[np.full(6, 1 / 6), np.full(5, 1 / 5)])
    assert np.vdot(exact_plan(cost).coupling, cost) == pytest.approx(found.fun)


@pytest.fixture
def to_the_end(monkeypatch):
    """Let conditional gradients run until they rest."""
    monkeypatch.setattr("sterna.transport._solvers._STEPS", 300)
    monkeypatch.setattr("sterna.transport._solvers._RELATIVE", 1e-7)
    monkeypatch.setattr("sterna.transport._plan._TOLERANCE", 1e-8)


def test_group_lasso_plan_is_stationary(to_the_end):
    """The gradient of the objective, by finite differences, is a sum of a row and a column potential."""
    cost, *_ = small_problem()
    codes = np.array([0, 0, 0, 1, 1, 1])
    plan = group_lasso_plan(cost, codes, 0.5, 0.2).coupling

    def objective(flat):
        coupling = flat.reshape(cost.shape)
        norms = sum(np.linalg.norm(coupling[codes == c, j]) for c in (0, 1) for j in range(5))
        return np.sum(coupling * cost) + 0.5 * np.sum(coupling * np.log(coupling)) + 0.2 * 6**0.5 * norms

    gradient = approx_fprime(plan.ravel(), objective, 1e-9).reshape(cost.shape)
    residual = gradient - gradient.mean(axis=0) - gradient.mean(axis=1, keepdims=True) + gradient.mean()
    assert np.abs(residual).max() < 5e-3
    plain = group_lasso_plan(cost, codes, 0.5, 0.0).coupling
    assert objective(plan.ravel()) < objective(plain.ravel()) - 1e-3


def test_group_lasso_does_not_fade_with_rows():
    Xs, ys, Xt, _ = moons(60, 0)
    models = [
        fit(OTMapping(solver="group-lasso"), np.tile(Xs, (times, 1)), np.tile(ys, times), np.tile(Xt, (times, 1)))
        for times in (1, 3)
    ]
    np.testing.assert_allclose(models[1].carried_[:60], models[0].carried_, atol=1e-2)


def test_laplacian_plan_equals_pot_with_its_weights(to_the_end):
    """POT's weight is on sums and masses, ours on means: eta = 2 h n / (3 neighbours)."""
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(40, 2)), rng.normal(size=(40, 2)) @ [[0.6, 0.8], [-0.8, 0.6]] + 1
    cost = transport_cost(Xs, Xt, "max")
    ours = laplacian_plan(cost, Xs, Xt, 0.05)
    eta = 2 * 0.05 * 40 / 3
    uniform = np.full(40, 1 / 40)
    peer = ot.da.emd_laplace(uniform, uniform, Xs, Xt, cost, "knn", 3, "disp", eta=eta, alpha=0.5, stopThr=1e-5)

    def objective(coupling):
        value = np.sum(coupling * cost)
        for X, images in ((Xs, 40 * coupling @ Xt), (Xt, 40 * coupling.T @ Xs)):
            graph = kneighbors_graph(X, 3).toarray()
            moves = images - X
            gaps = ((moves[:, None] - moves) ** 2).sum(axis=2)
            value += 0.05 / 2 * np.sum(graph * gaps) / graph.sum()
        return value

    assert objective(ours.coupling) == pytest.approx(objective(peer), rel=5e-3)
    assert objective(ours.coupling) < objective(exact_plan(cost).coupling)


def test_unbalanced_plan_minimises_its_objective():
    """Against a general minimiser over the logarithms of the plan."""
    cost, *_ = small_problem(4, 3)
    a, b = np.full(4, 1 / 4), np.full(3, 1 / 3)

    def divergence(p, q):
        return np.sum(p * np.log(p / q) - p + q)

    def objective(log_plan):
        plan = np.exp(log_plan).reshape(cost.shape)
        marginals = divergence(plan.sum(axis=1), a) + divergence(plan.sum(axis=0), b)
        return np.sum(plan * cost) + 0.1 * divergence(plan, np.outer(a, b)) + 0.7 * marginals

    found = minimize(objective, np.log(np.outer(a, b)).ravel(), tol=1e-12)
    np.testing.assert_allclose(unbalanced_plan(cost, 0.1, 0.7).coupling.ravel(), np.exp(found.x), atol=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_recovers_from_a_rotation(solver):
    gains = []
    for seed in range(3):
        Xs, ys, Xt, yt = moons(150, seed, degrees=30)
        base = LogisticRegression() if solver == "unbalanced" else KNeighborsClassifier(3)
        gains.append(fit(OTMapping(base, solver=solver), Xs, ys, Xt).score(Xt, yt) - base.fit(Xs, ys).score(Xt, yt))
    assert np.mean(gains) > 0.02


@pytest.mark.parametrize("solver", ["emd", "laplacian", "unbalanced"])
def test_regression_recovers_from_another_origin(solver):
    rng = np.random.default_rng(0)
    Xs, latent = rng.normal(size=(200, 2)), rng.normal(size=(200, 2))
    weights = np.array([2.0, -1.0])
    Xt, yt = latent + [1.5, -1.0], latent @ weights
    model = fit(OTMapping(Ridge(), solver=solver), Xs, Xs @ weights, Xt)
    assert model.score(Xt, yt) > 0.5 > Ridge().fit(Xs, Xs @ weights).score(Xt, yt)


def test_unbalanced_leaves_behind_rows_without_a_counterpart():
    """A third class that the target lacks, far away: balanced transport must carry it onto the other two."""
    rng = np.random.default_rng(0)
    ys = np.repeat([0, 1, 2], 50)
    Xs = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 12.0]])[ys] + rng.normal(size=(150, 2))
    yt = np.repeat([0, 1], 60)
    Xt = np.array([[0.0, 1.0], [4.0, 1.0]])[yt] + rng.normal(size=(120, 2))
    balanced = fit(OTMapping(solver="sinkhorn"), Xs, ys, Xt).score(Xt, yt)
    model = fit(OTMapping(solver="unbalanced", marginal_relaxation=0.3), Xs, ys, Xt)
    assert model.score(Xt, yt) > 0.95 > balanced + 0.1
    assert model.health_["effective_sample_size"] < 120


@pytest.mark.filterwarnings("ignore:the carried source rows", "ignore:OTMapping may have")
def test_nothing_transported_is_a_collapse():
    Xs, ys, Xt, _ = moons(60, 0)
    model = OTMapping(solver="unbalanced", marginal_relaxation=0.01, standardize=False)
    with pytest.warns(sterna.CollapseWarning, match="raise it"):
        fit(model, Xs, ys, Xt + 50)


def test_unbalanced_needs_weights_and_group_lasso_classes():
    Xs, ys, Xt, _ = moons(20, 0)
    with pytest.raises(TypeError, match="sample_weight"):
        fit(OTMapping(KNeighborsClassifier(3), solver="unbalanced"), Xs, ys, Xt)
    with pytest.raises(ValueError, match="needs classes"):
        fit(OTMapping(Ridge(), solver="group-lasso"), Xs, ys, Xt)


@pytest.mark.parametrize("solver", SOLVERS)
def test_fragile_inputs(solver):
    """A constant column, three target rows, duplicates, an outlier, more features than rows; mini-batches."""
    rng = np.random.default_rng(0)
    Xs, ys, Xt, _ = moons(40, 0)
    Xs, Xt = np.c_[Xs, np.ones(40)], np.c_[Xt, np.ones(40)]
    Xs[0], Xs[2] = [1e6, 1e6, 1.0], Xs[1]
    for target in (Xt[:3], Xt):
        assert np.isfinite(fit(OTMapping(solver=solver), Xs, ys, target).carried_).all()
    wide = rng.normal(size=(2, 12, 30))
    assert np.isfinite(fit(OTMapping(solver=solver), wide[0], ys[:12] * 0 + np.arange(12) % 2, wide[1]).carried_).all()
    model = fit(OTMapping(solver=solver, batch_size=10, random_state=0), Xs[3:], ys[3:], Xt)
    assert model.health_["n_parts" if solver == "emd" else "n_batches"] == 4


def test_known_target_labels_steer_the_exact_plan():
    Xs, ys, Xt, yt = moons(80, 0, degrees=90)
    known = np.where(np.arange(80) < 40, yt, np.nan)
    model = fit(OTMapping(solver="emd"), Xs, ys, Xt, known)
    coupling = model._solve(Xs, Xt, ys, np.where(np.arange(80) < 40, yt, -1)).coupling
    agreement = class_shares(coupling, ys)[yt, np.arange(80)]
    assert agreement[:40].min() > 0.999
