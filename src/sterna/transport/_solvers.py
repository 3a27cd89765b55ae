"""Further transport plans: exact, with a group lasso, with Laplacians, unbalanced. Costs are normalised (about 1)."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import laplacian
from scipy.special import xlogy
from sklearn.neighbors import kneighbors_graph

from sterna.domains._stack import Array
from sterna.transport._plan import _CLIP, _ITERATIONS, _KERNEL_FROM, Plan, entropic_plan

_PIVOTS = 10_000_000  # of the network simplex: 2000 x 2000 rows take a few hundred thousand
_STEPS = 20  # of conditional gradients
_RELATIVE = 1e-3  # the objective's fall in a step, over its value, that ends them
_NEIGHBOURS = 3


def exact_plan(
    cost: Array, potentials: tuple[Array, Array] | None = None, marginals: tuple[Array, Array] | None = None
) -> Plan:
    """Minimise <G, cost> over plans with given marginals, by the network simplex.

    Parameters
    ----------
    cost : ndarray of shape (n_source, n_target)
    potentials : (ndarray of shape (n_source,), ndarray of shape (n_target,)), default=None
        Dual variables of a similar problem to start from.
    marginals : (ndarray of shape (n_source,), ndarray of shape (n_target,)), default=None
        Each with the sum 1; None: uniform.

    Returns
    -------
    Plan
        With its own potentials.
    """
    import ot  # here, since it imports every array library that is installed

    source, target = marginals or tuple(np.full(n, 1 / n) for n in cost.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that pivots ran out: the plan says so itself
        coupling, log = ot.emd(source, target, cost, numItermax=_PIVOTS, log=True, potentials_init=potentials)
    error = float(np.abs(coupling.sum(axis=0) - target).sum())
    return Plan(coupling, error, log["warning"] is None, (log["u"], log["v"]))


def group_lasso_plan(cost: Array, codes: Array, regularization: float, class_regularization: float) -> Plan:
    """Minimise <G, cost> + regularization * sum G log G + class_regularization * n_source^(1/2) * sum_jc ||G_(c) j||_2.

    G_(c) j is what target row j receives from the source rows of class c. Generalised conditional gradients: the penalty is
    replaced by its tangent, the entropic problem solved, and a step made towards its solution as long as the objective falls.

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
    weight = class_regularization * np.sqrt(len(cost))
    members = np.eye(codes.max() + 1)[codes].T  # (n_classes, n_source)

    def norms(coupling: Array) -> Array:
        return np.sqrt(members @ coupling**2)  # (n_classes, n_target)

    def objective(coupling: Array) -> float:
        entropy = regularization * xlogy(coupling, coupling).sum()
        return float(np.vdot(coupling, cost) + entropy + weight * norms(coupling).sum())

    plan = entropic_plan(cost, regularization)
    coupling, value, settled = plan.coupling, objective(plan.coupling), False
    for _ in range(_STEPS):
        slope = coupling / np.maximum(norms(coupling), np.finfo(float).tiny)[codes]
        plan = entropic_plan(cost + weight * slope, regularization, potentials=plan.potentials)
        coupling, before = _step(objective, coupling, plan.coupling, value), value
        value = objective(coupling)
        settled = before - value <= _RELATIVE * abs(before)
        if settled:
            break
    error = float(np.abs(coupling.sum(axis=0) - 1 / cost.shape[1]).sum())
    return Plan(coupling, error, plan.converged and settled)


def _step(objective: Any, coupling: Array, towards: Array, value: float) -> Array:
    """The first of the whole step, half of it, ... that makes the objective fall; no step where none does."""
    for length in 0.5 ** np.arange(12):
        tried = coupling + length * (towards - coupling)
        if objective(tried) < value:
            return tried
    return coupling


def laplacian_plan(cost: Array, X_source: Array, X_target: Array, regularization: float) -> Plan:
    """Minimise <G, cost> + regularization / 2 * (the stretch between source neighbours + that between target neighbours).

    A source row is displaced by D_i = n_source (G X_target)_i - x_i; the stretch is the mean of |D_i - D_k|^2 over pairs of
    nearest neighbours, and likewise on the other side. Conditional gradients with an exact line search; each linear problem
    starts from the dual variables of the one before.

    Parameters
    ----------
    cost : ndarray of shape (n_source, n_target)
    X_source, X_target : ndarray of shape (n_source, n_features) and (n_target, n_features)
        In units in which squared distances are `cost`.
    regularization : float

    Returns
    -------
    Plan
    """
    import ot

    n_source, n_target = cost.shape
    centre = X_target.mean(axis=0)
    X_source, X_target = X_source - centre, X_target - centre
    source_graph, target_graph = _neighbour_laplacian(X_source), _neighbour_laplacian(X_target)
    last: dict[str, Any] = {"potentials": None, "converged": True}

    def displacements(coupling: Array, rows: float) -> tuple[Array, Array]:
        """Of source and target rows; those of a change of the plan with rows=0."""
        there = n_source * (coupling @ X_target) - rows * X_source
        return there, n_target * (coupling.T @ X_source) - rows * X_target

    def stretch(there: Array, back: Array) -> float:
        return float(np.vdot(there, source_graph @ there) + np.vdot(back, target_graph @ back)) / 2

    def gradient(coupling: Array) -> Array:
        there, back = displacements(coupling, 1.0)
        slope = n_source * (source_graph @ there) @ X_target.T
        return slope + n_target * X_source @ (target_graph @ back).T

    def linear(a: Array, b: Array, slope: Array, **_: Any) -> tuple[Array, dict[str, Any]]:
        plan = exact_plan(slope, last["potentials"])
        last.update(potentials=plan.potentials, converged=plan.converged)
        return plan.coupling, {}

    def line(_: Any, coupling: Array, change: Array, slope: Array, value: float, *__: Any, **___: Any) -> tuple[Any, int, Any]:
        fall, curvature = -float(np.vdot(slope, change)), regularization * stretch(*displacements(change, 0.0))
        length = float(np.clip(fall / (2 * curvature), 0, 1)) if curvature > 0 else float(fall > 0)
        return length, 1, value - length * fall + length**2 * curvature

    coupling, log = ot.optim.generic_conditional_gradient(
        np.full(n_source, 1 / n_source),
        np.full(n_target, 1 / n_target),
        cost,
        lambda plan: stretch(*displacements(plan, 1.0)),
        gradient,
        regularization,
        None,
        linear,
        line,
        G0=exact_plan(cost).coupling,
        numItermax=_STEPS,
        stopThr=_RELATIVE,
        log=True,
    )
    error = float(np.abs(coupling.sum(axis=0) - 1 / n_target).sum())
    return Plan(coupling, error, last["converged"] and len(log["loss"]) <= _STEPS)


def _neighbour_laplacian(X: Array) -> csr_matrix:
    """L with tr(D^T L D) the mean of |D_i - D_k|^2 over pairs of nearest neighbours, shape (n, n)."""
    k = min(_NEIGHBOURS, len(X) - 1)
    if k < 1:
        return csr_matrix((1, 1))
    graph = kneighbors_graph(X, k)
    return laplacian((graph + graph.T) / 2).tocsr() * (2 / graph.sum())


def unbalanced_plan(cost: Array, regularization: float, relaxation: float) -> Plan:
    """Minimise <G, cost> + regularization KL(G | a b^T) + relaxation (KL(G 1 | a) + KL(G^T 1 | b)), a and b uniform.

    Parameters
    ----------
    cost : ndarray of shape (n_source, n_target)
    regularization : float
    relaxation : float
        About the cost past which a row would rather not be transported.

    Returns
    -------
    Plan
        Its marginals are free, so that its marginal error is 0 by definition.
    """
    import ot

    source, target = (np.full(n, 1 / n) for n in cost.shape)
    method = "sinkhorn_stabilized"
    if regularization >= _KERNEL_FROM:
        method, cost = "sinkhorn", np.minimum(cost, _CLIP * regularization)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of numbers too small: the plan says that it did not converge
        coupling, log = ot.unbalanced.sinkhorn_unbalanced(
            source, target, cost, regularization, relaxation, method=method, numItermax=_ITERATIONS, stopThr=1e-6, log=True
        )
    return Plan(coupling, 0.0, bool(log["err"][-1] < 1e-6))
