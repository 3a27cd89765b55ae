import numpy as np
import pytest
from scipy import sparse

from sterna.measures import _mmd_random_features as module
from sterna.measures import mmd, mmd_random_features


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("shift", [0.0, 0.5, 2.0])
def test_comes_near_the_kernel_with_many_frequencies(shift, form):
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(60, 3)), rng.normal(size=(80, 3)) + shift
    exact = mmd(X, Y, bandwidth=1.5, n_permutations=1).value
    value = mmd_random_features(form(X), form(Y), bandwidth=1.5, n_frequencies=20_000, random_state=0)
    assert value == pytest.approx(exact, abs=0.005)
    exact = mmd(X, Y, bandwidth=(0.5, 1.5, 4.0), n_permutations=1).value
    value = mmd_random_features(form(X), form(Y), bandwidth=(0.5, 1.5, 4.0), n_frequencies=20_000, random_state=0)
    assert value == pytest.approx(exact, abs=0.005)


@pytest.mark.parametrize(("given", "widths"), [(1.5, [1.5] * 5), ((1.0, 3.0), [1.0, 3.0] * 3)])
def test_equals_a_double_loop_over_the_same_frequencies(given, widths, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK_ENTRIES", 30)  # several blocks
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(9, 2)), rng.normal(size=(7, 2)) + 1
    state = np.random.RandomState(0)
    state.randint(2**31 - 1)
    frequencies = state.normal(size=(2, len(widths))) / widths

    def k(x, y):
        return np.mean(np.cos((x - y) @ frequencies))

    xx = np.mean([k(X[i], X[j]) for i in range(9) for j in range(9) if i != j])
    yy = np.mean([k(Y[i], Y[j]) for i in range(7) for j in range(7) if i != j])
    expected = xx + yy - 2 * np.mean([k(x, y) for x in X for y in Y])
    value = mmd_random_features(X, Y, n_frequencies=5, bandwidth=given, random_state=0)
    assert value == pytest.approx(expected, abs=1e-9)


def test_bounds_hold_with_a_single_frequency():
    """Opposite cosines: 1 + 1 + 2, beyond what the kernel allows."""
    low, high = mmd_random_features.bounds
    values = [
        mmd_random_features(np.zeros((50, 1)), np.full((50, 1), 3.0), bandwidth=1.0, n_frequencies=1, random_state=seed)
        for seed in range(100)
    ]
    assert low <= min(values)
    assert 3.9 < max(values) <= high


def test_is_zero_on_average_where_nothing_differs():
    values = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        pair = rng.normal(size=(30, 2)), rng.normal(size=(20, 2))
        values.append(mmd_random_features(*pair, n_frequencies=20, bandwidth=1.5, random_state=seed))
    assert abs(np.mean(values)) < 3 * np.std(values) / 10
    assert min(values) < 0 < max(values)


def test_takes_many_rows():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(50_000, 2)), rng.normal(size=(50_000, 2)) + 0.05
    assert mmd_random_features(source, target, n_frequencies=50, random_state=0) > 2e-4
    assert abs(mmd_random_features(source, rng.normal(size=(50_000, 2)), n_frequencies=50, random_state=0)) < 1e-4


@pytest.mark.parametrize(
    ("options", "message"),
    [({"n_frequencies": 0}, "n_frequencies is 0"), ({"bandwidth": -1}, "bandwidth is -1"), ({"max_rows": 1}, "max_rows is 1")],
)
def test_bad_options_get_a_sentence(options, message):
    with pytest.raises(ValueError, match=message):
        mmd_random_features(np.ones((5, 1)), np.ones((5, 1)), **options)
