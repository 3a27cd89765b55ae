"""Likeness of representations against the formulas written out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr
from sklearn.cross_decomposition import CCA

import sterna
from sterna.measures import cka, rsa, svcca

ALIKE = {name: measure for name, measure in sterna.all_measures().items() if measure.takes == "representations"}
each_measure = pytest.mark.parametrize("measure", ALIKE.values(), ids=ALIKE)


def layers(n=40, widths=(6, 9), seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, widths[0]))
    return X, X[:, :3] @ rng.normal(size=(3, widths[1])) + rng.normal(size=(n, widths[1]))


@pytest.mark.parametrize("widths", [(6, 9), (70, 90)])
def test_cka_by_gram_matrices(widths):
    X, Y = layers(widths=widths)
    H = np.eye(40) - 1 / 40
    K, L = H @ X @ X.T @ H, H @ Y @ Y.T @ H
    expected = np.sum(K * L) / np.sqrt(np.sum(K * K) * np.sum(L * L))
    assert cka(X, Y, unbiased=False) == pytest.approx(expected, abs=1e-10)


def u_centred(K):
    """Song et al.: rows, columns and the sum are taken out, and the diagonal is 0."""
    n = len(K)
    K = K - np.diag(np.diag(K))
    K = K - K.sum(axis=0) / (n - 2) - K.sum(axis=1)[:, None] / (n - 2) + K.sum() / ((n - 1) * (n - 2))
    return K - np.diag(np.diag(K))


@pytest.mark.parametrize("widths", [(6, 9), (70, 90)])
def test_unbiased_cka_by_u_centred_gram_matrices(widths):
    X, Y = layers(widths=widths)
    K, L = u_centred(X @ X.T), u_centred(Y @ Y.T)
    expected = np.sum(K * L) / np.sqrt(np.sum(K * K) * np.sum(L * L))
    assert cka(X, Y) == pytest.approx(expected, abs=1e-10)


def test_unbiased_cka_of_independent_features_is_zero_on_average():
    found = [cka(*np.random.default_rng(seed).normal(size=(2, 20, 100))) for seed in range(200)]
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(200)
    assert cka(*np.random.default_rng(0).normal(size=(2, 20, 100)), unbiased=False) > 0.7


def test_cka_of_float32_far_from_the_origin():
    X, Y = layers()
    assert cka((X + 1000).astype(np.float32), Y.astype(np.float32)) == pytest.approx(cka(X, Y), abs=1e-3)
    assert cka(X + 1e6, Y) == pytest.approx(cka(X, Y), abs=1e-5)


def test_svcca_by_canonical_correlations():
    X, Y = layers(n=200)
    scores = CCA(6, max_iter=5000, tol=1e-12).fit(X, Y).transform(X, Y)
    pairs = zip(scores[0].T, scores[1].T, strict=True)
    assert svcca(X, Y, variance_kept=1.0) == pytest.approx(np.mean([np.corrcoef(a, b)[0, 1] for a, b in pairs]), abs=1e-3)


def test_svcca_keeps_the_leading_directions():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 3)) * [10, 1e-3, 1e-3]
    assert svcca(X, X[:, :1]) == pytest.approx(1.0)


def test_rsa_by_scipy():
    X, Y = layers()
    assert rsa(X, Y) == pytest.approx(spearmanr(pdist(X), pdist(Y)).statistic)


@each_measure
def test_rotations_and_scales_do_not_matter(measure):
    X, Y = layers()
    Q = np.linalg.qr(np.random.default_rng(1).normal(size=(9, 9)))[0]
    assert measure(X, 7 * Y @ Q + 3) == pytest.approx(measure(X, Y), abs=1e-9)
    assert measure(Y, X) == pytest.approx(measure(X, Y))
    assert measure(X, X) == pytest.approx(1.0)


@each_measure
def test_maps_are_flattened(measure):
    X, Y = layers(widths=(6, 12))
    assert measure(X, Y.reshape(40, 3, 2, 2)) == pytest.approx(measure(X, Y))


@each_measure
def test_undefined_where_rows_do_not_differ(measure):
    X, _ = layers()
    assert np.isnan(measure(X, np.full((40, 3), 0.1)))
    assert np.isnan(measure(np.full((40, 3), 1e8 / 3), X))


@each_measure
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, Y: (X[:-1], Y), "first has 39 rows, second 40"),
        (lambda X, Y: (X[:3], Y[:3]), "3 rows; give four"),
        (lambda X, Y: (X, np.where(np.arange(40)[:, None] == 1, np.nan, Y)), "second holds NaN"),
        (lambda X, Y: (X[:, 0], Y), "first has the shape .40,."),
        (lambda X, Y: (X, Y.astype(str).tolist()[:39] + [["a"] * 9]), "no numbers"),
    ],
)
def test_bad_input_is_told(measure, change, message):
    with pytest.raises(ValueError, match=f"{measure.__name__}: .*{message}"):
        measure(*change(*layers()))
