"""Drawing rows of both domains, and the small checks that the distances share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import check_random_state

from sterna.domains._hashes import row_hashes
from sterna.domains._stack import Array, vstack
from sterna.measures._checks import check_pair, sample_rows
from sterna.measures._parameters import check_count

_NARROW = 500  # columns: 2000 rows then take 8 MB
#: Equal rows that are more than this share of all (and more than 3) are a category, not copies.
_FREQUENT = 0.01


def drawn_pair(X_source: Any, X_target: Any, max_rows: int, random_state: Any) -> tuple[Any, Any, Any]:
    """At most `max_rows` rows of each domain, checked, and the generator that drew them.

    Parameters
    ----------
    X_source : array-like or sparse matrix of shape (n_source, n_features)
    X_target : array-like or sparse matrix of shape (n_target, n_features)
    max_rows : int
    random_state : int, RandomState or None

    Returns
    -------
    X_source, X_target : float64 arrays, or csr arrays where one of them is sparse
    rng : RandomState
    """
    X_source, X_target = check_pair(X_source, X_target)
    check_count("max_rows", max_rows, 2)
    rng = check_random_state(random_state)
    source, target = (X[sample_rows(X.shape[0], max_rows, rng)] for X in (X_source, X_target))
    return source, target, rng


def centred_pair(X_source: Any, X_target: Any) -> tuple[Any, Any]:
    """Subtract one common row from dense rows, so that distances taken from products keep their digits."""
    if sparse.issparse(X_source):
        return X_source, X_target
    center = vstack([X_source, X_target]).mean(axis=0)
    return X_source - center, X_target - center


def dense_if_narrow(X_source: Any, X_target: Any) -> tuple[Any, Any]:
    """Sparse rows of few columns as dense ones, so that a classifier sees them as it sees dense rows."""
    if sparse.issparse(X_source) and X_source.shape[1] <= _NARROW:
        return X_source.toarray(), X_target.toarray()
    return X_source, X_target


def own_order(n_rows: int, seed: int) -> Array:
    """A random order of row numbers that depends on their number alone: so exchanging the domains exchanges the folds."""
    return np.random.RandomState(seed).permutation(n_rows)


def fold_of_rows(X_source: Any, X_target: Any, n_folds: int, seed: int) -> tuple[Array, Array]:
    """The fold of each row; exchanging the domains exchanges them.

    Equal rows share a fold: a row that both domains hold would else be held out while its twin trains with the other answer,
    and would be called wrongly. Rows of few values, whose copies are many, are spread over the folds, since a classifier can
    learn such a value only from its copies.

    Parameters
    ----------
    X_source, X_target : array or csr_array
        As many rows as folds or more each.
    n_folds : int
    seed : int

    Returns
    -------
    source, target : ndarrays of int of shape (n_source,) and (n_target,)
        Each fold has a row of both.
    """
    hashes = np.concatenate([row_hashes(X) for X in (X_source, X_target)])
    _, group, size = np.unique(hashes, return_inverse=True, return_counts=True)
    copies = (size > 1) & (size <= max(3, _FREQUENT * len(hashes)))
    shared = np.full(len(size), -1)
    shared[copies] = own_order(int(copies.sum()), seed) % n_folds
    parts = np.split(shared[group], [X_source.shape[0]])
    source, target = (_filled(part, n_folds, seed) for part in parts)
    if len(np.unique(source)) < n_folds or len(np.unique(target)) < n_folds:  # copies are most of the rows
        source, target = (_filled(np.full(len(part), -1), n_folds, seed) for part in parts)
    return source, target


def _filled(fold: Array, n_folds: int, seed: int) -> Array:
    """Rows of fold -1 in random order put where folds are smallest."""
    free = np.flatnonzero(fold < 0)
    sizes = np.bincount(fold[fold >= 0], minlength=n_folds)
    # the order in which places are filled, shape (n_folds, n_free): the smallest folds first
    places = (sizes[:, None] + np.arange(len(free))) * n_folds + np.arange(n_folds)[:, None]
    open_folds = np.argsort(places, axis=None)[: len(free)] // max(1, len(free))
    filled = fold.copy()
    filled[free] = open_folds[own_order(len(free), seed)]
    return filled


def domain_folds(X_source: Any, X_target: Any, n_folds: int, seed: int) -> Iterator[tuple[tuple[Any, Any], tuple[Any, Any]]]:
    """The training and the held-out rows of the source, and those of the target, fold by fold.

    Parameters
    ----------
    X_source, X_target : array or csr_array
        Two rows or more each.
    n_folds : int
        At most; the rows of the smaller domain where these are fewer.
    seed : int

    Yields
    ------
    (train, test), (train, test)
    """
    n_folds = min(n_folds, X_source.shape[0], X_target.shape[0])
    folds = fold_of_rows(X_source, X_target, n_folds, seed)
    for k in range(n_folds):
        held = [fold == k for fold in folds]
        yield (X_source[~held[0]], X_source[held[0]]), (X_target[~held[1]], X_target[held[1]])
