"""Rows in units of a scale, dense or sparse, without widening float32."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array, diags_array, issparse

from sterna.domains._stack import Array


def float_dtype(X: Any) -> np.dtype[Any]:
    """The dtype of results computed from `X`: its own where that is floating, else float64."""
    return X.dtype if X.dtype.kind == "f" else np.dtype(np.float64)


def scaled(X: Any, mean: Array, scale: Array) -> Any:
    """(X - mean) / scale, in the `float_dtype` of `X`; sparse rows are not centred."""
    dtype = float_dtype(X)
    if issparse(X):
        return csr_array(X.astype(dtype) @ diags_array((1 / scale).astype(dtype)))
    return ((X - mean) / scale).astype(dtype, copy=False)
