"""Transport plans between two sets of rows: the cost, and the solvers of POT under one roof."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances

from sterna.domains._stack import Array

# Normalised costs are about 1. Regularised by no less than this, the kernel exp(-cost / regularisation) serves, with costs
# clipped where it would underflow (e^-500 of the mass); below it, the log-domain solver, hundreds of times slower.
_KERNEL_FROM = 0.005
_CLIP = 500.0
# A pair of rows with different known classes costs this much more: e^-30 = 1e-13 of the mass. The paper's infinite cost has no
# solution where the class shares of source and labelled target differ.
_FORBIDDEN = 30.0
# The offset that keeps the concave class penalty differentiable where a target row gets nothing from a class.
_OFFSET = 0.1
_OUTER_ITERATIONS = 10
_ITERATIONS = 1000
_TOLERANCE = 1e-4  # of the target marginal: the l2 norm of its error over its own


@dataclass(frozen=True)
class Plan:
    """A transport plan of shape (n_source, n_target), the l1 error of its target marginal, and whether the solver converged.

    Exact and entropic plans also hold the dual variables of both marginals. Plans between many rows are sparse or factored.
    """

    coupling: Any
    marginal_error: float
    converged: bool
    potentials: tuple[Array, Array] | None = None


def transport_cost(X_source: Array, X_target: Array, normalization: str) -> Array:
    """Squared Euclidean distances divided by their median or maximum, shape (n_source, n_target)."""
    cost = squared_distances(X_source, X_target)
    cost /= cost_unit(cost, normalization)
    return cost


def squared_distances(X_source: Array, X_target: Array) -> Array:
    """Squared Euclidean distances, shape (n_source, n_target), float64."""
    center = X_target.mean(axis=0, dtype=np.float64)  # distances come from products: small numbers keep their digits
    return euclidean_distances(X_source - center, X_target - center, squared=True)


def cost_unit(cost: Array, normalization: str) -> float:
    """The squared distance that counts as one."""
    unit = np.median(cost) if normalization == "median" else cost.max()
    return float(unit or cost.mean() or 1.0)


def forbid(cost: Array, source_codes: Array, target_codes: Array, regularization: float) -> None:
    """Add the price of a wrong class, in place, where the target's class is known (code >= 0).

    Without entropic regularisation (0) the price is `_FORBIDDEN` units of the normalised cost.
    """
    known = np.flatnonzero(target_codes >= 0)
    cost[:, known] += _FORBIDDEN * (regularization or 1.0) * (source_codes[:, None] != target_codes[known])


def clipped_kernel(cost: Array, regularization: float) -> Array:
    """exp(-cost / regularization) with a one in every column, and nothing below e^-500; shape (n_source, n_target)."""
    return np.exp(-np.minimum((cost - cost.min(axis=0)) / regularization, _CLIP))


def entropic_plan(
    cost: Array,
    regularization: float,
    source: Array | None = None,
    potentials: tuple[Array, Array] | None = None,
) -> Plan:
    """Minimise <G, cost> + regularization * sum G log G over plans with uniform marginals.

    Parameters
    ----------
    cost : ndarray of shape (n_source, n_target)
    regularization : float
    source : ndarray of shape (n_source,), default=None
        Another marginal of the source, positive, with sum 1.
    potentials : (ndarray of shape (n_source,), ndarray of shape (n_target,)), default=None
        Dual variables of a similar problem to start from.

    Returns
    -------
    Plan
        With its own potentials.
    """
    import ot  # here, since it imports every array library that is installed

    n_source, n_target = cost.shape
    source = np.full(n_source, 1 / n_source) if source is None else source
    target = np.full(n_target, 1 / n_target)
    # Adding a constant to a row or a column changes no plan; with a zero in each, rows far from all others don't underflow.
    rows = cost.min(axis=1) / regularization
    scaled = cost / regularization - rows[:, None]
    columns = scaled.min(axis=0)
    scaled -= columns
    start = None
    if potentials is not None:
        log_u, log_v = potentials[0] / regularization - rows, potentials[1] / regularization - columns
        start = log_u - log_u.max(), log_v + log_u.max()
    method = "sinkhorn_log"
    if regularization >= _KERNEL_FROM:
        method = "sinkhorn"
        np.minimum(scaled, _CLIP, out=scaled)
    stop = _TOLERANCE * np.linalg.norm(target)
    with np.errstate(over="ignore"):  # the log-domain solver also reports exp of its potentials
        coupling, log = ot.sinkhorn(
            source,
            target,
            scaled,
            1.0,
            method=method,
            numItermax=_ITERATIONS,
            stopThr=stop,
            log=True,
            warn=False,
            warmstart=start,
        )
    error = float(np.abs(coupling.sum(axis=0) - target).sum())
    log_u, log_v = (np.log(np.maximum(log[name], np.finfo(float).tiny)) for name in "uv")
    potentials = regularization * (log_u + rows), regularization * (log_v + columns)
    return Plan(coupling, error, bool(log["err"][-1] < stop), potentials)


def class_regularised_plan(cost: Array, codes: Array, regularization: float, class_regularization: float) -> Plan:
    """Add class_regularization * sum_jc (s_jc + offset)^(1/2), where s_jc is class c's share of the mass of target row j.

    The concave penalty is majorised by its tangent and an entropic problem solved, ten times or until the shares rest
    (Courty et al. 2017, section 5.1; majorisation-minimisation of Courty et al. 2014).

    Parameters
    ----------
    cost : ndarray of shape (n_source, n_target)
    codes : ndarray of int of shape (n_source,)
        The class of each source row, 0..C-1.
    regularization, class_regularization : float

    Returns
    -------
    Plan
    """
    plan = entropic_plan(cost, regularization)
    shares = class_shares(plan.coupling, codes)  # (n_classes, n_target)
    for _ in range(_OUTER_ITERATIONS - 1):
        slope = 0.5 * (shares + _OFFSET) ** -0.5  # of the penalty, (n_classes, n_target)
        plan = entropic_plan(cost + class_regularization * slope[codes], regularization, potentials=plan.potentials)
        before, shares = shares, class_shares(plan.coupling, codes)
        if np.abs(shares - before).sum(axis=0).mean() < 0.01:
            break
    return plan


def class_shares(coupling: Any, codes: Array) -> Array:
    """The share of each class in the mass that a target row receives, shape (n_classes, n_target)."""
    masses = np.eye(codes.max() + 1)[codes].T @ coupling
    return masses / np.maximum(masses.sum(axis=0), np.finfo(float).tiny)
