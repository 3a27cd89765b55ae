"""otdd against the definition written out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.optimize import linear_sum_assignment

from sterna.measures import otdd


def data(n, offset=0.0, seed=0, d=3):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    return rng.normal(size=(n, d)) * (1 + y)[:, None] + 3 * y[:, None] + offset, y


@pytest.mark.parametrize("d", [3, 20])
def test_by_roots_of_matrices_and_assignment(d):
    (X, y), (Z, z) = data(24, d=d), data(24, 1.0, seed=1, d=d)
    between = np.empty((2, 2))
    for i in range(2):
        for j in range(2):
            S, T = np.cov(X[y == i].T), np.cov(Z[z == j].T)
            root = np.real(sqrtm(S))
            gap = X[y == i].mean(axis=0) - Z[z == j].mean(axis=0)
            between[i, j] = gap @ gap + np.trace(S + T - 2 * np.real(sqrtm(root @ T @ root)))
    cost = ((X[:, None] - Z) ** 2).sum(axis=-1) + between[np.ix_(y, z)]
    expected = np.sqrt(cost[linear_sum_assignment(cost)].mean())
    assert otdd(X, y, Z, z) == pytest.approx(expected, rel=1e-5)


def test_names_of_classes_do_not_matter_and_it_is_symmetric():
    (X, y), (Z, z) = data(30), data(40, 1.0, seed=1)
    value = otdd(X, y, Z, z)
    assert otdd(X, np.array(["b", "a"])[y], Z, 1 - z) == pytest.approx(value)
    assert otdd(Z, z, X, y) == pytest.approx(value)
    assert otdd(X, y, X, y) == pytest.approx(0, abs=1e-6)


def test_the_same_rows_with_other_classes_are_apart():
    X, y = data(40)
    assert otdd(X, y, X, np.arange(40) // 20) > 0.5


def test_rows_are_drawn_with_the_seed():
    (X, y), (Z, z) = data(300), data(300, 1.0, seed=1)
    assert otdd(X, y, Z, z, max_rows=50, random_state=0) == otdd(X, y, Z, z, max_rows=50, random_state=0)
    assert otdd(X, y, Z, z, max_rows=50, random_state=0) != otdd(X, y, Z, z, max_rows=50, random_state=1)


def test_a_class_of_one_row_and_more_features_than_rows():
    X, y = data(8, d=50)
    y = np.where(np.arange(8) == 7, 2, y)
    assert np.isfinite(otdd(X, y, X + 1, y))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: (X, y, X[:, :2], y), "X_source has 3 columns but X_target has 2"),
        (lambda X, y: (X, np.zeros(30), X, y), r"otdd \(source\): y holds one class only"),
        (lambda X, y: (X, y, np.where(X > 4, np.nan, X), y), r"otdd \(target\): features holds NaN"),
        (lambda X, y: (X, y, X, X[:, 0]), r"otdd \(target\): y holds .* a value and not a class"),
    ],
)
def test_bad_input_is_told(change, message):
    with pytest.raises(ValueError, match=message):
        otdd(*change(*data(30)))
