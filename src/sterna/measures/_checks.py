"""Checking what a measure is given, in one sentence each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from sterna.domains._stack import Array, is_labelled


def check_pair(X_source: Any, X_target: Any, least: int = 2) -> tuple[Any, Any]:
    """Both domains as finite float64 arrays or csr matrices of the same columns, `least` rows or more each.

    Parameters
    ----------
    X_source : array-like, sparse matrix or DataFrame of shape (n_source, n_features)
    X_target : array-like, sparse matrix or DataFrame of shape (n_target, n_features)
    least : int, default=2

    Returns
    -------
    X_source, X_target
        Both sparse where one of them is.
    """
    X_source, X_target = _features("X_source", X_source, least), _features("X_target", X_target, least)
    if X_source.shape[1] != X_target.shape[1]:
        raise ValueError(
            f"X_source has {X_source.shape[1]} columns but X_target has {X_target.shape[1]}; give the same features of both"
        )
    if sparse.issparse(X_source) or sparse.issparse(X_target):
        return sparse.csr_array(X_source), sparse.csr_array(X_target)
    return X_source, X_target


def _features(name: str, X: Any, least: int) -> Any:
    if sparse.issparse(X):
        X = sparse.csr_array(X, dtype=np.float64)
        values = X.data
    else:
        X = values = _numbers(name, X)
    if X.shape[0] < least or X.shape[1] < 1:
        needed = "a row" if least == 1 else f"{least} rows"
        raise ValueError(f"{name} has {X.shape[0]} rows and {X.shape[1]} columns; give {needed} and a column or more")
    if not np.all(np.isfinite(values)):
        raise ValueError(
            f"{name} holds NaN or infinite values; impute them first, for instance with sterna.domains.TablePreprocessor"
        )
    return X


def _numbers(name: str, X: Any) -> Array:
    try:
        values = np.asarray(X, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name} holds values that are no numbers ({error}); encode them first, for instance with "
            "sterna.domains.TablePreprocessor"
        ) from error
    if values.ndim != 2:
        raise ValueError(f"{name} has the shape {values.shape}; give (n_samples, n_features)")
    return values


def check_table(name: str, table: Any) -> Any:
    """A DataFrame, a csc matrix or a float array of one row or more; missing values are allowed."""
    X: Any = table
    if isinstance(table, pd.DataFrame):
        twice = table.columns[table.columns.duplicated()]
        if len(twice):
            raise ValueError(f"{name} has two columns named {twice[0]!r}; rename one")
    elif sparse.issparse(table):
        X = sparse.csc_array(table, dtype=np.float64)
    else:
        X = np.asarray(table)
        X = pd.DataFrame(X).infer_objects() if X.ndim == 2 and X.dtype.kind not in "fiub" else _numbers(name, X)
    if X.shape[0] < 1 or X.shape[1] < 1:
        raise ValueError(f"{name} has {X.shape[0]} rows and {X.shape[1]} columns; column_drift needs one of each or more")
    return X


def check_labels(name: str, y: Any) -> Array:
    """The known labels of one domain, shape (n_labelled,)."""
    y = np.asarray(y)
    if y.ndim != 1:
        raise ValueError(f"{name} has the shape {y.shape}; give one label a row, shape (n_samples,)")
    known = y[is_labelled(y)]
    if not len(known):
        raise ValueError(f"{name} holds no label; label_shift needs one or more of each domain")
    return np.array(known.tolist())


def sample_rows(n_rows: int, max_rows: int, rng: Any) -> Array:
    """At most `max_rows` of `n_rows` row numbers, drawn without replacement, in ascending order."""
    if n_rows <= max_rows:
        return np.arange(n_rows)
    return np.sort(rng.choice(n_rows, size=max_rows, replace=False))
