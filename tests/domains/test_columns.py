"""Columns of every type: aligned by name, brought to one kind, reported where left out."""

from __future__ import annotations

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from sterna import Domains

NaN = float("nan")
DAY = datetime.date


def columns(source, target):
    """The column `x` of both domains after alignment, as lists."""
    tables = [
        pd.DataFrame({"x": values, "w": np.arange(len(values)) ** 2 + i, "y": ([0, 1] * len(values))[: len(values)]})
        for i, values in enumerate((source, target))
    ]
    domains = Domains({"a": tables[0]}, {"t": tables[1]}, label="y", keep=["x"])
    return [domain.X["x"].tolist() for domain in (domains.sources[0], domains.target)]


def arrow(values, kind):
    return pd.array(values, dtype=pd.ArrowDtype(kind))


NUMBERS = [
    ("int and float", [1, 2, 3], [0.5, 1, 2], [1.0, 2.0, 3.0], [0.5, 1.0, 2.0]),
    ("Int64 with NA", pd.array([1, None, 3], dtype="Int64"), [1, 2, 3], [1.0, NaN, 3.0], [1.0, 2.0, 3.0]),
    ("Float64, float32", pd.array([1, None], dtype="Float64"), np.float32([0.5, 1]), [1.0, NaN], [0.5, 1.0]),
    ("bool and boolean", [True, False], pd.array([True, None], dtype="boolean"), [1.0, 0.0], [1.0, NaN]),
    ("bool objects", [True, None, np.True_], [False, pd.NA, True], [1.0, NaN, 1.0], [0.0, NaN, 1.0]),
    ("int64[pyarrow]", arrow([1, None], pa.int64()), [1, 2], [1.0, NaN], [1.0, 2.0]),
    ("Decimal", [Decimal("1.5"), None], arrow([Decimal("2.5"), None], pa.decimal128(5, 2)), [1.5, NaN], [2.5, NaN]),
    ("pandas sparse", pd.arrays.SparseArray([1.0, 0, 0]), [1, 2, 3], [1.0, 0.0, 0.0], [1.0, 2.0, 3.0]),
    ("object ints, huge", np.array([10**30, None, 7], dtype=object), [1, 2, 3], [1e30, NaN, 7.0], [1.0, 2.0, 3.0]),
    ("numbers as text", ["1", None, " 2.5"], [1, 2, 3], [1.0, NaN, 2.5], [1.0, 2.0, 3.0]),
    ("no value in one", [None, None], [1, 2], [NaN, NaN], [1.0, 2.0]),
    ("dates", pd.to_datetime(["1970-01-02", None]), ["1970-01-03", "1970-01-02T12:00"], [1.0, NaN], [2.0, 1.5]),
    ("date objects", [DAY(1970, 1, 2), None], [DAY(1700, 1, 1), DAY(2200, 1, 1)], [1.0, NaN], [-98615.0, 84006.0]),
    (
        "zones",
        pd.to_datetime(["1970-01-02"] * 2).tz_localize("Asia/Tokyo"),
        arrow([DAY(1970, 1, 2), None], pa.date32()),
        None,
        None,
    ),
    ("durations", pd.to_timedelta(["36h", None]), [datetime.timedelta(2), None], [1.5, NaN], [2.0, NaN]),
]


@pytest.mark.parametrize(
    ("source", "target", "expected_source", "expected_target"), [c[1:] for c in NUMBERS], ids=[c[0] for c in NUMBERS]
)
def test_numbers_of_every_type(source, target, expected_source, expected_target):
    found = columns(source, target)
    expected = [expected_source, expected_target] if expected_source else [[1 - 9 / 24] * 2, [1.0, NaN]]
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


def test_dates_of_any_century():
    pytest.importorskip("pandas", "3")  # pandas 2 knows nanoseconds only, which begin in 1677
    assert columns([DAY(1500, 1, 1), None], [DAY(2500, 1, 1), None])[0][0] == -171664.0


TEXTS = [
    ("str and string[pyarrow]", ["u", None], pd.array(["v", None], dtype="string[pyarrow]"), ["u", None], ["v", None]),
    ("categorical", pd.Categorical(["u", None]), ["v", np.nan], ["u", None], ["v", None]),
    ("categorical of ints", pd.Categorical([1, 2, None]), [1.0, NaN, 3.0], ["1", "2", None], ["1", None, "3"]),
    ("categorical of bools", pd.Categorical([True, None]), [True, False], ["True", None], ["True", "False"]),
    ("dictionary[pyarrow]", arrow(["u", None], pa.dictionary(pa.int8(), pa.string())), ["u", "w"], ["u", None], ["u", "w"]),
    ("no value in one", [None, None], ["u", "v"], [None, None], ["u", "v"]),
    ("digits in both", ["01", "7"], ["1", "2"], ["01", "7"], ["1", "2"]),
    ("almost dates", ["2020-01-01", "2020-13-45"], ["2020-01-01", "x"], ["2020-01-01", "2020-13-45"], ["2020-01-01", "x"]),
]


@pytest.mark.parametrize(
    ("source", "target", "expected_source", "expected_target"), [c[1:] for c in TEXTS], ids=[c[0] for c in TEXTS]
)
def test_text_of_every_type(source, target, expected_source, expected_target):
    assert columns(source, target) == [expected_source, expected_target]


def test_polars_gives_what_pandas_gives():
    source = pl.DataFrame(
        {
            "n": [1, None, 3, 4],
            "town": ["u", "v", None, "u"],
            "day": [DAY(2020, 1, 1), None, DAY(2020, 1, 3), DAY(2020, 1, 4)],
            "on": [True, None, False, True],
            "kind": pl.Series(["p", "q", None, "p"], dtype=pl.Categorical),
            "label": ["no", "yes", "no", "yes"],
        }
    )
    target = source.select("label", "kind", "on", "day", "town", n=pl.col("n") + 0.5)
    ours = Domains({"a": source}, {"t": target}, label="label")
    pandas = Domains({"a": source.to_pandas()}, {"t": target.to_pandas()}, label="label")
    pairs = Domains({"a": (source.drop("label"), source["label"])}, {"t": (target.drop("label"), target["label"])})
    for other in (pandas, pairs):
        for left, right in zip(ours.stack(), other.stack(), strict=True):
            pd.testing.assert_frame_equal(pd.DataFrame(left), pd.DataFrame(right))
    assert ours.columns == ["kind", "on", "day", "town", "n"]


def table(n=24, **more):
    rng = np.random.default_rng(len(more))
    return pd.DataFrame({"w": rng.normal(size=n), "y": rng.integers(0, 2, n)} | more)


def findings(source, target, code, **options):
    sources = source if isinstance(source, dict) else {"a": source}
    domains = Domains(sources, {"t": target}, label="y", **options)
    return [finding.message for finding in domains.findings if finding.code == code], domains


def test_lacking_columns_are_left_out_and_told():
    told, domains = findings({"a": table(u=1.5), "b": table()}, table(v=2.5), "missing-column")
    assert told == [
        "source 'a' lacks the column 'v', which target 't' has; it is left out",
        "source 'b' lacks the column 'u', which source 'a' has; it is left out",
        "source 'b' lacks the column 'v', which target 't' has; it is left out",
        "target 't' lacks the column 'u', which source 'a' has; it is left out",
    ]
    assert domains.columns == ["w"]
    told, _ = findings(table(), table(**{f"v{i}": i for i in range(7)}), "missing-column")
    assert told == ["source 'a' lacks 7 columns ('v0', 'v1', 'v2' ...) that other domains have; they are left out"]


def test_columns_of_nearly_one_name_are_told_in_one_line():
    rng = np.random.default_rng(0)
    renamed = {"education": "educ", "Age": " AGE", "home_town": "home town", "q1": "q2", "town": "city"}
    source = table(**{name: rng.normal(size=24) for name in renamed})
    told, domains = findings({"a": source, "b": source}, source.rename(columns=renamed), "missing-column")
    assert told[:3] == [
        f"target 't' lacks the column {name!r}, which source 'a' has (did you mean {renamed[name]!r}? rename it); both are left out"
        for name in ("Age", "home_town", "education")
    ]
    assert told[3:] == [
        f"{here} lacks the column {name!r}, which {there} has; it is left out"
        for here, there, names in (
            ("source 'a'", "target 't'", ("q2", "city")),
            ("source 'b'", "target 't'", ("q2", "city")),
            ("target 't'", "source 'a'", ("q1", "town")),
        )
        for name in names
    ]
    assert domains.columns == ["w"]


def test_columns_of_nearly_one_name_in_sources_and_side_by_side():
    told, _ = findings({"a": table(age=1.5), "b": table(Age=2.5)}, table(age=3.5), "missing-column")
    assert told == [
        "source 'b' lacks the column 'age', which source 'a' has (did you mean 'Age'? rename it); both are left out"
    ]
    told, _ = findings({"a": table(Age=1.5), "b": table(AGE=2.5)}, table(), "missing-column")
    assert told == [
        "source 'b' lacks the column 'Age', which source 'a' has (did you mean 'AGE'? rename it); both are left out",
        "target 't' lacks the column 'Age', which source 'a' has; it is left out",
        "target 't' lacks the column 'AGE', which source 'b' has; it is left out",
    ]
    told, _ = findings({"a": table(weight=1.5, height=2.0), "b": table(weight=2.5)}, table(height=3.5), "missing-column")
    assert told == [
        "source 'b' lacks the column 'height', which source 'a' has; it is left out",
        "target 't' lacks the column 'weight', which source 'a' has; it is left out",
    ]


def test_constant_columns():
    rng = np.random.default_rng(0)
    told, domains = findings(table(site=1, u=2.5), table(site=2, u=rng.normal(size=24)), "constant")
    assert told == [
        "column 'site' does not vary within any domain; nothing can be learned from it",
        "column 'u' does not vary within source 'a', though elsewhere it does",
    ]
    assert set(domains.columns) == {"w", "u"}
    many = {f"c{i}": 1 for i in range(5)}
    told, domains = findings(table(**many), table(**many), "constant", keep=["c3"])
    assert told == ["5 columns ('c0', 'c1', 'c2' ...) do not vary within any domain; nothing can be learned from them"]
    assert domains.columns == ["w", "c3"]
    told, _ = findings(table(**many), table(**{name: rng.normal(size=24) for name in many}), "constant")
    assert told == ["5 columns ('c0', 'c1', 'c2' ...) do not vary within source 'a', though elsewhere they do"]


def test_constant_array_columns_are_told_and_kept():
    X = np.array([[1.0, 2.0], [1.0, np.nan], [1.0, 3.0]])
    domains = Domains({"a": (X, [0, 1, 0])}, {"t": (X + [[0.0, 0.25]], None)})
    told = [finding.message for finding in domains.findings if finding.code == "constant"]
    assert told == ["column 'x0' does not vary within any domain; nothing can be learned from it"]
    assert domains.stack()[0].shape == (6, 2)


def test_one_row_is_no_constant():
    told, domains = findings(table(u=2.5), table(1, u=2.5), "constant")
    assert told == ["column 'u' does not vary within any domain; nothing can be learned from it"]
    assert domains.target.X.shape == (1, 1)
    domains = Domains({"a": (np.eye(3), [0, 1, 0])}, {"t": ([[2.0, 3.0, 4.0]], None)})
    assert domains.findings == []


def test_columns_without_a_value_are_told_once():
    told, domains = findings(table(u=None), table(u=np.arange(24.0) ** 2), "missing-values")
    assert told == ["column 'u' has no value at all in source 'a'; it is filled with the median or its own category"]
    assert [f.code for f in domains.findings] == ["missing-values"]
    told, domains = findings(table(u=None), table(u=None), "constant")
    assert told == ["column 'u' does not vary within any domain; nothing can be learned from it"]


def test_text_that_is_mostly_numbers_is_told():
    told, _ = findings(table(u=["1", "2", "?"] * 8), table(u=["1", "2", "n/a"] * 8), "mixed")
    assert told[0] == (
        "column 'u' of source 'a' is text, though 67% of its values are numbers (not '?'); it is taken as categories; if it is a "
        "number, leave the other values empty"
    )
    assert len(told) == 2


IDS = [
    ("counts up", np.arange(100, 124), "as 100"),
    ("patient_id", np.arange(24)[::-1] * 7 + 10**9, "as 1000000161"),
    ("recordId", np.arange(24)[::-1] * 7, "as 161"),
    ("name", [f"P{i}" for i in range(24)], "as 'P0'"),
]


@pytest.mark.parametrize(("name", "values", "shown"), IDS, ids=[case[0] for case in IDS])
@pytest.mark.parametrize("n_target", [24, 5])
def test_identifiers_are_left_out(name, values, shown, n_target):
    target = table(**{name: values}).iloc[:n_target]
    told, domains = findings(table(**{name: values}), target, "id-like")
    assert told == [
        f"column {name!r} looks like an identifier (every value differs, {shown}); it is left out; keep it by naming it in keep "
        "(on the command line: --keep)"
    ]
    assert domains.columns == ["w"]
    told, domains = findings(table(**{name: values}), target, "id-like", keep=[name])
    assert told == []
    assert domains.columns == ["w", name]


WORDS = ["warm", "cold", "soup", "bread", "late", "fine", "slow", "again"]


def texts(n, n_words, seed=0):
    rng = np.random.default_rng(seed)
    return [" ".join(words) for words in rng.choice(WORDS, (n, n_words))]


def test_free_text_is_told():
    source, target = texts(30, 6), texts(24, 6, seed=1)
    source[7], target[3:6] = source[8], [None, target[2], source[0]]
    told, domains = findings(table(30, review=source), table(24, review=target), "free-text")
    assert told == [
        "column 'review' holds free text (50 different values in 53 rows, 6 words each on average); it is taken as categories; "
        "name it as text='review' (on the command line: --text), or drop it"
    ]
    assert domains.columns == ["w", "review"]
    assert findings(table(30, review=source), table(24, review=target), "free-text", keep=["review"])[0] == []
    told, domains = findings(table(30, review=texts(30, 6)), table(24, review=texts(24, 6, 1)), "free-text")
    assert "; it is left out; name it as text='review'" in told[0]
    assert domains.columns == ["w"]
    assert not [finding for finding in domains.findings if finding.code == "id-like"]


@pytest.mark.parametrize(
    "values",
    [[f"Ann Lee {i}" for i in range(23)] * 2, texts(5, 6) * 8, [None] * 40, ["a b c d e"] * 15 + [None] * 25],
    ids=["names", "few different", "none", "one"],
)
def test_names_and_categories_are_no_free_text(values):
    assert findings(table(len(values), u=values), table(len(values), u=values), "free-text")[0] == []


def test_free_text_alone_is_refused_with_its_remedy():
    source, target = (pd.DataFrame({"u": texts(24, 6, seed), "y": [0, 1] * 12}) for seed in range(2))
    with pytest.raises(ValueError, match=r"\(on the command line: --keep\), or name one as text \(--text\)$"):
        Domains({"a": source}, {"t": target}, label="y")


@pytest.mark.parametrize("name", ["acid", "paid", "valid", "humid", "grid"])
def test_words_that_end_in_id_are_no_identifiers(name):
    values = np.arange(24)[::-1] * 7
    assert findings(table(**{name: values}), table(**{name: values}), "id-like")[0] == []


def test_what_repeats_or_is_continuous_is_no_identifier():
    values = np.arange(24)[::-1] * 7
    assert findings(table(case_id=values), table(case_id=np.r_[values[:-1], 7]), "id-like")[0] == []
    assert findings(table(case_id=values + 0.5), table(case_id=values + 0.5), "id-like")[0] == []
    words = [f"P{i}" for i in range(149)]
    assert findings(table(150, name=[*words, "P7"]), table(150, name=[*words, "P8"]), "id-like")[0] == []
    assert findings(table(5, name=list("abcde")), table(5, name=list("abcde")), "id-like")[0] == []


def test_drop_takes_one_name_or_several():
    for drop in ("u", ["u"], {"u", "v"}):
        _, domains = findings(table(u=np.arange(24.0) ** 2, v=1.0), table(u=np.arange(24.0) ** 2, v=1.0), "", drop=drop)
        assert domains.columns == ["w"]


def test_column_names_of_any_type():
    source = pd.DataFrame(np.arange(12.0).reshape(4, 3) ** 2).assign(y=[0, 1, 0, 1])
    domains = Domains({"a": source}, {"t": source[[2, 1, 0]] + 1}, label="y")
    assert domains.columns == ["2", "1", "0"]
    by_number = Domains({"a": source.drop(columns="y").assign(**{"7": [0, 1, 0, 1]})}, {"t": source + 1}, label=7)
    assert by_number.sources[0].y.tolist() == [0, 1, 0, 1]
    with pytest.raises(ValueError, match=r"^target 't' has two columns named '1'; rename one$"):
        Domains({"a": source}, {"t": pd.DataFrame([[1, 2]], columns=[1, "1"])}, label="y")


def test_arrays_with_text_become_tables():
    rows = [[1, "u"], [2.5, None], [np.nan, "w"]]
    domains = Domains({"a": (rows, [0, 1, 0])}, {"t": (np.array([[5, "u"], [6, "v"]]), None)})
    assert domains.kind == "table"
    assert domains.columns == ["x0", "x1"]
    assert domains.stack()[0]["x1"].tolist() == ["u", None, "w", "u", "v"]
    np.testing.assert_array_equal(domains.stack()[0]["x0"], [1, 2.5, np.nan, 5, 6])


@pytest.mark.parametrize(
    "X",
    [
        np.array([[1, None], [2, pd.NA], [3, 4.5]], dtype=object),
        [["1", "nan"], ["2", "nan"], ["3", "4.5"]],
        np.ma.array([[1, 9], [2, 9], [3, 4.5]], mask=[[0, 1], [0, 1], [0, 0]]),
        [[1, np.nan], [2, None], [3, 4.5]],
    ],
    ids=["objects", "text", "masked", "lists"],
)
def test_arrays_of_numbers_in_disguise(X):
    if isinstance(X, list) and X[0][1] == "nan":
        X = np.array([["1", "7"], ["2", "7"], ["3", "4.5"]])
        expected = [[1, 7], [2, 7], [3, 4.5]]
    else:
        expected = [[1, np.nan], [2, np.nan], [3, 4.5]]
    domains = Domains({"a": (X, [0, 1, 0])}, {"t": (np.eye(2), None)})
    assert domains.kind == "dense"
    np.testing.assert_array_equal(domains.sources[0].X, expected)
