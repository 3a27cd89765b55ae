"""Labels of every kind: kept as they are, hidden where asked, and the task that they imply."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest

from sterna import Domains
from sterna.domains._labels import infer_task
from sterna.domains._stack import take_apart


def domains_of(source_y, target_y, **options):
    sizes = len(source_y), 2 if target_y is None else len(target_y)
    X = [np.random.default_rng(n).normal(size=(n, 2)) for n in sizes]
    return Domains({"a": (X[0], source_y)}, {"t": (X[1], target_y)}, **options)


KINDS = [
    ("strings", ["no", "yes"] * 3, ["yes", None], [*["no", "yes"] * 3, "yes", None], object),
    ("strings, all", ["no", "yes"] * 3, ["yes", "no"], [*["no", "yes"] * 3, "yes", "no"], "U3"),
    ("strings and NaN", ["no", "yes"] * 3, ["yes", np.nan], [*["no", "yes"] * 3, "yes", None], object),
    ("strings, some empty", ["no", "yes"] * 3, np.array(["yes", ""]), [*["no", "yes"] * 3, "yes", None], object),
    ("strings, some blank", ["no", "yes"] * 3, pd.Series(["yes", " \t"]), [*["no", "yes"] * 3, "yes", None], object),
    ("bytes, some empty", np.array([b"no", b"yes"] * 3), np.array([b"yes", b""]), [*["no", "yes"] * 3, "yes", None], object),
    ("bytes", np.array([b"no", b"yes"] * 3), ["yes", None], [*["no", "yes"] * 3, "yes", None], object),
    ("booleans", [True, False] * 3, [True, None], [*[True, False] * 3, True, None], object),
    ("booleans, all", [True, False] * 3, np.array([True, False]), [*[True, False] * 3, True, False], bool),
    ("booleans and 0/1", [True, False] * 3, [1, 0, None], [1, 0, 1, 0, 1, 0, 1, 0, -1], np.int64),
    ("-1 and 1", [-1, 1] * 3, [1, None], [-1, 1, -1, 1, -1, 1, 1, None], object),
    ("-1 and 1, all", [-1, 1] * 3, [1, 1], [-1, 1, -1, 1, -1, 1, 1, 1], np.int64),
    ("-1 in the target only", [2, 1] * 3, [-1, 1], [2, 1, 2, 1, 2, 1, -1, 1], object),
    ("gaps", [10, 700] * 3, [10, None], [10, 700, 10, 700, 10, 700, 10, -1], np.int64),
    ("no target labels", [10, 700] * 3, None, [10, 700, 10, 700, 10, 700, -1, -1], np.int64),
    ("uint8", np.array([3, 4] * 3, dtype=np.uint8), [3, None], [3, 4, 3, 4, 3, 4, 3, -1], np.int64),
    ("big integers", [2**53 + 1, 2**53] * 3, [2**53 + 1, None], [*[2**53 + 1, 2**53] * 3, 2**53 + 1, -1], np.int64),
    ("whole floats", [1.0, 2.0] * 3, [1.0, np.nan], [1, 2, 1, 2, 1, 2, 1, -1], np.int64),
    ("Int64", pd.array([1, 2] * 3, dtype="Int64"), pd.array([1, None], dtype="Int64"), [1, 2, 1, 2, 1, 2, 1, -1], np.int64),
    ("boolean", pd.array([True, False] * 3, dtype="boolean"), [True, pd.NA], [*[True, False] * 3, True, None], object),
    ("category", pd.Categorical(["no", "yes"] * 3), pl.Series(["yes", None]), [*["no", "yes"] * 3, "yes", None], object),
    ("masked", np.ma.array([5, 6] * 3), np.ma.array([5, 6], mask=[0, 1]), [5, 6, 5, 6, 5, 6, 5, -1], np.int64),
    ("one column", np.array([[0], [1]] * 3), pd.DataFrame({"y": [0, None]}), [0, 1, 0, 1, 0, 1, 0, -1], np.int64),
]


@pytest.mark.parametrize(("source_y", "target_y", "expected", "dtype"), [case[1:] for case in KINDS], ids=[c[0] for c in KINDS])
def test_classes_of_every_kind(source_y, target_y, expected, dtype):
    domains = domains_of(source_y, target_y)
    X, y, sample_domain = domains.stack()
    assert domains.task == "classification"
    assert y.dtype == dtype
    assert y.tolist() == expected
    assert [type(label) for label in y.tolist()] == [type(label) for label in expected]
    data = take_apart(X, y, sample_domain)
    known = [label for label in expected[6:] if label is not None and (label != -1 or "-1" in str(target_y))]
    assert data.y_target.tolist() == known
    assert data.y_source.tolist() == expected[:6]
    assert domains.target.known.tolist() == known
    assert domains.target.known.dtype != object or not known
    assert domains.classes.tolist() == sorted({*expected[:6], *known})


def test_quantities():
    for target_y in ([1, None], [1.0, np.nan], [Decimal(1), None], pd.array([1, None], dtype="Int64")):
        domains = domains_of([1, 2.5, 3] * 3, target_y)
        assert domains.task == "regression"
        assert domains.classes is None
        assert domains.target.known.tolist() == [1.0]
        np.testing.assert_array_equal(domains.stack()[1], [*[1, 2.5, 3] * 3, 1, np.nan])


def test_whole_numbers_as_quantities_on_request():
    """Partly labelled integers are no text."""
    domains = domains_of([3, 1, 2] * 3, [1, None, -1], task="regression")
    np.testing.assert_array_equal(domains.stack()[1], [*[3, 1, 2] * 3, 1, np.nan, -1])
    data = take_apart(*domains.stack())
    assert data.y_target.tolist() == [1, -1]
    huge = domains_of([1e60, 2e60, 3e60] * 3, [1e60, None], task="regression")
    assert huge.target.known.tolist() == [1e60]


rng = np.random.default_rng(0)
TASKS = [
    ("text", np.array(["u"] * 3), "classification"),
    ("booleans", np.array([True, False]), "classification"),
    ("two rows", np.array([0, 1]), "classification"),
    ("20 values", np.arange(60) % 20 * 7, "classification"),
    ("few rows, all different", np.array([3, 9, 4, 1]), "regression"),
    ("fractions", np.array([0.5, 1.5] * 50), "regression"),
    ("100 numbered classes", np.arange(500) % 100, "classification"),
    ("100 numbered from 1", np.arange(500) % 100 + 1, "classification"),
    ("100 numbered classes, few rows", np.arange(300) % 100, "regression"),
    ("ages", rng.integers(18, 90, 2000), "regression"),
    ("counts", rng.poisson(200, 5000), "regression"),
    ("201 numbered values", np.arange(2010) % 201, "regression"),
]


@pytest.mark.parametrize(("y", "task"), [case[1:] for case in TASKS], ids=[case[0] for case in TASKS])
def test_the_task_is_inferred(y, task):
    assert infer_task(y) == task


def test_rows_without_a_label_leave_the_source_and_stay_in_the_target():
    X = np.arange(10.0).reshape(5, 2)
    domains = Domains({"a": (X, ["u", None, "v", np.nan, "u"])}, {"t": (X + 0.5, [None, "v", None, None, "u"])})
    assert [finding.message for finding in domains.findings] == ["2 of 5 rows of source 'a' have no label and are left out"]
    np.testing.assert_array_equal(domains.sources[0].X, X[[0, 2, 4]])
    assert domains.target.labelled.tolist() == [False, True, False, False, True]
    assert len(domains.stack()[1]) == 8


def test_empty_text_is_no_label_in_a_stack_or_a_source():
    X = np.arange(10.0).reshape(5, 2)
    data = take_apart(X, np.array(["u", "v", "", "u", " "]), ["source"] * 2 + ["target"] * 3)
    assert data.labelled.tolist() == [False, True, False]
    assert data.y_target.tolist() == ["u"]
    domains = Domains({"a": (X, np.array(["u", "", "v", "", "u"]))}, {"t": (X + 0.5, np.array([""] * 5))})
    assert [finding.message for finding in domains.findings] == ["2 of 5 rows of source 'a' have no label and are left out"]
    assert domains.classes.tolist() == ["u", "v"]
    assert not domains.target.labelled.any()


def test_a_label_column_that_the_target_lacks():
    table = pd.DataFrame({"x": [1.0, 2.5, 3.0], "is sick": ["no", "yes", "no"]})
    domains = Domains({"a": table}, {"t": table[["x"]] + 1}, label="is sick")
    assert not domains.target.labelled.any()
    assert [(f.code, f.message) for f in domains.findings] == [
        ("unlabelled-target", "target 't' has no column 'is sick'; all its rows are taken as unlabelled")
    ]
    typed = (table.assign(x=table["x"] + 1)).rename(columns={"is sick": "Is Sick"})
    domains = Domains({"a": table}, {"t": typed}, label="is sick")
    assert domains.findings[0].message == (
        "target 't' has no column 'is sick' (did you mean 'Is Sick'?); all its rows are taken as unlabelled"
    )
    assert domains.columns == ["x"]


def test_classes_that_stand_in_one_domain_only():
    X = np.random.default_rng(0).normal(size=(6, 2))
    source = {"a": (X, ["u", "v", "w", "u", "v", "w"]), "b": (X + 1, ["u", "v", "u", "v", "u", "v"])}
    domains = Domains(source, {"t": (X + 2, ["z", "z", None, None, None, None])})
    assert [finding.message for finding in domains.findings if finding.code == "class"] == [
        "class 'w' stands in source 'a' only (2 rows); no other domain can teach or test it",
        "class 'z' stands in target 't' only (2 rows); no other domain can teach or test it",
        "all labelled rows of target 't' are of the one class 'z'",
    ]
    domains = Domains({"a": (X, list("abcdef"))}, {"t": (X + 2, list("aabbaa"))}, task="classification")
    assert [finding.message for finding in domains.findings if finding.code == "class"] == [
        "4 classes ('c', 'd', 'e' ...) stand in source 'a' only (4 rows); no other domain can teach or test them"
    ]
    domains = Domains({"a": (X, ["u"] * 6)}, {"t": (X + 2, None)})
    assert [finding.message for finding in domains.findings] == ["all labelled rows of source 'a' are of the one class 'u'"]


def test_classes_that_differ_in_spelling_only_or_mean_unknown():
    X = np.random.default_rng(0).normal(size=(6, 2))
    told = [
        finding.message
        for finding in Domains(
            {"a": (X, ["bad", "good"] * 3), "b": (X + 1, ["bad", "good"] * 3)},
            {"t": (X + 2, ["BAD", "BAD", "good ", "good", "?", "?"])},
        ).findings
    ]
    assert told == [
        "class 'bad' of source 'a' and class 'BAD' of target 't' differ in case or blanks only; write them the same way if they are one",
        "class 'good' of source 'a' and class 'good ' of target 't' differ in case or blanks only; "
        "write them the same way if they are one",
        "class '?' of target 't' (2 rows): is '?' unknown? leave it empty",
    ]
    assert Domains({"a": (X, [0, 1] * 3)}, {"t": (X + 2, [0, 1] * 3)}).findings == []
