"""mmd_block: the mean of the maximum mean discrepancies of small blocks of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances

from sterna.domains._stack import vstack
from sterna.measures._facts import measure_facts
from sterna.measures._mmd import MMD
from sterna.measures._mmd_rows import gaussian_mean, mean_p_value, shuffled_pair
from sterna.measures._parameters import check_count
from sterna.measures._threads import single_threaded


@measure_facts(
    direction="larger is farther",
    bounds=(-2.0, 2.0),
    symmetric=True,
    needs_labels=False,
    takes="features",
    reference="Zaremba, Gretton and Blaschko 2013",
)
@single_threaded
def mmd_block(
    X_source: Any,
    X_target: Any,
    *,
    block_size: int | None = None,
    bandwidth: float | Sequence[float] | None = None,
    max_rows: int = 1_000_000,
    random_state: Any = None,
) -> MMD:
    """Squared maximum mean discrepancy as the mean over blocks of rows, with a p-value by the normal law.

    When to use it: as a test on more rows than `mmd` can hold, thousands to a million. What it cannot see: differences that
    `mmd` on as many rows would just see. Standardise the columns first: a column on a large scale hides the others.

    Parameters
    ----------
    X_source : array-like or sparse matrix of shape (n_source, n_features)
    X_target : array-like or sparse matrix of shape (n_target, n_features)
    block_size : int, default=None
        Rows of each domain in a block, 2 or more; None is the root of the rows of the smaller domain, 1000 at most.
    bandwidth : float or sequence of floats, default=None
        The kernel is exp(-||x - y||^2 / (2 bandwidth^2)), of several bandwidths the mean of their kernels; None is the median
        distance between rows, 500 of each domain at most.
    max_rows : int, default=1000000
        The rows of each domain that are used at most, drawn at random.
    random_state : int, RandomState or None, default=None
        Draws rows and blocks.

    Returns
    -------
    MMD

    Notes
    -----
    The B-test of the paper: rows are put in random order and cut into blocks, and the unbiased discrepancies of the blocks
    (equation 3 of Gretton et al. 2012) are averaged. The larger domain is used up to the rows of the smaller one, and what is
    left over is not used. The p-value takes the mean of the blocks as normal, with their variance as estimated; a single block
    gets 1, and with fewer than some 30 blocks it is rough: use `mmd` there. Cost O(n block_size d), at most O(n^1.5 d) by
    default: about half a minute for a million rows of each; memory of a few copies of the rows.

    References
    ----------
    W. Zaremba, A. Gretton, M. Blaschko (2013), B-tests: low variance kernel two-sample tests, NIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.measures import mmd_block
    >>> rng = np.random.default_rng(0)
    >>> mmd_block(rng.normal(size=(5000, 2)), rng.normal(size=(5000, 2)) + 0.2, random_state=0).p_value < 0.01
    True
    """
    if block_size is not None:
        check_count("block_size", block_size, 2)
    source, target, width, _ = shuffled_pair(X_source, X_target, bandwidth, max_rows, random_state)
    n_rows = min(source.shape[0], target.shape[0])
    size = min(n_rows, max(2, min(1000, round(n_rows**0.5))) if block_size is None else block_size)
    starts = range(0, n_rows - size + 1, size)
    values = np.array([_unbiased(source[i : i + size], target[i : i + size], width) for i in starts])
    return MMD(float(values.mean()), mean_p_value(values), width)


def _unbiased(X: Any, Y: Any, bandwidth: float | tuple[float, ...]) -> float:
    """The unbiased discrepancy of two blocks of the same size."""
    n = X.shape[0]
    # one call: for small blocks calls cost more than numbers
    kernel = gaussian_mean(euclidean_distances(vstack([X, Y]), squared=True), bandwidth)
    within = kernel[:n, :n].sum() + kernel[n:, n:].sum() - 2 * n
    return float(within / (n * (n - 1)) - 2 * kernel[:n, n:].mean())
