import numpy as np
import pytest
from scipy import sparse
from scipy.linalg import sqrtm

from sterna.measures import frechet_distance


def by_roots(X, Y):
    """The definition, with a root of each covariance: (C_s^(1/2) C_t C_s^(1/2))^(1/2) has the trace of (C_s C_t)^(1/2)."""

    def root(C):
        values, vectors = np.linalg.eigh(C)
        return vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T

    C_s, C_t = np.cov(X, rowvar=False), np.cov(Y, rowvar=False)
    middle = root(root(C_s) @ C_t @ root(C_s))
    return np.sum((X.mean(axis=0) - Y.mean(axis=0)) ** 2) + np.trace(C_s + C_t - 2 * middle)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("d", [2, 20, 60])  # fewer columns than rows, between the two numbers of rows, more
def test_equals_the_definition(d, form):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, d)) @ rng.normal(size=(d, d)) + 1
    Y = 3 * rng.normal(size=(12, d)) * rng.integers(0, 2, size=(12, d))
    assert frechet_distance(form(X), form(Y)) == pytest.approx(by_roots(X, Y), rel=1e-6)
    assert frechet_distance(form(Y), form(X)) == pytest.approx(by_roots(X, Y), rel=1e-6)


def test_equals_the_published_matrix_root():
    """Heusel et al. take the root of the non-symmetric product; with many rows that works too."""
    rng = np.random.default_rng(1)
    X, Y = rng.normal(size=(300, 4)), rng.normal(size=(200, 4)) @ rng.normal(size=(4, 4)) + 0.5
    C_s, C_t = np.cov(X.T), np.cov(Y.T)
    expected = np.sum((X.mean(0) - Y.mean(0)) ** 2) + np.trace(C_s + C_t - 2 * np.real(sqrtm(C_s @ C_t)))
    assert frechet_distance(X, Y) == pytest.approx(expected, rel=1e-9)


def test_closed_form_of_axis_parallel_gaussians():
    """||m||^2 + sum (s_i - t_i)^2 of the standard deviations."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 3)) * [1, 2, 3]
    Y = rng.normal(size=(2000, 3)) * [3, 2, 1] + [1, 0, 2]
    assert frechet_distance(X, Y) == pytest.approx(5 + 4 + 4, rel=0.05)


@pytest.mark.parametrize("n", [10, 100])
def test_a_pure_shift_costs_its_square_and_nothing_else(n):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 30))
    assert frechet_distance(X, X) == pytest.approx(0.0, abs=1e-10)
    assert frechet_distance(X + 1e4, X[::-1] + 1e4 + 0.5) == pytest.approx(30 * 0.25, rel=1e-6)


def test_draws_rows():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(3000, 2)), 2 * rng.normal(size=(3000, 2))
    few = [frechet_distance(source, target, max_rows=200, random_state=seed) for seed in (0, 0, 1)]
    assert few[0] == few[1] != few[2]
