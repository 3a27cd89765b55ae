"""How far columns of the target lie from what the source says of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.covariance import LedoitWolf

from sterna.measures._displacement import displacement


def hanging_together(n, rng):
    return rng.normal(size=(n, 2)) @ np.array([[1.0, 2.0, -1.0, 0.5], [0.5, -1.0, 1.0, 2.0]]) + 0.4 * rng.normal(size=(n, 4))


def naive(X, Z, parts):
    """By a regression of each column on the others, from the blocks of the covariance."""
    X, Z = X / X.std(axis=0), Z / X.std(axis=0)
    squares = np.zeros((2, 2, 4))
    for held in parts:
        fitted = LedoitWolf().fit(np.delete(X, held, axis=0))
        for j in range(4):
            others = [k for k in range(4) if k != j]
            beta = np.linalg.solve(fitted.covariance_[np.ix_(others, others)], fitted.covariance_[others, j])
            for i, (rows, n) in enumerate(((X[held], len(X)), (Z, 5 * len(Z)))):
                centred = rows - fitted.location_
                squares[0, i, j] += np.sum(centred[:, j] ** 2) / n
                squares[1, i, j] += np.sum((centred[:, j] - centred[:, others] @ beta) ** 2) / n
    ratios = squares[:, 1] / squares[:, 0]
    return ratios.prod(axis=1) ** 0.25


def test_it_is_that_of_one_regression_a_column():
    rng = np.random.default_rng(0)
    X, Z = hanging_together(63, rng), 2 * hanging_together(40, rng) + 1
    found = displacement(X, Z, np.random.RandomState(3))
    parts = np.array_split(np.random.RandomState(3).permutation(63), 5)
    assert [found.alone, found.together] == pytest.approx(naive(X, Z, parts).tolist())


def test_chosen_rows_keep_the_relations_that_another_scale_breaks():
    rng = np.random.default_rng(0)
    X, Z = hanging_together(800, rng), hanging_together(800, rng)
    chosen = displacement(X, Z[Z[:, 1] > 1], np.random.RandomState(0))
    assert chosen.alone > 1.2
    assert chosen.together < chosen.alone
    measured = displacement(X, Z * [1.0, 1.6, 0.6, 1.0] + [0.0, 0.0, 1.0, -1.0], np.random.RandomState(0))
    assert measured.together > 3 * measured.alone
    same = displacement(X, Z, np.random.RandomState(0))
    assert [same.alone, same.together] == pytest.approx([1, 1], abs=0.15)


def test_sparse_rows_many_columns_constant_columns_and_too_few_rows():
    rng = np.random.default_rng(0)
    X = rng.poisson(0.1, (50, 700)).astype(float)
    dense, thin = (displacement(rows, rows, np.random.RandomState(0)) for rows in (X, sparse.csr_array(X)))
    assert [dense.alone, dense.together] == pytest.approx([thin.alone, thin.together])
    X = np.column_stack([np.ones(20), rng.normal(size=20)])
    assert np.isfinite(displacement(X, X + 1, np.random.RandomState(0)).together)
    assert np.isnan(displacement(X[:, :1], X[:, :1], np.random.RandomState(0)).alone)
    assert np.isnan(displacement(X[:3], X, np.random.RandomState(0)).together)
    rounded = np.column_stack([0.1 + 1e-17 * rng.normal(size=20) + 1e-310 * rng.normal(size=20), rng.normal(size=20)])
    rounded[3, 0] = np.nextafter(0.1, 1)
    assert np.isfinite(displacement(rounded, rounded + 1e3, np.random.RandomState(0)).together)
    tiny = np.column_stack([1e-320 * rng.integers(0, 9, 20), rng.normal(size=20)])
    assert np.isfinite(displacement(tiny, tiny + 1, np.random.RandomState(0)).alone)
