import tracemalloc

import numpy as np
import pytest
from scipy import sparse

from sterna.measures import _centred, _coral_distance, coral_distance


def by_definition(X, Y, standardize):
    if standardize:
        deviation = np.sqrt((X.var(axis=0) + Y.var(axis=0)) / 2)
        X, Y = X / deviation, Y / deviation
    gap = np.cov(X, rowvar=False) - np.cov(Y, rowvar=False)
    return np.trace(gap @ gap.T) / (4 * X.shape[1] ** 2)


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("d", [3, 15, 60])
def test_equals_the_definition(d, form, standardize, monkeypatch):
    for module in (_centred, _coral_distance):
        monkeypatch.setattr(module, "BLOCK_ENTRIES", 100)  # several blocks
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, d)) @ rng.normal(size=(d, d)) + 1
    Y = 3 * rng.normal(size=(14, d)) * rng.integers(0, 2, size=(14, d)) + rng.normal(size=d) * (form is np.asarray)
    Y[0] = 1.0  # no column is constant
    value = coral_distance(form(X), form(Y), standardize=standardize)
    assert value == pytest.approx(by_definition(X, Y, standardize), rel=1e-9)


def test_closed_form_of_two_gaussians():
    rng = np.random.default_rng(0)
    value = coral_distance(rng.normal(size=(5000, 2)), 2 * rng.normal(size=(5000, 2)), standardize=False)
    assert value == pytest.approx(2 * 3**2 / 16, rel=0.1)


@pytest.mark.parametrize("n", [10, 200])
def test_is_blind_to_means_and_to_units(n):
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(n, 30)), rng.normal(size=(n, 30)) * np.linspace(1, 3, 30)
    value = coral_distance(source, target)
    assert coral_distance(source, target + 1e4) == pytest.approx(value, rel=1e-6)
    units = np.logspace(-6, 6, 30)
    assert coral_distance(source * units, target * units) == pytest.approx(value, rel=1e-6)
    assert coral_distance(source, source[::-1] + 7) == pytest.approx(0.0, abs=1e-12)


def test_a_constant_column_adds_nothing():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(50, 2)), 2 * rng.normal(size=(50, 2))
    wider = [np.hstack([X, np.full((50, 1), 0.1)]) for X in (source, target)]
    assert coral_distance(*wider) == pytest.approx(coral_distance(source, target) * 4 / 9, rel=1e-9)
    assert coral_distance(np.zeros((9, 3)), np.ones((7, 3))) == 0


def test_wide_data_needs_no_square_matrix():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(20, 20_000)), rng.normal(size=(30, 20_000))
    tracemalloc.start()
    coral_distance(source, target)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6  # a 20000 x 20000 matrix takes 3200 MB


def test_draws_rows():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(3000, 2)), 2 * rng.normal(size=(3000, 2))
    few = [coral_distance(source, target, max_rows=200, random_state=seed) for seed in (0, 0, 1)]
    assert few[0] == few[1] != few[2]
