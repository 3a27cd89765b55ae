import numpy as np
import pytest
from scipy import sparse
from scipy.stats import kstest, norm

from sterna.measures import _mmd_linear_time as module
from sterna.measures import mmd, mmd_linear_time
from sterna.measures._mmd_rows import shuffled_pair


def by_loop(X, Y, bandwidth):
    """Lemma 14 of the paper and the standard error of its mean; rows i and i + n/2 are a pair."""

    def k(x, y):
        return np.mean([np.exp(-np.sum((x - y) ** 2) / (2 * width**2)) for width in np.atleast_1d(bandwidth)])

    half = min(len(X), len(Y)) // 2
    pairs = [(X[i], X[half + i], Y[i], Y[half + i]) for i in range(half)]
    h = np.array([k(x, x2) + k(y, y2) - k(x, y2) - k(x2, y) for x, x2, y, y2 in pairs])
    return h.mean(), h.std(ddof=1) / np.sqrt(half)


@pytest.mark.parametrize("given", [None, (0.5, 2.0)])
@pytest.mark.parametrize("shift", [0.0, 1.0, 1000.0])
def test_equals_a_loop(shift, given, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK_ROWS", 4)
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(23, 3)), rng.normal(size=(19, 3)) + shift
    source, target, bandwidth, _ = shuffled_pair(X, Y, given, 100, 0)
    value, error = by_loop(source, target, bandwidth)
    for form in (np.asarray, sparse.csr_array):
        result = mmd_linear_time(form(X), form(Y), bandwidth=given, random_state=0)
        assert result.value == pytest.approx(value, abs=1e-7)
        assert result.p_value == pytest.approx(norm.sf(value / error), abs=1e-6)
        assert result.bandwidth == pytest.approx(bandwidth, rel=1e-9)


def test_is_the_discrepancy_on_average():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(40_000, 2)), rng.normal(size=(40_000, 2)) + 1
    few = mmd(source, target, bandwidth=1.0, n_permutations=1, random_state=0)
    assert mmd_linear_time(source, target, bandwidth=1.0, random_state=0).value == pytest.approx(few.value, abs=0.02)


def test_p_values_are_uniform_where_nothing_differs():
    p_values = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        pair = rng.normal(size=(400, 2)), rng.normal(size=(500, 2))
        p_values.append(mmd_linear_time(*pair, bandwidth=1.5, random_state=seed).p_value)
    assert kstest(p_values, "uniform").pvalue > 0.001
    assert np.mean(np.array(p_values) <= 0.05) <= 0.1


def test_sorted_rows_are_no_pairs():
    """Neighbouring rows of a file are often alike; paired as they stand, h would be too large."""
    rows = np.sort(np.random.default_rng(0).normal(size=4000))[:, None]
    assert mmd_linear_time(rows, rows[::-1], bandwidth=0.1, random_state=0).p_value > 0.01


def test_a_single_pair_and_constant_rows_have_a_p_value():
    rng = np.random.default_rng(0)
    assert mmd_linear_time(rng.normal(size=(3, 1)), rng.normal(size=(2, 1)) + 9, random_state=0).p_value == 1.0
    assert mmd_linear_time(np.zeros((20, 1)), np.zeros((20, 1)), random_state=0).p_value == 1.0
    assert mmd_linear_time(np.zeros((20, 1)), np.ones((20, 1)), random_state=0).p_value == 0.0


def test_a_bandwidth_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="bandwidth is 0"):
        mmd_linear_time(np.ones((5, 1)), np.ones((5, 1)), bandwidth=0)
