"""What a column holds (numbers, dates, durations, text, categories), and bringing it to one kind."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NoReturn

import numpy as np
import pandas as pd
from pandas.api import types

from sterna.domains._stack import Array

_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}|$)")
_COMMA_NUMBER = re.compile(r"\s*[+-]?\d[\d.,]*,\d+\s*")
_POINT_NUMBER = re.compile(r"\s*[+-]?\d[\d.,]*\s*")

# in this order: np.timedelta64 is an np.number
_FAMILIES: tuple[tuple[str, tuple[type, ...]], ...] = (
    ("text", (str,)),
    ("duration", (datetime.timedelta, np.timedelta64)),
    ("number", (int, float, np.bool_, np.integer, np.floating, Decimal)),
    ("date", (datetime.date, np.datetime64)),
)
_PLURALS = {
    "number": "numbers",
    "text": "text",
    "date": "dates",
    "duration": "durations",
    "category": "categories (a categorical dtype)",
}


def kind_of(title: str, part: pd.Series) -> str:
    """Tell what the column `part` of the domain called `title` holds.

    Returns
    -------
    {"number", "date", "duration", "text", "category", "empty"}
        Booleans are numbers; "category" is a categorical dtype.
    """
    dtype = part.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "iub":
        return "number"
    if part.isna().all():
        return "empty"
    if isinstance(dtype, np.dtype) and dtype.kind == "f":
        return "number"
    if isinstance(dtype, pd.CategoricalDtype):
        return "category"
    if types.is_numeric_dtype(dtype) and not types.is_complex_dtype(dtype):
        return "number"
    if types.is_datetime64_any_dtype(dtype):
        return "date"
    return "duration" if types.is_timedelta64_dtype(dtype) else _kind_of_objects(title, part)


def _kind_of_objects(title: str, part: pd.Series) -> str:
    known = part.dropna().tolist()
    families = {kind: family_of(kind) for kind in set(map(type, known))}
    if None in families.values():
        row, value = _first(part, lambda value: family_of(type(value)) is None)
        raise ValueError(
            f"column {part.name!r} of {title} holds a {type(value).__name__} in row {row}; allowed are numbers, text, dates and "
            "booleans: write it as one of them, or drop the column"
        )
    found = sorted({str(family) for family in families.values()})
    if len(found) > 1:
        shown = [_first(part, lambda value, kind=kind: family_of(type(value)) == kind) for kind in found[:2]]
        told = [f"{_PLURALS[kind]} ({value!r} in row {row})" for kind, (row, value) in zip(found, shown, strict=False)]
        raise ValueError(
            f"column {part.name!r} of {title} mixes {told[0]} and {told[1]}; write one kind of value and leave the rest empty, "
            "or drop the column"
        )
    return "date" if found == ["text"] and _are_iso_dates(known) else found[0]


def family_of(kind: type) -> str | None:
    """The family of a Python type: "text", "duration", "number", "date", or None for all others."""
    return next((name for name, members in _FAMILIES if issubclass(kind, members)), None)


def _first(part: pd.Series, holds: Any) -> tuple[int, Any]:
    missing = part.isna().to_numpy()
    row, value = next((row, value) for row, value in enumerate(part.tolist()) if not missing[row] and holds(value))
    return row, value.item() if isinstance(value, np.generic) else value


def _are_iso_dates(words: list[str]) -> bool:
    """Say whether all are dates written as 2026-11-20 [...]."""
    if not _ISO_DATE.match(words[0]):
        return False
    different = pd.Series(list(set(words)), dtype=object)
    return bool(different.str.match(_ISO_DATE).all()) and bool(
        pd.to_datetime(different, format="ISO8601", errors="coerce", utc=True).notna().all()
    )


def common_kind(column: str, kinds: dict[str, str]) -> str:
    """The one kind that a column is given in all domains; `kinds` holds its kind in each.

    Text that reads as numbers goes with numbers, and with dates text that reads as dates; a categorical dtype in one domain makes
    categories of all.
    """
    found = set(kinds.values()) - {"empty"}
    if len(found) < 2:
        return found.pop() if found else "number"
    if found <= {"number", "text", "category"}:
        return "category" if "category" in found else "number"
    if found == {"date", "text"}:
        return "date"
    one, other = sorted(found)[:2]
    where = {kind: next(title for title, own in kinds.items() if own == kind) for kind in (one, other)}
    raise ValueError(
        f"column {column!r} holds {_PLURALS[one]} in {where[one]} but {_PLURALS[other]} in {where[other]}; "
        "write the same kind of value in every domain, or drop the column"
    )


def conform(title: str, part: pd.Series, own: str, kind: str, elsewhere: str) -> Array:
    """Bring a column of the kind `own` to `kind`.

    Parameters
    ----------
    title : str
        How messages call the domain.
    part : Series
    own, kind : {"number", "date", "duration", "text", "category"}
        `own` may be "empty".
    elsewhere : str
        Where the column is of that kind, for the message that refuses another.

    Returns
    -------
    ndarray of shape (n_samples,)
        Numbers, and dates and durations in days, are float64; text and categories are str, None where missing.
    """
    if kind in ("text", "category"):
        return _words(title, part)
    if own == "empty":
        return np.full(len(part), np.nan)
    if isinstance(part.dtype, np.dtype) and part.dtype.kind in "iubf":
        return part.to_numpy(dtype=np.float64)
    if own in ("text", "category") and kind != "date":
        return _parsed(title, part, elsewhere)
    if own == "date" or kind == "date":
        return _days_since_1970(title, part, elsewhere)
    if own == "duration":
        return (pd.to_timedelta(part) / pd.Timedelta(days=1)).to_numpy(dtype=np.float64)
    return object_numbers(f"column {part.name!r} of {title}", part.to_numpy(dtype=object))


def object_numbers(what: str, values: Array) -> Array:
    """An object array of numbers, None and NA of any shape, as float64."""
    known = ~pd.isna(values)
    numbers = np.full(values.shape, np.nan)
    try:
        numbers[known] = values[known].astype(np.float64)
    except OverflowError:
        raise ValueError(f"{what} holds a whole number of over 300 digits; correct it, or leave it empty") from None
    return numbers


def _words(title: str, part: pd.Series) -> Array:
    codes, different = pd.factorize(part)  # code -1: missing
    words = [_word(value) for value in different]
    refuse_decimal_commas(f"column {part.name!r} of {title} holds", words)
    return np.array([*words, None], dtype=object)[codes]


def _word(value: Any) -> str:
    """Text of a category; whole numbers read alike whether they come as 1 or 1.0."""
    whole = isinstance(value, float | np.floating) and float(value).is_integer()
    return str(int(value)) if whole else str(value)


def refuse_decimal_commas(what: str, words: Iterable[Any]) -> None:
    """Raise where all of `words` are numbers and some have a comma; `what` begins the message, which names the first."""
    comma = None
    for word in words:
        if not isinstance(word, str) or not _POINT_NUMBER.fullmatch(word):
            return
        comma = word if comma is None and _COMMA_NUMBER.fullmatch(word) else comma
    if comma is not None:
        raise ValueError(
            f"{what} {comma!r}, a number with a comma; write decimal points and no thousands separators "
            "(pandas: read_csv(..., decimal=','))"
        )


def _parsed(title: str, part: pd.Series, elsewhere: str) -> Array:
    """Numbers written as text, as numbers; refuses the first value that is none."""
    words = part.astype(object)
    values = pd.to_numeric(words, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    bad = np.flatnonzero(np.isnan(values) & part.notna().to_numpy())
    if len(bad):
        refuse_decimal_commas(f"column {part.name!r} of {title} holds", words.dropna().unique())
        _refuse("is numeric", "text", title, part, elsewhere, int(bad[0]))
    return values


def _days_since_1970(title: str, part: pd.Series, elsewhere: str) -> Array:
    text = isinstance(part[part.notna()].iloc[0], str)
    stamps = pd.to_datetime(part, format="ISO8601" if text else None, errors="coerce", utc=True)
    bad = np.flatnonzero(stamps.isna() & part.notna())
    if len(bad):
        _refuse("holds dates (as 2026-11-20)", "something else", title, part, elsewhere, int(bad[0]))
    # in microseconds, not pandas' nanoseconds, which begin in 1677
    return (stamps.dt.tz_localize(None).to_numpy(dtype="M8[us]") - np.datetime64(0, "us")) / np.timedelta64(1, "D")


def _refuse(there: str, here: str, title: str, part: pd.Series, elsewhere: str, row: int) -> NoReturn:
    raise ValueError(
        f"column {part.name!r} {there} in {elsewhere} but {here} in {title}: {part.iloc[row]!r} in row {row}; "
        "write the same kind of value in every domain, or drop the column"
    )
