"""Gram matrices at half the operations: the symmetric product of BLAS."""

from __future__ import annotations

import numpy as np
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
