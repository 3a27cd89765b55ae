from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from scipy import sparse
from scipy.stats import entropy as shannon

from sterna.select import _snd, snd


def snd_by_loops(rows, temperature):
    """The definition of the paper, one row after the other."""
    total = 0.0
    for i in range(len(rows)):
        others = [j for j in range(len(rows)) if j != i]
        cosines = [rows[i] @ rows[j] / np.linalg.norm(rows[i]) / np.linalg.norm(rows[j]) for j in others]
        weights = [math.exp(cosine / temperature) for cosine in cosines]
        total += shannon(weights)
    return total / len(rows)


@pytest.mark.parametrize("block", [1, 50, 10**6])
@pytest.mark.parametrize("temperature", [0.05, 1.0])
def test_equals_naive_loops_for_any_block(monkeypatch, block, temperature):
    monkeypatch.setattr(_snd, "_BLOCK", block)
    proba = np.random.default_rng(0).dirichlet(np.ones(4), size=23)
    assert snd(proba, temperature=temperature) == pytest.approx(snd_by_loops(proba, temperature))


def test_of_features_dense_and_sparse():
    rng = np.random.default_rng(1)
    proba, features = rng.dirichlet(np.ones(3), size=15), np.abs(rng.normal(size=(15, 6)))
    expected = pytest.approx(snd_by_loops(features, 0.05))
    assert snd(proba, features_target=features) == expected
    assert snd(proba, features_target=sparse.coo_matrix(features)) == expected


def test_groups_of_certain_rows_have_their_size_as_neighbours():
    proba = np.repeat(np.eye(3), [10, 10, 10], axis=0)
    assert snd(proba) == pytest.approx(math.log(9), abs=1e-4)
    assert snd(np.tile([0.2, 0.5, 0.3], (30, 1))) == pytest.approx(math.log(29))


def test_two_rows_have_one_neighbour():
    assert snd([[1.0, 0.0], [0.3, 0.7]]) == 0.0


def test_rows_of_zeros_are_no_nan():
    assert np.isfinite(snd(np.full((4, 2), 0.5), features_target=np.zeros((4, 3))))


def test_a_draw_of_rows_changes_little_but_the_number_of_neighbours():
    proba = np.random.default_rng(0).dirichlet(np.full(3, 0.1), size=4000)
    drawn = snd(proba, max_rows=1000, random_state=0)
    assert drawn == pytest.approx(snd(proba) - math.log(4), abs=0.1)
    assert drawn == snd(proba, max_rows=1000, random_state=0)
    assert drawn != snd(proba, max_rows=1000, random_state=1)


def test_memory_stays_far_below_all_pairs():
    proba = np.random.default_rng(0).dirichlet(np.ones(5), size=4000)
    tracemalloc.start()
    snd(proba)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60e6  # all pairs: 128 MB, several times over


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0}, "temperature is 0.0"),
        ({"temperature": "warm"}, "temperature is 'warm'; give a positive number"),
        ({"max_rows": 0}, "max_rows is 0; give a whole number of 2 or more"),
        ({"max_rows": 1}, "max_rows is 1"),
        ({"max_rows": 2.5}, "max_rows is 2.5"),
        ({"features_target": np.ones((3, 2))}, "features_target has 3 rows but proba_target has 2"),
        ({"features_target": np.full((2, 2), np.nan)}, "features_target holds NaN"),
    ],
)
def test_bad_options_get_a_sentence(options, message):
    with pytest.raises(ValueError, match=message):
        snd(np.eye(2), **options)


def test_a_single_row_has_no_neighbour():
    with pytest.raises(ValueError, match="needs two or more"):
        snd([[0.5, 0.5]])
