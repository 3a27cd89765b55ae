"""ULSIF: the density ratio by kernel least squares, with leave-one-out in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import eigh

from sterna.domains._stack import Array
from sterna.reweight._kernel import gaussian, median_distance
from sterna.reweight._rulsif import _BANDWIDTHS, _REGULARIZATIONS, RuLSIF, _Moments, _moments, _total

_LEFT_OUT = 2000  # rows of each domain that are left out in turn: the error of the mean loss is then about 2 %


class ULSIF(RuLSIF):
    """Unconstrained least-squares importance fitting (uLSIF): weights from the plain density ratio p_t / p_s.

    When to use it: P(x) differs and P(y | x) does not, and the source covers the region where the target lies. When it
    cannot help: no overlap (the plain ratio has no bound, so use `RuLSIF`), many irrelevant features (the kernel sees all of
    them), or another relation of label and features.

    Parameters
    ----------
    estimator : estimator, default=None
        The base estimator, which must accept `sample_weight`; None is `LogisticRegression(max_iter=1000)`.
    n_centers : int, default=100
        Kernel centres, drawn from the target.
    bandwidth : float, "iwcv" or None, default=None
        Of the kernel exp(-||x - c||^2 / (2 bandwidth^2)), in units of the standardised features where `standardize`; None:
        chosen by leave-one-out among multiples of the median distance; "iwcv" as in `RuLSIF`.
    regularization : float, default=None
        lambda, the ridge penalty on the coefficients; None: chosen by leave-one-out.
    standardize : bool, default=True
        Divide features by their standard deviation over both domains, for the kernel only.
    random_state : int, RandomState instance or None, default=None
        Draws the centres and the pairs of rows left out.

    Attributes
    ----------
    weights_ : ndarray of shape (n_source,)
        Mean 1.
    theta_ : ndarray of shape (n_centers,)
        Coefficients of the ratio, not negative.
    centers_ : ndarray or sparse matrix of shape (n_centers, n_features)
        Target rows, scaled where `standardize`.
    bandwidth_, regularization_ : float
    estimator_ : estimator
    classes_ : ndarray of shape (n_classes,)
        Classifiers only.
    health_ : dict
        `effective_sample_size`, `effective_share`, `max_weight`; `pearson_divergence` of the domains (0: equal; without bound).

    Notes
    -----
    g(x) = sum_l theta_l k(x, c_l), theta = max(0, (H + lambda I)^-1 h), H = mean_s k k', h = mean_t k. The loss of leaving out
    one row of each domain has a closed form by the Sherman-Morrison-Woodbury identity (the paper's figure 2); it is taken over
    all pairs, past 2000 rows over 2000 that are drawn, and one eigendecomposition a bandwidth serves every lambda. Departures:
    features are standardised; weights are scaled to mean 1. Time O(n b (d + b)) for each of 9 bandwidths with b centres, memory
    O(n) besides one copy of the data. `RuLSIF(alpha=0)` is the same ratio with cross-validation by folds, and cuts negative
    values instead of negative coefficients.

    References
    ----------
    T. Kanamori, S. Hido, M. Sugiyama (2009), A least-squares approach to direct importance estimation, JMLR 10.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.reweight import ULSIF
    >>> rng = np.random.default_rng(0)
    >>> X = np.r_[rng.normal(0, 1, (500, 1)), rng.normal(1, 0.5, (500, 1))]
    >>> y = np.r_[(np.abs(X[:500, 0]) > 0.5).astype(int), np.full(500, -1)]
    >>> model = ULSIF(random_state=0).fit(X, y, sample_domain=np.repeat([1, -2], 500))
    >>> bool(np.average(X[:500, 0], weights=model.weights_) > 0.7)
    True
    """

    compared_by_default = False
    reference = "Kanamori, Hido and Sugiyama 2009"
    _remedy = "use RuLSIF, whose weights are bounded, or widen bandwidth"

    alpha = 0.0
    cv = 1  # rows are left out one by one, not in folds

    _parameter_constraints = {
        name: allowed for name, allowed in RuLSIF._parameter_constraints.items() if name not in ("alpha", "cv")
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        n_centers: int = 100,
        bandwidth: float | str | None = None,
        regularization: float | None = None,
        standardize: bool = True,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.n_centers = n_centers
        self.bandwidth = bandwidth
        self.regularization = regularization
        self.standardize = standardize
        self.random_state = random_state

    def _coefficients(self, moments: _Moments) -> Array:
        return np.maximum(super()._coefficients(moments), 0)

    def _choose(self, source: Any, target: Any, folds: list[Array], rng: np.random.RandomState) -> _Moments:
        """Set bandwidth and lambda to the pair of least leave-one-out loss; give the moments at that bandwidth."""
        median = 0.0 if self.bandwidth else median_distance(source, target, rng)
        bandwidths = [float(self.bandwidth)] if self.bandwidth else [factor * median for factor in _BANDWIDTHS]
        lambdas = np.array([self.regularization] if self.regularization else _REGULARIZATIONS)
        n = min(source.shape[0], target.shape[0], _LEFT_OUT)
        pairs = [X[rng.permutation(X.shape[0])[:n]] for X in (source, target)]
        best = np.inf
        for bandwidth in bandwidths:
            moments = _total(_moments(source, target, self.centers_, bandwidth, folds))
            X, Y = (gaussian(rows, self.centers_, bandwidth).T for rows in pairs)  # (b, n) each
            losses = leave_one_out(moments, X, Y, lambdas)
            if losses.min() < best:
                best, chosen = losses.min(), moments
                self.bandwidth_, self.regularization_ = float(bandwidth), float(lambdas[losses.argmin()])
        return chosen


def leave_one_out(moments: _Moments, X: Array, Y: Array, lambdas: Array) -> Array:
    """The mean loss of leaving out one source row and one target row, for every lambda.

    Parameters
    ----------
    moments : _Moments
        Of all rows.
    X, Y : ndarray of shape (n_centers, n_pairs)
        Kernel values of the source rows and of the target rows that are left out, pair by pair.
    lambdas : ndarray of shape (n_lambdas,)

    Returns
    -------
    ndarray of shape (n_lambdas,)
    """
    n_s, n_t, h = moments.n_source, moments.n_target, moments.h
    values, vectors = eigh(moments.H(0.0))
    losses = np.empty(len(lambdas))
    if min(n_s, n_t) < 2:  # nothing is left without the row
        theta = vectors @ ((vectors.T @ h)[:, None] / (values[:, None] + lambdas))
        return moments.loss(np.maximum(theta, 0), 0.0)
    rotated = vectors.T @ np.column_stack([X, Y, h])
    for i, penalty in enumerate(lambdas * (n_s - 1) / n_s):
        solved = vectors @ (rotated / (values[:, None] + penalty))  # B^-1 [X, Y, h]
        BX, BY, Bh = solved[:, : X.shape[1]], solved[:, X.shape[1] : -1], solved[:, -1]
        rest = n_s - np.sum(X * BX, axis=0)
        B0 = Bh[:, None] + BX * (h @ BX / rest)
        B1 = BY + BX * (np.sum(Y * BX, axis=0) / rest)
        theta = np.maximum((n_s - 1) / (n_s * (n_t - 1)) * (n_t * B0 - B1), 0)  # (b, n_pairs): one fit each
        losses[i] = np.mean(np.sum(X * theta, axis=0) ** 2) / 2 - np.mean(np.sum(Y * theta, axis=0))
    return losses
