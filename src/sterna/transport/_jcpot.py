"""JCPOT: several sources whose class shares differ from the target's, carried with shares that are found on the way."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from threadpoolctl import threadpool_limits

from sterna.base import TransferEstimator
from sterna.domains._simplex import nearest_mixture
from sterna.domains._stack import Array, DomainData
from sterna.transport._plan import clipped_kernel, entropic_plan, forbid, squared_distances, transport_cost
from sterna.transport._problem import batches, class_codes, within_scale
from sterna.transport._soft_labels import LabelSums, fit_on_target

_ROWS = 2000  # of each domain that the shares are estimated on


class JCPOT(TransferEstimator):
    """Joint class proportions and optimal transport: find the target's class shares, then transport labels with them.

    When to use it: the class shares of the target differ from the sources' (and theirs among each other), and rows of a
    class lie where they lie in the sources, or not far off. When it cannot help: the classes overlap so much that nothing tells
    their shares, or a class of the target lies nearer to another's rows in the sources than to its own.

    Parameters
    ----------
    estimator : estimator, default=None
        The base estimator, a classifier, trained on the target's rows; None is `LogisticRegression(max_iter=1000)`.
    entropic_regularization : float, default=0.05
        In units of the normalised cost. Large values draw the shares to even ones.
    shrinkage : float or "auto", default="auto"
        How far the shares are drawn to the sources' mean: 0 not at all (the paper's), 1 onto it. "auto" goes by the
        energy distance of the domains: near 0 where other shares explain it, near 1 where classes look different.
    cost_normalization : {"median", "max"}, default="median"
        The squared distance that counts as one.
    standardize : bool, default=True
        Measure distances with each feature over its standard deviation within domains. False where all share a unit.
    batch_size : int, "auto" or None, default="auto"
        Of the plans that carry labels: "auto" solves one problem a source while the plan has at most 2000^2 entries, and past
        that mini-batches of about 1000 rows; an int always makes mini-batches of about that many; None never does.
    max_iter : int, default=1000
        Steps of the shares at most.
    tol : float, default=1e-5
        Stop when the shares change by less (l1 norm).
    random_state : int, RandomState instance or None, default=None
        Draws the rows of the shares and the mini-batches; unused without.

    Attributes
    ----------
    class_shares_ : ndarray of shape (n_classes,)
        Of the target, estimated and shrunk.
    soft_labels_ : ndarray of shape (n_target, n_classes)
        Shares of the classes that each target row received.
    scale_ : ndarray of shape (n_features,)
        What features are divided by in the cost.
    n_iter_ : int
    estimator_ : estimator
    classes_ : ndarray of shape (n_classes,)
    health_ : dict
        `n_sources`; `n_iter`; `converged`; `n_batches`; `explained`, the part of the domains' energy distance that other shares
        explain; `share_shift`, half the l1 distance of the shares from the sources' mean; `confidence`, the mean leading share of a
        target row.

    Notes
    -----
    min over h and plans G_k of sum_k w_k KL(G_k | exp(-C_k / e)) with G_k^T 1 uniform and the mass of class c in source k equal
    to h_c, evenly over its rows. Iterative Bregman projections: scale columns to the target's marginal, h_c = prod_k (mass of
    c in G_k)^w_k, scale rows to h_c / n_c. Then target row j takes the class shares of sum_k w_k G_k, and the base estimator
    is trained with one row a class and shares as weights (the leading class where it takes no weights). Rows never
    seen are given to it as they are. With one source it works too, on less evidence.

    Departures. With the shares h of the above and the mean p of the sources' shares, the shares are p + t e (h - p). D(q) is the
    (unbiased) energy distance of all sources' rows, their classes reweighted to q, to the target's; t in [0, 1] minimises
    D(p + t (h - p)), and e = 1 - min D / D(p) is the part that any shares explain, 0 where D(p) is no more than chance. Under other
    class shares alone e nears 1. Where classes moved as well, h follows that move: on digits turned by 30 degrees even shares come
    out 0.25 off (half the l1 distance), and 0.05 after shrinkage. w_k = 1 / K, over the sources that have class c. POT propagates
    the plans' rows scaled to one, which takes the shares out again; here the plans themselves. Known target labels bar other
    classes in the plans (30 e) and stand in training as they are. A class share under 0.05 is left out. The shares are estimated on
    at most 2000 rows of each domain, stratified by label; past 2000^2 entries of a plan, labels are carried by mini-batches with
    these shares. The entropy is that of `OTMapping`'s "sinkhorn", chosen between halves of sources.

    Time O(K n b) a step for batches of b rows, memory O(K 2000^2 + n n_classes).

    References
    ----------
    I. Redko, N. Courty, R. Flamary, D. Tuia (2019), Optimal transport for multi-source domain adaptation under target shift,
    AISTATS.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.transport import JCPOT
    >>> rng = np.random.default_rng(0)
    >>> y = np.r_[np.repeat([0, 1], [50, 50]), np.repeat([0, 1], [20, 80]), np.repeat([0, 1], [90, 10])]
    >>> X = np.array([[0.0, 0.0], [4.0, 0.0]])[y] + rng.normal(size=(300, 2))
    >>> domain = np.repeat([1, 2, -3], 100)
    >>> model = JCPOT().fit(X, np.where(domain > 0, y, -1), sample_domain=domain)
    >>> bool(abs(model.class_shares_[0] - 0.9) < 0.05)
    True
    """

    family = "transport"
    reference = "Redko, Courty, Flamary and Tuia 2019"
    tasks = ("classification",)
    assumes = ("label", "covariate")
    accepts_sparse = False

    _parameter_constraints = {
        **TransferEstimator._parameter_constraints,
        "entropic_regularization": [Interval(Real, 0, None, closed="neither")],
        "shrinkage": [Interval(Real, 0, 1, closed="both"), StrOptions({"auto"})],
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
        entropic_regularization: float = 0.05,
        shrinkage: float | str = "auto",
        cost_normalization: str = "median",
        standardize: bool = True,
        batch_size: int | str | None = "auto",
        max_iter: int = 1000,
        tol: float = 1e-5,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.entropic_regularization = entropic_regularization
        self.shrinkage = shrinkage
        self.cost_normalization = cost_normalization
        self.standardize = standardize
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def _fit_plain(self, X: Any, y: Array) -> None:
        super()._fit_plain(X, y)
        self.n_iter_ = 1

    def _fit_domains(self, data: DomainData) -> None:
        self.adapted_ = True
        self.scale_ = within_scale(data) if self.standardize else np.ones(data.X_source.shape[1])
        rng = check_random_state(self.random_state)
        codes = class_codes(self, data)
        members = [np.flatnonzero(data.source_ids == code) for code in np.unique(data.source_ids)]
        with threadpool_limits(1, user_api="blas"):
            self._estimate_shares(data, members, codes, rng)
            n_batches, weights = self._propagate(data, members, codes, rng)
        even = self._source_shares(members, codes[0]).mean(axis=0)
        self.health_ |= {
            "n_sources": len(members),
            "n_batches": n_batches,
            "share_shift": float(np.abs(self.class_shares_ - even).sum() / 2),
            "confidence": float(self.soft_labels_.max(axis=1).mean()),
        }
        self.estimator_ = fit_on_target(self, data, np.arange(len(weights)), self.soft_labels_, weights)
        self._look_for_collapse(data)

    def _cost(self, data: DomainData, source: Array, target: Array, codes: tuple[Array, Array]) -> Array:
        rows, images = data.X_source[source] / self.scale_, data.X_target[target] / self.scale_
        cost = transport_cost(rows, images, self.cost_normalization)
        forbid(cost, codes[0][source], codes[1][target], self.entropic_regularization)
        return cost

    def _estimate_shares(self, data: DomainData, members: list[Array], codes: tuple[Array, Array], rng: Any) -> None:
        target = _some(np.arange(data.X_target.shape[0]), np.zeros(data.X_target.shape[0]), rng)
        samples = [_some(rows, codes[0][rows], rng) for rows in members]
        kernels = [clipped_kernel(self._cost(data, rows, target, codes), self.entropic_regularization) for rows in samples]
        labels = [codes[0][rows] for rows in samples]
        found, self.n_iter_, converged = class_proportions(kernels, labels, len(self.classes_), self.max_iter, self.tol)
        given = self._source_shares(members, codes[0])
        pool = _some(np.concatenate(samples), np.concatenate(labels), rng)
        rows, images = data.X_source[pool] / self.scale_, data.X_target[target] / self.scale_
        pairs = class_discrepancies(rows, codes[0][pool], images, len(self.classes_))
        kept, explained = reliability(pairs, given.mean(axis=0), found)
        if self.shrinkage != "auto":
            kept = 1 - float(self.shrinkage)
        self.class_shares_ = kept * found + (1 - kept) * given.mean(axis=0)
        self.health_ |= {"n_iter": self.n_iter_, "converged": converged, "explained": explained}

    def _source_shares(self, members: list[Array], codes: Array) -> Array:
        """Of the classes in every source, shape (n_sources, n_classes)."""
        return np.array([np.bincount(codes[rows], minlength=len(self.classes_)) / len(rows) for rows in members])

    def _propagate(self, data: DomainData, members: list[Array], codes: tuple[Array, Array], rng: Any) -> tuple[int, Array]:
        """Carry labels with the estimated shares; sets `soft_labels_`, returns the number of plans and the rows' masses."""
        sums, n_batches = LabelSums(self, data, codes[0]), 0
        for rows in members:
            part = replace(data, X_source=data.X_source[rows], y_source=data.y_source[rows], source_ids=data.source_ids[rows])
            for numbers, target in batches(part, self.batch_size, rng, all_targets=True):
                source = rows[numbers]
                counts = np.bincount(codes[0][source], minlength=len(self.classes_))
                masses = (np.maximum(self.class_shares_, 1e-9) / np.maximum(counts, 1))[codes[0][source]]
                cost = self._cost(data, source, target, codes)
                plan = entropic_plan(cost, self.entropic_regularization, masses / masses.sum())
                sums.add(plan.coupling, source, target)
                n_batches += 1
        self.soft_labels_, weights = sums.labels_and_weights()
        return n_batches, weights


def class_proportions(
    kernels: list[Array], labels: list[Array], n_classes: int, max_iter: int, tol: float
) -> tuple[Array, int, bool]:
    """The class shares of the target (Redko et al. 2019, proposition 4), as scalings of the kernels.

    Parameters
    ----------
    kernels : list of ndarray of shape (n_source_k, n_target)
        exp(-C_k / e), one a source.
    labels : list of ndarray of int of shape (n_source_k,)
    n_classes, max_iter : int
    tol : float

    Returns
    -------
    shares : ndarray of shape (n_classes,)
    n_iter : int
    converged : bool
    """
    counts = np.array([np.bincount(codes, minlength=n_classes) for codes in labels])  # (n_sources, n_classes)
    present = counts > 0
    rows = [np.ones(len(kernel)) for kernel in kernels]  # another start would be another kernel: classes are free in mass
    shares = np.full(n_classes, 1 / n_classes)
    for step in range(1, max_iter + 1):
        sums, masses = [], np.zeros(counts.shape)
        for k, (kernel, codes) in enumerate(zip(kernels, labels, strict=True)):
            columns = 1.0 / (kernel.shape[1] * (rows[k] @ kernel))
            sums.append(kernel @ columns)  # of the rows, (n_source_k,)
            masses[k] = np.bincount(codes, rows[k] * sums[k], minlength=n_classes)
        logs = np.log(np.maximum(masses, 1e-300), where=present, out=np.zeros(counts.shape))
        before, shares = shares, np.where(present.any(axis=0), np.exp(logs.sum(axis=0) / np.maximum(present.sum(axis=0), 1)), 0)
        for k, codes in enumerate(labels):
            rows[k] = (shares / np.maximum(counts[k], 1))[codes] / sums[k]
        if np.abs(shares - before).sum() < tol:
            return shares / shares.sum(), step, True
    return shares / shares.sum(), max_iter, False


def class_discrepancies(X_source: Array, codes: Array, X_target: Array, n_classes: int) -> Array:
    """B such that q' B q is the energy distance 2 E|x - z| - E|x - x'| - E|z - z'| of a source with class shares q; unbiased.

    Parameters
    ----------
    X_source : ndarray of shape (n_source, n_features)
    codes : ndarray of int of shape (n_source,)
        Every class has a row.
    X_target : ndarray of shape (n_target, n_features)
    n_classes : int

    Returns
    -------
    ndarray of shape (n_classes, n_classes)
    """
    n_target, counts = len(X_target), np.bincount(codes, minlength=n_classes)
    members = np.eye(n_classes)[codes]
    pairs = np.outer(counts, counts) - np.diag(counts)  # of two different rows
    among = members.T @ np.sqrt(squared_distances(X_source, X_source)) @ members / np.maximum(pairs, 1)
    between = members.T @ np.sqrt(squared_distances(X_source, X_target)).mean(axis=1) / np.maximum(counts, 1)
    own = np.sqrt(squared_distances(X_target, X_target)).sum() / max(n_target * (n_target - 1), 1)
    return between[:, None] + between - among - own


def reliability(B: Array, given: Array, found: Array) -> tuple[float, float]:
    """How much of the step from shares `given` to shares `found` to make, and the part of q' B q that any shares take away."""
    before = given @ B @ given
    if before <= 0:  # no more than chance
        return 0.0, 0.0
    best = nearest_mixture(B, np.zeros(len(B)))
    explained = 1 - np.clip(best @ B @ best / before, 0, 1)
    step = found - given
    slope, curvature = -(step @ B @ given), step @ B @ step
    length = np.clip(slope / curvature, 0, 1) if curvature > 0 else float(slope > 0)
    return float(length * explained), float(explained)


def _some(rows: Array, labels: Array, rng: Any) -> Array:
    """At most about 2000 of `rows`, evenly from their random order sorted by label; every label keeps one."""
    if len(rows) <= _ROWS:
        return rows
    order = rng.permutation(len(rows))
    order = order[np.argsort(labels[order], kind="stable")]
    first = np.unique(labels[order], return_index=True)[1]
    return rows[order[np.union1d(np.linspace(0, len(rows) - 1, _ROWS).astype(int), first)]]
