"""gbc: the Gaussian Bhattacharyya coefficient between classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.decomposition import PCA

from sterna.domains._stack import Array
from sterna.measures._facts import transferability_facts
from sterna.measures._labelled import check_labelled
from sterna.measures._parameters import check_count


@transferability_facts(bounds=(-np.inf, 0.0), takes="features and labels", reference="Pandy et al. 2022")
def gbc(features: Any, y: Any, *, n_components: int = 64, covariance: str = "spherical") -> float:
    """Gaussian Bhattacharyya coefficient: how far the classes overlap, each taken as a Gaussian.

    When to use it: encoders for classes (or the pixels of segmentations), where classes are about round in the features. When
    it cannot tell: classes of several clusters, or few rows a class.

    Parameters
    ----------
    features : array-like of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)
        Classes.
    n_components : int, default=64
        Principal components that are kept at most; the paper's number.
    covariance : {"spherical", "diagonal"}, default="spherical"
        Of the classes; one variance is steadier for small classes.

    Returns
    -------
    float
        0 or less: minus the sum of exp(-D_B) over ordered pairs of classes; 0 where no classes overlap. Between
        -n_classes (n_classes - 1) and 0.

    Notes
    -----
    D_B = (m_i - m_j)' S^-1 (m_i - m_j) / 8 + log(det S / sqrt(det S_i det S_j)) / 2, S the mean of both covariances (equations 1 to
    3). A class of one row has the variance of all classes. Time O(n d min(n, d) + n_classes^2 k).

    References
    ----------
    M. Pandy, A. Agostinelli, J. Uijlings, V. Ferrari, T. Mensink (2022), Transferability estimation using Bhattacharyya class
    separability, CVPR.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.measures import gbc
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(3, size=300)
    >>> gbc(4 * np.eye(3)[y] + rng.normal(size=(300, 3)), y) > gbc(rng.normal(size=(300, 3)), y)
    True
    """
    if covariance not in ("spherical", "diagonal"):
        raise ValueError(f"gbc: covariance is {covariance!r}; give 'spherical' or 'diagonal'")
    check_count("gbc: n_components", n_components, 1)
    data = check_labelled("gbc", features, y)
    assert data.classes is not None
    X, n_classes = data.X.astype(np.float64), len(data.classes)
    k = min(n_components, *X.shape)
    if k < X.shape[1]:
        X = PCA(k, random_state=0).fit_transform(X)
    means, variances = np.empty((n_classes, k)), np.empty((n_classes, k))
    for c in range(n_classes):
        means[c], variances[c] = X[data.y == c].mean(axis=0), X[data.y == c].var(axis=0)
    pooled = data.counts @ variances / len(X)
    variances[data.counts == 1] = pooled
    if covariance == "spherical":
        variances[:] = variances.mean(axis=1, keepdims=True)
    total = X.var(axis=0).mean() or 1.0
    variances = np.maximum(variances, 1e-10 * total)  # classes of equal rows
    return -float(sum(np.sum(np.exp(-_distances(means, variances, c))) - 1 for c in range(n_classes)))


def _distances(means: Array, variances: Array, c: int) -> Array:
    """Bhattacharyya's distances of class `c` to all, shape (n_classes,)."""
    both = (variances + variances[c]) / 2
    apart = np.sum((means - means[c]) ** 2 / both, axis=1) / 8
    return apart + np.sum(np.log(both) - (np.log(variances) + np.log(variances[c])) / 2, axis=1) / 2
