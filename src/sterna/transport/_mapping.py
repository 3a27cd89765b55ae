"""OTMapping: carry the source to the target along an optimal transport plan."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import pairwise_distances_argmin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from threadpoolctl import threadpool_limits

from sterna.base import CollapseWarning, TransferEstimator
from sterna.domains._stack import Array, DomainData
from sterna.transport._plan import Plan, class_regularised_plan, class_shares, entropic_plan, forbid, transport_cost

_EXACT_ENTRIES = 2000**2  # of one plan; up to eight matrices of that size are alive at a time, 260 MB
_BATCH_SIZE = 1000
_REGULARIZATION = {"class-regularised": 0.2, "sinkhorn": 0.02}


class OTMapping(TransferEstimator):
    """Optimal transport mapping: move each source row to the mean of the target rows its mass goes to, train on the result.

    When to use it: the target lies elsewhere or is deformed (another camera, a rotation, another instrument), and rows that
    were near each other still are. When it cannot help: the classes' shares differ much (all mass must go somewhere, so the
    surplus of one class lands on another), the deformation carries one class nearer to another's rows than to its own,
    or P(y | x) itself changed.

    Parameters
    ----------
    estimator : estimator, default=None
        The base estimator; None is `LogisticRegression(max_iter=1000)`.
    solver : {"auto", "class-regularised", "sinkhorn"}, default="auto"
        "class-regularised" also drives each target row to receive from one class only; it needs classes. "sinkhorn" is plain
        entropic transport. "auto" is the first for classifiers and the second for regressors.
    entropic_regularization : float or "auto", default="auto"
        In units of the normalised cost. Large values blur: carried rows shrink towards the target's mean (see `spread`),
        which makes slopes too steep. "auto" is 0.2 class-regularised, where classes are held apart, and 0.02 otherwise.
        Below 0.005 the solver works with logarithms, hundreds of times slower.
    class_regularization : float, default=1.0
        The weight of the class penalty, in units of the normalised cost.
    cost_normalization : {"median", "max"}, default="median"
        The squared distance that counts as one; the maximum moves with a single outlier.
    standardize : bool, default=True
        Measure distances with each feature over its standard deviation within domains. False where all share a unit.
    batch_size : int, "auto" or None, default="auto"
        "auto" solves one problem while the plan has at most 2000^2 entries, and past that mini-batches of about 1000
        rows; an int always makes mini-batches of about that many; None never does.
    random_state : int, RandomState instance or None, default=None
        Draws the mini-batches; unused without.

    Attributes
    ----------
    carried_ : ndarray of shape (n_source, n_features)
        The source rows after transport.
    source_ : ndarray of shape (n_source, n_features)
        The source rows before, kept to represent other source rows.
    scale_ : ndarray of shape (n_features,)
        What features are divided by in the cost.
    estimator_ : estimator
    classes_ : ndarray of shape (n_classes,)
        Classifiers only.
    health_ : dict
        `n_batches`; `transported_mass` (1 when all arrives); `marginal_error`, the l1 error of the target marginal (the worst
        batch); `converged` (every batch, to 1e-4 within 1000 steps); `spread`, the variance of the carried rows over the
        target's; `target_used`, the share of target rows in any plan; for classifiers `class_purity`, the mean share of the
        leading class in the mass of a target row.

    Notes
    -----
    min_G <G, C> + e sum G log G + h sum_j sum_c (s_jc + 0.1)^(1/2) over plans with uniform marginals, s_jc being the share of
    class c in the mass that target row j receives; a source row goes to its barycentre sum_j G_ij x_j / sum_j G_ij. Target
    rows stay as they are, so rows never seen need no map. Other source rows take the displacement of the nearest source
    row in training (Ferradans et al. 2014); those of the training are given their own.

    Departures. The cost is standardised and normalised. The penalty acts on shares, not masses: with masses, as in POT, it
    fades as rows are added. Pairs of different known classes cost 30 e more instead of infinitely more, so that a solution
    always exists; regression ignores target labels in the plan. Several sources are carried as one. Past 2000^2 entries
    the source is cut at random, stratified by label, and each part is carried to a random part of the target (Fatras et
    al. 2021): the plan is no longer optimal over all rows, and where the target has many more rows than the source only
    some of it is used. Batches of a few hundred rows of high-dimensional data lose points (SURF C->A: 50.3 with 300, 54.9
    in one piece). The "auto" regularisations were chosen on Office-Caltech10, digits and simulated regressions, not
    derived.

    Time O(b n) a Sinkhorn step for batches of b rows (O(n_s n_t) in one piece), memory O(b^2 + n d).

    References
    ----------
    N. Courty, R. Flamary, D. Tuia, A. Rakotomamonjy (2017), Optimal transport for domain adaptation, IEEE TPAMI 39(9).
    N. Courty, R. Flamary, D. Tuia (2014), Domain adaptation with regularized optimal transport, ECML PKDD.
    K. Fatras et al. (2021), Minibatch optimal transport distances; analysis and applications, arXiv:2101.01792.
    S. Ferradans et al. (2014), Regularized discrete optimal transport, SIAM Journal on Imaging Sciences 7(3).

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.transport import OTMapping
    >>> rng = np.random.default_rng(0)
    >>> centers = np.array([[0.0, 0.0], [4.0, 0.0]])
    >>> ys = np.repeat([0, 1], 50)
    >>> Xs = centers[ys] + rng.normal(size=(100, 2))
    >>> Xt = centers[ys] + rng.normal(size=(100, 2)) + [3, 5]
    >>> X, y = np.vstack([Xs, Xt]), np.r_[ys, np.full(100, -1)]
    >>> model = OTMapping().fit(X, y, sample_domain=np.repeat([1, -2], 100))
    >>> model.predict([[3.0, 5.0], [7.0, 5.0]])
    array([0, 1])
    """

    family = "transport"
    reference = "Courty, Flamary, Tuia and Rakotomamonjy 2017"
    assumes = ("covariate", "subspace")
    accepts_sparse = False

    _parameter_constraints = {
        **TransferEstimator._parameter_constraints,
        "solver": [StrOptions({"auto", "class-regularised", "sinkhorn"})],
        "entropic_regularization": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "class_regularization": [Interval(Real, 0, None, closed="left")],
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
        class_regularization: float = 1.0,
        cost_normalization: str = "median",
        standardize: bool = True,
        batch_size: int | str | None = "auto",
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.solver = solver
        self.entropic_regularization = entropic_regularization
        self.class_regularization = class_regularization
        self.cost_normalization = cost_normalization
        self.standardize = standardize
        self.batch_size = batch_size
        self.random_state = random_state

    def _fit_domains(self, data: DomainData) -> None:
        self._resolve()
        self.source_ = data.X_source
        self.scale_ = _within_scale(data) if self.standardize else np.ones(data.X_source.shape[1])
        dtype = np.result_type(data.X_source.dtype, np.float32)
        self.carried_ = np.empty(data.X_source.shape, dtype=dtype)
        source_codes, target_codes = self._codes(data)
        reports = []
        with threadpool_limits(1, user_api="blas"):  # products of a small matrix and a vector: threads only cost
            for source, target in self._batches(data):
                plan = self._solve(data, source, target, source_codes[source], target_codes[target])
                mass = plan.coupling.sum(axis=1, keepdims=True)
                self.carried_[source] = (plan.coupling / mass) @ data.X_target[target]
                reports.append(self._report(plan, source_codes[source]) | {"rows": target})
        self._sum_up(reports, data)
        self._fit_final(self.carried_, data)

    def _resolve(self) -> tuple[str, float]:
        """The solver and the entropic regularisation that "auto" stands for."""
        classes = is_classifier(self)
        if self.solver == "class-regularised" and not classes:
            raise ValueError(
                "solver='class-regularised' needs classes, but the base estimator is a regressor; use solver='sinkhorn'"
            )
        solver = ("class-regularised" if classes else "sinkhorn") if self.solver == "auto" else self.solver
        given = self.entropic_regularization
        return solver, _REGULARIZATION[solver] if given == "auto" else float(given)

    def _codes(self, data: DomainData) -> tuple[Array, Array]:
        """Classes of source rows as 0..C-1, and of target rows with -1 where unknown; zeros for regression."""
        source, target = np.zeros(len(data.y_source), dtype=int), np.full(data.X_target.shape[0], -1)
        if is_classifier(self):
            source = np.searchsorted(self.classes_, data.y_source)
            target[data.labelled] = np.searchsorted(self.classes_, data.y_target)
        return source, target

    def _batches(self, data: DomainData) -> Iterator[tuple[Array, Array]]:
        """Pairs of row numbers: every source row in one pair, sources dealt out by label."""
        n_source, n_target = data.X_source.shape[0], data.X_target.shape[0]
        if self.batch_size is None or (self.batch_size == "auto" and n_source * n_target <= _EXACT_ENTRIES):
            yield np.arange(n_source), np.arange(n_target)
            return
        rng = check_random_state(self.random_state)
        size = _BATCH_SIZE if self.batch_size == "auto" else int(self.batch_size)
        n_batches, n_parts = -(-n_source // size), -(-n_target // size)
        source, target = rng.permutation(n_source), rng.permutation(n_target)
        source = source[np.argsort(data.y_source[source], kind="stable")]
        for k in range(n_batches):
            yield source[k::n_batches], target[k % n_parts :: n_parts]

    def _solve(self, data: DomainData, source: Array, target: Array, source_codes: Array, target_codes: Array) -> Plan:
        solver, regularization = self._resolve()
        rows, images = data.X_source[source] / self.scale_, data.X_target[target] / self.scale_
        cost = transport_cost(rows, images, self.cost_normalization)
        if is_classifier(self):
            forbid(cost, source_codes, target_codes, regularization)
        if solver == "sinkhorn":
            return entropic_plan(cost, regularization)
        return class_regularised_plan(cost, source_codes, regularization, self.class_regularization)

    def _report(self, plan: Plan, codes: Array) -> dict[str, Any]:
        report = {"mass": plan.coupling.sum(), "error": plan.marginal_error, "converged": plan.converged}
        if is_classifier(self):
            report["purity"] = class_shares(plan.coupling, codes).max(axis=0).mean()
        return report

    def _sum_up(self, reports: list[dict[str, Any]], data: DomainData) -> None:
        target_variance = data.X_target.var(axis=0) / self.scale_**2
        spread = float((self.carried_.var(axis=0) / self.scale_**2).sum() / (target_variance.sum() or np.inf))
        rows = np.unique(np.concatenate([report["rows"] for report in reports]))
        self.health_ |= {
            "n_batches": len(reports),
            "transported_mass": float(np.mean([report["mass"] for report in reports])),
            "marginal_error": max(report["error"] for report in reports),
            "converged": all(report["converged"] for report in reports),
            "spread": spread,
            "target_used": len(rows) / data.X_target.shape[0],
        }
        if is_classifier(self):
            self.health_["class_purity"] = float(np.mean([report["purity"] for report in reports]))
        self._warn(spread)

    def _warn(self, spread: float) -> None:
        error = self.health_["marginal_error"]
        if error > 0.05:
            warnings.warn(
                f"transport stopped with {error:.0%} of the target's mass misplaced; raise entropic_regularization",
                ConvergenceWarning,
            )
        if spread < 0.01:
            warnings.warn(
                f"the carried source rows keep {spread:.2%} of the target's variance: they all lie near one point; lower "
                "entropic_regularization, or give more target rows",
                CollapseWarning,
            )

    def _map_source(self, X: Array) -> Array:
        if np.array_equal(X, self.source_):
            return self.carried_
        nearest = pairwise_distances_argmin(X / self.scale_, self.source_ / self.scale_)
        return X + (self.carried_[nearest] - self.source_[nearest])


def _within_scale(data: DomainData) -> Array:
    """The root of the mean of both domains' variances, 1 for constant features, shape (n_features,)."""
    scale = np.sqrt((data.X_source.var(axis=0) + data.X_target.var(axis=0)) / 2)
    return np.where(scale > 0, scale, 1.0)
