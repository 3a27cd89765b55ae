"""Rows as an encoder takes them: one list (or array) of files, texts, pictures or clips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import narwhals.stable.v1 as nw
import numpy as np

_WHAT = {
    "image": "files of images, PIL images or arrays",
    "text": "texts",
    "audio": "files of clips, or arrays of samples",
}


def as_items(X: Any, modality: str) -> Any:
    """Read the rows out of whatever holds them.

    Parameters
    ----------
    X : list, array, Series or one-column DataFrame of length n
    modality : {"image", "text", "audio"}

    Returns
    -------
    list of length n, or ndarray of shape (n, ...)
        An array where the rows are arrays of one shape.
    """
    if isinstance(X, str | bytes | Path):
        raise ValueError(f"one {type(X).__name__} was given, but an encoder takes many rows; put it in a list")
    X = _unframed(X)
    if isinstance(X, np.ndarray):
        X = _flat(X, modality)
        if X.dtype.kind not in "OUS":
            return X
    rows = X.tolist() if isinstance(X, np.ndarray) else list(X)
    _check_rows(rows, modality)
    shapes = {row.shape if isinstance(row, np.ndarray) else None for row in rows}
    return np.stack(rows) if len(shapes) == 1 and None not in shapes and modality == "image" else rows


def take(items: Any, rows: Any) -> Any:
    """Some rows of what `as_items` gives."""
    return items[rows] if isinstance(items, np.ndarray) else [items[i] for i in rows]


def _unframed(X: Any) -> Any:
    """The only column of a DataFrame, the values of a Series, a tensor's numbers."""
    native = nw.from_native(X, allow_series=True, pass_through=True, eager_only=True)
    if isinstance(native, nw.DataFrame):
        if len(native.columns) != 1:
            shown = ", ".join(map(str, native.columns[:5]))
            raise ValueError(f"the table has {len(native.columns)} columns ({shown}); an encoder takes one: give X[[COLUMN]]")
        native = native.get_column(native.columns[0])
    if isinstance(native, nw.Series):
        return native.to_list()
    return X.numpy() if hasattr(X, "detach") and hasattr(X, "numpy") else X


def _flat(X: Any, modality: str) -> Any:
    if X.dtype.kind in "OUS":
        if X.ndim == 2 and X.shape[1] == 1:
            X = X[:, 0]
        if X.ndim != 1:
            raise ValueError(f"the rows have the shape {X.shape}; an encoder takes (n,) or (n, 1): {_WHAT[modality]}")
        return X
    allowed = {"image": (3, 4), "audio": (2, 3), "text": ()}[modality]
    if X.ndim not in allowed or X.dtype.kind not in "fiu":
        raise ValueError(f"numbers of shape {X.shape} were given; this encoder takes {_WHAT[modality]}")
    return X


def _check_rows(rows: list[Any], modality: str) -> None:
    for i, row in enumerate(rows):
        fault = text_fault(row) if modality == "text" else _media_fault(row, modality)
        if fault is not None:
            raise ValueError(f"row {i} {fault}; this encoder takes {_WHAT[modality]}")


def text_fault(row: Any) -> str | None:
    """What is wrong with a row that should be a text, or None."""
    if not isinstance(row, str):
        return f"is {row!r:.60} ({type(row).__name__}), no text"
    try:
        row.encode("utf-8")
    except UnicodeEncodeError:
        return f"holds characters that are no valid Unicode ({row!r:.60})"
    return None


def _media_fault(row: Any, modality: str) -> str | None:
    if modality == "audio" and isinstance(row, tuple):
        row = row[0]
    if isinstance(row, str | Path | np.ndarray) or (modality == "image" and hasattr(row, "convert")):
        return None
    return f"is {row!r:.60} ({type(row).__name__})"
