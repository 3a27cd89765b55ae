"""Gram matrices at half the operations: the symmetric product of BLAS."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh
from scipy.linalg.blas import get_blas_funcs

from sterna.domains._stack import Array


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

    Returns
    -------
    values : ndarray of shape (rank,)
    vectors : ndarray of shape (n_features, rank), or (n_samples, rank) where rows are fewer than features
    """
    n, d = X.shape
    gram = (column_gram(X) if n >= d else row_gram(X)).astype(np.float64, copy=False)  # float32 decompositions are slower
    values, vectors = eigh(gram, overwrite_a=True, check_finite=False)
    kept = values > max(values[-1], 0.0) * max(n, d) * np.finfo(X.dtype).eps
    return values[kept], vectors[:, kept]
