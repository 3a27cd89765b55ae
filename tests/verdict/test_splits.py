"""Splits of the labelled target: partitions, classes spread, budgets nested."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sterna.select._folds import folds
from sterna.verdict import _splits
from sterna.verdict._splits import default_repeats, nested_budget, target_splits


def make_splits(labelled, y, **options):
    return target_splits(labelled, y, **{"stratify": True, "n_splits": 5, "n_repeats": 2, "random_state": 0} | options)


def test_each_repeat_evaluates_each_labelled_row_once():
    labelled = np.arange(3, 63)
    y = np.tile([0, 1, 2], 20)
    splits = make_splits(labelled, y, n_repeats=3)
    assert len(splits) == 15
    for repeat in range(3):
        own = [split for split in splits if split.repeat == repeat]
        assert [split.fold for split in own] == list(range(5))
        np.testing.assert_array_equal(np.sort(np.concatenate([split.evaluate for split in own])), labelled)
    for split in splits:
        np.testing.assert_array_equal(np.sort(np.concatenate([split.adapt, split.evaluate])), labelled)
        np.testing.assert_array_equal(np.bincount(y[split.evaluate - 3]), [4, 4, 4])


def test_repeats_differ_and_seeds_differ_and_the_same_seed_is_the_same():
    labelled, y = np.arange(40), np.tile([0, 1], 20)
    first, again, other = make_splits(labelled, y), make_splits(labelled, y), make_splits(labelled, y, random_state=1)
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.evaluate, two.evaluate)
    assert any(not np.array_equal(one.evaluate, two.evaluate) for one, two in zip(first, other, strict=True))
    assert not np.array_equal(first[0].evaluate, first[5].evaluate)


def test_more_repeats_keep_the_first_ones():
    """A run with more repeats begins with the same splits."""
    labelled, y = np.arange(40), np.tile([0, 1], 20)
    for one, two in zip(make_splits(labelled, y, n_repeats=1), make_splits(labelled, y, n_repeats=3)[:5], strict=True):
        np.testing.assert_array_equal(one.evaluate, two.evaluate)


@pytest.mark.parametrize("y", [["a"] * 8, ["a"] * 7 + ["b"], list("abcdefgh"), list("aabbccdd")])
def test_rare_classes_are_spread_as_far_as_they_go(y):
    splits = make_splits(np.arange(8), np.array(y), n_splits=4, n_repeats=1)
    assert sorted(np.concatenate([split.evaluate for split in splits]).tolist()) == list(range(8))
    assert all(len(split.evaluate) == 2 for split in splits)


def test_regression_is_not_stratified():
    splits = make_splits(np.arange(23), np.linspace(0, 1, 23), stratify=False)
    assert sorted(len(split.evaluate) for split in splits[:5]) == [4, 4, 5, 5, 5]


def test_many_rows_are_thinned_and_never_moved_into_the_adaptation_part(monkeypatch):
    monkeypatch.setattr(_splits, "MAX_EVALUATED", 10)
    splits = make_splits(np.arange(200), np.tile([0, 1], 100), n_repeats=1)
    assert [len(split.evaluate) for split in splits] == [10] * 5
    assert [len(split.adapt) for split in splits] == [160] * 5
    assert all(not set(split.adapt) & set(split.evaluate) for split in splits)
    again = make_splits(np.arange(200), np.tile([0, 1], 100), n_repeats=1)
    np.testing.assert_array_equal(splits[2].evaluate, again[2].evaluate)


def test_default_repeats():
    assert [default_repeats(n) for n in (8, 200, 201, 2000, 2001)] == [5, 5, 3, 3, 2]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=6, max_size=40), st.integers(2, 5), st.integers(0, 100))
def test_folds_are_a_partition(labels, n_splits, seed):
    y = np.array(labels)
    parts = folds(y, n_splits, True, [seed])
    assert len(parts) == n_splits
    assert sorted(np.concatenate([test for _, test in parts]).tolist()) == list(range(len(y)))
    assert all(set(train) | set(test) == set(range(len(y))) for train, test in parts)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["x", "y", "z"]), min_size=4, max_size=40), st.integers(0, 100), st.booleans())
def test_budgets_are_nested_and_serve_all_classes(labels, seed, stratify):
    y, rows = np.array(labels, dtype=object), np.arange(100, 100 + len(labels))
    previous: set[int] = set()
    for budget in range(1, len(rows) + 1):
        chosen = nested_budget(rows, y, budget, stratify, [seed])
        assert len(chosen) == budget
        assert previous < set(chosen.tolist()) <= set(rows.tolist())
        previous = set(chosen.tolist())
        if stratify:
            counts = {label: int(np.sum(y[chosen - 100] == label)) for label in set(labels)}
            for label, count in counts.items():  # a class has fewer only where it has no more rows
                assert count >= min(max(counts.values()) - 1, labels.count(label))
