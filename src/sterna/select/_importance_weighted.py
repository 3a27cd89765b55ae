"""Importance-weighted validation: held-out source rows, weighted to look like the target."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from sterna.domains import TablePreprocessor
from sterna.domains._stack import Array, rows_of
from sterna.measures._checks import check_pair
from sterna.measures._domain_scores import domain_scores

#: Ratios above this are cut: one row must not decide a score.
MAX_WEIGHT = 20.0


def importance_weights(X_source: Any, X_target: Any, *, normalized: bool = True, random_state: int = 0) -> Array:
    """Density ratios target / source of the source rows, from the out-of-fold probabilities of a domain classifier.

    Parameters
    ----------
    X_source : array-like, sparse matrix or DataFrame of shape (n_source, n_features)
    X_target : array-like, sparse matrix or DataFrame of shape (n_target, n_features)
        Numbers, none missing, in the same columns.
    normalized : bool, default=True
        Divide the ratios by their mean. `dev` corrects by how far the mean is from 1, and so takes them as they are.
    random_state : int, default=0

    Returns
    -------
    ndarray of shape (n_source,)
        Mean 1 where normalised; ratios are cut at 20 before that. All 1 where a domain has a single row.

    References
    ----------
    M. Sugiyama, M. Krauledat, K.-R. Mueller (2007), Covariate shift adaptation by importance weighted cross validation, JMLR 8.
    """
    X_source, X_target = check_pair(X_source, X_target, least=1)
    n_source, n_target = X_source.shape[0], X_target.shape[0]
    if min(n_source, n_target) < 2:
        return np.ones(n_source)  # one row says nothing of a density
    ratio, _ = domain_scores(X_source, X_target, check_random_state(random_state)).density_ratio()
    weights = np.minimum(ratio, MAX_WEIGHT)
    return weights / weights.mean() if normalized else weights


def stack_weights(X: Any, source: Array, target: Array, *, normalized: bool = True, random_state: int = 0) -> Array:
    """Density ratios of the rows `source` of a raw stack, shape (n_source,)."""
    return importance_weights(*prepared_rows(X, source, target), normalized=normalized, random_state=random_state)


def prepared_rows(X: Any, source: Array, target: Array) -> tuple[Any, Any]:
    """The rows `source` and `target` of a raw stack, preprocessed as strategies see them."""
    prepared = TablePreprocessor().fit_transform(X)
    return rows_of(prepared, source), rows_of(prepared, target)
