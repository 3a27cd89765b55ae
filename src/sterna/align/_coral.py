"""CORAL: give the source the target's second moments."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval

from sterna.align._base import Aligner
from sterna.align._spectrum import right_singular
from sterna.domains._arrays import column_means, like, namespace
from sterna.domains._stack import Array, DomainData


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
    coloring_ : ndarray of shape (n_features, n_features) or None
        The linear map C_S^(-1/2) C_T^(1/2) applied to centred source rows; None where there are more features than rows: the
        map is then kept as its factors.
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
    O(n d^2 + d^3), or O(n^2 d) with more features than rows; memory O(d min(n, d)) besides a copy of the rows.

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

    array_api = True
    compared_by_default = True
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
        xp = namespace(data.X_source)
        self.source_mean_, values_s, self._vectors_s = _spectrum(data.X_source)
        target_mean, values_t, self._vectors_t = _spectrum(data.X_target)
        self.target_mean_ = target_mean if self.align_mean else self.source_mean_
        overlap = (self._vectors_s.T @ self._vectors_t) ** 2  # (rank of C_S, rank of C_T)
        d = len(target_mean)
        distance = xp.sum(values_s**2) + xp.sum(values_t**2) - 2 * values_s @ overlap @ values_t
        self.health_["covariance_distance"] = float(max(distance, 0) / (4 * d**2))
        self._gains_s, self._floor_s = self._gains(values_s, d, -0.5)
        self._gains_t, self._floor_t = self._gains(values_t, d, 0.5)
        self.coloring_ = None
        if len(values_s) + len(values_t) > d:
            self.coloring_ = self._color(like(np.eye(d), data.X_source))
            self._vectors_s = self._vectors_t = like(np.empty((d, 0)), data.X_source)  # no longer needed

    def _gains(self, values: Array, d: int, power: float) -> tuple[Array, float]:
        """The eigenvalues of (C + r I)^power, less those of the directions without variance; and the latter, r^power."""
        floor = self.regularization * (namespace(values).sum(values) / d or 1.0)
        return (values + floor) ** power - floor**power, float(floor**power)

    def _color(self, X: Array) -> Array:
        """X C_S^(-1/2) C_T^(1/2), each root written as a multiple of the identity and a part of low rank."""
        X = X * self._floor_s + (X @ self._vectors_s * self._gains_s) @ self._vectors_s.T
        return X * self._floor_t + (X @ self._vectors_t * self._gains_t) @ self._vectors_t.T

    def _map_source(self, X: Array) -> Array:
        centred = X - self.source_mean_
        return (self._color(centred) if self.coloring_ is None else centred @ self.coloring_) + self.target_mean_


def _spectrum(X: Array) -> tuple[Array, Array, Array]:
    """Mean, eigenvalues and eigenvectors (n_features, rank) of the covariance of the rows; zero eigenvalues are left out."""
    mean = column_means(X)
    vectors, singular = right_singular(X - mean)
    return mean, singular**2 / len(X), vectors
