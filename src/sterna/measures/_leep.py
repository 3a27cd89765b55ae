"""leep and nleep: the log expected empirical prediction."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.utils import check_random_state

from sterna.domains._stack import Array
from sterna.measures._checks import sample_rows
from sterna.measures._facts import transferability_facts
from sterna.measures._labelled import check_labelled, check_probabilities
from sterna.measures._parameters import check_count, check_number


@transferability_facts(bounds=(-np.inf, 0.0), takes="source probabilities and labels", reference="Nguyen et al. 2020")
def leep(proba: Any, y: Any) -> float:
    """Log expected empirical prediction: how well a source classifier's classes tell the target's labels.

    When to use it: a source model with a classifier's head, a labelled target with other classes; needs no features. When it
    cannot tell: models with different numbers of source classes are hard to compare (more classes fit more), and a head
    whose probabilities are near 0 and 1 counts as its hard predictions do (`nce`).

    Parameters
    ----------
    proba : array-like of shape (n_samples, n_source_classes)
        Probabilities of the source's classes for target rows.
    y : array-like of shape (n_samples,)
        Labels of the target.

    Returns
    -------
    float
        In nats, 0 at most.

    Notes
    -----
    P(y, z) = mean_i [y_i = y] theta(x_i)_z; LEEP = mean_i log sum_z P(y_i | z) theta(x_i)_z (equations 1 and 2). Time
    O(n n_source_classes n_classes).

    References
    ----------
    C. Nguyen, T. Hassner, M. Seeger, C. Archambeau (2020), LEEP: a new measure to evaluate transferability of learned
    representations, ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.measures import leep
    >>> sure = np.array([[0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.1, 0.9]])
    >>> leep(sure, ["cat", "cat", "dog", "dog"]) > leep(np.full((4, 2), 0.5), ["cat", "cat", "dog", "dog"])
    True
    """
    data = check_probabilities("leep", proba, y)
    return _leep(data.X.astype(np.float64), data.class_sums(), data.y)


def _leep(theta: Array, joint: Array, codes: Array) -> float:
    """`joint`: the sum of theta over the rows of each class, shape (n_classes, n_source_classes)."""
    share = joint.sum(axis=0)
    conditional = np.divide(joint, share, out=np.zeros_like(joint), where=share > 0)
    expected = np.einsum("nz,nz->n", theta, conditional[codes])
    return float(np.mean(np.log(np.maximum(expected, np.finfo(float).tiny))))


@transferability_facts(bounds=(-np.inf, 0.0), takes="features and labels", reference="Li et al. 2021")
def nleep(
    features: Any,
    y: Any,
    *,
    n_components: int | None = None,
    variance_kept: float = 0.8,
    max_rows: int = 20_000,
    random_state: Any = None,
) -> float:
    """LEEP on the clusters of a Gaussian mixture instead of source classes: for encoders without a head.

    When to use it: to rank encoders where `leep` wants a classifier. When it cannot tell: few rows for many components; the
    value depends on the components that were found (compare at the same `random_state`).

    Parameters
    ----------
    features : array-like of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)
        Classes.
    n_components : int, default=None
        Of the mixture; None is five a class, at most a fifth of the rows.
    variance_kept : float, default=0.8
        By the principal components that the mixture is fitted on.
    max_rows : int, default=20_000
        Used at most, drawn at random.
    random_state : int, RandomState or None, default=None

    Returns
    -------
    float
        In nats, 0 at most.

    Notes
    -----
    Principal components, a Gaussian mixture with diagonal covariances, and equation 2 of LEEP on its posteriors. Departures:
    diagonal covariances, since full ones are not determined by few rows a component. Time O(n k d_kept) a round.

    References
    ----------
    Y. Li, X. Jia, R. Sang, Y. Zhu, B. Green, L. Wang, B. Gong (2021), Ranking neural checkpoints, CVPR.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.measures import nleep
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(3, size=300)
    >>> good = 4 * np.eye(3)[y] + rng.normal(size=(300, 3))
    >>> nleep(good, y, random_state=0) > nleep(rng.normal(size=(300, 3)), y, random_state=0)
    True
    """
    check_number("nleep: variance_kept", variance_kept, 0, 1, "right", "give a share above 0, 1 at most")
    check_count("nleep: max_rows", max_rows, 2)
    if n_components is not None:
        check_count("nleep: n_components", n_components, 1)
    data, rng = check_labelled("nleep", features, y), check_random_state(random_state)
    rows = sample_rows(len(data.y), max_rows, rng)
    X, codes = data.X[rows].astype(np.float64), data.y[rows]
    assert data.classes is not None
    k = min(5 * len(data.classes), max(1, len(X) // 5)) if n_components is None else n_components
    if not 1 <= k <= len(X):
        raise ValueError(f"nleep: n_components is {k}; give 1 to {len(X)}, the number of rows")
    if not np.ptp(X, axis=0).any():  # one point: one cluster
        theta = np.ones((len(X), 1))
    else:
        reduced = PCA(variance_kept if variance_kept < 1 else None, svd_solver="full").fit_transform(X)
        reduced /= reduced.std() or 1.0
        mixture = GaussianMixture(k, covariance_type="diag", reg_covar=1e-4, max_iter=200, random_state=rng)
        theta = mixture.fit(reduced).predict_proba(reduced)
    members = np.eye(len(data.classes))[codes]
    return _leep(theta, members.T @ theta, codes)
