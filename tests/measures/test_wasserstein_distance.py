from itertools import permutations

import numpy as np
import pytest
from scipy import sparse, stats
from scipy.optimize import linprog
from scipy.spatial.distance import cdist

from sterna.measures import wasserstein_distance


@pytest.mark.parametrize("p", [1, 2, 3.5])
def test_equals_the_best_of_all_assignments(p):
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(6, 3)), rng.exponential(size=(6, 3)) + 0.5
    cost = cdist(X, Y) ** p
    best = min(np.mean([cost[i, j] for i, j in enumerate(order)]) for order in permutations(range(6)))
    assert wasserstein_distance(X, Y, p=p) == pytest.approx(best ** (1 / p), rel=1e-9)
    assert wasserstein_distance(sparse.csr_array(X), Y, p=p) == pytest.approx(best ** (1 / p), rel=1e-9)


def test_equals_a_linear_programme_where_sizes_differ():
    rng = np.random.default_rng(1)
    X, Y = rng.normal(size=(7, 2)), rng.normal(size=(4, 2)) + 1
    rows = np.kron(np.eye(7), np.ones(4))
    columns = np.kron(np.ones(7), np.eye(4))
    marginals = np.concatenate([np.full(7, 1 / 7), np.full(4, 1 / 4)])
    work = linprog(cdist(X, Y).ravel() ** 2, A_eq=np.vstack([rows, columns]), b_eq=marginals).fun
    assert wasserstein_distance(X, Y) == pytest.approx(np.sqrt(work), rel=1e-7)


def test_equals_scipy_in_one_dimension():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(40, 1)), rng.exponential(size=(25, 1))
    expected = stats.wasserstein_distance(X.ravel(), Y.ravel())
    assert wasserstein_distance(X, Y, p=1) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_is_in_the_units_of_the_columns_wherever_they_lie(scale):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 2))
    shift = wasserstein_distance(scale * (X + 100), scale * (X[::-1] + [103, 104]))
    assert shift == pytest.approx(5 * scale, rel=1e-6)
    assert wasserstein_distance(scale * X, scale * X) == pytest.approx(0.0, abs=1e-6 * scale)


def test_draws_rows():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(5000, 1)), 2 * rng.normal(size=(5000, 1))
    few = [wasserstein_distance(source, target, max_rows=200, random_state=seed) for seed in (0, 0, 1)]
    assert few[0] == few[1] != few[2]
    assert few[0] == pytest.approx(1.0, abs=0.3)  # the closed form for Gaussians: the difference of the deviations


def test_an_unfinished_plan_is_an_error(monkeypatch):
    from sterna.measures import _wasserstein_distance as module

    monkeypatch.setattr(module, "_PIVOTS", 3)
    rng = np.random.default_rng(0)
    with pytest.raises(RuntimeError, match="lower max_rows"):
        wasserstein_distance(rng.normal(size=(50, 2)), rng.normal(size=(50, 2)))


@pytest.mark.parametrize("p", [0.5, np.inf, np.nan, "2", True])
def test_a_power_that_is_none_is_refused(p):
    with pytest.raises(ValueError, match="p is"):
        wasserstein_distance(np.ones((5, 1)), np.ones((5, 1)), p=p)
