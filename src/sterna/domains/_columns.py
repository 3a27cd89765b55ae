"""Aligning the columns of several tables by name, and giving each the same type in every domain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from sterna.domains._findings import Finding
from sterna.domains._kinds import common_kind, conform, kind_of
from sterna.domains._lacking import lacking_columns
from sterna.domains._stack import Array


def align_tables(tables: dict[str, pd.DataFrame]) -> tuple[dict[str, pd.DataFrame], list[Finding]]:
    """Bring tables to the same columns, in the order of the last one (the target), with the same types.

    Parameters
    ----------
    tables : dict of str to DataFrame
        The key is how messages call the domain, for instance "source 'a'". Column names are distinct strings.

    Returns
    -------
    tables : dict of str to DataFrame
        Numeric columns are float64, all others are objects (str) with None where missing.
    findings : list of Finding
    """
    target = list(tables)[-1]
    common = [column for column in tables[target].columns if all(column in table.columns for table in tables.values())]
    findings = lacking_columns(tables)
    if not common:
        shown = "; ".join(
            f"{title} has {', '.join(map(repr, table.columns[:3]))}" for title, table in list(tables.items())[-2:]
        )
        raise ValueError(
            f"the domains share no column name ({shown}); rename the columns so that the same thing is called the same"
        )
    plain = set.intersection(*(_plain_numbers(table) for table in tables.values()))
    others: dict[str, dict[str, Array]] = {title: {} for title in tables}
    for column in [column for column in common if column not in plain]:
        kind, values = _same_kind(column, {title: table[column] for title, table in tables.items()})
        for title in tables:
            others[title][column] = values[title]
        findings += _half_numbers(column, values) if kind == "text" else []
    return {title: _joined(table, common, others[title]) for title, table in tables.items()}, findings


def _plain_numbers(table: pd.DataFrame) -> set[str]:
    """The columns of numpy's own numeric types: they need no look at their values."""
    kinds = [dtype.kind if isinstance(dtype, np.dtype) else "O" for dtype in table.dtypes]
    return {column for column, kind in zip(table.columns, kinds, strict=True) if kind in "iubf"}


def _joined(table: pd.DataFrame, common: list[str], others: dict[str, Array]) -> pd.DataFrame:
    """The columns `common`: those of `others`, and plain numbers, which are taken at once (one by one is slow in wide tables)."""
    plain = [column for column in common if column not in others]
    numbers = pd.DataFrame(table[plain].to_numpy(dtype=np.float64), columns=plain, copy=True)
    return pd.concat([numbers, as_table(others)], axis=1)[common] if others else numbers


def as_table(columns: dict[str, Array]) -> pd.DataFrame:
    """A table that keeps the dtypes of its columns (pandas 3 would make another of text)."""
    return pd.DataFrame(
        {name: pd.Series(part, dtype=object) if part.dtype == object else part for name, part in columns.items()}
    )


def _same_kind(column: str, parts: dict[str, pd.Series]) -> tuple[str, dict[str, Array]]:
    kinds = {title: kind_of(title, part) for title, part in parts.items()}
    kind = common_kind(column, kinds)
    elsewhere = next((title for title, own in kinds.items() if own == kind), "")
    return kind, {title: conform(title, part, kinds[title], kind, elsewhere) for title, part in parts.items()}


def _half_numbers(column: str, values: dict[str, Array]) -> list[Finding]:
    """Text columns of which most values are numbers: often a number whose missing values are written as a word."""
    found = []
    for title, words in values.items():
        known = pd.Series(words, dtype=object).dropna()
        numbers = pd.to_numeric(known.str.replace(",", "."), errors="coerce")
        share = float(numbers.notna().mean()) if len(known) else 0.0
        if 0.5 <= share < 1:
            other = known[numbers.isna()].iloc[0]
            message = (
                f"column {column!r} of {title} is text, though {share:.0%} of its values are numbers (not {other!r}); it is taken "
                "as categories; if it is a number, leave the other values empty"
            )
            found.append(Finding("mixed", title, column, message))
    return found


def name_columns(title: str, X: Any) -> pd.DataFrame:
    """An array, some columns of which are text in this domain or another, as a table with the columns x0, x1, ..."""
    if sparse.issparse(X):
        raise ValueError(f"{title} is a sparse matrix, but another domain has columns of text; give all as tables")
    return pd.DataFrame({f"x{j}": pd.Series(X[:, j]).infer_objects() for j in range(X.shape[1])})


def unique_names(title: str, table: pd.DataFrame) -> pd.DataFrame:
    """The table with its column names as strings; refuses a name that stands twice."""
    names = pd.Index([str(column) for column in table.columns], dtype=object)
    twice = names[names.duplicated()]
    if len(twice):
        raise ValueError(f"{title} has two columns named {twice[0]!r}; rename one")
    return table.set_axis(names, axis=1)
