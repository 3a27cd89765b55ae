"""How many target rows could be rows of the source."""

from __future__ import annotations

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
#: A column varies where its deviation is above this share of its largest value; below is rounding.
CONSTANT = 1e-9


@single_threaded
def typical_share(source: Any, target: Any, rng: Any) -> float:
    """The share of target rows that are typical of the source: no farther from its mean than nine tenths of its unseen rows.

    Rows that were chosen in another way could still each be a row of the source; where an instrument, a unit or a scale changed, hardly any
    could. Far below 0.9 the columns have changed, or the rows come from where the source has none.

    Parameters
    ----------
    source : array or sparse matrix of shape (n_source, n_features)
        Preprocessed features.
    target : array or sparse matrix of shape (n_target, n_features)
    rng : RandomState

    Returns
    -------
    float
        From 0 to 1; NaN where fewer than five source rows, or no column that varies, leave nothing to compare.

    Notes
    -----
    Distances are Mahalanobis', by the Ledoit-Wolf covariance of four fifths of the source rows; the limit is the 0.9 quantile of the distances
    of the other fifth. The mean of the five shares. Up to 1000 rows of either side and 500 columns are drawn.

    References
    ----------
    O. Ledoit, M. Wolf (2004), A well-conditioned estimator for large-dimensional covariance matrices, J. of Multivariate Analysis 88.
    K. Lee, K. Lee, H. Lee, J. Shin (2018), A simple unified framework for detecting out-of-distribution samples, NeurIPS.
    """
    columns = sample_rows(source.shape[1], MAX_COLUMNS, rng)
    X, Z = (_dense(rows_of(part, sample_rows(part.shape[0], MAX_ROWS, rng)), columns) for part in (source, target))
    if len(X) < N_FOLDS:
        return np.nan
    parts = list(KFold(N_FOLDS, shuffle=True, random_state=rng).split(X))
    least = CONSTANT * np.maximum(np.abs(X).max(axis=0), np.abs(Z).max(axis=0))
    varies = np.all([X[rows].std(axis=0) > least for rows, _ in parts], axis=0)
    if not varies.any():
        return np.nan
    spread = X[:, varies].std(axis=0)
    X, Z = X[:, varies] / spread, Z[:, varies] / spread
    return float(np.mean([_share(LedoitWolf().fit(X[rows]), X[held], Z) for rows, held in parts]))


def _share(fitted: LedoitWolf, unseen: Array, target: Array) -> float:
    limit = np.quantile(fitted.mahalanobis(unseen), TYPICAL)
    return float(np.mean(fitted.mahalanobis(target) <= limit))


def _dense(X: Any, columns: Array) -> Array:
    X = X[:, columns]
    return X.toarray() if sparse.issparse(X) else np.asarray(X, dtype=np.float64)
