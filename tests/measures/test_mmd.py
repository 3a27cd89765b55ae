import numpy as np
import pytest
from scipy import sparse
from scipy.stats import kstest

from sterna.measures import mmd, mmd_block, mmd_linear_time, mmd_random_features


def by_loops(X, Y, bandwidth, biased=False):
    """Equation 3 (5 if biased) of the paper, term by term; of several bandwidths the mean of the kernels."""

    def k(x, y):
        return np.mean([np.exp(-np.sum((x - y) ** 2) / (2 * width**2)) for width in np.atleast_1d(bandwidth)])

    m, n = len(X), len(Y)
    if biased:
        xx, yy = (np.mean([k(x, x2) for x in A for x2 in A]) for A in (X, Y))
        return xx + yy - 2 * np.mean([k(x, y) for x in X for y in Y])
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


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("bandwidth", [0.7, [0.7], (0.3, 1.0, 4.0), np.array([0.5, 2.0])])
def test_one_kernel_or_many_biased_or_not_equal_loops(bandwidth, biased):
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(13, 3)), rng.normal(size=(9, 3)) + 0.5
    for form in (np.asarray, sparse.csr_array):
        result = mmd(form(X), form(Y), bandwidth=bandwidth, biased=biased, n_permutations=2)
        assert result.value == pytest.approx(by_loops(X, Y, bandwidth, biased), abs=1e-9)
        assert result.bandwidth == (bandwidth if np.isscalar(bandwidth) else tuple(bandwidth))


def test_the_biased_value_is_never_negative_and_has_uniform_p_values():
    found = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        pair = rng.normal(size=(15, 2)), rng.normal(size=(25, 2))
        found.append(mmd(*pair, biased=True, bandwidth=(0.5, 2.0), n_permutations=99, random_state=seed))
    assert min(result.value for result in found) >= 0
    assert kstest([result.p_value for result in found], "uniform").pvalue > 0.001
    X = np.random.default_rng(0).normal(size=(15, 2))
    assert mmd(X, X, biased=True, n_permutations=2).value == pytest.approx(0, abs=1e-12)


def test_a_common_offset_changes_nothing():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(60, 3)), rng.normal(size=(50, 3)) + 0.5
    here, far = mmd(X, Y, random_state=0), mmd(X + 1e8, Y + 1e8, random_state=0)
    assert far.value == pytest.approx(here.value, abs=1e-6)
    assert far.bandwidth == pytest.approx(here.bandwidth, rel=1e-6)


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


@pytest.mark.parametrize(
    ("bandwidth", "message"),
    [
        (-1, "bandwidth is -1; give a positive number"),
        (np.nan, "bandwidth is nan"),
        (np.inf, "bandwidth is inf"),
        ("median", "bandwidth is 'median'"),
        (True, "bandwidth is True"),
        ([], "bandwidth is an empty sequence"),
        ((1.0, 0.0), "bandwidth holds 0.0"),
        ([1.0, np.nan], "bandwidth holds nan"),
        ([[1.0]], r"bandwidth holds \[1.0\]"),
    ],
)
@pytest.mark.parametrize("measure", [mmd, mmd_block, mmd_linear_time, mmd_random_features])
def test_a_bandwidth_that_is_not_positive_is_refused(measure, bandwidth, message):
    with pytest.raises(ValueError, match=message):
        measure(np.ones((5, 1)), np.ones((5, 1)), bandwidth=bandwidth)
