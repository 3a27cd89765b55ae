"""What the checks found in the data: one sentence each, naming the domain, the column and the value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

LIMIT = 1e100


@dataclass(frozen=True)
class Finding:
    """One thing the checks noticed.

    Attributes
    ----------
    code : str
        "constant", "id-like", "free-text", "leakage", "duplicate", "class", "missing-column", "missing-values", "mixed",
        "unlabelled-source", "unlabelled-target".
    domain : str
    column : str or None
    message : str
    """

    code: str
    domain: str
    column: str | None
    message: str


def refuse_values(name: str, X: Any, columns: list[str]) -> None:
    """Raise for infinite or absurdly large values (and missing ones of a sparse matrix), naming column and row of the first."""
    if isinstance(X, pd.DataFrame):
        numeric = X.select_dtypes("number")
        return refuse_values(name, numeric.to_numpy(dtype=np.float64), list(numeric.columns))
    if sparse.issparse(X):
        bad = np.flatnonzero(~(np.abs(X.data.astype(np.float64)) <= LIMIT))
        if len(bad):
            row = int(np.searchsorted(X.indptr, bad[0], side="right")) - 1
            _refuse(name, columns[X.indices[bad[0]]], row, X.data[bad[0]], True)
        return None
    low, high = (extreme.reduce(X, axis=0).astype(np.float64) for extreme in (np.fmin, np.fmax))
    beyond = np.flatnonzero((low < -LIMIT) | (high > LIMIT))
    if len(beyond):
        values = X[:, beyond[0]].astype(np.float64)
        row = int(np.flatnonzero(np.abs(values) > LIMIT)[0])
        _refuse(name, columns[beyond[0]], row, values[row], False)
    return None


def _refuse(name: str, column: str, row: int, value: float, is_sparse: bool) -> NoReturn:
    if np.isnan(value):
        raise ValueError(
            f"column {column!r} of {name} holds a missing value (NaN) in row {row}, which a sparse matrix cannot have here; "
            "put a number there, or give a dense array or a table"
        )
    remedy = "correct it" if is_sparse else "correct it, or write it as a missing value"
    raise ValueError(
        f"column {column!r} of {name} holds {value:g} in row {row}, beyond what can be computed with ({LIMIT:g}); {remedy}"
    )


def constant_columns(tables: dict[str, Any], columns: list[str]) -> tuple[list[str], list[Finding]]:
    """Find columns that hold one value only, in every domain or in one of them.

    Returns
    -------
    everywhere : list of str
        The columns that vary within no domain: they say nothing about the label and can only tell the domains apart.
    findings : list of Finding
    """
    # one row cannot vary
    varying = {name: _varies(X) for name, X in tables.items() if X.shape[0] > 1}
    if not varying:
        return [], []
    nowhere = ~np.any(list(varying.values()), axis=0)
    everywhere = [columns[j] for j in np.flatnonzero(nowhere)]
    found = _constant_finding("all", everywhere, "any domain; nothing can be learned from {}")
    for name, varies in varying.items():
        here = [columns[j] for j in np.flatnonzero(~varies & ~nowhere)]
        found += _constant_finding(name, here, f"{name}, though elsewhere {{}} {'do' if len(here) > 3 else 'does'}")
    return everywhere, found


def _constant_finding(domain: str, columns: list[str], where: str) -> list[Finding]:
    if len(columns) > 3:
        named = ", ".join(map(repr, columns[:3]))
        pronoun = "them" if domain == "all" else "they"
        message = f"{len(columns)} columns ({named} ...) do not vary within {where.format(pronoun)}"
        return [Finding("constant", domain, None, message)]
    return [
        Finding("constant", domain, column, f"column {column!r} does not vary within {where.format('it')}")
        for column in columns
    ]


def _varies(X: Any) -> NDArray[np.bool_]:
    if isinstance(X, pd.DataFrame):
        return _table_varies(X)
    if sparse.issparse(X):
        return X.max(axis=0).toarray().ravel() > X.min(axis=0).toarray().ravel()
    low, high = np.fmin.reduce(X, axis=0), np.fmax.reduce(X, axis=0)
    n_missing = np.isnan(X).sum(axis=0)
    return (high > low) | ((n_missing > 0) & (n_missing < len(X)))


def _table_varies(X: pd.DataFrame) -> NDArray[np.bool_]:
    varies = np.zeros(X.shape[1], dtype=bool)
    numeric = np.array([dtype.kind == "f" for dtype in X.dtypes], dtype=bool)
    varies[numeric] = _varies(X.loc[:, numeric].to_numpy(dtype=np.float64))
    for j in np.flatnonzero(~numeric):
        words = X[X.columns[int(j)]].to_numpy(dtype=object)
        varies[j] = np.any(words != words[0])
    return varies


def missing_columns(tables: dict[str, pd.DataFrame]) -> list[Finding]:
    """Find columns of aligned tables without a single value in one domain."""
    return [
        Finding(
            "missing-values",
            name,
            str(column),
            f"column {str(column)!r} has no value at all in {name}; it is filled with the median or its own category",
        )
        for name, X in tables.items()
        for column in X.columns[X.isna().all().to_numpy()]
    ]
