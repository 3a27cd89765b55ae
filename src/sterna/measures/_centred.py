"""Products of centred rows, dense or sparse, without writing the centred sparse rows out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import gen_batches

from sterna.domains._stack import Array

#: Products at a time: 16 MB.
BLOCK_ENTRIES = 2_000_000


def centred(X: Any) -> tuple[Any, Array]:
    """The rows and the mean that is still in them: 0 for dense rows, which are centred here.

    Parameters
    ----------
    X : ndarray or csr_array of shape (n_samples, n_features)

    Returns
    -------
    X : ndarray or csr_array of shape (n_samples, n_features)
    mean : ndarray of shape (n_features,)
    """
    if sparse.issparse(X):
        return X, np.asarray(X.sum(axis=0)).ravel() / X.shape[0]
    return X - X.mean(axis=0), np.zeros(X.shape[1])


def row_products(A: tuple[Any, Array], B: tuple[Any, Array]) -> Iterator[Array]:
    """Blocks of rows of (A - mean) (B - mean)^T, each of shape (n_block, n_b)."""
    (X, mean_x), (Y, mean_y) = A, B
    correction = Y @ mean_x - mean_x @ mean_y  # (n_b,)
    for rows in gen_batches(X.shape[0], max(1, BLOCK_ENTRIES // Y.shape[0])):
        product = X[rows] @ Y.T
        product = product.toarray() if sparse.issparse(product) else product
        yield product - (X[rows] @ mean_y)[:, None] - correction


def covariance_rows(A: tuple[Any, Array], columns: slice) -> Array:
    """The rows of the covariance of A (divisor n - 1) that `columns` names, shape (n_block, n_features)."""
    X, mean = A
    n = X.shape[0]
    product = X[:, columns].T @ X
    product = product.toarray() if sparse.issparse(product) else product
    return (product - n * np.outer(mean[columns], mean)) / (n - 1)
