"""Plans solved in parts against the network simplex on the whole problem."""

from __future__ import annotations

import numpy as np
import ot
import pytest

from sterna.transport import OTMapping
from sterna.transport._plan import squared_distances
from sterna.transport._refine import random_plan, refined_plan


def clouds(n_source, n_target, d=3):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n_source, d)), 0.7 * rng.normal(size=(n_target, d)) + 1


def refine(Xs, Xt, size, **options):
    def price(rows, columns):
        return squared_distances(Xs[rows], Xt[columns])

    return refined_plan(price, Xs, Xt, size, np.random.RandomState(0), **options)


@pytest.mark.parametrize(("n_source", "n_target"), [(300, 300), (100, 370), (370, 100), (90, 7), (5, 200)])
def test_both_marginals_hold_and_the_cost_nears_the_optimum(n_source, n_target):
    Xs, Xt = clouds(n_source, n_target)
    cost = ot.dist(Xs, Xt)
    exact, found = ot.emd2([], [], cost), refine(Xs, Xt, 60)
    dense = found.coupling.toarray()
    np.testing.assert_allclose(dense.sum(axis=1), 1 / n_source)
    np.testing.assert_allclose(dense.sum(axis=0), 1 / n_target)
    assert dense.min() >= 0
    assert found.cost == pytest.approx(np.vdot(dense, cost))
    assert exact * (1 - 1e-9) <= found.cost <= 1.02 * exact


def test_one_part_is_the_exact_plan():
    Xs, Xt = clouds(40, 60)
    found = refine(Xs, Xt, 1000)
    assert found.n_parts == 1
    assert found.settled
    np.testing.assert_allclose(found.coupling.toarray(), ot.emd([], [], ot.dist(Xs, Xt)), atol=1e-12)


def test_no_sweep_raises_the_cost():
    Xs, Xt = clouds(200, 230)
    costs, start = [], None
    for _ in range(6):
        found = refine(Xs, Xt, 40, start=start, sweeps=1)
        start = found.coupling
        costs.append(found.cost)
    assert np.all(np.diff(costs) <= 1e-12)
    assert costs[-1] < costs[0]


def test_a_random_plan_has_few_entries_and_uniform_marginals():
    coupling = random_plan(6, 4, np.random.RandomState(0))
    assert coupling.nnz <= 9
    np.testing.assert_allclose(coupling.toarray().sum(axis=0), 1 / 4)
    np.testing.assert_allclose(coupling.toarray().sum(axis=1), 1 / 6)


def test_the_map_in_parts_stays_near_that_of_one_piece():
    """Mini-batches, solved once each, are 5 % over the optimal cost here."""
    Xs, Xt = clouds(400, 400)
    y, sample_domain = np.r_[(Xs[:, 0] > 0).astype(float), np.full(400, np.nan)], np.repeat([1, -2], 400)
    X = np.vstack([Xs, Xt])
    whole, parts = (
        OTMapping(solver="emd", standardize=False, batch_size=size, random_state=0).fit(X, y, sample_domain=sample_domain)
        for size in (None, 100)
    )
    moved = [((model.carried_ - Xs) ** 2).sum(axis=1).mean() for model in (whole, parts)]
    assert moved[0] <= moved[1] <= 1.01 * moved[0]
    assert parts.health_["target_used"] == 1.0
    assert parts.health_["marginal_error"] < 1e-9
