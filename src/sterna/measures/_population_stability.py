"""The population stability index of columns, in bins of the source's quantiles."""

from __future__ import annotations

import numpy as np

from sterna.domains._stack import Array

_SMOOTHING = 0.5  # rows added to each bin of either domain


def stability_index(source: Array, target: Array) -> Array:
    """Sum over bins of (q - p) log(q / p), with p and q the smoothed shares of both domains.

    Parameters
    ----------
    source : ndarray of shape (n_bins, n_columns)
        Counts of rows. Bins that are empty in both domains are left out.
    target : ndarray of shape (n_bins, n_columns)

    Returns
    -------
    ndarray of shape (n_columns,)
    """
    used = source + target > 0
    p, q = (np.where(used, counts + _SMOOTHING, 0.0) for counts in (source, target))
    p, q = p / p.sum(axis=0), q / q.sum(axis=0)
    return np.asarray(np.sum((q - p) * np.log(np.where(used, q, 1.0) / np.where(used, p, 1.0)), axis=0))


def quantile_counts(source: Array, target: Array, n_bins: int) -> tuple[Array, Array]:
    """Rows of both domains in each bin of the source's quantiles, with a last bin for missing values.

    A value at which two quantiles or more fall has a bin of its own, so that columns of few values are counted by value.

    Parameters
    ----------
    source : ndarray of shape (n_source, n_columns)
    target : ndarray of shape (n_target, n_columns)
    n_bins : int

    Returns
    -------
    source, target : ndarray of int of shape (2 n_bins, n_columns)
    """
    cuts = _quantiles(np.sort(source, axis=0), n_bins)  # (n_bins - 1, n_columns)
    same = cuts[1:] == cuts[:-1]
    void = np.zeros((1, cuts.shape[1]), dtype=bool)
    tied = np.concatenate([void, same]) | np.concatenate([same, void])
    return _counts(source, cuts, tied), _counts(target, cuts, tied)


def _quantiles(ordered: Array, n_bins: int) -> Array:
    """The smallest values with k / n_bins of the known rows at or below them; infinite where a column has no known value."""
    n_known = (~np.isnan(ordered)).sum(axis=0)  # NaN is sorted to the end
    place = np.ceil(np.outer(np.arange(1, n_bins) / n_bins, n_known) - 1e-9).astype(int) - 1
    cuts = np.take_along_axis(ordered, np.maximum(place, 0), axis=0)
    return np.where(n_known > 0, cuts, np.inf)


def _counts(X: Array, cuts: Array, tied: Array) -> Array:
    """Rows by bin: up to each cut; where cuts are tied, below the value and at it."""
    up_to = np.empty((2 * len(cuts), cuts.shape[1]), dtype=np.int64)
    for k, cut in enumerate(cuts):
        up_to[2 * k + 1] = np.count_nonzero(np.less_equal(X, cut), axis=0)
        below = np.count_nonzero(np.less(X, cut), axis=0) if tied[k].any() else 0
        previous = up_to[2 * k - 1] if k else 0
        up_to[2 * k] = np.where(tied[k], np.maximum(below, previous), previous)
    missing = np.isnan(X).sum(axis=0)
    known = len(X) - missing
    return np.concatenate([np.diff(up_to, axis=0, prepend=0, append=known[None]), missing[None]])
