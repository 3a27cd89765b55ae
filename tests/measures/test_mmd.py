import numpy as np
import pytest
from scipy.stats import kstest

from sterna.measures import mmd


def by_loops(X, Y, bandwidth):
    """Equation 3 of the paper, term by term."""

    def k(x, y):
        return np.exp(-np.sum((x - y) ** 2) / (2 * bandwidth**2))

    m, n = len(X), len(Y)
    xx = sum(k(X[i], X[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    yy = sum(k(Y[i], Y[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    return xx + yy - 2 * sum(k(x, y) for x in X for y in Y) / (m * n)


@pytest.mark.parametrize("shift", [0.0, 1.0, 1000.0])
def test_equals_naive_loops(shift):
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(13, 3)), rng.normal(size=(9, 3)) + shift
    stack = np.vstack([X, Y])
    median = np.median([np.linalg.norm(stack[i] - stack[j]) for i in range(22) for j in range(i)])
    result = mmd(X, Y, n_permutations=20, random_state=0)
    assert result.bandwidth == pytest.approx(median)
    assert result.value == pytest.approx(by_loops(X, Y, median), abs=1e-9)
    assert mmd(X, Y, bandwidth=0.7, n_permutations=2).value == pytest.approx(by_loops(X, Y, 0.7), abs=1e-9)


def test_permutations_give_what_exchanging_rows_gives():
    """All 20 ways to choose 3 of 6 rows: the p-value comes near the share of them that is as large."""
    from itertools import combinations

    rng = np.random.default_rng(1)
    stack = rng.normal(size=(6, 2)) + np.repeat([[0.0], [1.5]], 3, axis=0)
    observed = mmd(stack[:3], stack[3:], n_permutations=4000, random_state=0)
    values = []
    for chosen in combinations(range(6), 3):
        rest = [i for i in range(6) if i not in chosen]
        values.append(by_loops(stack[list(chosen)], stack[rest], observed.bandwidth))
    assert observed.p_value == pytest.approx(np.mean(np.array(values) >= observed.value - 1e-12), abs=0.03)


def test_p_values_are_uniform_where_nothing_differs():
    p_values = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        p_values.append(mmd(rng.normal(size=(20, 2)), rng.normal(size=(30, 2)), n_permutations=99, random_state=seed).p_value)
    assert kstest(p_values, "uniform").pvalue > 0.001
    assert 0.01 <= np.mean(np.array(p_values) <= 0.05) <= 0.1


def test_finds_a_shift_and_keeps_to_its_rows():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(30000, 2)), rng.normal(size=(30000, 2)) + 0.5
    assert mmd(source, target, max_rows=300, n_permutations=200, random_state=0).p_value == pytest.approx(1 / 201)


def test_most_rows_equal_still_has_a_bandwidth():
    source, target = np.zeros((20, 1)), np.zeros((20, 1))
    target[0] = 1.0
    result = mmd(source, target, random_state=0)
    assert result.bandwidth > 0
    assert np.isfinite(result.value)


def test_a_bandwidth_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="bandwidth is -1"):
        mmd(np.ones((5, 1)), np.ones((5, 1)), bandwidth=-1)
