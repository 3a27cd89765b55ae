"""Exact transport between many rows: a sparse plan that parts of it, solved anew in turn, bring near the optimum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import coo_array, csr_array

from sterna.domains._stack import Array
from sterna.transport._plan import cost_unit, squared_distances
from sterna.transport._solvers import exact_plan

SWEEPS = 8  # on 20000 rows they leave the cost 1 % over where it settles, on 3000 0.1 %
PART = 500  # source rows of a part: 250 and 1000 reach the same cost in the same time
_SETTLED = 1e-3  # the fall of the cost in two sweeps, over the cost, that ends them
_SAMPLE = 2000  # rows of each domain that the unit of the cost is taken over

Price = Callable[[Array, Array], Array]


@dataclass(frozen=True)
class Refined:
    """A plan with uniform marginals, its cost, whether the cost has settled, and the number of parts of a sweep."""

    coupling: csr_array
    cost: float
    settled: bool
    n_parts: int


def refined_plan(
    price: Price,
    X_source: Array,
    X_target: Array,
    size: int,
    rng: np.random.RandomState,
    *,
    start: csr_array | None = None,
    sweeps: int = SWEEPS,
) -> Refined:
    """Sweeps over parts of the source; each part's mass is sent anew, at the least cost, to the target rows that had it.

    No step can raise the cost, and every plan on the way has both marginals. In every other sweep parts are cells of random
    projection trees over the sum of a row and its image, since most rows that swap images with profit lie near each other and
    so do their images; in the others they are drawn at random.

    Parameters
    ----------
    price : callable
        (source row numbers, target row numbers) -> costs of shape (n_rows, n_columns).
    X_source, X_target : ndarray of shape (n_source, n_features) and (n_target, n_features)
        Where rows lie: in units in which the cost grows with the distance.
    size : int
        The root of the entries of a part.
    rng : RandomState
    start : csr_array of shape (n_source, n_target), default=None
        A plan to begin with; None is one between random orders.
    sweeps : int

    Returns
    -------
    Refined
    """
    n_source, n_target = len(X_source), len(X_target)
    rows_of_part = np.clip(size * np.sqrt(n_source / n_target), 1, 4 * size)
    n_parts = max(1, round(n_source / rows_of_part))
    coupling = random_plan(n_source, n_target, rng) if start is None else start
    costs: list[float] = []
    settled = False
    for step in range(sweeps):
        positions = X_source + (coupling @ X_target) * n_source if step % 2 else None
        coupling, cost = _sweep(price, coupling, _parts(n_source, positions, n_parts, rng))
        costs.append(cost)
        settled = n_parts == 1 or bool(step > 1 and costs[-3] - cost <= _SETTLED * abs(cost))
        if settled:
            break
    return Refined(coupling, costs[-1], settled, n_parts)


def _sweep(price: Price, coupling: csr_array, parts: list[Array]) -> tuple[csr_array, float]:
    found, cost = [], 0.0
    for rows in parts:
        held = coupling[rows]
        columns = np.unique(held.indices)
        sent, received = held.sum(axis=1), held[:, columns].sum(axis=0)
        total = sent.sum()
        prices = price(rows, columns)
        plan = total * exact_plan(prices, marginals=(sent / total, received / received.sum())).coupling
        cost += float(np.vdot(plan, prices))
        i, j = np.nonzero(plan)
        found.append((plan[i, j], rows[i], columns[j]))
    values, i, j = (np.concatenate(part) for part in zip(*found, strict=True))
    return coo_array((values, (i, j)), shape=coupling.shape).tocsr(), cost


def random_plan(n_source: int, n_target: int, rng: np.random.RandomState) -> csr_array:
    """The north-west corner rule between random orders: at most n_source + n_target - 1 entries, uniform marginals."""
    ends = np.union1d(np.arange(n_source + 1, dtype=np.int64) * n_target, np.arange(n_target + 1, dtype=np.int64) * n_source)
    source, target = rng.permutation(n_source), rng.permutation(n_target)
    i, j = source[ends[:-1] // n_target], target[ends[:-1] // n_source]
    return coo_array((np.diff(ends) / (n_source * n_target), (i, j)), shape=(n_source, n_target)).tocsr()


def _parts(n: int, positions: Array | None, n_parts: int, rng: np.random.RandomState) -> list[Array]:
    """Row numbers in `n_parts` parts of about one size: at random, or halved again and again across random directions."""
    if positions is None:
        return np.array_split(rng.permutation(n), n_parts)
    waiting, done = [(np.arange(n), n_parts)], []
    while waiting:
        rows, n_cells = waiting.pop()
        if n_cells == 1 or len(rows) < 2:
            done.append(rows)
            continue
        cut = max(1, len(rows) * (n_cells // 2) // n_cells)
        order = rows[np.argpartition(positions[rows] @ rng.normal(size=positions.shape[1]), cut)]
        waiting += [(order[:cut], n_cells // 2), (order[cut:], n_cells - n_cells // 2)]
    return done


def sampled_unit(X_source: Array, X_target: Array, normalization: str, rng: np.random.RandomState) -> float:
    """The squared distance that counts as one, over at most 2000 rows of each domain."""
    drawn: list[Any] = [X[rng.permutation(len(X))[:_SAMPLE]] for X in (X_source, X_target)]
    return cost_unit(squared_distances(*drawn), normalization)
