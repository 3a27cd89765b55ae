"""Subspace alignment: rotate the principal axes of the source onto those of the target."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval

from sterna.align._base import Aligner
from sterna.align._spectrum import pooled_deviation, right_singular
from sterna.domains._arrays import column_means, like, namespace
from sterna.domains._stack import Array, DomainData

_MAX_RANK = 1000  # directions kept when rows and columns are both above twice this


class SubspaceAlignment(Aligner):
    """Subspace alignment: give each domain its own principal axes and turn those of the source onto those of the target.

    When to use it: the domains vary along different directions (another camera, another sensor position) while the classes
    keep their places relative to these. When it cannot help: the leading directions are not those that separate the
    classes, or the class shares differ (each domain is centred on its own mean).

    Parameters
    ----------
    estimator : estimator, default=None
        The base estimator; None is `LogisticRegression(max_iter=1000)`.
    n_components : int or float, default=0.9
        Axes for each domain. Below 1: as many as hold this share of the variance in both domains. Never more than the
        smaller rank of the two.
    standardize : bool, default=True
        Divide every feature by its standard deviation over all rows. False: for features that share a unit (pixels,
        histograms), or that were scaled before.
    random_state : int, RandomState instance or None, default=None
        Of the randomised decomposition that takes over when rows and features both exceed 2000.

    Attributes
    ----------
    source_components_, target_components_ : ndarray of shape (n_features, n_components)
        P_S and P_T, for scaled features.
    alignment_ : ndarray of shape (n_components, n_components)
        P_S^T P_T.
    source_mean_, target_mean_, scale_ : ndarray of shape (n_features,)
    estimator_ : estimator
    classes_ : ndarray of shape (n_classes,)
        Classifiers only.
    health_ : dict
        `n_components`; `subspace_overlap`: ||P_S^T P_T||_F^2 / n_components, 1 where the subspaces are the same, 0 where they
        are orthogonal; `source_variance_kept` and `target_variance_kept`: the share of each domain's variance in its axes.

    Notes
    -----
    min_M ||P_S M - P_T||_F is solved by M = P_S^T P_T: source rows become x P_S P_S^T P_T, target rows x P_T (also those
    never seen). Departures: the number of axes is set by the share of variance where the paper cross-validates below a
    bound; features are scaled by one deviation for both domains where the paper standardises each domain; the
    representation is divided by one number so that its mean variance over the target is 1. Time O(n d min(n, d)), memory one
    copy of each domain.

    References
    ----------
    B. Fernando, A. Habrard, M. Sebban, T. Tuytelaars (2013), Unsupervised visual domain adaptation using subspace alignment,
    ICCV.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.align import SubspaceAlignment
    >>> rng = np.random.default_rng(0)
    >>> Xs = rng.normal(size=(200, 2)) * [3, 0.3]; ys = (Xs[:, 0] > 0).astype(int)
    >>> Xt = rng.normal(size=(200, 2)) * [3, 0.3] @ [[0.8, 0.6], [-0.6, 0.8]] + 4
    >>> X, y = np.vstack([Xs, Xt]), np.r_[ys, np.full(200, -1)]
    >>> model = SubspaceAlignment(n_components=1).fit(X, y, sample_domain=np.repeat([1, -2], 200))
    >>> model.predict([[6.4, 5.8], [1.6, 2.2]])
    array([1, 0])
    """

    array_api = True
    compared_by_default = True
    reference = "Fernando, Habrard, Sebban and Tuytelaars 2013"

    _parameter_constraints = {
        **Aligner._parameter_constraints,
        "n_components": [Interval(Integral, 1, None, closed="left"), Interval(Real, 0, 1, closed="neither")],
        "standardize": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        n_components: float = 0.9,
        standardize: bool = True,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.n_components = n_components
        self.standardize = standardize
        self.random_state = random_state

    def _align(self, data: DomainData) -> None:
        xp, rng = namespace(data.X_source), check_random_state(self.random_state)
        _, deviation = pooled_deviation(data.X_source, data.X_target)
        self.scale_ = deviation if self.standardize else xp.ones_like(deviation)
        self.source_mean_, self.target_mean_ = column_means(data.X_source), column_means(data.X_target)
        P_S, share_s = _axes((data.X_source - self.source_mean_) / self.scale_, rng)
        target = (data.X_target - self.target_mean_) / self.scale_
        P_T, share_t = _axes(target, rng)
        k = self._count(share_s, share_t)
        self.source_components_, self.target_components_ = P_S[:, :k], P_T[:, :k]
        self.alignment_ = self.source_components_.T @ self.target_components_  # (k, k)
        self._unit = float(xp.sqrt(xp.mean((target @ self.target_components_) ** 2))) or 1.0
        self.health_.update(
            n_components=k,
            subspace_overlap=float(xp.sum(self.alignment_**2) / k),
            source_variance_kept=float(share_s[k - 1]),
            target_variance_kept=float(share_t[k - 1]),
        )

    def _count(self, share_s: Array, share_t: Array) -> int:
        """The number of axes asked for, clipped to what both domains have."""
        wanted = self.n_components
        if wanted < 1:
            wanted = max(int((share < wanted).sum()) + 1 for share in (share_s, share_t))
        return int(min(wanted, len(share_s), len(share_t)))

    def _map_source(self, X: Array) -> Array:
        return ((X - self.source_mean_) / self.scale_) @ self.source_components_ @ (self.alignment_ / self._unit)

    def _map_target(self, X: Array) -> Array:
        return ((X - self.target_mean_) / self.scale_) @ (self.target_components_ / self._unit)


def _axes(X: Array, rng: np.random.RandomState) -> tuple[Array, Array]:
    """Principal axes of centred rows, (n_features, rank), and the share of variance in the first 1, 2, ... of them."""
    vectors, values = right_singular(X, _MAX_RANK, rng)
    if not len(values):  # one row, or all rows alike: any axis will do
        return like(np.eye(X.shape[1], 1), X), like(np.ones(1), X)
    return vectors, (values**2).cumsum(axis=0) / namespace(X).sum(X**2)
