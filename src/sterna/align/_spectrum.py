"""Leading directions of a matrix by its smaller Gram matrix, and the scale of two domains: shared by this family."""

from __future__ import annotations

import numpy as np
from sklearn.utils.extmath import randomized_svd

from sterna.domains._arrays import column_means, column_variances, eigh, is_foreign, namespace
from sterna.domains._stack import Array


def right_singular(X: Array, max_rank: int | None = None, rng: np.random.RandomState | None = None) -> tuple[Array, Array]:
    """Right singular vectors and singular values of `X` in falling order, those of rounding size left out.

    Exact by the smaller Gram matrix (rows or columns) while that has at most `2 * max_rank` rows (None: always); past that
    the leading `max_rank` directions by a randomised range finder.

    Returns
    -------
    vectors : ndarray of shape (n_features, rank)
    values : ndarray of shape (rank,)
    """
    xp, (n, d) = namespace(X), X.shape
    if max_rank is not None and min(n, d) > 2 * max_rank:
        normalizer = "QR" if is_foreign(X) else "auto"  # the standard has no LU decomposition
        _, values, right = randomized_svd(X, max_rank, n_iter=3, power_iteration_normalizer=normalizer, random_state=rng)
        return right.T, values
    squares, vectors = (xp.flip(part, axis=-1) for part in eigh(X.T @ X if d <= n else X @ X.T))
    # A Gram matrix carries an error of eps times its largest eigenvalue; a hundred times that and below is noise.
    keep = squares > 100 * max(n, d) * np.finfo(np.float64).eps * max(squares[0], 0)
    vectors, values = vectors[:, keep], xp.sqrt(squares[keep])
    return (vectors if d <= n else X.T @ (vectors / values)), values


def pooled_deviation(X_source: Array, X_target: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of every feature over all rows; the deviation of a constant feature is given as 1."""
    xp, n_s, n_t = namespace(X_source), len(X_source), len(X_target)
    mean_s, mean_t = column_means(X_source), column_means(X_target)
    within = n_s * column_variances(X_source) + n_t * column_variances(X_target)
    between = n_s * n_t / (n_s + n_t) * (mean_s - mean_t) ** 2
    mean = (n_s * mean_s + n_t * mean_t) / (n_s + n_t)
    deviation = xp.sqrt((within + between) / (n_s + n_t))
    constant = deviation <= 10 * np.finfo(np.float64).eps * xp.maximum(abs(mean_s), abs(mean_t))
    return mean, xp.where(constant, 1.0, deviation)
