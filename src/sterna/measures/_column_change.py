"""Whether columns changed, or only the choice of rows: what target rows are for a source that has not seen them."""

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
#: This share of the unseen source rows is typical of the source.
TYPICAL = 0.9
#: The middle of a column's source values, and the share of target values in it below which the column is outside.
MIDDLE, OUTSIDE = (0.05, 0.95), 0.1
#: A column varies where its deviation is above this share of its largest value; below is rounding.
CONSTANT = 1e-9
#: Columns count as changed where fewer target rows than these are typical of the source ...
FEW_TYPICAL = 0.25
#: ... or where they fit each other so much worse, while each by itself lies hardly farther than unseen source rows do.
BROKEN, IN_PLACE = 2.0, 1.25
#: ... or where so many columns lie outside the source's.
MANY_OUTSIDE = 3


@dataclass(frozen=True)
class ColumnChange:
    """Target rows beside unseen source rows; NaN where fewer than five source rows, or no column that varies, leave nothing to compare.

    Attributes
    ----------
    typical : float
        The share of target rows no farther from the source's mean than nine tenths of unseen source rows; about 0.9 where nothing changed.
    alone, together : float
        Mean squares as multiples of those of unseen source rows, geometric means over columns: of the distance of a column from its
        source mean, and from what the other columns predict of it. 1 where nothing changed.
    n_outside : int
        Columns in which less than a tenth of the target lies where the middle nine tenths of the source do.
    """

    typical: float
    alone: float
    together: float
    n_outside: int

    @property
    def changed(self) -> bool:
        """Whether columns changed, and not the choice of rows alone; no where nothing can be compared."""
        broken = self.alone < IN_PLACE and self.together > BROKEN
        return self.typical < FEW_TYPICAL or broken or self.n_outside >= MANY_OUTSIDE

    @classmethod
    def unknown(cls) -> ColumnChange:
        """Nothing can be compared."""
        return cls(np.nan, np.nan, np.nan, 0)


@single_threaded
def column_change(source: Any, target: Any, rng: Any) -> ColumnChange:
    """How far target rows could be rows of the source, and how far their columns fit each other as the source's do.

    Rows that were chosen in another way could still each be a row of the source; where an instrument, a unit or a scale changed, hardly any
    could. No choice of rows breaks the relations between columns but leaves each column by itself where it was. And a choice of rows by one
    column takes the others along in part only: several columns that all lie outside were measured otherwise.

    Parameters
    ----------
    source : array or sparse matrix of shape (n_source, n_features)
        Preprocessed features.
    target : array or sparse matrix of shape (n_target, n_features)
    rng : RandomState

    Returns
    -------
    ColumnChange

    Notes
    -----
    With P the inverse of the Ledoit-Wolf covariance of four fifths of the source rows and m their mean, (x - m)'P(x - m) is the squared
    Mahalanobis distance of a row, and (P (x - m))_j / P_jj the residual of column j in the linear regression on all others. Up to 1000 rows
    of either side and 500 columns are drawn.

    References
    ----------
    O. Ledoit, M. Wolf (2004), A well-conditioned estimator for large-dimensional covariance matrices, J. of Multivariate Analysis 88.
    J. E. Jackson, G. S. Mudholkar (1979), Control procedures for residuals associated with principal component analysis, Technometrics 21.
    K. Lee, K. Lee, H. Lee, J. Shin (2018), A simple unified framework for detecting out-of-distribution samples, NeurIPS.
    """
    columns = sample_rows(source.shape[1], MAX_COLUMNS, rng)
    X, Z = (_dense(rows_of(part, sample_rows(part.shape[0], MAX_ROWS, rng)), columns) for part in (source, target))
    if len(X) < N_FOLDS:
        return ColumnChange.unknown()
    parts = list(KFold(N_FOLDS, shuffle=True, random_state=rng).split(X))
    least = CONSTANT * np.maximum(np.abs(X).max(axis=0), np.abs(Z).max(axis=0))
    varies = np.all([X[rows].std(axis=0) > least for rows, _ in parts], axis=0)
    if not varies.any():
        return ColumnChange.unknown()
    spread = X[:, varies].std(axis=0)
    X, Z = X[:, varies] / spread, Z[:, varies] / spread
    typical, squares = 0.0, np.zeros((2, 2, X.shape[1]))  # squares: alone and together, source and target
    for rows, held in parts:
        fitted = LedoitWolf().fit(X[rows])
        limit = np.quantile(_compare(fitted, X[held], squares[:, 0], len(held) / len(X)), TYPICAL)
        typical += np.mean(_compare(fitted, Z, squares[:, 1], 1 / N_FOLDS) <= limit) / N_FOLDS
    alone, together = np.exp(np.diff(np.log(np.maximum(squares, 1e-12)), axis=1).mean(axis=(1, 2))).tolist()
    low, high = np.quantile(X, MIDDLE, axis=0)
    n_outside = int(np.sum(np.mean((low <= Z) & (high >= Z), axis=0) < OUTSIDE))
    return ColumnChange(float(typical), alone, together, n_outside)


def _compare(fitted: LedoitWolf, rows: Array, squares: Array, share: float) -> Array:
    """Squared Mahalanobis distances of rows, shape (n_rows,); adds `share` times the mean squares of columns alone and together."""
    centred = rows - fitted.location_
    turned = centred @ fitted.precision_
    squares[0] += share * np.mean(centred**2, axis=0)
    squares[1] += share * np.mean((turned / np.diag(fitted.precision_)) ** 2, axis=0)
    return np.sum(centred * turned, axis=1)


def _dense(X: Any, columns: Array) -> Array:
    X = X[:, columns]
    return X.toarray() if sparse.issparse(X) else np.asarray(X, dtype=np.float64)
