"""Hashes of rows, to find repeats, and of whole domains, to tell data apart."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from sterna.domains._stack import Array

#: Values hashed at a time: the copies stay small.
_BLOCK = 2_000_000


def row_hashes(X: Any) -> NDArray[np.uint64]:
    """One 64-bit hash a row, equal for equal rows, shape (n_samples,)."""
    if isinstance(X, pd.DataFrame):
        return _table_hashes(X)
    if sparse.issparse(X):
        return _sparse_hashes(X)
    hashes = np.empty(X.shape[0], dtype=np.uint64)
    step = max(1, _BLOCK // max(1, X.shape[1]))
    odd = _odd_numbers(np.arange(X.shape[1]))
    for start in range(0, X.shape[0], step):
        hashes[start : start + step] = (_value_hashes(X[start : start + step]) * odd).sum(axis=1, dtype=np.uint64)
    return hashes


def label_hashes(known: Array) -> NDArray[np.uint64]:
    """One 64-bit hash a known label, equal for equal labels, shape (n_labelled,)."""
    values = known.astype(object) if known.dtype.kind in "OU" else canonical(known)
    hashes: NDArray[np.uint64] = pd.util.hash_array(values)
    return hashes


def canonical(values: Any) -> NDArray[np.float64]:
    """A contiguous float64 copy in which equal values have equal bits: one zero, one NaN."""
    numbers = np.array(values, dtype="<f8", order="C") + 0.0  # -0.0 becomes 0.0
    numbers[np.isnan(numbers)] = np.nan
    return numbers


def _value_hashes(values: Any) -> NDArray[np.uint64]:
    numbers = canonical(values)
    return pd.util.hash_array(numbers.ravel(), categorize=False).reshape(numbers.shape)


def _odd_numbers(columns: Array) -> NDArray[np.uint64]:
    """A different odd multiplier a column, so that the same values in other columns give another sum."""
    hashes: NDArray[np.uint64] = pd.util.hash_array(columns.astype(np.uint64), categorize=False)
    return hashes | np.uint64(1)


def _table_hashes(X: pd.DataFrame) -> NDArray[np.uint64]:
    # the numbers at once: a call for each column is slow in wide tables
    numeric = np.array([dtype.kind == "f" for dtype in X.dtypes], dtype=bool)
    hashes = row_hashes(X.loc[:, numeric].to_numpy(dtype=np.float64))
    if numeric.all():
        return hashes
    words = pd.util.hash_pandas_object(X.loc[:, ~numeric], index=False)
    return hashes ^ np.asarray(words, dtype=np.uint64)


def _sparse_hashes(X: Any) -> NDArray[np.uint64]:
    sums = np.zeros(X.nnz + 1, dtype=np.uint64)
    # a stored zero is as good as none
    terms = np.where(X.data == 0, np.uint64(0), _value_hashes(X.data) * _odd_numbers(X.indices))
    np.cumsum(terms, out=sums[1:])
    return sums[X.indptr[1:]] - sums[X.indptr[:-1]]  # modulo 2^64, as the sums


def fingerprint(columns: Sequence[str], X: Any, y: Array) -> str:
    """A SHA-256 of column names, values and labels, the same on every machine and for every storage of the same values."""
    digest = hashlib.sha256(json.dumps(list(columns)).encode())
    if sparse.issparse(X):
        X = X.copy()
        X.eliminate_zeros()
        for part in (X.indptr, X.indices):
            digest.update(part.astype("<i8").tobytes())
        digest.update(canonical(X.data).tobytes())
    else:
        for part in _parts(X):
            digest.update(part)
    digest.update(
        json.dumps([None if unknown else label for label, unknown in zip(y.tolist(), pd.isna(y), strict=True)]).encode()
    )
    return digest.hexdigest()


def _parts(X: Any) -> Any:
    if isinstance(X, pd.DataFrame):
        for name in X.columns:
            column = X[name]
            words = column.dtype.kind != "f"
            yield json.dumps(column.tolist()).encode() if words else canonical(column).tobytes()
        return
    step = max(1, _BLOCK // max(1, X.shape[1]))
    for start in range(0, X.shape[0], step):
        yield canonical(X[start : start + step]).tobytes()
