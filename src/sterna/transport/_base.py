"""The shape of the methods that solve a transport plan between rows: parameters, the plan of a batch, what it reports."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from sterna.base import TransferEstimator, require_weights
from sterna.domains._stack import Array, DomainData
from sterna.transport._low_rank import factored_plan
from sterna.transport._plan import (
    Plan,
    class_regularised_plan,
    class_shares,
    cost_unit,
    entropic_plan,
    forbid,
    squared_distances,
)
from sterna.transport._problem import batches, in_one_piece
from sterna.transport._refine import PART, refined_plan, sampled_unit
from sterna.transport._solvers import exact_plan, group_lasso_plan, laplacian_plan, unbalanced_plan

# What "auto" stands for; the solvers with 0 have no entropy.
_REGULARIZATION = {
    "class-regularised": 0.2,
    "sinkhorn": 0.05,
    "group-lasso": 0.02,
    "unbalanced": 0.05,
    "low-rank": 0.02,
    "emd": 0.0,
    "laplacian": 0.0,
}
_CLASS_REGULARIZATION = {"class-regularised": 1.0, "group-lasso": 0.02}
# Twenty linear problems a batch: past so many source rows batches are smaller, or 100,000 would take over three minutes.
_LAPLACIAN_ROWS, _LAPLACIAN_BATCH = 20_000, 400


class PlanEstimator(TransferEstimator):
    """Base of methods with the solvers of `OTMapping`; a subclass fills `_fit_domains` and sets `scale_` first."""

    family = "transport"
    assumes = ("covariate", "subspace")
    accepts_sparse = False
    scale_: Array

    _parameter_constraints = {
        **TransferEstimator._parameter_constraints,
        "solver": [StrOptions({"auto", *_REGULARIZATION})],
        "entropic_regularization": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "class_regularization": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "laplacian_regularization": [Interval(Real, 0, None, closed="left")],
        "marginal_relaxation": [Interval(Real, 0, None, closed="neither")],
        "rank": [Interval(Integral, 1, None, closed="left")],
        "cost_normalization": [StrOptions({"median", "max"})],
        "standardize": ["boolean"],
        "batch_size": [Interval(Integral, 2, None, closed="left"), StrOptions({"auto"}), None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        solver: str = "auto",
        entropic_regularization: float | str = "auto",
        class_regularization: float | str = "auto",
        laplacian_regularization: float = 0.5,
        marginal_relaxation: float = 1.0,
        rank: int = 50,
        cost_normalization: str = "median",
        standardize: bool = True,
        batch_size: int | str | None = "auto",
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.solver = solver
        self.entropic_regularization = entropic_regularization
        self.class_regularization = class_regularization
        self.laplacian_regularization = laplacian_regularization
        self.marginal_relaxation = marginal_relaxation
        self.rank = rank
        self.cost_normalization = cost_normalization
        self.standardize = standardize
        self.batch_size = batch_size
        self.random_state = random_state

    def _resolve(self) -> tuple[str, float]:
        """The solver and the entropic regularisation that "auto" stands for."""
        classes = is_classifier(self)
        if self.solver in _CLASS_REGULARIZATION and not classes:
            raise ValueError(
                f"solver={self.solver!r} needs classes, but the base estimator is a regressor; use solver='sinkhorn'"
            )
        solver = ("class-regularised" if classes else "sinkhorn") if self.solver == "auto" else self.solver
        if solver == "unbalanced":
            require_weights(self._base_estimator())
        given = self.entropic_regularization
        auto = _REGULARIZATION[solver]
        return solver, auto if given == "auto" or not auto else float(given)

    def _plans(
        self, data: DomainData, codes: tuple[Array, Array], *, all_targets: bool = False
    ) -> Iterator[tuple[Array, Array, Plan]]:
        """Row numbers of source and target, and the plan between them; all rows at once where the solver can."""
        solver, _ = self._resolve()
        n_source, n_target = data.X_source.shape[0], data.X_target.shape[0]
        in_parts = solver == "emd" and not in_one_piece(self.batch_size, n_source, n_target)
        if in_parts or solver == "low-rank":
            plan = self._refine(data, codes) if in_parts else self._factor(data)
            yield np.arange(n_source), np.arange(n_target), plan
            return
        size = self.batch_size
        if solver == "laplacian" and size == "auto" and n_source > _LAPLACIAN_ROWS:
            size = _LAPLACIAN_BATCH
        for source, target in batches(data, size, self.random_state, all_targets=all_targets):
            yield source, target, self._solve(data.X_source[source], data.X_target[target], codes[0][source], codes[1][target])

    def _factor(self, data: DomainData) -> Plan:
        """The plan of low rank between all rows."""
        rng = check_random_state(self.random_state)
        source, target = data.X_source / self.scale_, data.X_target / self.scale_
        root = sampled_unit(source, target, self.cost_normalization, rng) ** 0.5
        center = target.mean(axis=0, dtype=np.float64)
        plan, rank = factored_plan((source - center) / root, (target - center) / root, self.rank, self._resolve()[1], rng)
        self.health_["rank"] = rank
        return plan

    def _refine(self, data: DomainData, codes: tuple[Array, Array]) -> Plan:
        """The exact plan between all rows, nearly."""
        rng = check_random_state(self.random_state)
        source, target = data.X_source / self.scale_, data.X_target / self.scale_
        unit = sampled_unit(source, target, self.cost_normalization, rng)

        def price(rows: Array, columns: Array) -> Array:
            cost = squared_distances(source[rows], target[columns]) / unit
            if is_classifier(self):
                forbid(cost, codes[0][rows], codes[1][columns], 0.0)
            return cost

        size = PART if self.batch_size is None or isinstance(self.batch_size, str) else int(self.batch_size)
        found = refined_plan(price, source, target, size, rng)
        self.health_ |= {"n_parts": found.n_parts, "transport_cost": found.cost}
        error = float(np.abs(found.coupling.sum(axis=0) - 1 / len(target)).sum())
        return Plan(found.coupling, error, found.settled)

    def _solve(self, source: Array, target: Array, source_codes: Array, target_codes: Array) -> Plan:
        """The plan between the rows of one batch."""
        solver, regularization = self._resolve()
        rows, images = source / self.scale_, target / self.scale_
        cost = squared_distances(rows, images)
        unit = cost_unit(cost, self.cost_normalization)
        cost /= unit
        if is_classifier(self):
            forbid(cost, source_codes, target_codes, regularization)
        given = self.class_regularization
        penalty = _CLASS_REGULARIZATION.get(solver, 0.0) if given == "auto" else float(given)
        match solver:
            case "emd":
                return exact_plan(cost)
            case "sinkhorn":
                return entropic_plan(cost, regularization)
            case "group-lasso":
                return group_lasso_plan(cost, source_codes, regularization, penalty)
            case "laplacian":
                return laplacian_plan(cost, rows / unit**0.5, images / unit**0.5, self.laplacian_regularization)
            case "unbalanced":
                return unbalanced_plan(cost, regularization, self.marginal_relaxation)
        return class_regularised_plan(cost, source_codes, regularization, penalty)

    def _report(self, plan: Plan, codes: Array) -> dict[str, Any]:
        report = {"mass": plan.coupling.sum(), "error": plan.marginal_error, "converged": plan.converged}
        if is_classifier(self):
            report["purity"] = class_shares(plan.coupling, codes).max(axis=0).mean()
        return report
