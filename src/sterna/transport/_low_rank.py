"""Low-rank transport: factored couplings through a few template points; the plan is never made dense."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.cluster import KMeans

from sterna.domains._stack import Array
from sterna.transport._plan import Plan, entropic_plan, squared_distances

_SAMPLE = 3000  # rows of each domain that the template is found on; its points are means of many
_STEPS = 30
_SETTLED = 0.01  # the change of the template in a step, over its size


@dataclass(frozen=True)
class FactoredCoupling:
    """The plan left @ right.T, shape (n_source, n_target), of rank r, with what is asked of plans.

    Attributes
    ----------
    left, right : ndarray of shape (n_source, r) and (n_target, r)
        Masses between rows and template points, those of `left` divided by the points' masses.
    """

    left: Array
    right: Array

    __array_ufunc__ = None  # products with arrays on the left come to __rmatmul__

    @property
    def T(self) -> FactoredCoupling:
        """The transposed plan."""
        return FactoredCoupling(self.right, self.left)

    def sum(self, axis: int | None = None) -> Any:
        """Marginals: of the target (axis 0), of the source (1), or the whole mass."""
        if axis is None:
            return float(self.left.sum(axis=0) @ self.right.sum(axis=0))
        return self.right @ self.left.sum(axis=0) if axis == 0 else self.left @ self.right.sum(axis=0)

    def __matmul__(self, other: Array) -> Array:
        return self.left @ (self.right.T @ other)

    def __rmatmul__(self, other: Array) -> Array:
        return (other @ self.left) @ self.right.T

    def __mul__(self, factor: float) -> FactoredCoupling:
        return FactoredCoupling(self.left * factor, self.right)

    def displace(self, X_source: Array, X_target: Array) -> Array:
        """Move source rows as the means of what passes through their template points are moved; shape (n_source, n_features)."""
        shares = self.left / np.maximum(self.left.sum(axis=1, keepdims=True), np.finfo(float).tiny)
        before, after = (F.T @ X / F.sum(axis=0)[:, None] for F, X in ((self.left, X_source), (self.right, X_target)))
        return X_source + shares @ (after - before)


def factored_plan(
    X_source: Array, X_target: Array, rank: int, regularization: float, rng: np.random.RandomState
) -> tuple[Plan, int]:
    """Minimise W(source, template) + W(template, target) over `rank` template points of equal mass; the plan goes through them.

    In turns, on up to 3000 rows a domain: entropic plans to the template, and its points to the middle of the two means that
    they receive. Then one plan of all rows of each domain.

    Parameters
    ----------
    X_source, X_target : ndarray of shape (n_source, n_features) and (n_target, n_features)
        In units of the normalised cost.
    rank : int
    regularization : float
    rng : RandomState

    Returns
    -------
    plan : Plan
        With a `FactoredCoupling`.
    rank : int
        At most half of the rows of the smaller domain.
    """
    domains = X_source, X_target
    rank = max(1, min(rank, len(X_source) // 2, len(X_target) // 2))
    samples = [X[rng.permutation(len(X))[:_SAMPLE]] for X in domains]
    means = KMeans(rank, n_init=1, max_iter=20, random_state=rng)
    template = means.fit(np.concatenate(samples) + 0.0).cluster_centers_
    potentials: list[Any] = [None, None]
    settled = False
    for _ in range(_STEPS):
        plans = [
            entropic_plan(squared_distances(template, X), regularization, potentials=start)
            for X, start in zip(samples, potentials, strict=True)
        ]
        potentials = [plan.potentials for plan in plans]
        before, template = template, rank / 2 * sum(plan.coupling @ X for plan, X in zip(plans, samples, strict=True))
        settled = np.linalg.norm(template - before) <= _SETTLED * np.linalg.norm(template - template.mean(axis=0))
        if settled:
            break
    there, back = (entropic_plan(squared_distances(template, X), regularization) for X in domains)
    coupling = FactoredCoupling(rank * there.coupling.T, back.coupling.T)
    error = float(np.abs(coupling.sum(axis=0) - 1 / len(X_target)).sum())
    return Plan(coupling, error, bool(settled and there.converged and back.converged)), rank
