"""Reading files: CSV, TSV, Parquet and npz; nothing that could run code."""

from __future__ import annotations

import csv
import difflib
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import sparse

SUFFIXES = (".csv", ".tsv", ".parquet", ".npz")


def read_file(path: Path, name: str) -> Any:
    """Read a CSV, TSV or Parquet file as a DataFrame, an npz file as a tuple (X, y).

    Parameters
    ----------
    path : Path
    name : str
        How messages call the domain.
    """
    suffix = path.suffix.lower()
    _refuse_path(path, name, suffix)
    try:
        if suffix == ".parquet":
            return pd.read_parquet(path)
        return _read_npz(path) if suffix == ".npz" else _read_csv(path, suffix)
    except UnicodeDecodeError as error:
        raise ValueError(f"{name}: {path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except _Refused as error:
        raise ValueError(f"{name}: {path} {error}") from None
    except (ValueError, OSError, EOFError, KeyError, csv.Error, pa.ArrowException, zipfile.BadZipFile, zlib.error) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"{name}: {path} cannot be read as {suffix[1:]} ({reason}); it may be cut off or of another kind: write it again"
        ) from error


class _Refused(Exception):
    """A file that can be read, but not used; the message goes on after its path."""


def _refuse_path(path: Path, name: str, suffix: str) -> None:
    if path.is_dir():
        raise ValueError(f"{name}: {path} is a folder; give a file of the kind {', '.join(SUFFIXES)}")
    if not path.exists():
        beside = [other.name for other in path.parent.glob("*")] if path.parent.is_dir() else []
        near = difflib.get_close_matches(path.name, beside, n=1)
        hint = f"is it {near[0]}?" if near else "check its name and folder"
        raise FileNotFoundError(f"{name}: there is no file {path}; {hint}")
    if suffix not in SUFFIXES:
        raise ValueError(f"{name}: {path} ends in {suffix!r}; give a file of the kind {', '.join(SUFFIXES)}")
    if path.stat().st_size == 0:
        raise ValueError(f"{name}: the file {path} is empty; leave the domain out or write the file again")


def _read_csv(path: Path, suffix: str) -> pd.DataFrame:
    separator, names = _header(path, "\t,;|" if suffix == ".tsv" else ",;\t|")
    twice = [column for column in dict.fromkeys(names) if column and names.count(column) > 1]
    if twice:
        raise _Refused(f"has two columns named {twice[0]!r}; rename one")
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            # index_col=False: pandas would take surplus fields for row names and shift all columns
            return pd.read_csv(path, sep=separator, encoding="utf-8-sig", index_col=False, low_memory=False)
        except pd.errors.ParserWarning:
            raise _Refused(
                f"has rows with more fields than its header has names ({len(names)}); name every column, write decimal points "
                "instead of commas, and end no row with a separator"
            ) from None


def _header(path: Path, separators: str) -> tuple[str, list[str]]:
    """The separator that splits the header into most names, and the names."""
    best: tuple[str, list[str]] = (separators[0], [])
    for separator in separators:
        with path.open(encoding="utf-8-sig", newline="") as file:
            names = next((row for row in csv.reader(file, delimiter=separator) if row), [])
        if len(names) > len(best[1]):
            best = separator, names
    return best


def _read_npz(path: Path) -> tuple[Any, Any]:
    try:
        with path.open("rb") as file:
            arrays = np.load(file, allow_pickle=False)
            if not isinstance(arrays, np.lib.npyio.NpzFile):
                raise _Refused("holds a single array; save X and y with np.savez(path, X=X, y=y)")
            keys = set(arrays.files)
            return _npz_features(path, arrays, keys), arrays["y"] if "y" in keys else None
    except ValueError as error:
        if "pickle" not in str(error):
            raise
        raise _Refused(
            "holds pickled Python objects, which are never loaded because they can run code; save plain arrays, text labels as "
            "np.where(pd.isna(y), '', y).astype(str), where '' is an unknown one"
        ) from None


def _npz_features(path: Path, arrays: Any, keys: set[str]) -> Any:
    if "format" in keys:  # as scipy.sparse.save_npz writes it
        X = sparse.csr_array(sparse.load_npz(path))
    elif {"data", "indices", "indptr", "shape"} <= keys:
        parts = (arrays["data"], arrays["indices"], arrays["indptr"])
        X = sparse.csr_array(parts, shape=tuple(arrays["shape"]))
    elif "X" in keys:
        return arrays["X"]
    else:
        raise _Refused(
            f"holds {', '.join(sorted(keys)) or 'nothing'}; an npz file needs X (or data, indices, indptr, shape of a sparse "
            "matrix) and y"
        )
    X.check_format(full_check=True)  # a wrong index would read beyond the arrays
    return X
