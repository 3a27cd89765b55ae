"""What `fit` and `predict` take: arrays, tables, lists of files or texts, torch Datasets and DataLoaders."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader, Dataset

from sterna.domains._stack import Array


def is_dataset(X: Any) -> bool:
    """Say whether X yields (x, y) pairs by itself."""
    return isinstance(X, Dataset | DataLoader)


def unpack_dataset(X: Any, y: Any, sample_domain: Any) -> tuple[Array, Any, Any]:
    """The rows of a Dataset or DataLoader, and their labels where it yields pairs."""
    dataset = X.dataset if isinstance(X, DataLoader) else X
    try:
        size = len(dataset)  # type: ignore[arg-type]
    except TypeError:
        raise ValueError("a Dataset without a length cannot be shuffled; give one with __len__ and __getitem__") from None
    rows = [dataset[i] for i in range(size)]
    if rows and isinstance(rows[0], tuple | list):
        rows, labels = [row[0] for row in rows], [_plain(row[1]) for row in rows]
        y = np.array(labels) if y is None else y
    return as_rows(rows), y, sample_domain


def _plain(label: Any) -> Any:
    return label.tolist() if isinstance(label, torch.Tensor) else label


def as_rows(X: Any) -> Array:
    """Rows as an array of length n_samples: numbers as they are; files, texts and pictures as objects."""
    if isinstance(X, torch.Tensor):
        return X.numpy()
    if isinstance(X, pd.DataFrame):
        return _table(X)
    if isinstance(X, pd.Series):
        return X.to_numpy(dtype=object)
    if isinstance(X, np.ndarray):
        return _flat(X)
    if hasattr(X, "tocsr"):
        raise ValueError("a sparse matrix was given; a network takes dense rows: use X.toarray()")
    rows = list(X)
    if rows and isinstance(rows[0], np.ndarray | torch.Tensor) and len({np.shape(row) for row in rows}) == 1:
        return np.stack([np.asarray(row) for row in rows])
    if rows and isinstance(rows[0], int | float | list | tuple):
        return np.asarray(rows)
    objects = np.empty(len(rows), dtype=object)
    for i, row in enumerate(rows):
        objects[i] = row
    return objects


def _flat(X: Array) -> Array:
    if X.dtype.kind in "OUS" and X.ndim == 2 and X.shape[1] == 1:
        X = X[:, 0]
    return X.astype(object) if X.dtype.kind in "US" else X


def _table(X: pd.DataFrame) -> Array:
    words = [name for name in X.columns if not pd.api.types.is_numeric_dtype(X[name])]
    if len(X.columns) == 1 and words:
        return X[words[0]].to_numpy(dtype=object)
    if words:
        raise ValueError(
            f"the column {words[0]!r} is not of numbers; encode it, for instance with sterna.domains.TablePreprocessor"
        )
    return X.to_numpy(dtype=np.float32)


def as_labels(y: Any, n_rows: int) -> Array:
    """Labels as an array of shape (n_rows,) or (n_rows, n_labels)."""
    y = y.numpy() if isinstance(y, torch.Tensor) else np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if len(y) != n_rows:
        raise ValueError(f"y has {len(y)} labels, but X has {n_rows} rows; give one for each")
    return y
