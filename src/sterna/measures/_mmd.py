"""mmd: the maximum mean discrepancy between two samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils import check_random_state

from sterna.domains._stack import Array, vstack
from sterna.measures._checks import check_pair, sample_rows
from sterna.measures._facts import measure_facts
from sterna.measures._mmd_rows import check_bandwidth, median_bandwidth
from sterna.measures._permutations import memberships, permutation_p_value
from sterna.measures._threads import single_threaded


@dataclass(frozen=True)
class MMD:
    """The squared discrepancy, `value`, the p-value of "both have one distribution", and the bandwidth."""

    value: float
    p_value: float
    bandwidth: float

    def __float__(self) -> float:
        return self.value


@measure_facts(
    direction="larger is farther",
    bounds=(-2.0, 2.0),
    symmetric=True,
    needs_labels=False,
    takes="features",
    reference="Gretton, Borgwardt, Rasch, Schölkopf and Smola 2012",
)
@single_threaded
def mmd(
    X_source: Any,
    X_target: Any,
    *,
    bandwidth: float | None = None,
    n_permutations: int = 500,
    max_rows: int = 1000,
    random_state: Any = None,
) -> MMD:
    """Squared maximum mean discrepancy with a Gaussian kernel, unbiased, with a permutation p-value.

    0, or a little below it by chance: the same distribution. When to use it: as a test that asks for no classifier, on few
    rows above all. When it cannot see: a difference in few of many columns. Standardise the columns first: a
    column on a large scale hides the others.

    Parameters
    ----------
    X_source : array-like or sparse matrix of shape (n_source, n_features)
    X_target : array-like or sparse matrix of shape (n_target, n_features)
    bandwidth : float, default=None
        The kernel is exp(-||x - y||^2 / (2 bandwidth^2)); None is the median distance between rows.
    n_permutations : int, default=500
    max_rows : int, default=1000
        The rows of each domain that are used at most, drawn at random: so memory stays below 150 MB.
    random_state : int, RandomState or None, default=None
        Draws rows and permutations.

    Returns
    -------
    MMD

    Notes
    -----
    Equation 3 of the paper; the p-value (1 + #{permuted >= observed}) / (1 + n_permutations) is exact. Cost
    O(n^2 (d + n_permutations)), n the rows of both domains.

    References
    ----------
    A. Gretton, K. Borgwardt, M. Rasch, B. Schölkopf, A. Smola (2012), A kernel two-sample test, JMLR 13.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.measures import mmd
    >>> rng = np.random.default_rng(0)
    >>> mmd(rng.normal(size=(100, 2)), rng.normal(size=(100, 2)) + 1, random_state=0).p_value < 0.01
    True
    """
    X_source, X_target = check_pair(X_source, X_target)
    check_bandwidth(bandwidth)
    rng = check_random_state(random_state)
    parts = [X[sample_rows(X.shape[0], max_rows, rng)] for X in (X_source, X_target)]
    n_source, n = parts[0].shape[0], parts[0].shape[0] + parts[1].shape[0]
    squared = euclidean_distances(vstack(parts), squared=True)  # (n, n)
    if bandwidth is None:
        bandwidth = median_bandwidth(squared)
    kernel = np.exp(squared / (-2 * bandwidth**2))
    np.fill_diagonal(kernel, 0.0)
    values = _discrepancies(kernel, memberships(n_source, n, n_permutations, rng))
    return MMD(float(values[0]), permutation_p_value(values), bandwidth)


def _discrepancies(kernel: Array, in_source: Array) -> Array:
    """Unbiased MMD^2 of each column of `in_source`, which marks the source rows; the kernel's diagonal is 0."""
    n = len(kernel)
    m = in_source[:, 0].sum()
    within = np.einsum("ib,ib->b", in_source, kernel @ in_source)
    across = kernel.sum(axis=1) @ in_source - within
    within_target = kernel.sum() - within - 2 * across
    return within / (m * (m - 1)) + within_target / ((n - m) * (n - m - 1)) - 2 * across / (m * (n - m))
