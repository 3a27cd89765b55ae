"""rsa: representational similarity analysis."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial.distance import pdist
from scipy.stats import rankdata
from sklearn.utils import check_random_state

from sterna.domains._stack import Array
from sterna.measures._checks import sample_rows
from sterna.measures._facts import measure_facts
from sterna.measures._representation import check_representations


@measure_facts(
    direction="larger is more alike",
    bounds=(-1.0, 1.0),
    symmetric=True,
    needs_labels=False,
    takes="representations",
    reference="Kriegeskorte, Mur and Bandettini 2008",
)
def rsa(first: Any, second: Any, *, max_rows: int = 1000, random_state: Any = None) -> float:
    """Rank correlation of the distances between rows in two representations.

    When to use it: where only the order of likenesses should count. When it cannot tell: differences in few directions, as
    distances add all of them up.

    Parameters
    ----------
    first, second : array-like of shape (n_samples, ...)
        Outputs for the same rows; further axes are flattened.
    max_rows : int, default=1000
        Used at most, drawn at random: pairs cost max_rows^2 / 2 numbers.
    random_state : int, RandomState or None, default=None

    Returns
    -------
    float
        Spearman's correlation; NaN where a representation has no difference between rows.

    Notes
    -----
    Distances are Euclidean, where the paper's default is one less Pearson's correlation of rows. Time O(n^2 (d + log n)).

    References
    ----------
    N. Kriegeskorte, M. Mur, P. Bandettini (2008), Representational similarity analysis, Frontiers in Systems Neuroscience 2.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.measures import rsa
    >>> X = np.random.default_rng(0).normal(size=(100, 5))
    >>> round(rsa(X, -2 * X), 6)
    1.0
    """
    X, Y = check_representations("rsa", first, second)
    rows = sample_rows(len(X), max_rows, check_random_state(random_state))
    ranks = np.array([_ranks(X[rows]), _ranks(Y[rows])])  # (2, n_pairs)
    if np.any(np.ptp(ranks, axis=1) == 0):
        return float("nan")
    return float(np.clip(np.corrcoef(ranks)[0, 1], -1, 1))


def _ranks(X: Array) -> Array:
    """The ranks of the distances between rows; those that differ by rounding only are equal."""
    distances = pdist(X)
    return np.asarray(rankdata((distances / (distances.max() or 1.0)).round(12)))
