"""column_drift: which columns differ between two tables, and how much."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.stats import false_discovery_control, kstwobign
from sklearn.utils import check_random_state

from sterna.domains._stack import Array
from sterna.measures._as_numbers import as_numbers
from sterna.measures._checks import check_table
from sterna.measures._facts import measure_facts
from sterna.measures._parameters import check_between, check_count
from sterna.measures._population_stability import quantile_counts, stability_index
from sterna.measures._shares import same_share, shares_p_value, total_variation

#: A column with no more distinct values than this, which repeat, is tested at each cut between two of them.
FEW_VALUES = 12
_BLOCK = 2_000_000  # values of both domains that are sorted at a time
_FIELDS = ("statistic", "p_value", "psi", "source_mean", "target_mean", "source_missing", "target_missing")


@measure_facts(
    direction="larger is farther",
    bounds=(0.0, 1.0),
    symmetric=True,
    needs_labels=False,
    takes="table",
    reference="Kolmogorov 1933; Pearson 1900; Benjamini and Hochberg 1995",
)
def column_drift(
    source_table: Any,
    target_table: Any,
    *,
    level: float = 0.05,
    correction: str = "bh",
    n_bins: int = 10,
    random_state: Any = 0,
) -> pd.DataFrame:
    """Differences column by column, largest first.

    When to use it: to see where the domains differ. What it cannot see: columns that differ only together (their correlation).
    How to read it: `drifted` tells whether a column differs beyond chance, and of the columns so called at most the share
    `level` is expected to be wrong; `statistic` and `psi` tell how much. With many rows a difference that does not matter is
    beyond chance too, with few rows one that matters need not be.

    Parameters
    ----------
    source_table : DataFrame, array-like or sparse matrix of shape (n_source, n_columns)
    target_table : DataFrame, array-like or sparse matrix of shape (n_target, n_columns)
        Missing values are allowed. DataFrames are matched by the names of their columns. Dates count as numbers of days since
        1970, durations as days.
    level : float, default=0.05
        The share of false discoveries to allow among the columns called drifted.
    correction : {"bh", "by"}, default="bh"
        How q-values come from the p-values: by Benjamini and Hochberg, which holds for columns that are independent or depend
        positively, or by Benjamini and Yekutieli, which holds for any and calls fewer columns drifted.
    n_bins : int, default=10
        Of numbers, for `psi`.
    random_state : int, RandomState or None, default=0
        Draws tables where a text column has small counts.

    Returns
    -------
    DataFrame of n_columns rows
        column, kind ("numeric", "categorical"), statistic, p_value, q_value, drifted, psi, source_mean, target_mean,
        source_missing, target_missing; sorted by statistic.

    Notes
    -----
    `statistic` lies between 0 and 1 for every kind of column. Numbers: the Kolmogorov-Smirnov distance, a missing value standing
    beyond the largest number, so that a difference in the share of missing values counts; its asymptotic p-value is too large
    rather than too small for few rows or repeated values. Few different values
    (counts of words, grades): the same distance, with the exact p-value at its cut (twice the smaller tail of the hypergeometric
    law) times the number of cuts. Text: the total variation distance of the shares of categories (missing is one), with the
    p-value of the chi-square test, of two categories the exact one; categories expected fewer than 5 times are tested together.
    The p-values of three categories or more that lie near 1e-4 are some times too small where a category is rare and the tables
    are of very different sizes.
    A column is called drifted at every `level` above its q-value. Cost O(n log n) a column; sparse columns are
    sorted in blocks.

    `psi` is the population stability index, the sum over bins of (q - p) log(q / p), p and q the shares of source and target:
    the Kullback-Leibler divergences of both directions added. Bins of numbers lie between the source's quantiles; a value at
    which several of these fall is a bin of its own, missing values are another, and so is each category. Half a row is added
    to each bin of either domain, so that a bin that one of them lacks gives a finite value. Without a difference `psi` is
    about (bins - 1) (1 / n_source + 1 / n_target): the rule of thumb that 0.1 is little and 0.25 is much is for thousands of
    rows. Unlike `statistic` it changes a little where the domains are exchanged.

    References
    ----------
    Y. Benjamini, Y. Hochberg (1995), Controlling the false discovery rate, Journal of the Royal Statistical Society B 57.
    Y. Benjamini, D. Yekutieli (2001), The control of the false discovery rate in multiple testing under dependency, Annals
    of Statistics 29.
    B. Yurdakul, J. Naranjo (2020), Statistical properties of the population stability index, Journal of Risk Model
    Validation 14.

    Examples
    --------
    >>> import pandas as pd
    >>> from sterna.measures import column_drift
    >>> source = pd.DataFrame({"age": range(40), "sex": ["f", "m"] * 20})
    >>> target = pd.DataFrame({"age": range(30, 70), "sex": ["f", "m"] * 20})
    >>> column_drift(source, target)[["column", "kind", "statistic", "drifted"]].to_dict("records")[0]
    {'column': 'age', 'kind': 'numeric', 'statistic': 0.75, 'drifted': True}
    """
    if correction not in ("bh", "by"):
        raise ValueError(f"correction is {correction!r}; allowed are 'bh' (Benjamini-Hochberg) and 'by' (Benjamini-Yekutieli)")
    check_count("n_bins", n_bins, 2)
    check_between("level", level, 0.05)
    source, target = check_table("source_table", source_table), check_table("target_table", target_table)
    if isinstance(source, pd.DataFrame) != isinstance(target, pd.DataFrame):
        raise ValueError("one table has named columns and the other is an array; give both as DataFrames or both as arrays")
    if isinstance(source, pd.DataFrame):
        drift = _of_tables(source, _same_columns(source, target), n_bins, check_random_state(random_state))
    else:
        if source.shape[1] != target.shape[1]:
            raise ValueError(
                f"source_table has {source.shape[1]} columns but target_table has {target.shape[1]}; give the same columns"
            )
        drift = _of_numbers(source, target, [f"x{j}" for j in range(source.shape[1])], n_bins)
    drift["q_value"] = false_discovery_control(drift["p_value"].to_numpy(), method=correction)
    drift["drifted"] = drift["q_value"] < level
    order = ["column", "kind", "statistic", "p_value", "q_value", "drifted", *_FIELDS[2:]]
    return drift[order].sort_values("statistic", ascending=False, kind="stable", ignore_index=True)


def _same_columns(source: pd.DataFrame, target: pd.DataFrame) -> pd.DataFrame:
    for name, one, other in (("target_table", source, target), ("source_table", target, source)):
        lacking = [column for column in one.columns if column not in other.columns]
        if lacking:
            raise ValueError(f"{name} lacks the column {str(lacking[0])!r}; give the same columns in both tables")
    return target[source.columns]


def _of_tables(source: pd.DataFrame, target: pd.DataFrame, n_bins: int, rng: Any) -> pd.DataFrame:
    pairs = {column: as_numbers(source[column], target[column]) for column in source.columns}
    numeric = {column: pair for column, pair in pairs.items() if pair is not None}
    parts = []
    if numeric:
        arrays = [np.column_stack(columns) for columns in zip(*numeric.values(), strict=True)]
        parts.append(_of_numbers(arrays[0], arrays[1], [str(column) for column in numeric], n_bins))
    words = [_of_words(str(c), source[c], target[c], rng) for c, pair in pairs.items() if pair is None]
    parts += [pd.DataFrame(words)] if words else []
    drift = pd.concat(parts, ignore_index=True)
    order = {str(column): j for j, column in enumerate(source.columns)}
    return drift.sort_values("column", key=lambda names: names.map(order), ignore_index=True)


def _of_numbers(source: Any, target: Any, columns: list[str], n_bins: int) -> pd.DataFrame:
    n_rows = source.shape[0] + target.shape[0]
    width = max(1, _BLOCK // n_rows)
    blocks = []
    for j in range(0, len(columns), width):
        parts = [X[:, j : j + width].toarray() if sparse.issparse(X) else X[:, j : j + width] for X in (source, target)]
        blocks.append(_block(parts[0], parts[1], n_bins))
    values = {name: np.concatenate([block[i] for block in blocks]) for i, name in enumerate(_FIELDS)}
    return pd.DataFrame({"column": columns, "kind": "numeric"} | values)


def _block(source: Array, target: Array, n_bins: int) -> tuple[Array, ...]:
    """The fields of a block of numeric columns; `source` and `target` have shape (n_rows, width)."""
    m, n = len(source), len(target)
    stack = np.concatenate([source, target])  # (m + n, width)
    order = np.argsort(stack, axis=0)  # NaN comes last, beyond every number
    steps = np.where(order < m, n, -m)  # whole numbers, in units of 1 / (m n), add up exactly
    ordered = np.take_along_axis(stack, order, axis=0)
    new = ~((ordered[1:] == ordered[:-1]) | (np.isnan(ordered[1:]) & np.isnan(ordered[:-1])))  # a larger value follows
    gaps = np.where(new, np.cumsum(steps, axis=0)[:-1], 0)
    cut = np.abs(gaps).argmax(axis=0)
    gap = gaps[cut, np.arange(len(cut))]
    distance = np.abs(gap) / (m * n)
    p_value = kstwobign.sf(np.sqrt(m * n / (m + n)) * distance)
    n_cuts = new.sum(axis=0)
    few = (n_cuts > 0) & (n_cuts < min(FEW_VALUES, (m + n) // 2))
    below = (gap + m * (cut + 1)) // (m + n)  # source rows below the cut: gap is n of them less m of the target's
    p_value[few] = np.minimum(1.0, n_cuts[few] * same_share(below[few], cut[few] + 1, m, n))
    missing = [np.isnan(X).mean(axis=0) for X in (source, target)]
    psi = stability_index(*quantile_counts(source, target, n_bins))
    return distance, p_value, psi, _means(source), _means(target), *missing


def _means(X: Array) -> Array:
    n_known = (~np.isnan(X)).sum(axis=0)
    return np.where(n_known > 0, np.nansum(X, axis=0) / np.maximum(n_known, 1), np.nan)


def _of_words(column: str, source: pd.Series, target: pd.Series, rng: Any) -> dict[str, Any]:
    words = [part.astype(object).where(part.notna(), "(missing)").astype(str) for part in (source, target)]
    codes, categories = pd.factorize(pd.concat(words, ignore_index=True))
    counts = np.stack([np.bincount(part, minlength=len(categories)) for part in (codes[: len(source)], codes[len(source) :])])
    p_value = _shares_p_value(counts, rng)
    psi = float(stability_index(counts[0][:, None], counts[1][:, None])[0])
    missing = [float(part.isna().mean()) for part in (source, target)]
    values = (total_variation(counts), p_value, psi, np.nan, np.nan, *missing)
    return {"column": column, "kind": "categorical"} | dict(zip(_FIELDS, values, strict=True))


def _shares_p_value(counts: Array, rng: Any) -> float:
    """Of "both domains have the same shares", for counts of categories of shape (2, n_categories)."""
    n_source, n_target = counts.sum(axis=1)
    if counts.shape[1] > 2:
        rare = counts.sum(axis=0) * min(n_source, n_target) / (n_source + n_target) < 5
        counts = np.column_stack([counts[:, ~rare], counts[:, rare].sum(axis=1)] if rare.any() else [counts])
    if counts.shape[1] == 2:
        return float(same_share(counts[0, :1], counts[:, 0].sum(keepdims=True), n_source, n_target)[0])
    return shares_p_value(counts, rng)[0]
