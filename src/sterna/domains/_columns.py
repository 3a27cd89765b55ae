"""Aligning the columns of several tables by name, and giving each the same type in every domain."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from sterna.domains._findings import Finding

_ID_NAME = re.compile(r"(^|[_ .-])(id|uuid|guid|key|index|rowid)$|(?<=[a-z])(Id|ID)$", re.IGNORECASE)

_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}|$)")


def align_tables(tables: dict[str, pd.DataFrame]) -> tuple[dict[str, pd.DataFrame], list[Finding]]:
    """Bring tables to the same columns, in the order of the last one (the target), with the same types.

    Parameters
    ----------
    tables : dict of str to DataFrame
        The key is how messages call the domain, for instance "source 'a'".

    Returns
    -------
    tables : dict of str to DataFrame
        Numeric columns are float64, all others are objects (str) with None where missing.
    findings : list of Finding
    """
    for name, table in tables.items():
        twice = table.columns[table.columns.duplicated()]
        if len(twice):
            raise ValueError(f"{name} has two columns named {twice[0]!r}; rename one")
    names = list(tables)
    common = [c for c in tables[names[-1]].columns if all(c in table.columns for table in tables.values())]
    findings = [
        Finding(
            "missing-column", name, str(column), f"{name} lacks the column {str(column)!r}, which {other} has; it is left out"
        )
        for other, table in tables.items()
        for column in table.columns
        for name in names
        if column not in tables[name].columns
    ]
    if not common:
        raise ValueError(
            f"{names[0]} and {names[-1]} share no column name; rename the columns so that the same thing is called the same"
        )
    columns = {column: _same_type(column, {name: table[column] for name, table in tables.items()}) for column in common}
    aligned = {name: pd.DataFrame({str(c): columns[c][name].to_numpy() for c in common}) for name in names}
    return aligned, findings


def _same_type(column: Any, parts: dict[str, pd.Series]) -> dict[str, pd.Series]:
    numeric = {name: _as_number(part) for name, part in parts.items()}
    if all(part is not None for part in numeric.values()):
        return {name: part for name, part in numeric.items() if part is not None}
    numbers = [name for name, part in numeric.items() if part is not None and part.notna().any()]
    if not numbers:
        return {name: _as_text(part) for name, part in parts.items()}
    return {
        name: part if part is not None else _parsed(column, name, parts[name], numbers[0]) for name, part in numeric.items()
    }


def _parsed(column: Any, name: str, part: pd.Series, numeric_in: str) -> pd.Series:
    """Numbers written as text, as numbers; refuses the first value that is none."""
    values = pd.to_numeric(part, errors="coerce").astype(float)
    bad = np.flatnonzero(values.isna() & part.notna())
    if len(bad):
        raise ValueError(
            f"column {str(column)!r} is numeric in {numeric_in} but text in {name}: {part.iloc[bad[0]]!r} in row {bad[0]}; "
            "write the same kind of value in every domain, or drop the column"
        )
    return values


def _as_number(part: pd.Series) -> pd.Series | None:
    """The column as float64, or None where it holds text."""
    if types.is_datetime64_any_dtype(part):
        day = (part - pd.Timestamp(0, tz=part.dt.tz)) / pd.Timedelta(days=1)
        return day.astype(float)
    if types.is_bool_dtype(part) or types.is_numeric_dtype(part):
        return part.astype(float)
    if part.isna().all():
        return pd.Series(np.nan, index=part.index, dtype=float)
    if types.is_object_dtype(part) and all(isinstance(v, int | float | bool | np.number) for v in part.dropna()):
        return part.astype(float)
    return _iso_days(part)


def _iso_days(part: pd.Series) -> pd.Series | None:
    """Dates written as 2026-11-20 [...] in days since 1970, or None where the column is other text."""
    known = part.dropna()
    if not known.map(lambda value: isinstance(value, str) and _ISO_DATE.match(value) is not None).all():
        return None
    stamps = pd.to_datetime(part, format="ISO8601", errors="coerce", utc=True)
    if stamps.isna().sum() > part.isna().sum():
        return None
    return ((stamps - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)).astype(float)


def _as_text(part: pd.Series) -> pd.Series:
    return part.astype(object).map(lambda value: str(value), na_action="ignore").where(part.notna(), None)


def identifiers(tables: dict[str, pd.DataFrame], keep: Sequence[str]) -> list[Finding]:
    """Find columns that number or name the rows, in the target and in every source of 20 rows or more."""
    target = list(tables)[-1]
    judged = {title: X for title, X in tables.items() if len(X) >= 20}
    found = []
    for column in tables[target].columns:
        if target not in judged or column in keep or not all(_looks_like_id(column, X[column]) for X in judged.values()):
            continue
        value = tables[target][column].dropna().iloc[0]
        shown = repr(value) if isinstance(value, str) else f"{value:g}"
        message = f"column {column!r} looks like an identifier (every value differs, as {shown}); it is left out; keep it by naming it in keep"
        found.append(Finding("id-like", target, column, message))
    return found


def _looks_like_id(name: str, column: pd.Series) -> bool:
    """Every value differs, and the column is text, counts up, or is named so."""
    known = column.dropna()
    if len(known) < 20 or known.nunique() < len(known):
        return False
    if not types.is_numeric_dtype(column):
        return True
    whole = bool(np.all(known == np.round(known)))
    counts_up = whole and bool(np.all(np.diff(known) == 1))
    return counts_up or (whole and _ID_NAME.search(name) is not None)
