"""Whether two rows of counts have the same shares."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import chi2, fisher_exact, hypergeom, random_table

from sterna.domains._stack import Array


def chi_square(counts: Array) -> float:
    """Pearson's statistic of a table of counts of shape (2, k), all columns of which are positive."""
    expected = _expected(counts)
    return float(((counts - expected) ** 2 / expected).sum())


def _expected(counts: Array) -> Array:
    return np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()


def shares_p_value(counts: Array, random_state: Any, n_tables: int = 9999) -> tuple[float, str]:
    """The p-value of "both rows have the same shares", and the test it is by.

    Parameters
    ----------
    counts : ndarray of int of shape (2, k)
    random_state : RandomState
    n_tables : int, default=9999
        How many tables with the same margins are drawn where counts are too small for the chi-square distribution.

    Returns
    -------
    p_value, test : "chi-square", "Fisher's exact" or "Monte Carlo chi-square"
    """
    counts = counts[:, counts.sum(axis=0) > 0].astype(int)
    if counts.shape[1] < 2 or not counts.sum(axis=1).all():
        return 1.0, "chi-square"
    if _expected(counts).min() >= 5:
        return float(chi2.sf(chi_square(counts), counts.shape[1] - 1)), "chi-square"
    if counts.shape[1] == 2:
        return float(fisher_exact(counts)[1]), "Fisher's exact"
    tables = random_table(counts.sum(axis=1), counts.sum(axis=0)).rvs(n_tables, random_state=random_state)
    expected = _expected(counts)
    drawn = ((tables - expected) ** 2 / expected).sum(axis=(1, 2))
    return float((1 + np.sum(drawn >= chi_square(counts) - 1e-9)) / (1 + n_tables)), "Monte Carlo chi-square"


def same_share(n_of_source: Array, n_both: Array, n_source: int, n_target: int) -> Array:
    """Exact p-values of "the share of such rows is the same in both domains": twice the smaller hypergeometric tail.

    Far out, where corrections for many tests look, the chi-square test is several times too small for rare rows and unequal sizes,
    with expected counts of 100 too.

    Parameters
    ----------
    n_of_source : ndarray of int of shape (n_tests,)
        Such rows of the source.
    n_both : ndarray of int of shape (n_tests,)
        Of both domains.
    n_source, n_target : int
        All rows.

    Returns
    -------
    ndarray of shape (n_tests,)
    """
    if not len(n_both):
        return np.ones(0)
    pairs, places = np.unique(np.column_stack([n_of_source, n_both]), axis=0, return_inverse=True)  # rare words share counts
    law = hypergeom(n_source + n_target, pairs[:, 1], n_source)
    tails = np.minimum(law.cdf(pairs[:, 0]), law.sf(pairs[:, 0] - 1))
    return np.asarray(np.minimum(1.0, 2 * tails)[places.ravel()])


def total_variation(counts: Array) -> float:
    """Half the sum of the absolute differences of shares of the two rows: 0 the same, 1 nothing in common."""
    shares = counts / counts.sum(axis=1, keepdims=True)
    return float(np.abs(shares[0] - shares[1]).sum() / 2)
