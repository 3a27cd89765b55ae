"""Gaussian kernels that know the scale of their data: shared by the kernel methods of this family."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.sparse import diags_array, issparse
from sklearn.metrics.pairwise import euclidean_distances, rbf_kernel
from sklearn.utils import gen_batches
from sklearn.utils.sparsefuncs import mean_variance_axis

from sterna.domains._arrays import column_means, column_variances, median_distance_between, namespace
from sterna.domains._stack import Array, rows_of, vstack

_SAMPLE = 500  # rows a domain that the median distance is taken over: its error is then about 1 %


def mean_and_variance(X: Any) -> tuple[Array, Array]:
    """Mean and variance of every column in float64, of an array or a csr matrix."""
    if issparse(X):
        mean, variance = mean_variance_axis(X, axis=0)
        return mean.astype(np.float64), variance.astype(np.float64)
    return column_means(X), column_variances(X)


def same_scale(X_source: Any, X_target: Any) -> tuple[Any, Any]:
    """Divide both domains by the standard deviation of their even mixture, column by column.

    Constant columns become 0. Dense rows are centred too, which spares distances the rounding of large means; sparse rows stay
    sparse. Returns float64 copies.
    """
    (mean_s, var_s), (mean_t, var_t) = mean_and_variance(X_source), mean_and_variance(X_target)
    xp = namespace(mean_s)
    center, deviation = (mean_s + mean_t) / 2, xp.sqrt((var_s + var_t) / 2 + (mean_s - mean_t) ** 2 / 4)
    constant = deviation <= 10 * np.finfo(np.float64).eps * xp.maximum(abs(mean_s), abs(mean_t))
    factor = xp.where(constant, 0.0, 1 / xp.where(constant, 1.0, deviation))
    if issparse(X_source):
        scale = diags_array(factor)
        return (X_source.astype(np.float64) @ scale).tocsr(), (X_target.astype(np.float64) @ scale).tocsr()
    return (X_source - center) * factor, (X_target - center) * factor


def median_distance(X_source: Any, X_target: Any, rng: np.random.RandomState) -> float:
    """The median distance between rows of the two domains put together, over at most 500 rows of each."""
    rows = [rows_of(X, rng.choice(X.shape[0], min(_SAMPLE, X.shape[0]), replace=False)) for X in (X_source, X_target)]
    if not issparse(rows[0]):
        return median_distance_between(vstack(rows))
    between = [euclidean_distances(a, b) for a, b in ((rows[0], rows[0]), (rows[1], rows[1]))]
    parts = [D[np.triu_indices(len(D), 1)] for D in between]
    distances = np.concatenate([*parts, euclidean_distances(*rows).ravel()])
    median = float(np.median(distances)) if len(distances) else 0.0
    # more than half of the pairs are equal rows: take the others
    return median or float(np.median(distances[distances > 0]) if np.any(distances) else 1.0)


def gaussian(X: Any, Y: Any, bandwidth: float) -> Array:
    """k(x, y) = exp(-||x - y||^2 / (2 bandwidth^2)), shape (len(X), len(Y))."""
    return rbf_kernel(X, Y, gamma=1 / (2 * bandwidth**2))


def blocks(X: Any, n_columns: int, max_entries: int = 2_000_000) -> Iterator[slice]:
    """Slices over the rows of `X` so that a block of kernel values with `n_columns` columns stays near 16 MB."""
    return gen_batches(X.shape[0], max(1, max_entries // max(1, n_columns)))
