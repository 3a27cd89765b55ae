"""otdd: the optimal transport distance of two data sets with labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import svdvals
from scipy.spatial.distance import cdist
from sklearn.utils import check_random_state

from sterna.domains._stack import Array
from sterna.measures._checks import sample_rows
from sterna.measures._facts import measure_facts
from sterna.measures._labelled import Labelled, check_labelled
from sterna.measures._parameters import check_count
from sterna.measures._powers import transport_work
from sterna.measures._threads import single_threaded

_PIVOTS = 1_000_000  # of the simplex


@measure_facts(
    direction="larger is farther",
    bounds=(0.0, np.inf),
    symmetric=True,
    needs_labels=True,
    takes="features and labels of both",
    reference="Alvarez-Melis and Fusi 2020",
)
@single_threaded
def otdd(
    X_source: Any, y_source: Any, X_target: Any, y_target: Any, *, max_rows: int = 1000, random_state: Any = None
) -> float:
    """Optimal transport dataset distance: rows are far where their features are, or where their classes look different.

    When to use it: to rank source data sets, whose classes may be other ones than the target's, by what their classes look like;
    names of classes do not matter. When it cannot tell: which classes mean the same, where these are swapped and look alike.
    Standardise the columns first: a column on a large scale hides the others.

    Parameters
    ----------
    X_source : array-like of shape (n_source, n_features)
    y_source : array-like of shape (n_source,)
        Classes.
    X_target : array-like of shape (n_target, n_features)
    y_target : array-like of shape (n_target,)
        Classes, of the same names or others.
    max_rows : int, default=1000
        The rows of each that are transported at most, drawn at random; classes are described by all rows.
    random_state : int, RandomState or None, default=None
        Draws rows.

    Returns
    -------
    float
        In units of the columns.

    Notes
    -----
    The root of min over plans of E[||x - x'||^2 + W2^2(y, y')], W2 the distance between Gaussians with the classes' means and
    covariances (equations 4 and 7 of the paper), by an exact solver of POT. tr (S^1/2 S' S^1/2)^1/2 is the sum of the singular values
    of the product of the centred rows, so that no root of a matrix is taken. A class of one row has no spread. Time
    O(n^2 d + n^3) for n rows transported, O(k k' d^2 min(n_k, d)) for the classes.

    References
    ----------
    D. Alvarez-Melis, N. Fusi (2020), Geometric dataset distances via optimal transport, NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.measures import otdd
    >>> X = np.array([[0.0], [1.0], [5.0], [6.0]])
    >>> round(otdd(X, ["a", "a", "b", "b"], X + 3, ["c", "c", "d", "d"]), 6)  # 3 by the rows and 3 by the classes
    4.242641
    """
    source, target = check_labelled("otdd (source)", X_source, y_source), check_labelled("otdd (target)", X_target, y_target)
    if source.X.shape[1] != target.X.shape[1]:
        raise ValueError(
            f"otdd: X_source has {source.X.shape[1]} columns but X_target has {target.X.shape[1]}; give the same features of both"
        )
    check_count("max_rows", max_rows, 2)
    rng = check_random_state(random_state)
    between = _class_distances(source, target)  # (n_source_classes, n_target_classes)
    rows = [sample_rows(len(data.y), max_rows, rng) for data in (source, target)]
    cost = cdist(source.X[rows[0]], target.X[rows[1]], "sqeuclidean")
    cost += between[np.ix_(source.y[rows[0]], target.y[rows[1]])]
    return float(np.sqrt(transport_work(cost, _PIVOTS, "otdd: ")))


def _class_distances(source: Labelled, target: Labelled) -> Array:
    """W2^2 between the Gaussians of each two classes, shape (n_source_classes, n_target_classes)."""
    parts = [[_described(data.X[data.y == c]) for c in range(len(data.counts))] for data in (source, target)]
    result = np.empty((len(parts[0]), len(parts[1])))
    for i, (mean, factor) in enumerate(parts[0]):
        for j, (other, its) in enumerate(parts[1]):
            spread = np.sum(factor**2) + np.sum(its**2) - 2 * svdvals(factor @ its.T).sum()
            result[i, j] = np.sum((mean - other) ** 2) + max(float(spread), 0.0)
    return result


def _described(X: Array) -> tuple[Array, Array]:
    """The mean of a class, and F with F'F its covariance, of at most min(n, d) rows."""
    X = X.astype(np.float64)
    mean = X.mean(axis=0)
    factor = (X - mean) / np.sqrt(max(1, len(X) - 1))
    return mean, np.asarray(np.linalg.qr(factor, mode="r")) if len(X) > X.shape[1] else factor
