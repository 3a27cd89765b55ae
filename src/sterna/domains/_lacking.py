"""Columns that some domain lacks, and names that are probably meant to be the same."""

from __future__ import annotations

import difflib
import re
from collections import Counter

import pandas as pd

from sterna.domains._findings import Finding

#: With more columns in question names are compared but for case and blanks only: all pairs would take long.
_FEW = 50


def lacking_columns(tables: dict[str, pd.DataFrame]) -> list[Finding]:
    """Find columns that some domain lacks: one finding for each such domain and column, or one for many.

    Where a domain lacks a column and has one of nearly that name instead, one finding names the two.

    Parameters
    ----------
    tables : dict of str to DataFrame
        The key is how messages call the domain; the last is the target.

    Returns
    -------
    list of Finding
    """
    columns = {title: dict.fromkeys(table.columns) for title, table in tables.items()}
    home: dict[str, str] = {}
    for title, own in columns.items():
        home |= {column: title for column in own if column not in home}
    found, told = [], set()
    for title, column, near in _renamed(columns, home):
        message = f"{title} lacks the column {column!r}, which {home[column]} has (did you mean {near!r}? rename it); both are left out"
        found.append(Finding("missing-column", title, column, message))
        told |= {(other, name) for other, own in columns.items() for name in (column, near) if column in own or near in own}
    for title, own in columns.items():
        lacking = [column for column in home if column not in own and (title, column) not in told]
        found += _lacking(title, lacking, home)
    return found


def _lacking(title: str, lacking: list[str], home: dict[str, str]) -> list[Finding]:
    if len(lacking) > 3:
        named = ", ".join(map(repr, lacking[:3]))
        message = f"{title} lacks {len(lacking)} columns ({named} ...) that other domains have; they are left out"
        return [Finding("missing-column", title, None, message)]
    return [
        Finding(
            "missing-column", title, column, f"{title} lacks the column {column!r}, which {home[column]} has; it is left out"
        )
        for column in lacking
    ]


def _renamed(columns: dict[str, dict[str, None]], home: dict[str, str]) -> list[tuple[str, str, str]]:
    """A domain, a column that it lacks, and its own of nearly that name, which no more domains have; else the target is named."""
    n_having = Counter(column for own in columns.values() for column in own)
    meant: dict[frozenset[str], str] = {}
    renamed = []
    for title in reversed(columns):
        lacking = [column for column in home if column not in columns[title]]
        spare = [column for column in columns[title] if n_having[column] < len(columns)]
        for column, near in _near_names(lacking, spare).items():
            # in a domain that has both they are two things
            apart = not any(column in own and near in own for own in columns.values())
            if apart and n_having[column] >= n_having[near] and meant.setdefault(frozenset((column, near)), column) == column:
                renamed.append((title, column, near))
    return renamed


def _near_names(lacking: list[str], spare: list[str]) -> dict[str, str]:
    """For those of `lacking` that have one, the one of `spare` that is most like it; each is taken once."""
    folded = {_folded(column): column for column in spare}
    found = {column: folded.pop(_folded(column)) for column in lacking if _folded(column) in folded}
    if max(len(lacking), len(spare)) > _FEW:
        return found
    for column in [column for column in lacking if column not in found]:
        for near in difflib.get_close_matches(_folded(column), folded, n=1):
            if _digits(near) == _digits(column):
                found[column] = folded.pop(near)
    return found


def _folded(column: str) -> str:
    return re.sub(r"[\s_.-]+", "_", column.strip().lower())


def _digits(column: str) -> list[str]:
    """Names that differ in a number, as q1 and q2, are no misspellings."""
    return re.findall(r"\d+", column)
