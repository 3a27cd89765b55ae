"""CORAL: give the source the target's second moments."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from scipy.linalg import eigh
from sklearn.utils._param_validation import Interval

from sterna.align._base import Aligner
from sterna.domains._stack import Array, DomainData


def _power(covariance: Array, exponent: float) -> Array:
    """Raise a symmetric positive definite matrix to a real power."""
    values, vectors = eigh(covariance)
    return (vectors * values**exponent) @ vectors.T


class CORAL(Aligner):
    """Correlation alignment: whiten the source, re-colour it with the covariance of the target, train on the result.

    When to use it: the relation between features and label is the same, but features are scaled or correlated differently
    (another instrument, another camera). When it cannot help: the conditional P(y | x) differs, or the class shares do.

    Parameters
    ----------
    estimator : estimator, default=None
        The base estimator; None is `LogisticRegression(max_iter=1000)`.
    regularization : float, default=1.0
        Added to the diagonal of both covariances, in units of the mean variance of their features (so that scaling the data
        changes nothing); the paper adds 1 to features of unit variance.
    align_mean : bool, default=True
        Also move the source mean to the target mean. The paper standardises each domain beforehand, which amounts to the same.

    Attributes
    ----------
    coloring_ : ndarray of shape (n_features, n_features)
        The linear map C_S^(-1/2) C_T^(1/2) applied to centred source rows.
    source_mean_, target_mean_ : ndarray of shape (n_features,)
    estimator_ : estimator
    classes_ : ndarray of shape (n_classes,)
        Classifiers only.
    health_ : dict
        `covariance_distance`: the squared Frobenius distance of the two covariances over 4 d^2, the paper's loss.

    Notes
    -----
    Algorithm 1 of the paper: min_A ||A^T C_S A - C_T||_F^2, solved by A = C_S^(-1/2) C_T^(1/2). Target rows stay as they
    are, so that rows never seen need no map. Departures: the regularisation is relative, and means are aligned. Time
    O(n d^2 + d^3), memory O(d^2) besides one copy of the source.

    References
    ----------
    B. Sun, J. Feng, K. Saenko (2016), Return of frustratingly easy domain adaptation, AAAI.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.align import CORAL
    >>> rng = np.random.default_rng(0)
    >>> Xs = rng.normal(size=(200, 2)); ys = (Xs[:, 0] > 0).astype(int)
    >>> Xt = 5 * rng.normal(size=(200, 2)) + 3
    >>> X, y = np.vstack([Xs, Xt]), np.r_[ys, np.full(200, -1)]
    >>> model = CORAL().fit(X, y, sample_domain=np.repeat([1, -2], 200))
    >>> model.predict([[6.0, 3.0], [0.0, 3.0]])
    array([1, 0])
    """

    reference = "Sun, Feng and Saenko 2016"

    _parameter_constraints = {
        **Aligner._parameter_constraints,
        "regularization": [Interval(Real, 0, None, closed="neither")],
        "align_mean": ["boolean"],
    }

    def __init__(self, estimator: Any = None, *, regularization: float = 1.0, align_mean: bool = True) -> None:
        self.estimator = estimator
        self.regularization = regularization
        self.align_mean = align_mean

    def _align(self, data: DomainData) -> None:
        d = data.X_source.shape[1]
        self.source_mean_ = data.X_source.mean(axis=0)
        self.target_mean_ = data.X_target.mean(axis=0) if self.align_mean else self.source_mean_
        source, target = (np.atleast_2d(np.cov(X, rowvar=False, bias=True)) for X in (data.X_source, data.X_target))
        self.health_["covariance_distance"] = float(np.sum((source - target) ** 2) / (4 * d**2))
        self.coloring_ = _power(self._regularized(source), -0.5) @ _power(self._regularized(target), 0.5)

    def _regularized(self, covariance: Array) -> Array:
        scale = np.trace(covariance) / len(covariance) or 1.0
        return covariance + self.regularization * scale * np.eye(len(covariance))

    def _map_source(self, X: Array) -> Array:
        return (X - self.source_mean_) @ self.coloring_ + self.target_mean_
