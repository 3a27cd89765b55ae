"""Reading one domain: DataFrames of either kind, arrays, sparse matrices and files become a table or a matrix with labels."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import narwhals.stable.v1 as nw
import numpy as np
import pandas as pd
from scipy import sparse

from sterna.domains._columns import unique_names
from sterna.domains._files import read_file
from sterna.domains._kinds import family_of, object_numbers
from sterna.domains._stack import Array


def read_domain(name: str, data: Any, label: str | None) -> tuple[Any, Array | None]:
    """Read one domain.

    Parameters
    ----------
    name : str
        How messages call it, for instance "source 'a'".
    data : path, DataFrame, or tuple (X, y)
        A file or DataFrame holds the labels in the column `label`.
    label : str or None

    Returns
    -------
    X : DataFrame, csr_array, or ndarray (float, or object where some columns are text) of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,) or None
    """
    if isinstance(data, str | Path):
        data = read_file(Path(data), name)
    X, y = _pair(name, data, label) if isinstance(data, tuple) else _table(name, data, label)
    n_rows = X.shape[0]
    if n_rows == 0:
        raise ValueError(f"{name} is empty: it has no rows; leave it out or check its file")
    if y is not None and len(y) != n_rows:
        raise ValueError(f"{name} has {n_rows} rows but {len(y)} labels; give one label per row")
    if X.shape[1] == 0:
        raise ValueError(f"{name} has no feature columns besides the label; give at least one")
    return X, y


def _pair(name: str, data: tuple[Any, ...], label: str | None) -> tuple[Any, Array | None]:
    if len(data) != 2:
        raise ValueError(f"{name} is a tuple of {len(data)} items; give (X, y), with y=None where no label is known")
    X = features(name, data[0])
    if isinstance(X, pd.DataFrame) and label is not None and label in X.columns:
        raise ValueError(
            f"{name} is given as (X, y), but its X holds the label column {label!r} too; leave it out of X, or give the table alone"
        )
    return X, _labels(name, data[1])


def _table(name: str, data: Any, label: str | None) -> tuple[pd.DataFrame, Array | None]:
    if isinstance(data, list):
        raise ValueError(
            f"{name} is a list; give the tuple (X, y), a DataFrame or a file, and several domains as a dict that names each"
        )
    X = features(name, data)
    if not isinstance(X, pd.DataFrame):
        raise ValueError(f"{name} is an array without labels; give the tuple (X, y), with y=None where no label is known")
    return _split_label(name, X, label)


def _split_label(name: str, table: pd.DataFrame, label: str | None) -> tuple[pd.DataFrame, Array | None]:
    if label is None:
        raise ValueError(f"{name} is a table, but no label column is named; pass label=COLUMN (on the command line: --label)")
    if label in table.columns:
        return table.drop(columns=label), table[label].to_numpy(dtype=None)
    if name.startswith("target"):
        return table, None
    near = near_column(label, table)
    hint = f"did you mean {near!r}?" if near else f"it has {', '.join(table.columns[:8])}{' ...' * (table.shape[1] > 8)}"
    raise ValueError(f"{name} has no label column {label!r}; {hint}")


def near_column(label: str, table: pd.DataFrame) -> str | None:
    """The column whose name is most like `label`, whatever the case, or None."""
    folded = {column.strip().lower(): column for column in table.columns}
    near = difflib.get_close_matches(label.strip().lower(), folded, n=1)
    return folded[near[0]] if near else None


def features(name: str, X: Any) -> Any:
    """The features of a domain as a DataFrame with distinct string names, a csr_array, or an array (float or object)."""
    if sparse.issparse(X):
        return _csr(name, X)
    if not isinstance(X, pd.DataFrame):
        native = nw.from_native(X, eager_only=True, pass_through=True)
        X = native.to_pandas() if isinstance(native, nw.DataFrame) else X
    if isinstance(X, pd.DataFrame):
        return unique_names(name, X)
    array = _array(name, X)
    if array.ndim != 2:
        what = f"is a {type(X).__name__}" if array.ndim == 0 else f"has the shape {array.shape}"
        raise ValueError(f"{name} {what}; give an X of shape (n_samples, n_features), a DataFrame or a file")
    if array.dtype.kind in "fiub":
        return array if array.dtype == np.float32 else array.astype(np.float64, copy=False)
    if array.dtype.kind == "c":
        raise ValueError(f"{name} holds complex numbers; give real ones, for instance real and imaginary parts as columns")
    return _objects(name, array)


def _csr(name: str, X: Any) -> Any:
    if X.ndim != 2:
        raise ValueError(f"{name} has the shape {X.shape}; give an X of shape (n_samples, n_features)")
    if X.dtype.kind not in "fiub":
        raise ValueError(f"{name} is a sparse matrix of dtype {X.dtype}; give real numbers")
    rows = sparse.csr_array(X)
    rows = rows if rows.dtype == np.float32 else rows.astype(np.float64, copy=False)
    if not rows.has_canonical_format:
        rows = rows.copy()  # it may share its memory with the user's matrix
        rows.sum_duplicates()
    return rows


def _array(name: str, X: Any) -> Array:
    if isinstance(X, np.ma.MaskedArray):
        shown = np.array(X.data, dtype=object)
        shown[np.ma.getmaskarray(X)] = None
        return shown
    try:
        array = np.asarray(X)
        # numpy makes text of numbers that stand in one list with text, and "nan" of a missing value
        return np.array(X, dtype=object) if array.dtype.kind in "US" and isinstance(X, list | tuple) else array
    except ValueError as error:
        raise ValueError(f"{name} cannot be read as an array ({error}); give rows of one length") from None


def _objects(name: str, array: Array) -> Array:
    """An array of text or objects: float64 where all are numbers, else objects with numbers where a column is all numbers."""
    if array.dtype.kind == "S":
        array = _decoded(name, array)
    if array.dtype.kind == "U":
        columns = [pd.to_numeric(pd.Series(column, dtype=object), errors="coerce") for column in array.T]
        array = array.astype(object)
        for j, column in enumerate(columns):
            if column.notna().all():
                array[:, j] = column
    array = array.astype(object)
    if all(family_of(kind) == "number" for kind in set(map(type, array[~pd.isna(array)].tolist()))):
        return object_numbers(name, array)
    return array


def _decoded(name: str, array: Array) -> Array:
    try:
        return np.char.decode(array, "utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{name} holds bytes that are not UTF-8 text; give text (str)") from None


def _labels(name: str, y: Any) -> Array | None:
    if y is None:
        return None
    native = nw.from_native(y, series_only=True, pass_through=True)
    array = native.to_pandas().to_numpy() if isinstance(native, nw.Series) else _array(name, y)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(f"{name} has labels of shape {array.shape}; give one label per row, shape (n_samples,)")
    return _decoded(name, array) if array.dtype.kind == "S" else array
