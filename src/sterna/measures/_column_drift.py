"""column_drift: which columns differ between two tables, and how much."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.stats import chi2, false_discovery_control, kstwobign
from sklearn.utils import check_random_state

from sterna.domains._stack import Array
from sterna.measures._checks import check_table
from sterna.measures._facts import measure_facts
from sterna.measures._shares import shares_p_value, total_variation

#: A column with fewer distinct values than this is tested at each cut between two of them.
FEW_VALUES = 12
_BLOCK = 2_000_000  # values of both domains that are sorted at a time
_FIELDS = ("statistic", "p_value", "source_mean", "target_mean", "source_missing", "target_missing")


@measure_facts(
    direction="larger is farther",
    bounds=(0.0, 1.0),
    symmetric=True,
    needs_labels=False,
    takes="table",
    reference="Kolmogorov 1933; Pearson 1900; Benjamini and Hochberg 1995",
)
def column_drift(source_table: Any, target_table: Any, *, level: float = 0.05, random_state: Any = 0) -> pd.DataFrame:
    """Differences column by column, largest first.

    When to use it: to see where the domains differ. What it cannot see: columns that differ only together (their correlation).

    Parameters
    ----------
    source_table : DataFrame, array-like or sparse matrix of shape (n_source, n_columns)
    target_table : DataFrame, array-like or sparse matrix of shape (n_target, n_columns)
        Missing values are allowed. DataFrames are matched by the names of their columns.
    level : float, default=0.05
        The share of false discoveries to allow among the columns called drifted.
    random_state : int, RandomState or None, default=0
        Draws tables where a text column has small counts.

    Returns
    -------
    DataFrame of n_columns rows
        column, kind ("numeric", "categorical"), statistic, p_value, q_value, drifted, source_mean, target_mean,
        source_missing, target_missing; sorted by statistic.

    Notes
    -----
    `statistic` lies between 0 and 1 for every kind of column. Numbers: the Kolmogorov-Smirnov distance, a missing value standing
    beyond the largest number, so that a difference in the share of missing values counts; its asymptotic p-value is too large
    rather than too small for few rows or repeated values. Few different values
    (counts of words, grades): the same distance, with the p-value of the chi-square test at its cut times the number of cuts,
    where the expected counts are 5 or more. Text: the total variation distance of the shares of categories (missing is
    one), with the p-value of the chi-square test; categories expected fewer than 5 times are tested together.
    q-values by Benjamini and Hochberg. Cost O(n log n) a column; sparse columns are sorted in blocks.

    Examples
    --------
    >>> import pandas as pd
    >>> from sterna.measures import column_drift
    >>> source = pd.DataFrame({"age": range(40), "sex": ["f", "m"] * 20})
    >>> target = pd.DataFrame({"age": range(30, 70), "sex": ["f", "m"] * 20})
    >>> column_drift(source, target)[["column", "kind", "statistic", "drifted"]].to_dict("records")[0]
    {'column': 'age', 'kind': 'numeric', 'statistic': 0.75, 'drifted': True}
    """
    source, target = check_table("source_table", source_table), check_table("target_table", target_table)
    if isinstance(source, pd.DataFrame) != isinstance(target, pd.DataFrame):
        raise ValueError("one table has named columns and the other is an array; give both as DataFrames or both as arrays")
    if isinstance(source, pd.DataFrame):
        drift = _of_tables(source, _same_columns(source, target), check_random_state(random_state))
    else:
        if source.shape[1] != target.shape[1]:
            raise ValueError(
                f"source_table has {source.shape[1]} columns but target_table has {target.shape[1]}; give the same columns"
            )
        drift = _of_numbers(source, target, [f"x{j}" for j in range(source.shape[1])])
    drift["q_value"] = false_discovery_control(drift["p_value"].to_numpy())
    drift["drifted"] = drift["q_value"] < level
    order = ["column", "kind", "statistic", "p_value", "q_value", "drifted", *_FIELDS[2:]]
    return drift[order].sort_values("statistic", ascending=False, kind="stable", ignore_index=True)


def _same_columns(source: pd.DataFrame, target: pd.DataFrame) -> pd.DataFrame:
    for name, one, other in (("target_table", source, target), ("source_table", target, source)):
        lacking = [column for column in one.columns if column not in other.columns]
        if lacking:
            raise ValueError(f"{name} lacks the column {str(lacking[0])!r}; give the same columns in both tables")
    return target[source.columns]


def _of_tables(source: pd.DataFrame, target: pd.DataFrame, rng: Any) -> pd.DataFrame:
    numeric = [c for c in source.columns if all(pd.api.types.is_numeric_dtype(table[c]) for table in (source, target))]
    parts = []
    if numeric:
        arrays = [table[numeric].to_numpy(dtype=float, na_value=np.nan) for table in (source, target)]
        parts.append(_of_numbers(arrays[0], arrays[1], [str(column) for column in numeric]))
    words = [_of_words(str(c), source[c], target[c], rng) for c in source.columns if c not in numeric]
    parts += [pd.DataFrame(words)] if words else []
    drift = pd.concat(parts, ignore_index=True)
    order = {str(column): j for j, column in enumerate(source.columns)}
    return drift.sort_values("column", key=lambda names: names.map(order), ignore_index=True)


def _of_numbers(source: Any, target: Any, columns: list[str]) -> pd.DataFrame:
    n_rows = source.shape[0] + target.shape[0]
    width = max(1, _BLOCK // n_rows)
    blocks = [
        _block(*(X[:, j : j + width].toarray() if sparse.issparse(X) else X[:, j : j + width] for X in (source, target)))
        for j in range(0, len(columns), width)
    ]
    values = {name: np.concatenate([block[i] for block in blocks]) for i, name in enumerate(_FIELDS)}
    return pd.DataFrame({"column": columns, "kind": "numeric"} | values)


def _block(source: Array, target: Array) -> tuple[Array, ...]:
    """The fields of a block of numeric columns; `source` and `target` have shape (n_rows, width)."""
    m, n = len(source), len(target)
    stack = np.concatenate([source, target])  # (m + n, width)
    order = np.argsort(stack, axis=0)  # NaN comes last, beyond every number
    steps = np.where(order < m, n, -m)  # whole numbers, in units of 1 / (m n), add up exactly
    ordered = np.take_along_axis(stack, order, axis=0)
    new = ~((ordered[1:] == ordered[:-1]) | (np.isnan(ordered[1:]) & np.isnan(ordered[:-1])))  # a larger value follows
    gaps = np.where(new, np.abs(np.cumsum(steps, axis=0)[:-1]), 0)
    distance = gaps.max(axis=0) / (m * n)
    p_value = kstwobign.sf(np.sqrt(m * n / (m + n)) * distance)
    n_cuts = new.sum(axis=0)
    share = (gaps.argmax(axis=0) + 1) / (m + n)  # of the rows below the cut where the distance is
    p_value = np.where((n_cuts > 0) & (n_cuts < FEW_VALUES), _by_cuts(distance, share, n_cuts, m, n, p_value), p_value)
    missing = [np.isnan(X).mean(axis=0) for X in (source, target)]
    return distance, p_value, _means(source), _means(target), *missing


def _by_cuts(distance: Array, share: Array, n_cuts: Array, m: int, n: int, otherwise: Array) -> Array:
    """Chi-square p-values of "below the cut or not", times the number of cuts; `otherwise` where a count is below 5."""
    variance = share * (1 - share) * (1 / m + 1 / n)
    p_value = np.minimum(1.0, n_cuts * chi2.sf(distance**2 / variance, 1))
    return np.where(np.minimum(share, 1 - share) * min(m, n) >= 5, p_value, otherwise)


def _means(X: Array) -> Array:
    n_known = (~np.isnan(X)).sum(axis=0)
    return np.where(n_known > 0, np.nansum(X, axis=0) / np.maximum(n_known, 1), np.nan)


def _of_words(column: str, source: pd.Series, target: pd.Series, rng: Any) -> dict[str, Any]:
    words = [part.astype(object).where(part.notna(), "(missing)").astype(str) for part in (source, target)]
    codes, categories = pd.factorize(pd.concat(words, ignore_index=True))
    counts = np.stack([np.bincount(part, minlength=len(categories)) for part in (codes[: len(source)], codes[len(source) :])])
    rare = counts.sum(axis=0) * counts.sum(axis=1).min() / counts.sum() < 5
    tested = np.column_stack([counts[:, ~rare], counts[:, rare].sum(axis=1)])
    p_value, _ = shares_p_value(tested, rng)
    values = (total_variation(counts), p_value, np.nan, np.nan, float(source.isna().mean()), float(target.isna().mean()))
    return {"column": column, "kind": "categorical"} | dict(zip(_FIELDS, values, strict=True))
