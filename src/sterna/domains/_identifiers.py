"""Columns that number or name the rows: they tell rows apart and nothing else."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from sterna.domains._findings import Finding
from sterna.domains._free_text import free_text

_ID_NAME = re.compile(r"(?i:(^|[_ .-])(id|uuid|guid|key|index|rowid)$)|(?<=[a-z])(Id|ID)$")

#: A domain with fewer rows than this says too little: a few values differ by chance.
ENOUGH = 20


def identifiers(tables: dict[str, pd.DataFrame], keep: Collection[str]) -> tuple[list[str], list[Finding]]:
    """Find columns of aligned tables whose every value differs, in each domain, and that are text, count up or are named so.

    At least one domain must have 20 values; smaller ones need only not contradict. Columns of free text are told as such, whether
    every value differs or most do.

    Returns
    -------
    left_out : list of str
        The columns whose every value differs.
    findings : list of Finding
    """
    target = list(tables)[-1]
    if max(len(X) for X in tables.values()) < ENOUGH:
        return [], []
    left_out, found = [], []
    for column in [column for column in tables[target].columns if column not in keep]:
        parts = [X[column] for X in (tables[target], *tables.values())]
        is_id = _name_rows(column, parts[1:])
        text = free_text(column, parts[1:], is_id)
        left_out += [column] if is_id else []
        if text:
            found.append(Finding("free-text", target, column, text))
        elif is_id:
            found.append(Finding("id-like", target, column, _told(column, pd.concat(parts).dropna().iloc[0])))
    return left_out, found


def _told(column: str, known: Any) -> str:
    shown = repr(known) if isinstance(known, str) else f"{known:.0f}"
    return (
        f"column {column!r} looks like an identifier (every value differs, as {shown}); it is left out; "
        "keep it by naming it in keep (on the command line: --keep)"
    )


def _name_rows(name: str, parts: list[pd.Series]) -> bool:
    if types.is_numeric_dtype(parts[0]):
        numbers = [part.to_numpy()[~np.isnan(part.to_numpy())] for part in parts]
        named = _ID_NAME.search(name) is not None
        return max(map(len, numbers)) >= ENOUGH and all(_number_rows(values, named) for values in numbers)
    words = [part.dropna() for part in parts]
    # a look at the head spares most columns the whole
    return max(map(len, words)) >= ENOUGH and all(part.iloc[:100].is_unique and part.is_unique for part in words)


def _number_rows(values: np.ndarray, named: bool) -> bool:
    if not np.all(values[:100] == np.round(values[:100])) or not np.all(values == np.round(values)):
        return False
    return bool(np.all(np.diff(values) == 1)) or (named and len(np.unique(values)) == len(values))
