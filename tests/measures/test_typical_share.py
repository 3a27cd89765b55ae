"""How many target rows could be rows of the source."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.covariance import LedoitWolf

from sterna.measures._typical_share import typical_share


def hanging_together(n, rng):
    return rng.normal(size=(n, 2)) @ np.array([[1.0, 2.0, -1.0, 0.5], [0.5, -1.0, 1.0, 2.0]]) + 0.4 * rng.normal(size=(n, 4))


def naive(X, Z, parts):
    """Row by row: the quadratic form by a linear system, the limit by sorting."""
    X, Z = X / X.std(axis=0), Z / X.std(axis=0)
    shares = []
    for held in parts:
        fitted = LedoitWolf().fit(np.delete(X, held, axis=0))
        far = [
            [(x - fitted.location_) @ np.linalg.solve(fitted.covariance_, x - fitted.location_) for x in rows]
            for rows in (X[held], Z)
        ]
        place = 0.9 * (len(held) - 1)
        low, high = sorted(far[0])[int(place)], sorted(far[0])[min(int(place) + 1, len(held) - 1)]
        shares.append(np.mean([distance <= low + (place - int(place)) * (high - low) for distance in far[1]]))
    return np.mean(shares)


def test_it_is_that_of_distances_row_by_row():
    rng = np.random.default_rng(0)
    X, Z = hanging_together(63, rng), 1.5 * hanging_together(40, rng) + 0.3
    parts = np.array_split(np.random.RandomState(3).permutation(63), 5)
    found = typical_share(X, Z, np.random.RandomState(3))
    assert found == pytest.approx(naive(X, Z, parts))
    assert 0.2 < found < 0.8


@pytest.mark.parametrize("seed", range(5))
def test_chosen_rows_are_typical_and_measured_otherwise_they_are_not(seed):
    rng = np.random.default_rng(seed)
    X, Z = hanging_together(800, rng), hanging_together(800, rng)
    state = np.random.RandomState(seed)
    assert typical_share(X, Z, state) == pytest.approx(0.9, abs=0.05)
    assert typical_share(X, Z[Z[:, 1] > 1], state) > 0.6
    assert typical_share(X, Z * [1.0, 1.6, 0.6, 1.0] + [0.0, 0.0, 2.0, -2.0], state) < 0.1
    assert typical_share(X + 10, 0.4 * (Z + 10), state) < 0.1  # another unit of all columns, whose relations hold


def test_sparse_rows_many_columns_constant_columns_and_too_few_rows():
    rng = np.random.default_rng(0)
    X = rng.poisson(0.1, (50, 700)).astype(float)
    dense, thin = (typical_share(rows, rows, np.random.RandomState(0)) for rows in (X, sparse.csr_array(X)))
    assert dense == pytest.approx(thin)
    X = np.column_stack([np.ones(20), rng.normal(size=20)])
    assert typical_share(X, X + 9, np.random.RandomState(0)) == 0
    assert np.isnan(typical_share(X[:, :1], X[:, :1], np.random.RandomState(0)))
    assert np.isnan(typical_share(X[:3], X, np.random.RandomState(0)))
    rounded = np.column_stack([0.1 + 1e-17 * rng.normal(size=20) + 1e-310 * rng.normal(size=20), rng.normal(size=20)])
    rounded[3, 0] = np.nextafter(0.1, 1)
    assert np.isfinite(typical_share(rounded, rounded + 1e3, np.random.RandomState(0)))
    tiny = np.column_stack([1e-320 * rng.integers(0, 9, 20), rng.normal(size=20)])
    assert np.isfinite(typical_share(tiny, tiny + 1, np.random.RandomState(0)))
