"""mmd: the maximum mean discrepancy between two samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances

from sterna.domains._stack import Array, vstack
from sterna.measures._facts import measure_facts
from sterna.measures._mmd_rows import check_bandwidth, gaussian_mean, median_bandwidth
from sterna.measures._pairs import centred_pair, drawn_pair
from sterna.measures._parameters import check_count
from sterna.measures._permutations import memberships, permutation_p_value
from sterna.measures._threads import single_threaded


@dataclass(frozen=True)
class MMD:
    """The squared discrepancy, `value`, the p-value of "both have one distribution", and the bandwidth, or the tuple of them."""

    value: float
    p_value: float
    bandwidth: float | tuple[float, ...]

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
    bandwidth: float | Sequence[float] | None = None,
    biased: bool = False,
    n_permutations: int = 500,
    max_rows: int = 1000,
    random_state: Any = None,
) -> MMD:
    """Squared maximum mean discrepancy with a Gaussian kernel, or several, with a permutation p-value.

    0, or a little below it by chance: the same distribution. When to use it: as a test that asks for no classifier, on few
    rows above all. When it cannot see: a difference in few of many columns. Standardise the columns first: a
    column on a large scale hides the others.

    Parameters
    ----------
    X_source : array-like or sparse matrix of shape (n_source, n_features)
    X_target : array-like or sparse matrix of shape (n_target, n_features)
    bandwidth : float or sequence of floats, default=None
        The kernel is exp(-||x - y||^2 / (2 bandwidth^2)), of several bandwidths the mean of their kernels; None is the median
        distance between rows.
    biased : bool, default=False
        Count the pairs of a row with itself too: the value is then never negative, but larger, by 1 / n_source + 1 / n_target at
        most, so that it compares between samples of one size only.
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
    Equation 3 of the paper; the biased one is equation 5, not its root. Of several bandwidths the mean of the kernels is taken,
    not the sum of Long et al., so that the value keeps its bounds; their weights are equal, not learned as by Gretton et al.
    (2012, NIPS). Rows are centred first, as a large common offset would cost distances their digits. The p-value (1 +
    #{permuted >= observed}) / (1 + n_permutations) is exact. Cost O(n^2 (d + n_permutations)), n the rows of both domains.

    References
    ----------
    A. Gretton, K. Borgwardt, M. Rasch, B. Schölkopf, A. Smola (2012), A kernel two-sample test, JMLR 13.
    A. Gretton, B. Sriperumbudur, D. Sejdinovic, H. Strathmann, S. Balakrishnan, M. Pontil, K. Fukumizu (2012), Optimal kernel
    choice for large-scale two-sample tests, NIPS.
    M. Long, Y. Cao, J. Wang, M. I. Jordan (2015), Learning transferable features with deep adaptation networks, ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.measures import mmd
    >>> rng = np.random.default_rng(0)
    >>> mmd(rng.normal(size=(100, 2)), rng.normal(size=(100, 2)) + 1, random_state=0).p_value < 0.01
    True
    """
    width = check_bandwidth(bandwidth)
    check_count("n_permutations", n_permutations, 0)
    source, target, rng = drawn_pair(X_source, X_target, max_rows, random_state)
    n_source, n = source.shape[0], source.shape[0] + target.shape[0]
    squared = euclidean_distances(vstack(centred_pair(source, target)), squared=True)  # (n, n)
    if width is None:
        width = median_bandwidth(squared)
    kernel = gaussian_mean(squared, width)
    np.fill_diagonal(kernel, 0.0)
    values = _discrepancies(kernel, memberships(n_source, n, n_permutations, rng), biased)
    return MMD(float(values[0]), permutation_p_value(values), width)


def _discrepancies(kernel: Array, in_source: Array, biased: bool) -> Array:
    """MMD^2 of each column of `in_source`, which marks the source rows; the kernel's diagonal is 0, and counts as 1 if biased."""
    n = len(kernel)
    m = in_source[:, 0].sum()
    within = np.einsum("ib,ib->b", in_source, kernel @ in_source)
    across = kernel.sum(axis=1) @ in_source - within
    within_target = kernel.sum() - within - 2 * across
    means = 2 * across / (m * (n - m))
    if biased:
        return np.maximum((within + m) / m**2 + (within_target + n - m) / (n - m) ** 2 - means, 0.0)
    return within / (m * (m - 1)) + within_target / ((n - m) * (n - m - 1)) - means
