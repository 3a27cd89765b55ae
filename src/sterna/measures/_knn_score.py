"""knn_score: the accuracy of nearest neighbours, each row left out in turn."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize
from sklearn.utils import check_random_state

from sterna.measures._checks import sample_rows
from sterna.measures._facts import transferability_facts
from sterna.measures._labelled import check_labelled
from sterna.measures._parameters import check_count


@transferability_facts(bounds=(0.0, 1.0), takes="features and labels", reference="Meiseles and Rokach 2020")
def knn_score(
    features: Any, y: Any, *, n_neighbors: int = 5, metric: str = "cosine", max_rows: int = 20_000, random_state: Any = None
) -> float:
    """Leave-one-out accuracy of k nearest neighbours.

    When to use it: a number that people can read, for encoders whose classes need not be linearly separable. When it cannot
    tell: features with many directions that do not matter.

    Parameters
    ----------
    features : array-like of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)
        Classes.
    n_neighbors : int, default=5
        At most the number of rows less one. Of classes with equally many neighbours that of the nearest one wins.
    metric : {"cosine", "euclidean"}, default="cosine"
    max_rows : int, default=20_000
        Used at most, drawn at random.
    random_state : int, RandomState or None, default=None

    Returns
    -------
    float
        A share of the rows.

    Notes
    -----
    Brute force by blocks: time O(n^2 d), memory O(n n_neighbors) and a block of distances.

    References
    ----------
    A. Meiseles, L. Rokach (2020), Source model selection for deep learning in the time series domain, IEEE Access 8 (which
    ranks by the separation of classes); the measure is T. Cover, P. Hart (1967), Nearest neighbor pattern classification, IEEE
    Transactions on Information Theory 13.

    Examples
    --------
    >>> from sterna.measures import knn_score
    >>> knn_score([[0.0, 1.0], [0.1, 1.0], [1.0, 0.0], [1.0, 0.1]], ["a", "a", "b", "b"], n_neighbors=1)
    1.0
    """
    if metric not in ("cosine", "euclidean"):
        raise ValueError(f"knn_score: metric is {metric!r}; give 'cosine' or 'euclidean'")
    check_count("knn_score: n_neighbors", n_neighbors, 1)
    check_count("knn_score: max_rows", max_rows, 2)
    data = check_labelled("knn_score", features, y)
    rows = sample_rows(len(data.y), max_rows, check_random_state(random_state))
    X, codes = data.X[rows], data.y[rows]
    X = normalize(X) if metric == "cosine" else X
    assert data.classes is not None
    k = min(n_neighbors, len(X) - 1)
    neighbours = (
        NearestNeighbors(n_neighbors=k, algorithm="brute").fit(X).kneighbors(return_distance=False)
    )  # (n, k), itself left out
    votes = np.zeros((len(X), len(data.classes)))
    nearest = np.full(votes.shape, k)  # the rank of each class's nearest neighbour
    order = np.arange(len(X))
    for rank in reversed(range(k)):
        chosen = codes[neighbours[:, rank]]
        votes[order, chosen] += 1
        nearest[order, chosen] = rank
    return float(np.mean((votes - nearest / (k + 1)).argmax(axis=1) == codes))
