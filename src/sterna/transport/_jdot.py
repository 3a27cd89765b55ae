"""JDOT: transport of features and labels together, in turns with the model that it trains."""

from __future__ import annotations

from itertools import islice
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from threadpoolctl import threadpool_limits

from sterna.base import TransferEstimator
from sterna.domains._stack import Array, DomainData
from sterna.transport._plan import forbid, squared_distances, transport_cost
from sterna.transport._problem import batches, class_codes, in_one_piece, within_scale
from sterna.transport._refine import PART, SWEEPS, refined_plan, sampled_unit
from sterna.transport._soft_labels import LabelSums, fit_on_target
from sterna.transport._solvers import exact_plan

_LEADING = 10  # batches of rows that the turns are made on; the rest join in the last one
_LEAST_PROBABILITY = 1e-6  # a cross-entropy of 14, as many times the usual cost
_METHODS = {"cross-entropy": "predict_proba", "squared": "predict_proba", "hinge": "decision_function"}


class JDOT(TransferEstimator):
    """Joint distribution optimal transport: match (x, y) of the source with (x, f(x)) of the target, refit f, repeat.

    When to use it: the relation of features and label moves along with the features, and the class shares are alike. When
    it cannot help: the class shares differ much, or the first match, on features alone, is mostly wrong: the turns then
    confirm it.

    Parameters
    ----------
    estimator : estimator, default=None
        The base estimator; None is `LogisticRegression(max_iter=1000)`. It should minimise the same loss as the plan does.
    label_weight : float, default=1.0
        Of the label's loss beside the distance of features; both are about 1.
    loss : {"auto", "cross-entropy", "hinge", "squared"}, default="auto"
        Between a source label and the prediction for a target row. "squared" is of probabilities for classifiers. "auto" is
        "cross-entropy" for classifiers with `predict_proba`, "hinge" for others, and "squared" for regressors.
    cost_normalization : {"median", "max"}, default="median"
        The squared distance that counts as one.
    standardize : bool, default=True
        Measure distances with each feature over its standard deviation within domains. False where all share a unit.
    batch_size : int, "auto" or None, default="auto"
        Of parts of the plan: "auto" solves it in one piece while it has at most 2000^2 entries, and past that in parts of about
        500 rows, over and over; an int always makes parts of about that many rows; None never does.
    max_iter : int, default=30
        Turns at most.
    tol : float, default=1e-3
        Stop when the cost of the plan changes by less than this share of it.
    random_state : int, RandomState instance or None, default=None
        Draws the parts; unused without.

    Attributes
    ----------
    soft_labels_ : ndarray of shape (n_target, n_classes) or (n_target,)
        Shares of the classes, or the mean label, that each target row received last.
    costs_ : ndarray of shape (n_iter,)
        Of the plan in every turn after the first, features and labels together.
    n_iter_ : int
        The number of those turns.
    scale_ : ndarray of shape (n_features,)
        What features are divided by in the cost.
    estimator_ : estimator
    classes_ : ndarray of shape (n_classes,)
        Classifiers only.
    health_ : dict
        `n_iter`; `converged`; `n_parts` of the last plan; `label_cost`, the share of the label's loss in the last cost: near
        0, labels decide nothing, near 1, features do not.

    Notes
    -----
    min over f and plans G of sum_ij G_ij (d(x_i, x_j) + w L(y_i, f(x_j))), in turns: an exact plan for fixed f, started from
    the dual variables of the last; f on the target's rows with the labels that they receive, one row a class with shares
    as weights (the leading class where the base estimator takes no weights). The first plan is of the features alone.
    f predicts rows never seen.

    Departures. d is the squared distance, standardised and normalised, and a loss of regression is divided by twice the
    variance of the source's labels, so that w needs no tuning; probabilities are held above 1e-6. Known target labels bar
    other classes in the plan (30 units) and stand in training as they are; regression ignores them in the plan. A
    class share under 0.05 is left out. Several sources are taken as one. Past 2000^2 entries the plan starts between random
    orders, and the mass of one part of the source after another is sent anew, at the least cost, to the target rows that had it:
    eight sweeps over all parts at the start, two a turn. Past ten batches of 1000 rows the turns are made on ten, stratified by the
    source's labels, and a last plan and fit on all rows.

    Time O(n b^2) in practice for parts of b rows, and a fit of the base estimator a turn; memory O(b^2 + n (d + n_classes)).

    References
    ----------
    N. Courty, R. Flamary, A. Habrard, A. Rakotomamonjy (2017), Joint distribution optimal transportation for domain
    adaptation, NIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.transport import JDOT
    >>> rng = np.random.default_rng(0)
    >>> ys = np.repeat([0, 1], 50)
    >>> Xs = np.array([[0.0, 0.0], [4.0, 0.0]])[ys] + rng.normal(size=(100, 2))
    >>> X, y = np.vstack([Xs, Xs[::-1] + [3, 5]]), np.r_[ys, np.full(100, -1)]
    >>> model = JDOT().fit(X, y, sample_domain=np.repeat([1, -2], 100))
    >>> model.predict([[3.0, 5.0], [7.0, 5.0]])
    array([0, 1])
    """

    family = "transport"
    reference = "Courty, Flamary, Habrard and Rakotomamonjy 2017"
    assumes = ("covariate", "concept")
    accepts_sparse = False

    _parameter_constraints = {
        **TransferEstimator._parameter_constraints,
        "label_weight": [Interval(Real, 0, None, closed="left")],
        "loss": [StrOptions({"auto", *_METHODS})],
        "cost_normalization": [StrOptions({"median", "max"})],
        "standardize": ["boolean"],
        "batch_size": [Interval(Integral, 2, None, closed="left"), StrOptions({"auto"}), None],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        label_weight: float = 1.0,
        loss: str = "auto",
        cost_normalization: str = "median",
        standardize: bool = True,
        batch_size: int | str | None = "auto",
        max_iter: int = 30,
        tol: float = 1e-3,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.label_weight = label_weight
        self.loss = loss
        self.cost_normalization = cost_normalization
        self.standardize = standardize
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def _fit_domains(self, data: DomainData) -> None:
        self.adapted_ = True
        loss = self._resolve_loss()
        self.scale_ = within_scale(data) if self.standardize else np.ones(data.X_source.shape[1])
        with threadpool_limits(1, user_api="blas"):
            self._take_turns(_Match(self, data), loss)
        self._look_for_collapse(data)

    def _fit_plain(self, X: Any, y: Array) -> None:
        super()._fit_plain(X, y)
        self.n_iter_ = 1

    def _resolve_loss(self) -> str:
        """The loss that "auto" stands for; raises where the base estimator cannot give it."""
        if not is_classifier(self):
            if self.loss not in ("auto", "squared"):
                raise ValueError(
                    f"loss={self.loss!r} is for classes, but the base estimator is a regressor; use loss='squared'"
                )
            return "squared"
        base = self._base_estimator()
        loss = self.loss
        if loss == "auto":
            loss = "cross-entropy" if hasattr(base, "predict_proba") else "hinge"
        if not hasattr(base, _METHODS[loss]):
            raise TypeError(
                f"{type(base).__name__} has no {_METHODS[loss]}, which loss={loss!r} needs; use another loss or base estimator, "
                "for instance LogisticRegression"
            )
        return loss

    def _take_turns(self, match: _Match, loss: str) -> None:
        """Plan and fit by turns, and once more on all rows where the turns were on some; sets fitted attributes and the health."""
        data = match.data
        _, self.soft_labels_, weights = match(None)
        rows = match.target
        costs: list[Array] = []  # of features, of labels
        converged = False
        for _ in range(self.max_iter):
            self.estimator_ = fit_on_target(self, data, rows, self.soft_labels_[rows], weights[rows])
            before = self.soft_labels_
            cost, self.soft_labels_, weights = match(self._losses(data, loss))
            change = abs(cost.sum() - costs[-1].sum()) if costs else np.inf
            costs.append(cost)
            converged = bool(change <= self.tol * cost.sum()) or np.allclose(before, self.soft_labels_, atol=1e-9)
            if converged:
                break
        self.estimator_ = fit_on_target(self, data, rows, self.soft_labels_[rows], weights[rows])
        self.costs_ = np.sum(costs, axis=1)
        share = float(costs[-1][1] / (self.costs_[-1] or 1.0))
        self.n_iter_ = len(costs)
        self.health_ |= {"n_iter": self.n_iter_, "converged": converged, "label_cost": share}
        if match.widen():
            _, self.soft_labels_, weights = match(self._losses(data, loss))
            self.estimator_ = fit_on_target(self, data, match.target, self.soft_labels_, weights)
        self.health_["n_parts"] = match.n_parts

    def _losses(self, data: DomainData, loss: str) -> Any:
        """The loss of every class for target rows by number, or for regression their predictions."""
        base = self.estimator_
        if not is_classifier(self):
            return lambda rows: base.predict(data.X_target[rows])
        columns = np.searchsorted(self.classes_, base.classes_)

        def table(rows: Array) -> Array:
            scores = getattr(base, _METHODS[loss])(data.X_target[rows])
            if loss == "hinge":
                return _hinge(scores, columns, len(self.classes_))
            probabilities = np.zeros((len(rows), len(self.classes_)))
            probabilities[:, columns] = scores
            if loss == "squared":
                return (probabilities**2).sum(axis=1, keepdims=True) - 2 * probabilities + 1
            return -np.log(np.maximum(probabilities, _LEAST_PROBABILITY))

        return table


class _Match:
    """The plan of a turn: of all rows at once, or, where they are too many, of up to ten batches of them, in parts.

    Attributes
    ----------
    source, target : ndarray of int
        The rows that are matched.
    n_parts : int
        Parts that the last plan was solved in.
    """

    def __init__(self, model: JDOT, data: DomainData) -> None:
        self.model, self.data, self.n_parts = model, data, 1
        self.rng = check_random_state(model.random_state)
        self.codes = class_codes(model, data)
        self.whole = in_one_piece(model.batch_size, data.X_source.shape[0], data.X_target.shape[0])
        pairs = list(islice(batches(data, model.batch_size, self.rng, all_targets=True), _LEADING))
        self.source, self.target = (np.unique(np.concatenate(rows)) for rows in zip(*pairs, strict=True))
        self.start: Any = None  # potentials, or a plan
        self._place()

    def _place(self) -> None:
        model = self.model
        self.rows = self.data.X_source[self.source] / model.scale_
        self.images = self.data.X_target[self.target] / model.scale_
        if self.whole:
            self.features = transport_cost(self.rows, self.images, model.cost_normalization)
        else:
            self.unit = sampled_unit(self.rows, self.images, model.cost_normalization, self.rng)

    def widen(self) -> bool:
        """Take all rows; False where they are in already."""
        n_source, n_target = self.data.X_source.shape[0], self.data.X_target.shape[0]
        if len(self.source) == n_source and len(self.target) == n_target:
            return False
        self.source, self.target, self.start = np.arange(n_source), np.arange(n_target), None
        self._place()
        return True

    def __call__(self, losses: Any) -> tuple[Array, Array, Array]:
        """Costs of features and labels, the labels that target rows receive, and their masses.

        `losses` is a function of target rows that gives (n, n_classes), or for regression predictions; None: features alone.
        """
        table = None if losses is None else losses(self.target)
        if self.whole:
            coupling, costs = self._exact(table)
        else:
            coupling, costs = self._in_parts(table)
        sums = LabelSums(self.model, self.data, self.codes[0])
        sums.add(coupling, self.source, self.target)
        return costs, *sums.labels_and_weights()

    def _exact(self, table: Any) -> tuple[Array, Array]:
        every = np.arange(len(self.source)), np.arange(len(self.target))
        label = self._labels(*every, table)
        joint = self.features + label
        self._forbid(joint, *every)
        plan = exact_plan(joint, self.start)
        self.start = plan.potentials
        return plan.coupling, np.array([np.vdot(plan.coupling, self.features), np.sum(plan.coupling * label)])

    def _in_parts(self, table: Any) -> tuple[Any, Array]:
        def price(rows: Array, columns: Array) -> Array:
            joint = squared_distances(self.rows[rows], self.images[columns]) / self.unit + self._labels(rows, columns, table)
            self._forbid(joint, rows, columns)
            return joint

        given = self.model.batch_size
        size = PART if given is None or isinstance(given, str) else int(given)
        sweeps = SWEEPS if self.start is None else 2
        found = refined_plan(price, self.rows, self.images, size, self.rng, start=self.start, sweeps=sweeps)
        self.start, self.n_parts = found.coupling, found.n_parts
        held = found.coupling.tocoo()
        i, j = held.coords
        features = ((self.rows[i] - self.images[j]) ** 2).sum(axis=1) / self.unit
        return found.coupling, np.array([held.data @ features, held.data @ self._labels_of_pairs(i, j, table)])

    def _forbid(self, joint: Array, rows: Array, columns: Array) -> None:
        if is_classifier(self.model):
            forbid(joint, self.codes[0][self.source[rows]], self.codes[1][self.target[columns]], 0.0)

    def _labels(self, rows: Array, columns: Array, table: Any) -> Array:
        """w L(y_i, f(x_j)), of shape (n_rows, n_columns); zeros of any shape before there is an f."""
        return np.zeros((1, 1)) if table is None else self._label_loss(rows[:, None], columns, table)

    def _labels_of_pairs(self, rows: Array, columns: Array, table: Any) -> Array:
        return np.zeros(len(rows)) if table is None else self._label_loss(rows, columns, table)

    def _label_loss(self, rows: Array, columns: Array, table: Array) -> Array:
        weight = self.model.label_weight
        if is_classifier(self.model):
            return weight * table[columns, self.codes[0][self.source[rows]]]
        labels = self.data.y_source
        return weight / (2 * np.var(labels) or 1.0) * (labels[self.source[rows]] - table[columns]) ** 2


def _hinge(scores: Array, columns: Array, n_classes: int) -> Array:
    """Losses sum_k max(0, 1 - (2 [k = c] - 1) f_k) of every class c, one against the rest, shape (n, n_classes)."""
    if scores.ndim == 1:
        scores = np.column_stack([-scores, scores])
    values = np.full((len(scores), n_classes), -1.0)  # classes that the base estimator does not know
    values[:, columns] = scores
    negative, positive = np.maximum(0, 1 + values), np.maximum(0, 1 - values)
    return negative.sum(axis=1, keepdims=True) - negative + positive
