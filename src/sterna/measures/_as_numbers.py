"""Columns of numbers, dates and durations as floats, however a table stores them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sterna.domains._stack import Array

_DAY = pd.Timedelta(days=1)
_START = pd.Timestamp(0, tz="UTC")
#: What pandas finds in a column of Python objects.
_KINDS = {
    "number": ("integer", "floating", "mixed-integer-float", "decimal", "boolean"),
    "date": ("datetime", "datetime64", "date"),
    "duration": ("timedelta", "timedelta64"),
}


def as_numbers(source: pd.Series, target: pd.Series) -> tuple[Array, Array] | None:
    """The two columns as float64, a missing value as NaN; None where they hold other things, or one numbers and one dates.

    Parameters
    ----------
    source : Series of shape (n_source,)
    target : Series of shape (n_target,)

    Returns
    -------
    source, target : ndarrays of shape (n_source,) and (n_target,)
        Dates are days since 1970 (UTC, where they have no time zone), durations days.
    """
    kinds = [_kind(column) for column in (source, target)]
    known = {kind for kind in kinds if kind != "empty"}
    if len(known) > 1 or "other" in known:
        return None
    return _numbers(source, kinds[0]), _numbers(target, kinds[1])


def _kind(column: pd.Series) -> str:
    """number, date, duration, empty or other."""
    if not column.notna().any():
        return "empty"
    if pd.api.types.is_numeric_dtype(column):
        return "number"
    if pd.api.types.is_datetime64_any_dtype(column):
        return "date"
    if pd.api.types.is_timedelta64_dtype(column):
        return "duration"
    found = pd.api.types.infer_dtype(column, skipna=True) if column.dtype == object else "other"
    return next((kind for kind, names in _KINDS.items() if found in names), "other")


def _numbers(column: pd.Series, kind: str) -> Array:
    if kind == "empty":
        return np.full(len(column), np.nan)
    if kind == "date":
        column = (pd.to_datetime(column, utc=True, errors="coerce") - _START) / _DAY
    elif kind == "duration":
        column = pd.to_timedelta(column) / _DAY
    elif column.dtype == object:
        column = pd.to_numeric(column.where(column.notna(), np.nan))
    return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
