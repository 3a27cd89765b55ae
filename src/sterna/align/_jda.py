"""Joint distribution adaptation: TCA that also brings the class means together, by pseudo-labels."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval

from sterna.align._mmd_projection import Basis, Contrasts, MMDProjection
from sterna.align._rounds import known_codes, label_by_rounds, require_classifier
from sterna.domains._stack import Array, DomainData, rows_of, vstack


class JDA(MMDProjection):
    """Joint distribution adaptation: project so that the domains' means agree, and those of each class with them.

    The base estimator labels the target, these pseudo-labels give the class means of the next projection, and so on.

    When to use it: the first model is right on a good part of every class. When it cannot help: the pseudo-labels start out
    wrong, since each round then draws the wrong classes together; `health_` says whether they settled.

    Parameters
    ----------
    estimator : estimator, default=None
        The base estimator, which also gives the pseudo-labels; None is `LogisticRegression(max_iter=1000)`. The paper takes
        `KNeighborsClassifier(1)`.
    n_components : int, default=None
        Components kept, at most the rank of the data. None: 30; where the rank is no more than that and all would be kept,
        only the components in which the means differ by less than 0.3 standard deviations or three standard errors.
    max_iter : int, default=10
        Rounds at most; it ends early once no pseudo-label changes.
    regularization : float, default=1.0
        Penalty on the length of the directions: the paper's weight for 2000 rows, see Notes. Rows are first scaled to a mean
        squared length of 1 and the MMD matrix to a Frobenius norm of 1.
    kernel : {"linear", "primal", "rbf"}, default="linear"
        "linear" and "rbf": f = K a with penalty ||a||^2. "primal": f = X w with penalty ||w||^2.
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
    pseudo_labels_ : ndarray of shape (n_target,)
        The last labels of the target rows, given or predicted.
    n_iter_ : int
    estimator_ : estimator
    classes_ : ndarray of shape (n_classes,)
    health_ : dict
        `n_iter`; `converged`: whether the last round changed no pseudo-label; `pseudo_label_change`: the share that it
        changed; `n_classes_predicted`; `n_components`; `mmd_before` and `mmd_after` as in `TCA`.

    Notes
    -----
    Eq. 10 of the paper, (X sum_c M_c X^T + lambda I) A = X H X^T A Phi, solved as in `TCA` (its Notes hold here too). As in
    the authors' code the MMD matrix is C M_0 + sum_c M_c over its Frobenius norm; directions have length 1, which reproduces
    the accuracy published for SURF features (44.78 from Caltech to Amazon). Departures: a class without a pseudo-labelled row
    is left out (the code draws its source mean to zero); given target labels are used as they are, from the first round on;
    one factor makes the mean variance of the components 1.

    Time, for each round: O(n k) besides an r x r eigenproblem (r the rank, at most 2 n_landmarks), and the base estimator.

    References
    ----------
    M. Long, J. Wang, G. Ding, J. Sun, P. S. Yu (2013), Transfer feature learning with joint distribution adaptation, ICCV.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.align import JDA
    >>> rng = np.random.default_rng(0)
    >>> ys, yt = rng.choice([-1, 1], size=(2, 300))
    >>> Xs = rng.normal(size=(300, 2)) + 2 * ys[:, None] * [1, 1]
    >>> Xt = rng.normal(size=(300, 2)) + 2 * yt[:, None] * [1, -0.4]
    >>> X, y = np.vstack([Xs, Xt]), np.r_[ys, np.full(300, np.nan)]
    >>> model = JDA().fit(X, y, sample_domain=np.repeat([1, -2], 300))
    >>> model.health_["converged"], bool(model.score(Xt, yt) > 0.95)
    (True, True)
    """

    tasks = ("classification",)
    array_api = True
    compared_by_default = True
    reference = "Long, Wang, Ding, Sun and Yu 2013"

    _parameter_constraints = {
        **MMDProjection._parameter_constraints,
        "max_iter": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        n_components: int | None = None,
        max_iter: int = 10,
        regularization: float = 1.0,
        kernel: str = "linear",
        bandwidth: float = 1.0,
        standardize: bool = True,
        n_landmarks: int = 1000,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.n_components = n_components
        self.max_iter = max_iter
        self.regularization = regularization
        self.kernel = kernel
        self.bandwidth = bandwidth
        self.standardize = standardize
        self.n_landmarks = n_landmarks
        self.random_state = random_state

    def _fit_domains(self, data: DomainData) -> None:
        require_classifier(self)
        basis = self._basis(data)
        y_source = np.searchsorted(self.classes_, data.y_source)
        counts = np.bincount(y_source, minlength=len(self.classes_))  # (C,)
        means = self._group_means(data.X_source, y_source, len(self.classes_))  # (C, n_z)

        def fit_round(codes: Array) -> None:
            self._project(basis, self._contrasts(basis, means, counts, data, codes))
            self._fit_final(self._map_source(data.X_source), data)

        label_by_rounds(self, data, known_codes(data, self.classes_), fit_round)

    def _fit_plain(self, X: Any, y: Array) -> None:
        super()._fit_plain(X, y)
        self.n_iter_ = 1

    def _contrasts(self, basis: Basis, means: Array, counts: Array, data: DomainData, codes: Array) -> Contrasts:
        """The difference of the domains' means, then those of the classes that both domains have."""
        counts_t = np.bincount(codes[codes >= 0], minlength=len(counts))
        shared = (counts > 0) & (counts_t > 0)
        by_class = rows_of(means - self._group_means(data.X_target, codes, len(counts)), np.flatnonzero(shared))
        marginal = 1 / len(data.X_source) + 1 / len(data.X_target)
        return Contrasts(
            differences=vstack([basis.difference[None, :], by_class]),
            weights=np.array([np.sum(counts > 0), *np.ones(len(by_class))]),  # C M_0 + sum_c M_c
            errors=np.array([marginal, *(1 / counts[shared] + 1 / counts_t[shared])]),
        )
