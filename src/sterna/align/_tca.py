"""Transfer component analysis: a projection in which the domains have the same mean."""

from __future__ import annotations

from typing import Any

import numpy as np

from sterna.align._mmd_projection import Contrasts, MMDProjection
from sterna.domains._stack import DomainData


class TCA(MMDProjection):
    """Transfer component analysis: project all rows so that the domains' means agree and most of the variance stays.

    When to use it: the domains differ in their distribution of features, in directions that do not carry the label. When it
    cannot help: the class shares differ (then means must differ), or the relation between features and label does.

    Parameters
    ----------
    estimator : estimator, default=None
        The base estimator; None is `LogisticRegression(max_iter=1000)`.
    n_components : int, default=None
        Components kept, at most the rank of the data. None: 30; where the rank is no more than that and all would be kept,
        only the components in which the means differ by less than 0.3 standard deviations or three standard errors.
    regularization : float, default=1.0
        Penalty on the length of the directions: the paper's weight for 2000 rows, see Notes. Rows are first scaled to a mean
        squared length of 1 and the MMD matrix to a Frobenius norm of 1.
    kernel : {"linear", "primal", "rbf"}, default="linear"
        "linear" and "rbf": f = K a with penalty ||a||^2, the paper's form. "primal": f = X w with penalty ||w||^2.
    bandwidth : float, default=1.0
        Of the rbf kernel, in units of the median distance between rows.
    standardize : bool, default=True
        Centre every feature and divide it by its standard deviation over all rows. False: for features that share a unit
        (pixels, histograms), or that were scaled before.
    n_landmarks : int, default=1000
        With more than twice as many rows the rbf kernel is carried by this many random rows (Nystrom). With more than twice
        as many rows and features the linear forms keep this many leading directions.
    random_state : int, RandomState instance or None, default=None
        Of the choice of landmarks.

    Attributes
    ----------
    components_ : ndarray of shape (n_features or n_landmarks, n_components)
        Applied to scaled features, or to kernel values between them and `landmarks_`.
    offset_ : ndarray of shape (n_components,)
    center_, scale_ : ndarray of shape (n_features,)
    landmarks_ : ndarray of shape (n_landmarks, n_features) or None
        Scaled; None for the linear forms.
    gamma_ : float or None
        The rbf kernel is exp(-gamma_ ||x - y||^2).
    estimator_ : estimator
    classes_ : ndarray of shape (n_classes,)
        Classifiers only.
    health_ : dict
        `n_components`; `mmd_before` and `mmd_after`: squared distance between the domains' means (in the space of the kernel,
        in the projection) over the total variance.

    Notes
    -----
    Unsupervised TCA: min_W tr(W^T K L K W) + mu tr(W^T W) subject to W^T K H K W = I. The leading eigenvectors of
    (K L K + mu I)^-1 K H K, which is not symmetric, are found from a symmetric problem: see `leading_directions`. L is divided
    by its norm 1/n_s + 1/n_t. The scatter then grows with n^2 (with n in the primal form) and the penalty would fade: so
    mu = regularization (n / 2000)^2 (1/n_s + 1/n_t), or with the power 1.

    A form with Z Z^T near K and f = Z b carries the same penalty as b^T (Z^T Z)^-1 b (the smallest ||a||^2 with Z^T a = b):
    so the linear kernel costs a d x d problem if there are fewer features than rows, and the Nystrom form of the rbf kernel
    an m x m one for m landmarks. New rows are mapped by their kernel values, which gives training rows what the training
    gave them. Departures: directions have length 1, which reproduces the accuracy published for SURF features (38.20 from
    Caltech to Amazon, by Long et al. 2013), where the constraint would give every component the same variance and thus blow
    up the smallest; one factor makes their mean variance 1. Several sources are taken as one.

    Time O(n d^2), with the rbf kernel O(n^3) up to 2 n_landmarks rows and O(n m^2) beyond; memory one copy of the rows.

    References
    ----------
    S. J. Pan, I. W. Tsang, J. T. Kwok, Q. Yang (2011), Domain adaptation via transfer component analysis, IEEE Transactions
    on Neural Networks 22(2).

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.align import TCA
    >>> rng = np.random.default_rng(0)
    >>> Xs = rng.normal(size=(200, 2)); ys = (Xs[:, 0] > 0).astype(int)
    >>> Xt = rng.normal(size=(200, 2)) + [1, 8]
    >>> X, y = np.vstack([Xs, Xt]), np.r_[ys, np.full(200, -1)]
    >>> model = TCA(n_components=1).fit(X, y, sample_domain=np.repeat([1, -2], 200))
    >>> model.health_["mmd_before"] > 10 * model.health_["mmd_after"]
    True
    """

    array_api = True
    compared_by_default = True
    reference = "Pan, Tsang, Kwok and Yang 2011"

    def __init__(
        self,
        estimator: Any = None,
        *,
        n_components: int | None = None,
        regularization: float = 1.0,
        kernel: str = "linear",
        bandwidth: float = 1.0,
        standardize: bool = True,
        n_landmarks: int = 1000,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.n_components = n_components
        self.regularization = regularization
        self.kernel = kernel
        self.bandwidth = bandwidth
        self.standardize = standardize
        self.n_landmarks = n_landmarks
        self.random_state = random_state

    def _align(self, data: DomainData) -> None:
        basis = self._basis(data)
        error = 1 / len(data.X_source) + 1 / len(data.X_target)
        self._project(basis, Contrasts(basis.difference[None, :], np.ones(1), np.array([error])))
