"""Stacked domains: the convention of `sample_domain`, and taking a stack apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sterna.domains._arrays import is_foreign, like, namespace, to_host

Array = NDArray[Any]


def is_labelled(y: Array) -> NDArray[np.bool_]:
    """Say which entries of `y` hold a label: everything but NaN, None, NA and text of nothing but blanks.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)

    Returns
    -------
    ndarray of bool of shape (n_samples,)
    """
    known = np.asarray(~pd.isna(y), dtype=bool)
    return known & ~_is_blank(y) if y.dtype.kind in "OU" else known


def _is_blank(y: Array) -> NDArray[np.bool_]:
    blank = (isinstance(label, str) and (not label or label.isspace()) for label in y.ravel().tolist())
    return np.fromiter(blank, dtype=bool, count=y.size).reshape(y.shape)


# the dtype of labels by the kinds of Python types among them; bool and int are kinds of number
_LABEL_DTYPES: dict[frozenset[str], type] = {
    frozenset({"str"}): str,
    frozenset({"bool"}): bool,
    frozenset({"int"}): np.int64,
    frozenset({"bool", "int"}): np.int64,
    frozenset({"float"}): np.float64,
    frozenset({"float", "int"}): np.float64,
    frozenset({"bool", "float"}): np.float64,
    frozenset({"bool", "float", "int"}): np.float64,
}
_LABEL_KINDS: dict[str, tuple[type, ...]] = {
    "bool": (bool, np.bool_),
    "int": (int, np.integer),
    "float": (float, np.floating, Decimal),
    "str": (str,),
}


def clean_labels(y: Array, what: str = "the labels") -> Array:
    """Give labels their natural dtype: an object array of ints becomes an int array, one of str a str array.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        Known labels only.
    what : str
        How messages call them.

    Returns
    -------
    ndarray of shape (n_samples,)

    Raises
    ------
    ValueError
        For labels of several types, of types other than text and numbers, and for whole numbers beyond 64 bits.
    """
    if y.dtype != object or not len(y):
        return y
    labels = y.tolist()
    kinds = frozenset(_label_kind(kind, what) for kind in set(map(type, labels)))
    if kinds not in _LABEL_DTYPES:
        raise ValueError(f"{what} mix the types {', '.join(sorted(kinds))}; give all labels one type, for instance str")
    try:
        return np.array(labels, dtype=_LABEL_DTYPES[kinds])
    except OverflowError:
        raise ValueError(f"{what} hold {max(labels, key=abs)}, beyond 64-bit integers; write such labels as text") from None


def _label_kind(kind: type, what: str) -> str:
    for name, members in _LABEL_KINDS.items():
        if issubclass(kind, members):
            return name
    raise ValueError(f"{what} hold a {kind.__name__}; give text, numbers or booleans")


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
    values = np.asarray(to_host(sample_domain))
    if values.shape != (n_samples,):
        raise ValueError(f"sample_domain has shape {values.shape}, but X has {n_samples} rows; give one entry per row")
    if values.dtype == object and all(isinstance(value, int | float | np.number) for value in values.tolist()):
        values = np.array(values.tolist())
    if values.dtype.kind in "OUS":
        return _codes_from_words(values.astype(str))
    whole_floats = values.dtype.kind == "f" and np.isfinite(values).all() and not np.any(values % 1)
    if values.dtype.kind not in "iu" and not whole_floats:
        raise ValueError(
            f"sample_domain has the dtype {values.dtype}; give integers (positive: source, negative: target) or role words, "
            "as 'source' and 'target'"
        )
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
                f"sample_domain holds {str(name)!r}; allowed are 'source', 'target', 'source:NAME', 'target:NAME' "
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
        return rows_of(self.X_target, np.flatnonzero(self.labelled))

    @property
    def n_target_labelled(self) -> int:
        """The number of labelled target rows."""
        return len(self.y_target)


def known_rows(y: Array, codes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say which rows of a stack hold a label; an integer -1 is one only where a source row has it too.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
    codes : ndarray of int of shape (n_samples,)
        As `domain_codes` gives them.

    Returns
    -------
    ndarray of bool of shape (n_samples,)
    """
    known = is_labelled(y)
    if y.dtype.kind == "i" and not np.any(y[codes > 0] == -1):
        known &= y != -1
    return known


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
    if len(y) != X.shape[0]:
        raise ValueError(f"y has {len(y)} labels but X has {X.shape[0]} rows; give one entry per row, None where unknown")
    source = codes > 0
    labelled = known_rows(y, codes)
    keep = source & labelled
    return DomainData(
        X_source=rows_of(X, np.flatnonzero(keep)),
        y_source=clean_labels(y[keep]),
        source_ids=codes[keep],
        X_target=rows_of(X, np.flatnonzero(~source)),
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
    return namespace(kept[0]).concat(kept) if is_foreign(kept[0]) else np.concatenate(kept)


def evenly_spread(n: int, most: int) -> NDArray[np.intp]:
    """Up to `most` of the numbers 0 to n - 1, rising, as far apart as they can be."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.intp))


def rows_of(X: Any, rows: Array) -> Any:
    """Take rows by their numbers from an array, sparse matrix, DataFrame or Series."""
    return X.iloc[rows] if isinstance(X, pd.DataFrame | pd.Series) else X[like(rows, X)]
