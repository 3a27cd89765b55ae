"""Reading one domain: files, DataFrames of either kind, arrays and sparse matrices become a table or a matrix with labels."""

from __future__ import annotations

import csv
import difflib
import zipfile
from pathlib import Path
from typing import Any

import narwhals.stable.v1 as nw
import numpy as np
import pandas as pd
from scipy import sparse

from sterna.domains._stack import Array

SUFFIXES = (".csv", ".tsv", ".parquet", ".npz")


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
    X : DataFrame, ndarray or csr_array of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,) or None
    """
    if isinstance(data, str | Path):
        data = read_file(Path(data), name)
    if isinstance(data, tuple):
        if len(data) != 2:
            raise ValueError(f"{name} is a tuple of {len(data)} items; give (X, y), with y=None where no label is known")
        X, y = _features(name, data[0]), _labels(name, data[1])
    else:
        X = _features(name, data)
        if not isinstance(X, pd.DataFrame):
            raise ValueError(f"{name} is an array without labels; give the tuple (X, y), with y=None where no label is known")
        X, y = _split_label(name, X, label)
    n_rows = X.shape[0]
    if y is not None and len(y) != n_rows:
        raise ValueError(f"{name} has {n_rows} rows but {len(y)} labels; give one label per row")
    if n_rows == 0:
        raise ValueError(f"{name} is empty: it has no rows; leave it out or check its file")
    if X.shape[1] == 0:
        raise ValueError(f"{name} has no feature columns besides the label")
    return X, y


def read_file(path: Path, name: str) -> Any:
    """Read a CSV, TSV or Parquet file as a DataFrame, an npz file as a tuple (X, y)."""
    if path.is_dir():
        raise ValueError(f"{name}: {path} is a folder; give a file of the kind {', '.join(SUFFIXES)}")
    if not path.exists():
        near = difflib.get_close_matches(
            path.name, [p.name for p in path.parent.glob("*")] if path.parent.is_dir() else [], n=1
        )
        hint = f"; is it {near[0]}?" if near else ""
        raise FileNotFoundError(f"{name}: there is no file {path}{hint}")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{name}: {path} ends in {suffix!r}, which is not one of {', '.join(SUFFIXES)}")
    if path.stat().st_size == 0:
        raise ValueError(f"{name}: the file {path} is empty")
    try:
        if suffix == ".parquet":
            return pd.read_parquet(path)
        return _read_npz(path, name) if suffix == ".npz" else _read_csv(path)
    except UnicodeDecodeError as error:
        raise ValueError(f"{name}: {path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except (pd.errors.ParserError, OSError, zipfile.BadZipFile, ValueError) as error:
        if str(error).startswith(name):
            raise
        raise ValueError(f"{name}: {path} cannot be read as {suffix[1:]} ({str(error).splitlines()[0]})") from error


def _read_csv(path: Path) -> pd.DataFrame:
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = file.readline()
    try:
        separator = csv.Sniffer().sniff(header, delimiters=",;\t|").delimiter
    except csv.Error:
        separator = ","
    return pd.read_csv(path, sep=separator, encoding="utf-8-sig")


def _read_npz(path: Path, name: str) -> tuple[Any, Any]:
    with np.load(path, allow_pickle=False) as arrays:
        keys = set(arrays.files)
        y = arrays["y"] if "y" in keys else None
        if {"data", "indices", "indptr", "shape"} <= keys:
            parts = (arrays["data"], arrays["indices"], arrays["indptr"])
            return sparse.csr_array(parts, shape=tuple(arrays["shape"])), y
        if "X" not in keys:
            raise ValueError(
                f"{name}: {path} holds {', '.join(sorted(keys))}; an npz file needs X (or data, indices, indptr, shape of a "
                "sparse matrix) and y"
            )
        return arrays["X"], y


def _features(name: str, X: Any) -> Any:
    if sparse.issparse(X):
        return sparse.csr_array(X)
    if isinstance(X, pd.DataFrame):
        return X
    native = nw.from_native(X, eager_only=True, pass_through=True)
    if isinstance(native, nw.DataFrame):
        return native.to_pandas()
    array = np.asarray(X)
    if array.ndim == 1 and array.dtype != object:
        raise ValueError(f"{name} has a one-dimensional X of shape {array.shape}; reshape it to (n_samples, n_features)")
    if array.ndim != 2:
        raise ValueError(f"{name} has an X of shape {array.shape}; reshape it to (n_samples, n_features)")
    if array.dtype.kind not in "fiub":
        return pd.DataFrame(array).infer_objects()
    return array if array.dtype == np.float32 else array.astype(np.float64, copy=False)


def _labels(name: str, y: Any) -> Array | None:
    if y is None:
        return None
    native = nw.from_native(y, series_only=True, pass_through=True)
    array = native.to_pandas().to_numpy() if isinstance(native, nw.Series) else np.asarray(y)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(f"{name} has labels of shape {array.shape}; give one label per row, shape (n_samples,)")
    return array.astype(object) if array.dtype.kind in "US" else array


def _split_label(name: str, table: pd.DataFrame, label: str | None) -> tuple[pd.DataFrame, Array | None]:
    if label is None:
        raise ValueError(f"{name} is a table, but no label column is named; pass label=COLUMN (on the command line: --label)")
    if label not in table.columns:
        if name.startswith("target"):
            return table, None
        near = difflib.get_close_matches(label, [str(column) for column in table.columns], n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(map(str, table.columns[:8]))} ..."
        raise ValueError(f"{name} has no label column {label!r}; {hint}")
    return table.drop(columns=label), table[label].to_numpy()
