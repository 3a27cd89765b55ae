from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import LinearConstraint, linprog, minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge

from sterna.domains._stack import take_apart
from sterna.reweight import KMM
from sterna.reweight._qp import BoxAndSlab


def naive_problem(Xs, Xt, bandwidth):
    """K and kappa by loops, straight from the paper."""
    n, m = len(Xs), len(Xt)
    k = lambda a, b: np.exp(-np.sum((a - b) ** 2) / (2 * bandwidth**2))  # noqa: E731
    K = np.array([[k(a, b) for b in Xs] for a in Xs])
    kappa = np.array([n / m * sum(k(a, b) for b in Xt) for a in Xs])
    return K, kappa


def stack(Xs, Xt):
    return np.vstack([Xs, Xt]), np.r_[Xs[:, 0], np.full(len(Xt), np.nan)], np.repeat([1, -2], [len(Xs), len(Xt)])


@pytest.mark.parametrize(("max_weight", "slack"), [(4.0, 0.05), (4.0, 0.5), (1000.0, 0.9), (1.5, 0.0)])
def test_solves_the_papers_quadratic_program(max_weight, slack):
    rng = np.random.default_rng(1)
    Xs, Xt = rng.normal(size=(40, 2)), rng.normal(0.7, 0.6, size=(30, 2))
    K, kappa = naive_problem(Xs, Xt, 1.0)
    n = len(Xs)
    model = KMM(
        Ridge(), max_weight=max_weight, mean_tolerance=slack, bandwidth=1.0, standardize=False, tol=1e-7, max_steps=100_000
    )
    X, y, sample_domain = stack(Xs, Xt)
    model.health_ = {}
    found = model._weights(take_apart(X, y, sample_domain))  # before they are scaled to mean 1
    reference = minimize(
        lambda b: (0.5 * b @ K @ b - kappa @ b) / n**2,
        np.ones(n),
        jac=lambda b: (K @ b - kappa) / n**2,
        bounds=[(0, max_weight)] * n,
        constraints=[LinearConstraint(np.ones(n), n * (1 - slack), n * (1 + slack))],
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 2000},
    )
    value = (0.5 * found @ K @ found - kappa @ found) / n**2
    assert found.min() >= 0
    assert found.max() <= max_weight
    assert abs(found.mean() - 1) <= slack + 1e-9
    assert value == pytest.approx(reference.fun, abs=2e-6)
    assert value - reference.fun <= model.health_["optimality_gap"] + 1e-9  # the bound that is reported holds


def test_stationarity_of_the_solution():
    """KKT: at the optimum the gradient is equal on free rows, not smaller at 0, not larger at B."""
    rng = np.random.default_rng(2)
    Xs, Xt = rng.normal(size=(60, 1)), rng.normal(0.5, 0.7, size=(80, 1))
    X, y, sample_domain = stack(Xs, Xt)
    model = KMM(Ridge(), max_weight=3.0, mean_tolerance=0.0, bandwidth=0.3, standardize=False, tol=1e-10, max_steps=200_000)
    weights = model.fit(X, y, sample_domain=sample_domain).weights_
    K, kappa = naive_problem(Xs, Xt, 0.3)
    gradient = (K @ weights - kappa) / len(Xs)
    free = (weights > 1e-3) & (weights < 3 - 1e-3)
    assert free.any()
    multiplier = gradient[free].mean()
    np.testing.assert_allclose(gradient[free], multiplier, atol=1e-4)
    assert gradient[weights < 1e-6].min(initial=np.inf) > multiplier - 1e-4
    assert gradient[weights > 3 - 1e-6].max(initial=-np.inf) < multiplier + 1e-4


vectors = arrays(float, st.integers(2, 15), elements=st.floats(-50, 50).map(lambda value: round(value, 6)))


@given(vectors, st.floats(1.1, 20), st.floats(0, 0.99))
def test_projection_is_the_nearest_feasible_point(v, upper, slack):
    n = len(v)
    feasible = BoxAndSlab(upper, n * (1 - slack), n * (1 + slack))
    point = feasible.project(v)
    assert point.min() >= 0
    assert point.max() <= upper
    assert n * (1 - slack) - 1e-6 <= point.sum() <= n * (1 + slack) + 1e-6
    # (v - p)'(q - p) <= 0 for every feasible q: the greatest value of the left side over q is found without the projection
    assert -feasible.least(point - v) - (v - point) @ point <= 1e-6 * (1 + np.abs(v).max()) * n * upper


@given(vectors, st.floats(1.1, 20), st.floats(0, 0.99))
def test_least_linear_value_is_that_of_a_linear_program(g, upper, slack):
    n = len(g)
    A, b = np.vstack([np.ones(n), -np.ones(n)]), [n * (1 + slack), -n * (1 - slack)]
    reference = linprog(g, A_ub=A, b_ub=b, bounds=(0, upper))
    found = BoxAndSlab(upper, n * (1 - slack), n * (1 + slack)).least(g)
    assert found == pytest.approx(reference.fun, abs=1e-5 * (1 + np.abs(g).max()))


def test_low_rank_stays_close_to_exact():
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(1500, 10)), rng.normal(size=(1500, 10)) * 0.8 + np.r_[0.8, np.zeros(9)]
    y = np.sign(Xs[:, 1] - Xs[:, 0] ** 2 + 0.5)
    truth = np.sign(Xt[:, 1] - Xt[:, 0] ** 2 + 0.5)
    stacked = np.vstack([Xs, Xt]), np.r_[y, np.full(1500, np.nan)], np.repeat([1, -2], 1500)
    exact, low = (KMM(n_components=rank).fit(stacked[0], stacked[1], sample_domain=stacked[2]) for rank in (None, 300))
    assert np.corrcoef(exact.weights_, low.weights_)[0, 1] > 0.97
    assert abs(exact.score(Xt, truth) - low.score(Xt, truth)) < 0.01


def test_full_rank_is_exact():
    rng = np.random.default_rng(0)
    X, y, sample_domain = stack(rng.normal(size=(60, 3)), rng.normal(0.4, 1, size=(60, 3)))
    exact, full = (KMM(Ridge(), n_components=rank, tol=1e-6, max_steps=50_000) for rank in (None, 120))
    for model in (exact, full):
        model.fit(X, y, sample_domain=sample_domain)
    np.testing.assert_allclose(full.weights_, exact.weights_, atol=1e-2)


def test_many_rows_take_the_low_rank_form():
    rng = np.random.default_rng(0)
    X, y, sample_domain = stack(rng.normal(size=(4500, 3)), rng.normal(0.5, 1, size=(300, 3)))
    model = KMM(Ridge()).fit(X, y, sample_domain=sample_domain)
    assert model._rank(4500, 300) == 500
    assert model._rank(4000, 300) is None
    assert model.health_["converged"]
    source = X[sample_domain > 0]
    assert np.linalg.norm(np.average(source, axis=0, weights=model.weights_) - X[sample_domain < 0].mean(axis=0)) < 0.1


def test_says_that_it_has_not_converged(curved):
    X, y, sample_domain, _, _ = curved(0)
    with pytest.warns(ConvergenceWarning, match="max_steps=3"):
        model = KMM(max_steps=3).fit(X, y, sample_domain=sample_domain)
    assert model.health_["converged"] is False


def test_the_bound_on_weights_bounds_the_effective_sample_size(curved):
    X, y, sample_domain, _, _ = curved(0)
    sizes = [KMM(max_weight=bound).fit(X, y, sample_domain=sample_domain).health_["effective_share"] for bound in (1.5, 3, 10)]
    assert sizes[0] > sizes[1] > sizes[2]
    assert sizes[0] > 0.6 / 1.5
