"""What target rows are for a source that has not seen them."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
from scipy import sparse
from sklearn.covariance import LedoitWolf

from sterna.measures._column_change import column_change


def hanging_together(n, rng):
    return rng.normal(size=(n, 2)) @ np.array([[1.0, 2.0, -1.0, 0.5], [0.5, -1.0, 1.0, 2.0]]) + 0.4 * rng.normal(size=(n, 4))


def naive(X, Z, parts):
    """By a regression of each column on the others, from the blocks of the covariance; row by row, the limit by sorting."""
    X, Z = X / X.std(axis=0), Z / X.std(axis=0)
    squares, shares = np.zeros((2, 2, 4)), []
    for held in parts:
        fitted = LedoitWolf().fit(np.delete(X, held, axis=0))
        for j in range(4):
            others = [k for k in range(4) if k != j]
            beta = np.linalg.solve(fitted.covariance_[np.ix_(others, others)], fitted.covariance_[others, j])
            for i, (rows, n) in enumerate(((X[held], len(X)), (Z, 5 * len(Z)))):
                centred = rows - fitted.location_
                squares[0, i, j] += np.sum(centred[:, j] ** 2) / n
                squares[1, i, j] += np.sum((centred[:, j] - centred[:, others] @ beta) ** 2) / n
        far = [
            [(x - fitted.location_) @ np.linalg.solve(fitted.covariance_, x - fitted.location_) for x in rows]
            for rows in (X[held], Z)
        ]
        place = 0.9 * (len(held) - 1)
        low, high = sorted(far[0])[int(place)], sorted(far[0])[min(int(place) + 1, len(held) - 1)]
        shares.append(np.mean([distance <= low + (place - int(place)) * (high - low) for distance in far[1]]))
    ratios = squares[:, 1] / squares[:, 0]
    outside = [
        np.mean([np.quantile(x, 0.05) <= value <= np.quantile(x, 0.95) for value in z]) < 0.1
        for x, z in zip(X.T, Z.T, strict=True)
    ]
    return [np.mean(shares), *ratios.prod(axis=1) ** 0.25, sum(outside)]


def test_it_is_that_of_one_regression_a_column_and_of_distances_row_by_row():
    rng = np.random.default_rng(0)
    X, Z = hanging_together(63, rng), 1.5 * hanging_together(40, rng) + 0.3
    found = column_change(X, Z, np.random.RandomState(3))
    parts = np.array_split(np.random.RandomState(3).permutation(63), 5)
    assert astuple(found) == pytest.approx(naive(X, Z, parts))
    assert 0.2 < found.typical < 0.8
    Z[:, :2] += 9
    assert astuple(column_change(X, Z, np.random.RandomState(3))) == pytest.approx(naive(X, Z, parts))
    assert column_change(X, Z, np.random.RandomState(3)).n_outside == 2


@pytest.mark.parametrize("seed", range(5))
def test_chosen_rows_are_typical_and_measured_otherwise_they_are_not(seed):
    rng = np.random.default_rng(seed)
    X, Z = hanging_together(800, rng), hanging_together(800, rng)
    state = np.random.RandomState(seed)
    same = column_change(X, Z, state)
    assert same.typical == pytest.approx(0.9, abs=0.05)
    assert [same.alone, same.together] == pytest.approx([1, 1], abs=0.2)
    chosen = column_change(X, Z[Z[:, 1] > 1], state)
    assert chosen.typical > 0.6
    assert chosen.together < chosen.alone
    assert column_change(X, Z * [1.0, 1.6, 0.6, 1.0] + [0.0, 0.0, 2.0, -2.0], state).typical < 0.1
    assert column_change(X + 10, 0.4 * (Z + 10), state).typical < 0.1  # another unit of all columns, whose relations hold
    mirrored = column_change(X, Z * [1, -1, 1, 1], state)
    assert mirrored.alone == pytest.approx(1, abs=0.2)
    assert mirrored.together > 4


def test_sparse_rows_many_columns_constant_columns_and_too_few_rows():
    rng = np.random.default_rng(0)
    X = rng.poisson(0.1, (50, 700)).astype(float)
    dense, thin = (astuple(column_change(rows, rows, np.random.RandomState(0))) for rows in (X, sparse.csr_array(X)))
    assert dense == pytest.approx(thin)
    X = np.column_stack([np.ones(20), rng.normal(size=20)])
    assert column_change(X, X + 9, np.random.RandomState(0)).typical == 0
    for nothing in (
        column_change(X[:, :1], X[:, :1], np.random.RandomState(0)),
        column_change(X[:3], X, np.random.RandomState(0)),
    ):
        assert np.isnan([nothing.typical, nothing.alone, nothing.together]).all()
        assert nothing.n_outside == 0
    rounded = np.column_stack([0.1 + 1e-17 * rng.normal(size=20) + 1e-310 * rng.normal(size=20), rng.normal(size=20)])
    rounded[3, 0] = np.nextafter(0.1, 1)
    assert np.isfinite(astuple(column_change(rounded, rounded + 1e3, np.random.RandomState(0)))).all()
    tiny = np.column_stack([1e-320 * rng.integers(0, 9, 20), rng.normal(size=20)])
    assert np.isfinite(astuple(column_change(tiny, tiny + 1, np.random.RandomState(0)))).all()
