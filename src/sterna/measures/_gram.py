"""Gram matrices at half the operations: the symmetric product of BLAS."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh
from scipy.linalg.blas import dsyrk, get_blas_funcs
from sklearn.utils import gen_batches

from sterna.domains._stack import Array

_BLOCK_ENTRIES = 2_000_000  # of float32 features, made float64 at a time: 16 MB


def column_gram(X: Array) -> Array:
    """X^T X, shape (n_features, n_features), in the dtype of `X`; the lower triangle only is filled."""
    (product,) = get_blas_funcs(("syrk",), (X,))
    if X.flags.c_contiguous:  # X^T is in Fortran's order: no copy
        return np.asarray(product(1.0, X.T, lower=1))
    return np.asarray(product(1.0, X, trans=1, lower=1))


def row_gram(X: Array) -> Array:
    """X X^T, shape (n_samples, n_samples), in the dtype of `X`; the lower triangle only is filled."""
    return column_gram(X.T)


def gram_spectrum(X: Array) -> tuple[Array, Array]:
    """Eigenvalues, rising, and eigenvectors of the smaller Gram matrix, up to the numerical rank of `X`.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Products of float32 rows are summed in float64: summed in float32, a large mean would hide the other directions.

    Returns
    -------
    values : ndarray of shape (rank,)
    vectors : ndarray of shape (n_features, rank), or (n_samples, rank) where rows are fewer than features
    """
    n, d = X.shape
    values, vectors = eigh(_double_gram(X if n >= d else X.T), overwrite_a=True, check_finite=False)
    kept = values > max(values[-1], 0.0) * max(n, d) * np.finfo(np.float64).eps
    return values[kept], vectors[:, kept]


def _double_gram(X: Array) -> Array:
    """`column_gram` in float64, float32 rows by blocks."""
    if X.dtype == np.float64:
        return column_gram(X)
    gram = np.zeros((X.shape[1], X.shape[1]), order="F")
    for rows in gen_batches(len(X), max(1, _BLOCK_ENTRIES // X.shape[1])):
        block = X[rows].astype(np.float64)  # in the order of X
        in_rows = block.flags.c_contiguous
        gram = dsyrk(1.0, block.T if in_rows else block, beta=1.0, c=gram, trans=not in_rows, lower=1, overwrite_c=1)
    return gram
