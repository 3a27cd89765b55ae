"""What the variants of the maximum mean discrepancy for many rows share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import norm
from sklearn.metrics.pairwise import euclidean_distances

from sterna.domains._stack import Array, vstack
from sterna.measures._pairs import centred_pair, drawn_pair, own_order

_MEDIAN_ROWS = 500  # of each domain: the error of the median distance is then about 1 %


def check_bandwidth(bandwidth: Any) -> float | tuple[float, ...] | None:
    """A positive number, a tuple of them, or None, as given; else one sentence on what is wrong."""
    advice = "give a positive number, a sequence of them, or None for the median distance"
    if bandwidth is None:
        return None
    if np.ndim(bandwidth) == 0:
        if not _positive(bandwidth):
            raise ValueError(f"bandwidth is {bandwidth!r}; {advice}")
        return float(bandwidth)
    widths = tuple(bandwidth)
    if not widths:
        raise ValueError(f"bandwidth is an empty sequence; {advice}")
    for width in widths:
        if not _positive(width):
            raise ValueError(f"bandwidth holds {width!r}; {advice}")
    return tuple(map(float, widths))


def _positive(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and bool(0 < value < np.inf)


def gaussian_mean(squared: Array, bandwidth: float | tuple[float, ...]) -> Array:
    """The Gaussian kernel of squared distances of any shape; of several bandwidths the mean of their kernels."""
    kernels = [np.exp(squared / (-2 * width**2)) for width in np.atleast_1d(bandwidth)]
    return np.asarray(sum(kernels[1:], start=kernels[0]) / len(kernels))


def median_bandwidth(squared: Array) -> float:
    """The median distance of the pairs of different rows, from squared distances of shape (n, n)."""
    apart = squared[np.triu_indices(len(squared), k=1)]
    return float(np.sqrt(np.median(apart))) or float(np.sqrt(apart.mean())) or 1.0


def shuffled_pair(
    X_source: Any, X_target: Any, bandwidth: float | Sequence[float] | None, max_rows: int, random_state: Any
) -> tuple[Any, Any, float | tuple[float, ...], Any]:
    """Rows of both domains in random order, the bandwidth and the generator.

    Parameters
    ----------
    X_source : array-like or sparse matrix of shape (n_source, n_features)
    X_target : array-like or sparse matrix of shape (n_target, n_features)
    bandwidth : float, sequence of floats or None
    max_rows : int
    random_state : int, RandomState or None

    Returns
    -------
    X_source, X_target : arrays or csr arrays
    bandwidth : float or tuple of floats
    rng : RandomState
    """
    width = check_bandwidth(bandwidth)
    source, target, rng = drawn_pair(X_source, X_target, max_rows, random_state)
    seed = rng.randint(2**31 - 1)
    source, target = (X[own_order(X.shape[0], seed)] for X in centred_pair(source, target))
    if width is None:
        rows = vstack([source[:_MEDIAN_ROWS], target[:_MEDIAN_ROWS]])
        width = median_bandwidth(euclidean_distances(rows, squared=True))
    return source, target, width, rng


def mean_p_value(values: Array) -> float:
    """The p-value of a mean of independent values for "the true mean is 0", by the normal law; 1 for a single value."""
    if len(values) < 2:
        return 1.0
    mean, error = values.mean(), values.std(ddof=1) / np.sqrt(len(values))
    if error <= 1e-12:  # constant rows
        return 0.0 if mean > 1e-12 else 1.0
    return float(norm.sf(mean / error))
