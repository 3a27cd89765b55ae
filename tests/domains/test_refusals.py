"""Every refusal of `Domains`, with its whole sentence: what was given, where, and what to do."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

from sterna import Domains

X = np.array([[0.5, 1.0], [1.5, 3.0], [2.5, 2.0], [3.5, 5.0]])
Y = [0, 1, 0, 1]


def pair(source_X=X, target_X=X + 0.25, source_y=Y, target_y=None, **options):
    return Domains({"a": (source_X, source_y)}, {"t": (target_X, target_y)}, **options)


def labels(source_y, target_y=None, **options):
    return pair(source_y=source_y, target_y=target_y, **options)


def column(source, target=(1.0, 2.0, 3.0, 4.0), **options):
    """One table a domain, with the column `x` as given."""
    tables = [pd.DataFrame({"x": values, "w": X[:, 1] + i, "y": Y}) for i, values in enumerate((source, target))]
    return Domains({"a": tables[0]}, {"t": tables[1]}, label="y", **options)


def tables(source=None, target=None, **options):
    table = pd.DataFrame({"x": X[:, 0], "label": Y})
    return Domains(
        {"a": table if source is None else source}, {"t": table if target is None else target}, **({"label": "label"} | options)
    )


def with_value(value, dtype=float):
    """X with `value` in row 2 of its second column."""
    changed = X.astype(dtype)
    changed[2, 1] = value
    return changed


def twins():
    return pd.DataFrame(np.c_[X, Y], columns=["x", "x", "label"])


KIND = "write the same kind of value in every domain, or drop the column"
MIXED = "write one kind of value and leave the rest empty, or drop the column"
ALLOWED = "allowed are numbers, text, dates and booleans: write it as one of them, or drop the column"
COMMA = "a number with a comma; write decimal points and no thousands separators (pandas: read_csv(..., decimal=','))"
MISSING = "beyond what can be computed with (1e+100); correct it, or write it as a missing value"
SHAPE = "give an X of shape (n_samples, n_features), a DataFrame or a file"

DOMAINS = [
    (lambda: Domains({}, {"t": (X, None)}), "source names no domain; give at least one, for instance source={'a': (X, y)}"),
    (lambda: Domains({"a": (X, Y)}, {}), "target names no domain; give at least one, for instance target={'a': (X, y)}"),
    (
        lambda: Domains({"a": (X, Y)}, {"t": (X, None), "u": (X, None)}),
        "target holds 2 domains (t, u); give exactly one",
    ),
    (
        lambda: Domains({"a": (X, Y)}, {"a": (X, None)}),
        "the name 'a' stands for a source and for the target; give them different names",
    ),
    (
        lambda: Domains({1: (X, Y), "1": (X, Y)}, {"t": (X, None)}),
        "source has two domains named '1'; give them different names",
    ),
    (
        lambda: Domains([(X, Y)], {"t": (X, None)}),
        "source 'source' is a list; give the tuple (X, y), a DataFrame or a file, and several domains as a dict that names each",
    ),
    (lambda: pair(task="ranking"), "task is 'ranking'; allowed are 'classification', 'regression' and None (inferred)"),
    (lambda: Domains({"a": None}, {"t": (X, None)}), f"source 'a' is a NoneType; {SHAPE}"),
    (
        lambda: Domains({"a": X}, {"t": (X, None)}),
        "source 'a' is an array without labels; give the tuple (X, y), with y=None where no label is known",
    ),
    (
        lambda: Domains({"a": (X, Y, Y)}, {"t": (X, None)}),
        "source 'a' is a tuple of 3 items; give (X, y), with y=None where no label is known",
    ),
    (lambda: pair(X[:0], source_y=[]), "source 'a' is empty: it has no rows; leave it out or check its file"),
    (lambda: pair(X, X[:0]), "target 't' is empty: it has no rows; leave it out or check its file"),
    (lambda: pair(X[:, :0]), "source 'a' has no feature columns besides the label; give at least one"),
    (
        lambda: pair(X, X[:, :1]),
        "source 'a' has 2 columns but target 't' has 1; give the same features in the same order, or tables with named columns",
    ),
    (
        lambda: Domains({"a": (X, Y)}, {"t": (pd.DataFrame(X), None)}),
        "source 'a' is an array, but target 't' is a table with named columns; give all as tables or all as arrays",
    ),
    (
        lambda: pair(drop=["x1"]),
        "drop and keep name columns, but the domains are arrays without names; give DataFrames",
    ),
]

VALUES = [
    (lambda: pair(np.ones((4, 2, 2))), f"source 'a' has the shape (4, 2, 2); {SHAPE}"),
    (lambda: pair(np.ones(4)), f"source 'a' has the shape (4,); {SHAPE}"),
    (lambda: pair(pd.Series([1.0, 2.0, 3.0, 4.0])), f"source 'a' has the shape (4,); {SHAPE}"),
    (lambda: pair(X, pl.LazyFrame({"x": [1]})), f"target 't' is a LazyFrame; {SHAPE}"),
    (
        lambda: pair(X.astype(complex)),
        "source 'a' holds complex numbers; give real ones, for instance real and imaginary parts as columns",
    ),
    (lambda: pair(with_value(1e200)), f"column 'x1' of source 'a' holds 1e+200 in row 2, {MISSING}"),
    (lambda: pair(X, with_value(-np.inf)), f"column 'x1' of target 't' holds -inf in row 2, {MISSING}"),
    (lambda: pair(with_value(np.inf, np.float32)), f"column 'x1' of source 'a' holds inf in row 2, {MISSING}"),
    (lambda: column([1.0, 2.0, 1e200, 3.0]), f"column 'x' of source 'a' holds 1e+200 in row 2, {MISSING}"),
    (
        lambda: pair(sparse.csc_array(with_value(1e200)), sparse.csr_matrix(X)),
        "column 'x1' of source 'a' holds 1e+200 in row 2, beyond what can be computed with (1e+100); correct it",
    ),
    (
        lambda: pair(sparse.coo_array(X), sparse.csr_matrix(with_value(np.nan))),
        "column 'x1' of target 't' holds a missing value (NaN) in row 2, which a sparse matrix cannot have here; put a number "
        "there, or give a dense array or a table",
    ),
    (
        lambda: pair(sparse.csr_array(X), with_value(np.nan)),
        "column 'x1' of target 't' holds a missing value (NaN) in row 2, which a sparse matrix cannot have here; put a number "
        "there, or give a dense array or a table",
    ),
    (
        lambda: pair(sparse.csr_array(X.astype(complex))),
        "source 'a' is a sparse matrix of dtype complex128; give real numbers",
    ),
    (
        lambda: pair(sparse.csr_array(X), np.array([["u", "v"]] * 4)),
        "source 'a' is a sparse matrix, but another domain has columns of text; give all as tables",
    ),
    (
        lambda: pair([[1, "u"], [2, "v"], [3, "u"], [4, "v"]]),
        f"column 'x1' is numeric in target 't' but text in source 'a': 'u' in row 0; {KIND}",
    ),
    (lambda: pair(np.array([[b"\xff"]] * 4)), "source 'a' holds bytes that are not UTF-8 text; give text (str)"),
]

COLUMNS = [
    (lambda: tables(twins()), "source 'a' has two columns named 'x'; rename one"),
    (
        lambda: tables(label=None),
        "source 'a' is a table, but no label column is named; pass label=COLUMN (on the command line: --label)",
    ),
    (lambda: tables(label="labels"), "source 'a' has no label column 'labels'; did you mean 'label'?"),
    (lambda: tables(label="outcome"), "source 'a' has no label column 'outcome'; it has x, label"),
    (
        lambda: tables((pd.DataFrame({"x": X[:, 0], "label": Y}), Y)),
        "source 'a' is given as (X, y), but its X holds the label column 'label' too; leave it out of X, or give the table alone",
    ),
    (
        lambda: tables(pd.DataFrame({"label": Y})),
        "source 'a' has no feature columns besides the label; give at least one",
    ),
    (
        lambda: tables(pd.DataFrame({"z": X[:, 0], "label": Y})),
        "the domains share no column name (source 'a' has 'z'; target 't' has 'x'); rename the columns so that the same thing is "
        "called the same",
    ),
    (
        lambda: tables(drop=["age"]),
        "drop or keep names the column 'age', which no domain has; correct the name or leave it out",
    ),
    (
        lambda: tables(pd.DataFrame({"x": 1, "label": Y}), pd.DataFrame({"x": 2, "label": Y})),
        "no feature column is left after leaving out identifiers, constants and columns that are not shared; keep one by naming "
        "it in keep (on the command line: --keep), or name one as text (--text)",
    ),
    (
        lambda: column(["1", "old", "2", "3"]),
        f"column 'x' is numeric in target 't' but text in source 'a': 'old' in row 1; {KIND}",
    ),
    (
        lambda: column([1, "old", 2, 3]),
        f"column 'x' of source 'a' mixes numbers (1 in row 0) and text ('old' in row 1); {MIXED}",
    ),
    (
        lambda: column(["u", None, datetime.date(2020, 1, 1), "v"]),
        f"column 'x' of source 'a' mixes dates (datetime.date(2020, 1, 1) in row 2) and text ('u' in row 0); {MIXED}",
    ),
    (lambda: column([None, [1], [2], [3]]), f"column 'x' of source 'a' holds a list in row 1; {ALLOWED}"),
    (lambda: column([1j, 2, 3, 4]), f"column 'x' of source 'a' holds a complex in row 0; {ALLOWED}"),
    (lambda: column([datetime.time(1)] * 4), f"column 'x' of source 'a' holds a time in row 0; {ALLOWED}"),
    (lambda: column(["1,5", "2,0", "3", "4"], ["1", "2", "3", "4"]), f"column 'x' of source 'a' holds '1,5', {COMMA}"),
    (lambda: column([1, 2, 3, 4], ["7", "1,5", "2,0", "3"]), f"column 'x' of target 't' holds '1,5', {COMMA}"),
    (
        lambda: pair(np.array([[10**400, 1]] * 4, dtype=object)),
        "source 'a' holds a whole number of over 300 digits; correct it, or leave it empty",
    ),
    (
        lambda: column(pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-03", None])),
        f"column 'x' holds dates in source 'a' but numbers in target 't'; {KIND}",
    ),
    (
        lambda: column(["2020-01-01", "2020-01-02", "2020-01-03", None], ["2020-01-01", None, "yesterday", "2020-01-03"]),
        "column 'x' holds dates (as 2026-11-20) in source 'a' but something else in target 't': 'yesterday' in row 2; " + KIND,
    ),
    (
        lambda: column(pd.Categorical(["u", "v", "u", "v"]), pd.to_datetime(["2020-01-01"] * 4)),
        f"column 'x' holds categories (a categorical dtype) in source 'a' but dates in target 't'; {KIND}",
    ),
    (
        lambda: column(pd.to_timedelta([1, 2, 3, 4], unit="D")),
        f"column 'x' holds durations in source 'a' but numbers in target 't'; {KIND}",
    ),
]

LABELS = [
    (lambda: labels([0, 1, 0]), "source 'a' has 4 rows but 3 labels; give one label per row"),
    (lambda: labels(np.ones((4, 2))), "source 'a' has labels of shape (4, 2); give one label per row, shape (n_samples,)"),
    (lambda: labels([(1, 2)] * 4), "source 'a' has labels of shape (4, 2); give one label per row, shape (n_samples,)"),
    (lambda: labels(Y, {1}), "target 't' has labels of shape (); give one label per row, shape (n_samples,)"),
    (lambda: labels(None, Y), "source 'a' has no labels; a source must be labelled: give them, or leave it out"),
    (
        lambda: labels(None),
        "no domain has a single label; name the label column, or give (X, y) with y for every source",
    ),
    (
        lambda: labels(["u", 1, "u", 1]),
        "the labels of source 'a' mix the types int, str; give all labels one type, for instance str",
    ),
    (
        lambda: labels(Y, ["0", "?", "1", "0"]),
        "the labels of target 't' are text ('?') but those of source 'a' are numbers (0); write them the same way, and leave "
        "unknown ones empty",
    ),
    (lambda: labels([0.5, 1.5, np.inf, 2.5]), "the labels of source 'a' hold inf; correct it, or leave it empty"),
    (lambda: labels(Y, [0, 1, -1e200, None]), "the labels of target 't' hold -1e+200; correct it, or leave it empty"),
    (
        lambda: labels([10**30, 1, 2, 1]),
        "the labels of source 'a' hold 1000000000000000000000000000000, beyond 64-bit integers; write such labels as text",
    ),
    (
        lambda: labels(np.array([2**63 + 1, 1, 2, 1], dtype=np.uint64)),
        "the labels of source 'a' hold 9223372036854775809, beyond 64-bit integers; write such labels as text",
    ),
    (
        lambda: labels([datetime.time(1)] * 4),
        "the labels of source 'a' hold a time; give text, numbers or booleans",
    ),
    (
        lambda: labels(np.array(["2020-01-01"] * 4, dtype="M8[D]")),
        "the labels of source 'a' have the dtype datetime64[D]; give text, numbers or booleans",
    ),
    (lambda: labels(["1,5", "2,5", "1", "1"]), f"the labels of source 'a' hold '1,5', {COMMA}"),
    (lambda: labels(np.array([b"\xff"] * 4)), "source 'a' holds bytes that are not UTF-8 text; give text (str)"),
    (
        lambda: labels(["u", "v"] * 2, task="regression"),
        "task is 'regression', but the labels are text (first: 'u'); give numbers",
    ),
    (
        lambda: labels([1, 1.5, 2.5, 1], task="classification"),
        "task is 'classification', but the labels hold 1.5; write classes as whole numbers or text, or give task='regression'",
    ),
]

STACK = [
    (lambda: pair().stack(target_rows=[0, 4]), "target_rows holds 4, but the target has the rows 0 to 3; give rows among them"),
    (
        lambda: pair().stack(labelled_rows=[-1]),
        "labelled_rows holds -1, but the target has the rows 0 to 3; give rows among them",
    ),
    (
        lambda: pair().stack(labelled_rows=[0.5]),
        "labelled_rows has the shape (1,) and dtype float64; give a list of row numbers, or a mask of 4",
    ),
    (
        lambda: pair().stack(target_rows=[True, False]),
        "target_rows has the shape (2,) and dtype bool; give a list of row numbers, or a mask of 4",
    ),
    (lambda: pair().split(np.arange(3), [1, -2]), "sample_domain has shape (2,), but X has 3 rows; give one entry per row"),
    (lambda: pair().split(np.arange(2), [1, -3]), "sample_domain holds -3; these domains have 1, -2"),
]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [pytest.param(*case, id=case[1][:60]) for case in DOMAINS + VALUES + COLUMNS + LABELS + STACK],
)
def test_the_refusal_is_this_sentence(make, sentence):
    with pytest.raises(ValueError) as caught:
        make()
    assert str(caught.value) == sentence


def test_a_sparse_matrix_of_one_dimension():
    pytest.importorskip("scipy", "1.13")
    with pytest.raises(ValueError, match=r"^source 'a' has the shape \(4,\); give an X of shape \(n_samples, n_features\)$"):
        pair(sparse.coo_array(X[:, 0]))


def test_rows_of_unequal_length():
    with pytest.raises(ValueError, match=r"^source 'a' cannot be read as an array \(.*\); give rows of one length$"):
        pair([[1, 2], [3]])
