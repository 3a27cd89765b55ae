import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import cdist
from scipy.stats import kstest

from sterna.measures import _energy_distance as module
from sterna.measures import energy_distance


def by_loops(X, Y):
    """The definition, term by term."""

    def mean(A, B):
        return sum(np.sqrt(np.sum((a - b) ** 2)) for a in A for b in B) / (len(A) * len(B))

    return 2 * mean(X, Y) - mean(X, X) - mean(Y, Y)


@pytest.mark.parametrize("shift", [0.0, 1.0, 1e6])
def test_equals_naive_loops(shift, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK_ENTRIES", 100)  # several blocks
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(13, 3)) + shift, rng.normal(size=(9, 3)) + shift / 2
    result = energy_distance(X, Y, n_permutations=5, random_state=0)
    assert result.value == pytest.approx(by_loops(X, Y), rel=1e-7)
    assert result.coefficient == pytest.approx(by_loops(X, Y) / (2 * cdist(X, Y).mean()), rel=1e-7)


def test_its_root_is_scipys_in_one_dimension():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(40, 1)), rng.exponential(size=(25, 1))
    assert np.sqrt(float(energy_distance(X, Y, n_permutations=0))) == pytest.approx(
        stats.energy_distance(X.ravel(), Y.ravel()), rel=1e-9
    )


def test_permutations_give_what_exchanging_rows_gives():
    """All 20 ways to choose 3 of 6 rows: the p-value comes near the share of them that is as large."""
    from itertools import combinations

    rng = np.random.default_rng(1)
    stack = rng.normal(size=(6, 2)) + np.repeat([[0.0], [1.5]], 3, axis=0)
    observed = energy_distance(stack[:3], stack[3:], n_permutations=4000, random_state=0)
    values = [by_loops(stack[list(c)], stack[[i for i in range(6) if i not in c]]) for c in combinations(range(6), 3)]
    assert observed.p_value == pytest.approx(np.mean(np.array(values) >= observed.value - 1e-12), abs=0.03)


def test_p_values_are_uniform_where_nothing_differs():
    p_values = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        pair = rng.normal(size=(20, 2)), rng.normal(size=(30, 2))
        p_values.append(energy_distance(*pair, n_permutations=99, random_state=seed).p_value)
    assert kstest(p_values, "uniform").pvalue > 0.001
    assert 0.01 <= np.mean(np.array(p_values) <= 0.05) <= 0.1


def test_finds_a_shift_and_keeps_to_its_rows():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(30000, 2)), rng.normal(size=(30000, 2)) + 0.5
    result = energy_distance(source, target, max_rows=300, n_permutations=200, random_state=0)
    assert result.p_value == pytest.approx(1 / 201)


def test_equal_rows_far_from_zero_are_no_distance():
    rows = np.full((5, 2), 1e8) + np.arange(5)[:, None]
    result = energy_distance(rows, rows, random_state=0)
    assert result.value == pytest.approx(0.0, abs=1e-6)
    assert result.p_value > 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_permutations": -1}, "n_permutations is -1"),
        ({"max_rows": 1}, "max_rows is 1"),
        ({"max_rows": 2.5}, "max_rows is 2.5"),
    ],
)
def test_bad_options_get_a_sentence(options, message):
    with pytest.raises(ValueError, match=message):
        energy_distance(np.ones((5, 1)), np.ones((5, 1)), **options)
