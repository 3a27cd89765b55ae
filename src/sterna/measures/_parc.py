"""parc: whether rows that are alike in the features have like labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import rankdata
from sklearn.decomposition import PCA
from sklearn.utils import check_random_state

from sterna.domains._stack import Array
from sterna.measures._checks import sample_rows
from sterna.measures._facts import transferability_facts
from sterna.measures._labelled import check_labelled
from sterna.measures._parameters import check_count


@transferability_facts(bounds=(-100.0, 100.0), takes="features and labels", reference="Bolya, Mittapalli and Hoffman 2021")
def parc(features: Any, y: Any, *, n_components: int | None = 32, max_rows: int = 1000, random_state: Any = None) -> float:
    """Pairwise annotation representation comparison: the rank correlation of rows' likeness in the features and in the labels.

    When to use it: encoders for classes with few rows (the paper draws 500). When it cannot tell: many classes, where nearly
    all pairs have equal labels of likeness.

    Parameters
    ----------
    features : array-like of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)
        Classes.
    n_components : int or None, default=32
        Principal components that are kept at most, the paper's number; None keeps the features.
    max_rows : int, default=1000
        Used at most, drawn at random: pairs cost max_rows^2 numbers.
    random_state : int, RandomState or None, default=None

    Returns
    -------
    float
        100 times Spearman's correlation; 0 where all rows are alike.

    Notes
    -----
    Likeness is Pearson's correlation of two rows of features, and of their one-hot labels; over pairs of different rows. Time
    O(n^2 log n), memory O(n^2), n the rows that are used.

    References
    ----------
    D. Bolya, R. Mittapalli, J. Hoffman (2021), Scalable diverse model selection for accessible transfer learning, NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.measures import parc
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(3, size=300)
    >>> parc(4 * np.eye(5)[y] + rng.normal(size=(300, 5)), y) > parc(rng.normal(size=(300, 5)), y)
    True
    """
    check_count("parc: max_rows", max_rows, 2)
    if n_components is not None:
        check_count("parc: n_components", n_components, 2)
    data = check_labelled("parc", features, y, least=3)
    rng = check_random_state(random_state)
    rows = sample_rows(len(data.y), max_rows, rng)
    X, codes = data.X[rows].astype(np.float64), data.y[rows]
    if n_components is not None and n_components < min(X.shape):
        X = PCA(n_components, random_state=0).fit_transform(X)
    above = np.triu_indices(len(X), k=1)
    alike = rankdata(_correlations(X)[above])
    same = (codes[above[0]] == codes[above[1]]).astype(float)  # one-hot rows correlate at two values only: equal or not
    if np.ptp(alike) == 0 or np.ptp(same) == 0:
        return 0.0
    return 100 * float(np.corrcoef(alike, same)[0, 1])


def _correlations(X: Array) -> Array:
    """Pearson's correlation of each two rows, shape (n_samples, n_samples); 0 with a row of equal numbers."""
    centred = X - X.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    usable = length > 1e-12 * (np.linalg.norm(X, axis=1, keepdims=True) + np.finfo(float).tiny)
    unit = np.divide(centred, length, out=np.zeros_like(centred), where=usable)
    return np.asarray(unit @ unit.T).round(12)
