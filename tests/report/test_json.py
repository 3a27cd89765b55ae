from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sterna.report import to_json, to_markdown
from sterna.report._plain import plain

TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=50)
@given(st.dictionaries(st.text(), TREES, max_size=4))
def test_exact_and_in_order(tree):
    back = json.loads(to_json(tree))
    assert back == tree
    assert list(back) == list(tree)
    to_json(tree).encode("utf-8")


def test_not_a_number_is_null():
    text = to_json({"a": math.nan, "b": [math.inf, -math.inf, 1.0], "c": np.float64("nan")})
    assert json.loads(text) == {"a": None, "b": [None, None, 1.0], "c": None}
    assert "NaN" not in text


def test_numpy_becomes_plain():
    given = {"f": np.float32(0.5), "i": np.int64(3), "b": np.bool_(True), "a": np.arange(3.0), "s": np.str_("x"), 1: (1, 2)}
    assert json.loads(to_json(given)) == {"f": 0.5, "i": 3, "b": True, "a": [0.0, 1.0, 2.0], "s": "x", "1": [1, 2]}
    assert type(plain(np.float64(0.1))) is float
    assert type(plain(np.str_("x"))) is str


def test_lone_surrogates_survive():
    text = to_json({"a": "x\ud800y"})
    text.encode("utf-8")
    assert json.loads(text) == {"a": "x\ud800y"}


def test_other_types_are_refused_with_their_place():
    with pytest.raises(TypeError, match=r"summary\['domains'\]\[1\]\['path'\] is a \w*Path; .*: convert it before"):
        to_json({"domains": [{}, {"path": Path("x")}]})


def test_made_summaries_survive(situation):
    back = json.loads(to_json(situation))
    assert back == situation
    assert to_markdown(back) == to_markdown(situation)
