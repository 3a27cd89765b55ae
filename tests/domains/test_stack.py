"""The convention of `sample_domain`, and taking a stack apart."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from sterna.domains._stack import clean_labels, domain_codes, take_apart, vstack

CODES = [
    ([1, -2, 1], [1, -2, 1]),
    ([1.0, -2.0, 1.0], [1, -2, 1]),
    (np.array([1, -2, 1], dtype=object), [1, -2, 1]),
    (pd.Series([1, -2, 1], dtype="Int64"), [1, -2, 1]),
    (np.array([3, 7], dtype=np.uint8), [3, 7]),
    (["source", "target", "source"], [1, -2, 1]),
    (["target", "source:b", "source:a"], [-3, 2, 1]),
    (pd.Series(["source", "target"], dtype="category"), [1, -2]),
    (["target:x", "target:y"], [-1, -2]),
]


@pytest.mark.parametrize(("given", "codes"), CODES)
def test_codes_from_integers_and_words(given, codes):
    assert domain_codes(given, len(codes)).tolist() == codes


WORDS = "allowed are 'source', 'target', 'source:NAME', 'target:NAME' and non-zero integers"
DTYPE = "give integers (positive: source, negative: target) or role words, as 'source' and 'target'"
BAD_CODES = [
    ([1, 0, 2], "sample_domain is 0 in row 1; use positive integers for sources, negative for targets"),
    ([1, -2], "sample_domain has shape (2,), but X has 3 rows; give one entry per row"),
    ([[1], [2], [3]], "sample_domain has shape (3, 1), but X has 3 rows; give one entry per row"),
    ([1.5, 1, 2], f"sample_domain has the dtype float64; {DTYPE}"),
    ([np.nan, 1, 2], f"sample_domain has the dtype float64; {DTYPE}"),
    ([np.inf, 1, 2], f"sample_domain has the dtype float64; {DTYPE}"),
    ([True, False, True], f"sample_domain has the dtype bool; {DTYPE}"),
    (["source", "Target", "target"], f"sample_domain holds 'Target'; {WORDS}"),
    (["source", None, "target"], f"sample_domain holds 'None'; {WORDS}"),
]


@pytest.mark.parametrize(("given", "sentence"), BAD_CODES, ids=lambda value: str(value)[:40])
def test_what_is_no_code_is_refused(given, sentence):
    with pytest.raises(ValueError) as caught:
        domain_codes(given, 3)
    assert str(caught.value) == sentence


CLEAN = [
    ([1, np.int8(2), True], [1, 2, 1], np.int64),
    ([1, 2.5], [1.0, 2.5], np.float64),
    (["u", np.str_("vw")], ["u", "vw"], "U2"),
    ([True, np.False_], [True, False], bool),
    ([True, 0.5], [1.0, 0.5], np.float64),
    ([2**60 + 1], [2**60 + 1], np.int64),
]


@pytest.mark.parametrize(("labels", "expected", "dtype"), CLEAN)
def test_labels_get_their_natural_type(labels, expected, dtype):
    clean = clean_labels(np.array(labels, dtype=object))
    assert clean.tolist() == expected
    assert clean.dtype == dtype
    again = clean_labels(clean)
    assert again is clean


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (["u", 1], "the labels mix the types int, str; give all labels one type, for instance str"),
        ([True, "u", 2.5], "the labels mix the types bool, float, str; give all labels one type, for instance str"),
        ([2**70], "the labels hold 1180591620717411303424, beyond 64-bit integers; write such labels as text"),
        ([datetime.date(2020, 1, 1)], "the labels hold a date; give text, numbers or booleans"),
        ([b"u"], "the labels hold a bytes; give text, numbers or booleans"),
    ],
)
def test_labels_without_a_type_are_refused(labels, sentence):
    with pytest.raises(ValueError) as caught:
        clean_labels(np.array(labels, dtype=object))
    assert str(caught.value) == sentence


X = np.arange(12.0).reshape(6, 2)
DOMAIN = [1, -2, 3, -2, 1, -2]


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, pd.DataFrame])
def test_every_row_goes_to_its_side(form):
    data = take_apart(form(X), np.array(["a", None, "b", "c", None, np.nan], dtype=object), DOMAIN)
    parts = [data.X_source, data.X_target, data.X_target_labelled]
    for part, rows in zip(parts, ([0, 2], [1, 3, 5], [3]), strict=True):
        np.testing.assert_array_equal(part.toarray() if sparse.issparse(part) else part, X[rows])
    assert data.source_ids.tolist() == [1, 3]
    assert (data.y_source.tolist(), data.y_target.tolist(), data.labelled.tolist()) == (["a", "b"], ["c"], [False, True, False])
    assert data.n_target_labelled == 1


def test_minus_one_is_unlabelled_only_where_no_source_has_it():
    assert take_apart(X, np.array([0, -1, 1, 0, 1, -1]), DOMAIN).labelled.tolist() == [False, True, False]
    assert take_apart(X, np.array([-1, -1, 1, 1, 1, -1]), DOMAIN).labelled.all()
    assert take_apart(X, np.array([0, -1, 1, 0, 1, -1.0]), DOMAIN).labelled.all()


def test_vstack_keeps_the_kind_and_skips_empty_parts():
    table = pd.DataFrame(X)
    assert vstack([X[:0], X[:2], X[2:]]).tolist() == X.tolist()
    assert vstack([table[:2], table[2:]]).equals(table)
    assert vstack([sparse.csr_array(X[:1]), sparse.csr_array(X[1:])]).format == "csr"
    assert vstack([X[:0], X[:0]]).shape == (0, 2)
