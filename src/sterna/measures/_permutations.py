"""Permuting which rows are the source's, many permutations at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import rankdata

from sterna.domains._stack import Array


def memberships(n_source: int, n: int, n_permutations: int, rng: Any) -> Array:
    """Columns that mark `n_source` of `n` rows with 1: the first rows in column 0, drawn ones in the other columns.

    Returns
    -------
    ndarray of shape (n, n_permutations + 1)
    """
    in_source = np.zeros((n, n_permutations + 1))
    in_source[:n_source, 0] = 1.0
    for b in range(1, n_permutations + 1):
        in_source[rng.permutation(n)[:n_source], b] = 1.0
    return in_source


def permutation_p_value(values: Array, slack: float = 1e-12) -> float:
    """The share of `values` that are no smaller than the first, the observed one, which counts itself."""
    return float(np.mean(values >= values[0] - slack))


def least_p_value(statistics: Sequence[Array]) -> float:
    """The p-value of several statistics, each of the same permutations: the least of theirs against the least of every permutation's.

    Parameters
    ----------
    statistics : sequence of ndarray of shape (n_permutations + 1,)
        The observed value first; large values speak against the hypothesis.

    Returns
    -------
    float

    Notes
    -----
    Westfall and Young's (1993) minimum p: exact, and for statistics that tell the same it is hardly larger than that of one.

    References
    ----------
    P. H. Westfall, S. S. Young (1993), Resampling-based multiple testing, Wiley.
    """
    ranks = [rankdata(-_rounded(values), method="max") for values in statistics]
    least = np.min(ranks, axis=0)
    return float(np.mean(least <= least[0]))


def _rounded(values: Array) -> Array:
    """Values that differ by rounding alone made equal."""
    return np.round(values / (np.abs(values).max() or 1.0), 9)
