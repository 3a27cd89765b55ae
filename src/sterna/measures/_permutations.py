"""Permuting which rows are the source's, many permutations at once."""

from __future__ import annotations

from typing import Any

import numpy as np

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
