"""h_score: the variance between classes in units of the features' covariance, shrunk."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from sterna.domains._stack import Array
from sterna.measures._facts import transferability_facts
from sterna.measures._gram import column_gram, row_gram
from sterna.measures._labelled import check_labelled
from sterna.measures._parameters import check_number


@transferability_facts(bounds=(0.0, np.inf), takes="features and labels", reference="Ibrahim, Ponomareva and Mazumder 2022")
def h_score(features: Any, y: Any, *, shrinkage: float | None = None) -> float:
    """Regularised H-score: tr(C^-1 B), C the shrunk covariance of the features and B that of the class means.

    When to use it: a quick first ranking of encoders for classes; closed form, no iteration. When it cannot tell: features
    whose classes differ in more than their means.

    Parameters
    ----------
    features : array-like of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)
        Classes.
    shrinkage : float, default=None
        Of the covariance towards its mean variance, in (0, 1]; None is Ledoit and Wolf's.

    Returns
    -------
    float
        0 or more; below the number of classes without shrinkage.

    Notes
    -----
    Bao et al. (2019) with the shrunk covariance of Ibrahim et al. (equation 5), where B is also multiplied by 1 - shrinkage.
    Where features outnumber rows the inverse is taken in the span of the rows (Woodbury), in their Gram matrix. Time
    O(n d min(n, d)).

    References
    ----------
    Y. Bao, Y. Li, S.-L. Huang, L. Zhang, L. Zheng, A. Zamir, L. Guibas (2019), An information-theoretic approach to
    transferability in task transfer learning, ICIP. S. Ibrahim, N. Ponomareva, R. Mazumder (2022), Newer is not always better:
    rethinking transferability metrics, their peculiarities, stability and performance, ECML PKDD. O. Ledoit, M. Wolf (2004), A
    well-conditioned estimator for large-dimensional covariance matrices, Journal of Multivariate Analysis 88.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.measures import h_score
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(3, size=300)
    >>> h_score(np.eye(3)[y] + 0.3 * rng.normal(size=(300, 3)), y) > h_score(rng.normal(size=(300, 3)), y)
    True
    """
    if shrinkage is not None:
        check_number(
            "h_score: shrinkage", shrinkage, 0, 1, "right", "give a number above 0, 1 at most, or None for Ledoit and Wolf's"
        )
    data = check_labelled("h_score", features, y)
    X = data.X[:, np.ptp(data.X, axis=0) > 0]  # constant features would count as variances of zero
    if not X.shape[1]:
        return 0.0
    X = X - X.mean(axis=0, dtype=np.float64)
    n, d = X.shape
    assert data.classes is not None
    means = np.array([X[data.y == c].mean(axis=0) for c in range(len(data.classes))])  # (n_classes, n_features)
    weighted = means * np.sqrt(data.counts / n)[:, None]
    wide = d > n
    gram = row_gram(X) if wide else column_gram(X)
    gram = np.tril(gram) + np.tril(gram, -1).T
    mean_variance = float(np.trace(gram)) / (n * d)
    rho = _ledoit_wolf(X, gram, mean_variance) if shrinkage is None else shrinkage
    ridge = rho * mean_variance
    if wide:
        # (a I + b X'X)^-1 = (I - X'(a/b I + XX')^-1 X) / a
        a, b = ridge, (1 - rho) / n
        if b == 0:
            return 0.0  # all is shrunk
        projected = weighted @ X.T  # (n_classes, n)
        solved = cho_solve(cho_factor(a / b * np.eye(n) + gram, lower=True), projected.T)
        trace = (np.sum(weighted**2) - np.sum(projected.T * solved)) / a
    else:
        C = (1 - rho) / n * gram + ridge * np.eye(d)
        trace = np.sum(weighted.T * cho_solve(cho_factor(C, lower=True), weighted.T))
    return float(max(0.0, (1 - rho) * trace))


def _ledoit_wolf(X: Array, gram: Array, mean_variance: float) -> float:
    """The shrinkage of least expected error, from the smaller Gram matrix; in (0, 1]."""
    n, d = X.shape
    squares = np.sum(gram**2) / n**2  # ||S||^2
    distance = squares / d - mean_variance**2  # of S to its mean variance, over d
    fourth = float(np.sum(np.einsum("nd,nd->n", X, X) ** 2))
    error = (fourth / n - squares) / (d * n)
    rho = min(error, distance) / distance if distance > 0 else 1.0
    return float(min(1.0, max(rho, 1e-6)))
