"""How far target rows lie from where the columns of the source predict each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.covariance import LedoitWolf
from sklearn.model_selection import KFold

from sterna.domains._stack import Array, rows_of
from sterna.measures._checks import sample_rows
from sterna.measures._threads import single_threaded

MAX_ROWS = 1000
MAX_COLUMNS = 500
#: Each fifth of the source rows is unseen by the covariance that it is compared with.
N_FOLDS = 5
#: A column varies where its deviation is above this share of its largest value; below is rounding.
CONSTANT = 1e-9


@dataclass(frozen=True)
class Displacement:
    """Mean squares over target rows, as multiples of those over unseen source rows; geometric means over columns.

    `alone` is of the distance of a column from its source mean, `together` of that from what the other columns predict of it. 1 where
    nothing changed; NaN where fewer than five source rows, or no column that varies, leave nothing to compare.
    """

    alone: float
    together: float


@single_threaded
def displacement(source: Any, target: Any, rng: Any) -> Displacement:
    """How far target rows lie from the source's means, and from what the columns of the source predict of each other.

    Rows that were chosen in another way keep the relations between their columns; an instrument, a unit or a scale that changed does not.

    Parameters
    ----------
    source : array or sparse matrix of shape (n_source, n_features)
        Preprocessed features.
    target : array or sparse matrix of shape (n_target, n_features)
    rng : RandomState

    Returns
    -------
    Displacement

    Notes
    -----
    With P the inverse of the Ledoit-Wolf covariance of four fifths of the source rows, (P (x - m))_j / P_jj is the residual of column j in the
    linear regression on all others. Up to 1000 rows of either side and 500 columns are drawn.

    References
    ----------
    O. Ledoit, M. Wolf (2004), A well-conditioned estimator for large-dimensional covariance matrices, J. of Multivariate Analysis 88.
    J. E. Jackson, G. S. Mudholkar (1979), Control procedures for residuals associated with principal component analysis, Technometrics 21.
    """
    columns = sample_rows(source.shape[1], MAX_COLUMNS, rng)
    X, Z = (_dense(rows_of(part, sample_rows(part.shape[0], MAX_ROWS, rng)), columns) for part in (source, target))
    if len(X) < N_FOLDS:
        return Displacement(np.nan, np.nan)
    parts = list(KFold(N_FOLDS, shuffle=True, random_state=rng).split(X))
    least = CONSTANT * np.maximum(np.abs(X).max(axis=0), np.abs(Z).max(axis=0))
    varies = np.all([X[rows].std(axis=0) > least for rows, _ in parts], axis=0)
    if not varies.any():
        return Displacement(np.nan, np.nan)
    spread = X[:, varies].std(axis=0)
    X, Z = X[:, varies] / spread, Z[:, varies] / spread
    squares = np.zeros((2, 2, X.shape[1]))  # alone and together, source and target
    for rows, held in parts:
        fitted = LedoitWolf().fit(X[rows])
        for i, (seen, share) in enumerate(((X[held], len(held) / len(X)), (Z, 1 / N_FOLDS))):
            centred = seen - fitted.location_
            squares[0, i] += share * np.mean(centred**2, axis=0)
            squares[1, i] += share * np.mean((centred @ fitted.precision_ / np.diag(fitted.precision_)) ** 2, axis=0)
    ratios = np.diff(np.log(np.maximum(squares, 1e-12)), axis=1).mean(axis=(1, 2))
    return Displacement(*np.exp(ratios).tolist())


def _dense(X: Any, columns: Array) -> Array:
    X = X[:, columns]
    return X.toarray() if sparse.issparse(X) else np.asarray(X, dtype=np.float64)
