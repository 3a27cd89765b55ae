"""Leading directions of a matrix by its smaller Gram matrix, and the scale of two domains: shared by this family."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh
from sklearn.utils.extmath import randomized_svd

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
    n, d = X.shape
    if max_rank is not None and min(n, d) > 2 * max_rank:
        _, values, right = randomized_svd(X, max_rank, n_iter=3, random_state=rng)
        return right.T, values
    squares, vectors = eigh(X.T @ X if d <= n else X @ X.T)
    # A Gram matrix carries an error of eps times its largest eigenvalue; a hundred times that and below is noise.
    keep = squares[::-1] > 100 * max(n, d) * np.finfo(np.float64).eps * max(squares[-1], 0)
    vectors, values = vectors[:, ::-1][:, keep], np.sqrt(squares[::-1][keep])
    return (vectors if d <= n else X.T @ (vectors / values)), values


def pooled_deviation(X_source: Array, X_target: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of every feature over all rows; the deviation of a constant feature is given as 1."""
    n_s, n_t = len(X_source), len(X_target)
    mean_s, mean_t = X_source.mean(axis=0, dtype=np.float64), X_target.mean(axis=0, dtype=np.float64)
    within = n_s * X_source.var(axis=0, dtype=np.float64) + n_t * X_target.var(axis=0, dtype=np.float64)
    between = n_s * n_t / (n_s + n_t) * (mean_s - mean_t) ** 2
    mean = (n_s * mean_s + n_t * mean_t) / (n_s + n_t)
    deviation = np.sqrt((within + between) / (n_s + n_t))
    constant = deviation <= 10 * np.finfo(np.float64).eps * np.maximum(abs(mean_s), abs(mean_t))
    return mean, np.where(constant, 1.0, deviation)
