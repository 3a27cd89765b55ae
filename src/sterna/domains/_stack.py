"""Stacked domains: the convention of `sample_domain`, and taking a stack apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[Any]


def is_labelled(y: Array) -> NDArray[np.bool_]:
    """Say which entries of `y` hold a label: everything but NaN, None and NA.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)

    Returns
    -------
    ndarray of bool of shape (n_samples,)
    """
    return np.asarray(~pd.isna(y), dtype=bool)


def clean_labels(y: Array) -> Array:
    """Give labels their natural dtype: an object array of ints becomes an int array, one of str a str array."""
    if y.dtype != object or not len(y):
        return y
    kinds = {type(label) for label in y.tolist()}
    if len(kinds) > 1 and not all(issubclass(kind, int | float | np.number) for kind in kinds):
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise ValueError(f"labels mix the types {names}; give all labels one type, for instance str")
    return np.array(y.tolist())


def domain_codes(sample_domain: Any, n_samples: int) -> NDArray[np.int64]:
    """Translate `sample_domain` to signed integers: positive for sources, negative for targets.

    Parameters
    ----------
    sample_domain : array-like of shape (n_samples,)
        Non-zero integers (positive: source, negative: target), or the words "source", "target",
        "source:NAME", "target:NAME".
    n_samples : int
        The number of rows it must describe.

    Returns
    -------
    ndarray of int of shape (n_samples,)
    """
    values = np.asarray(sample_domain)
    if values.shape != (n_samples,):
        raise ValueError(f"sample_domain has shape {values.shape}, but X has {n_samples} rows; give one entry per row")
    if values.dtype.kind in "OUS":
        return _codes_from_words(values.astype(str))
    if values.dtype.kind not in "iu" and not np.all(values == np.round(values)):
        raise ValueError(f"sample_domain must hold integers or role words, got dtype {values.dtype}")
    codes = values.astype(np.int64)
    if np.any(codes == 0):
        row = int(np.flatnonzero(codes == 0)[0])
        raise ValueError(f"sample_domain is 0 in row {row}; use positive integers for sources, negative for targets")
    return codes


def _codes_from_words(words: Array) -> NDArray[np.int64]:
    names, inverse = np.unique(words, return_inverse=True)
    codes = np.empty(len(names), dtype=np.int64)
    for i, name in enumerate(names):
        role = name.split(":", 1)[0]
        if role not in ("source", "target"):
            raise ValueError(
                f"sample_domain holds {name!r}; allowed are 'source', 'target', 'source:NAME', 'target:NAME' "
                "and non-zero integers"
            )
        codes[i] = i + 1 if role == "source" else -(i + 1)
    return codes[inverse]


@dataclass(frozen=True)
class DomainData:
    """A stack taken apart: what a strategy learns from.

    Attributes
    ----------
    X_source : array or sparse matrix of shape (n_source, n_features)
    y_source : ndarray of shape (n_source,)
        All labelled.
    source_ids : ndarray of int of shape (n_source,)
        A positive code for the source domain of each row.
    X_target : array or sparse matrix of shape (n_target, n_features)
        All rows of the target, labelled or not.
    y_target : ndarray of shape (n_target_labelled,)
        The labels that are known.
    labelled : ndarray of bool of shape (n_target,)
        Which target rows they belong to.
    """

    X_source: Any
    y_source: Array
    source_ids: NDArray[np.int64]
    X_target: Any
    y_target: Array
    labelled: NDArray[np.bool_]

    @property
    def X_target_labelled(self) -> Any:
        """The labelled target rows, shape (n_target_labelled, n_features)."""
        return self.X_target[self.labelled]

    @property
    def n_target_labelled(self) -> int:
        """The number of labelled target rows."""
        return len(self.y_target)


def take_apart(X: Any, y: Array, sample_domain: Any) -> DomainData:
    """Split a stack into source and target.

    Integer labels: -1 means unlabelled where it stands in target rows only (`Domains.stack` writes it so); a -1 that also
    stands in a source is a class like any other.

    Parameters
    ----------
    X : array, sparse matrix or DataFrame of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
    sample_domain : array-like of shape (n_samples,)

    Returns
    -------
    DomainData
    """
    codes = domain_codes(sample_domain, X.shape[0])
    source = codes > 0
    labelled = is_labelled(y)
    if y.dtype.kind == "i" and not np.any(y[source] == -1):
        labelled &= y != -1
    keep = source & labelled
    rows = X.iloc if isinstance(X, pd.DataFrame) else X
    return DomainData(
        X_source=rows[np.flatnonzero(keep)],
        y_source=clean_labels(y[keep]),
        source_ids=codes[keep],
        X_target=rows[np.flatnonzero(~source)],
        y_target=clean_labels(y[~source & labelled]),
        labelled=labelled[~source],
    )


def vstack(parts: Sequence[Any]) -> Any:
    """Stack arrays, sparse matrices or DataFrames by rows, keeping their kind; empty parts are left out."""
    kept = [part for part in parts if part.shape[0]] or list(parts[:1])
    if len(kept) == 1:
        return kept[0]
    if isinstance(kept[0], pd.DataFrame):
        return pd.concat(kept, ignore_index=True)
    if hasattr(kept[0], "tocsr"):
        from scipy.sparse import vstack as sparse_vstack

        return sparse_vstack(kept, format="csr")
    return np.concatenate(kept)
