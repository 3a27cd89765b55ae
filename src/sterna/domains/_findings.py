"""What the checks found in the data: one sentence each, naming the domain, the column and the value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from sterna.domains._stack import Array

LIMIT = 1e100


@dataclass(frozen=True)
class Finding:
    """One thing the checks noticed.

    Attributes
    ----------
    code : str
        "constant", "id-like", "leakage", "duplicate", "class", "missing-column", "missing-values", "unlabelled-source".
    domain : str
    column : str or None
    message : str
    """

    code: str
    domain: str
    column: str | None
    message: str


def refuse_values(name: str, X: Any, columns: list[str]) -> None:
    """Raise for infinite or absurdly large values, naming the first one's column and row."""
    if isinstance(X, pd.DataFrame):
        X = X.select_dtypes("number")
        columns, values = list(X.columns), X.to_numpy(dtype=float)
    elif sparse.issparse(X):
        if X.nnz and not np.all(np.abs(X.data) <= LIMIT):
            _refuse(name, X.tocoo(), columns)
        return
    else:
        values = X
    with np.errstate(invalid="ignore"):
        bad = np.abs(values) > LIMIT
    if bad.any():
        row, column = np.argwhere(bad)[0]
        _refuse_one(name, columns[column], int(row), values[row, column])


def _refuse(name: str, X: Any, columns: list[str]) -> None:
    first = int(np.flatnonzero(~(np.abs(X.data) <= LIMIT))[0])
    row, column = (int(coordinate[first]) for coordinate in X.coords)
    _refuse_one(name, columns[column], row, X.data[first])


def _refuse_one(name: str, column: str, row: int, value: float) -> None:
    raise ValueError(
        f"column {column!r} of {name} holds {value:g} in row {row}, beyond what can be computed with ({LIMIT:g}); "
        "correct it, or write it as a missing value"
    )


def constant_columns(tables: dict[str, Any], columns: list[str]) -> tuple[list[str], list[Finding]]:
    """Find columns that hold one value only, in every domain or in one of them.

    Returns
    -------
    everywhere : list of str
        The columns that vary within no domain: they say nothing about the label and can only tell the domains apart.
    findings : list of Finding
    """
    varying = {name: _varies(X) for name, X in tables.items()}
    nowhere = ~np.any(list(varying.values()), axis=0)
    everywhere = [columns[j] for j in np.flatnonzero(nowhere)]
    found = _constant_finding("all", everywhere, "any domain; nothing can be learned from it")
    for name, varies in varying.items():
        found += _constant_finding(name, [columns[j] for j in np.flatnonzero(~varies & ~nowhere)], f"{name}, though elsewhere")
    return everywhere, found


def _constant_finding(domain: str, columns: list[str], where: str) -> list[Finding]:
    if not columns:
        return []
    if len(columns) > 3:
        named = ", ".join(map(repr, columns[:3]))
        return [
            Finding(
                "constant",
                domain,
                None,
                f"{len(columns)} columns ({named} ...) do not vary within {where}".replace("from it", "from them"),
            )
        ]
    return [Finding("constant", domain, column, f"column {column!r} does not vary within {where}") for column in columns]


def _varies(X: Any) -> Array:
    if isinstance(X, pd.DataFrame):
        return np.array([X.iloc[:, j].nunique(dropna=False) > 1 for j in range(X.shape[1])])
    if sparse.issparse(X):
        top, low = X.max(axis=0), X.min(axis=0)
        return (top - low).toarray().ravel() != 0
    first = X[:1]
    return np.any((first != X) & ~(np.isnan(X) & np.isnan(first)), axis=0)


def missing_columns(tables: dict[str, Any]) -> list[Finding]:
    """Find columns without a single value in one domain."""
    return [
        Finding(
            "missing-values",
            name,
            str(column),
            f"column {str(column)!r} has no value at all in {name}; it is filled with the median or its own category",
        )
        for name, X in tables.items()
        if isinstance(X, pd.DataFrame)
        for column in X.columns[X.isna().all().to_numpy()]
    ]


def row_hashes(X: Any) -> Array:
    """One 64-bit hash a row, equal for equal rows, shape (n_samples,)."""
    if isinstance(X, pd.DataFrame):
        return pd.util.hash_pandas_object(X, index=False).to_numpy()
    if sparse.issparse(X):
        rows = X.sorted_indices()
        bounds = zip(rows.indptr[:-1], rows.indptr[1:], strict=True)
        return np.array([hash((rows.indices[a:b].tobytes(), rows.data[a:b].astype(float).tobytes())) for a, b in bounds])
    return _hash_rows(np.ascontiguousarray(X, dtype=np.float64) + 0.0)  # -0.0 becomes 0.0


def _hash_rows(rows: Array) -> Array:
    # a random projection to integers modulo 2^64: equal rows agree, others collide with probability 2^-64
    multipliers = np.random.default_rng(0).integers(1, 2**63, size=rows.shape[1], dtype=np.uint64) | np.uint64(1)
    bits = rows.view(np.uint64)
    return ((bits ^ (bits >> np.uint64(31))) * multipliers).sum(axis=1, dtype=np.uint64)


def repeated_rows(tables: dict[str, Any], target: str) -> list[Finding]:
    """Find rows that stand in a source and in the target, and rows that the target holds twice."""
    hashes = {name: row_hashes(X) for name, X in tables.items()}
    found = []
    for name in tables:
        if name == target:
            continue
        shared = np.flatnonzero(np.isin(hashes[target], hashes[name]))
        if len(shared):
            message = (
                f"{len(shared)} of {len(hashes[target])} rows of {target} also stand in {name} (first: row {shared[0]}); "
                "if they are the same cases, the source has seen the test: remove them from it"
            )
            found.append(Finding("leakage", name, None, message))
    twice = len(hashes[target]) - len(np.unique(hashes[target]))
    if twice:
        message = f"{twice} of {len(hashes[target])} rows of {target} repeat another of its rows; repeats may fall on both sides of a split"
        found.append(Finding("duplicate", target, None, message))
    return found


def class_findings(labels: dict[str, Array]) -> list[Finding]:
    """Find classes that stand in one domain only; `labels` holds the known labels of each domain."""
    known = {name: set(y.tolist()) for name, y in labels.items() if len(y)}
    found: list[Finding] = []
    if len(known) < 2:
        return found
    for name, own in known.items():
        others = set().union(*(other for key, other in known.items() if key != name))
        for label in sorted(own - others, key=str):
            n_rows = int(np.sum(labels[name] == label))
            message = f"class {label!r} stands in {name} only ({n_rows} rows); no other domain can teach or test it"
            found.append(Finding("class", name, None, message))
        if len(own) == 1:
            found.append(Finding("class", name, None, f"all labelled rows of {name} are of the one class {next(iter(own))!r}"))
    return found
