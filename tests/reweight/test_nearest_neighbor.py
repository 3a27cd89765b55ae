from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from sterna import CollapseWarning
from sterna.reweight import NearestNeighborRatio


def data(seed=0, n_source=80, n_target=60, d=2):
    rng = np.random.default_rng(seed)
    Xs, Xt = rng.normal(size=(n_source, d)), rng.normal(0.6, 0.7, size=(n_target, d))
    y = np.r_[Xs[:, 0], np.full(n_target, np.nan)]
    return Xs, Xt, (np.vstack([Xs, Xt]), y, np.repeat([1, -2], [n_source, n_target]))


@pytest.mark.parametrize(("n_neighbors", "smoothing"), [(1, 0.0), (1, 1.0), (4, 2.5), (200, 1.0)])
def test_equals_a_naive_count(n_neighbors, smoothing):
    Xs, Xt, (X, y, sample_domain) = data()
    counts = np.full(80, smoothing)
    for z in Xt:
        for i in sorted(range(80), key=lambda i: sum((Xs[i] - z) ** 2))[:n_neighbors]:
            counts[i] += 1
    model = NearestNeighborRatio(Ridge(), n_neighbors=n_neighbors, smoothing=smoothing, standardize=False)
    model.fit(X, y, sample_domain=sample_domain)
    np.testing.assert_allclose(model.weights_, counts / counts.mean())
    assert model.health_["unreached"] == pytest.approx(np.mean(counts == smoothing))


def test_many_target_rows_are_sampled_and_count_for_more_neighbours():
    Xs, Xt, (X, y, sample_domain) = data(n_source=90, n_target=300)
    options = {"n_neighbors": 3, "standardize": False, "random_state": 0}
    model = NearestNeighborRatio(Ridge(), max_target_rows=100, **options).fit(X, y, sample_domain=sample_domain)
    counts = np.ones(90)
    for z in Xt[np.random.RandomState(0).permutation(300)[:100]]:
        counts[sorted(range(90), key=lambda i: sum((Xs[i] - z) ** 2))[:9]] += 1
    np.testing.assert_allclose(model.weights_, counts / counts.mean())
    whole = NearestNeighborRatio(Ridge(), max_target_rows=None, **options).fit(X, y, sample_domain=sample_domain)
    assert np.corrcoef(whole.weights_, model.weights_)[0, 1] > 0.8


def test_all_target_rows_count_until_pairs_are_too_many(monkeypatch):
    _, _, (X, y, sample_domain) = data(n_source=90, n_target=300)

    def weights(**options):
        model = NearestNeighborRatio(Ridge(), random_state=0, **options)
        return model.fit(X, y, sample_domain=sample_domain).weights_

    np.testing.assert_array_equal(weights(), weights(max_target_rows=None))
    monkeypatch.setattr("sterna.reweight._nearest_neighbor._PAIRS", 90 * 100)
    np.testing.assert_array_equal(weights(), weights(max_target_rows=100))


def test_finds_the_true_ratio():
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(3000, 1)), rng.normal(0.7, 1, size=(3000, 1))
    X, y = np.vstack([Xs, Xt]), np.r_[Xs[:, 0], np.full(3000, np.nan)]
    model = NearestNeighborRatio(Ridge(), n_neighbors=50).fit(X, y, sample_domain=np.repeat([1, -2], 3000))
    inner = np.abs(Xs[:, 0]) < 2
    assert np.corrcoef(model.weights_[inner], np.exp(0.7 * Xs[inner, 0]))[0, 1] > 0.95


def test_target_rows_beyond_the_source_s_edge_are_a_warning():
    rng = np.random.default_rng(0)
    X = np.r_[rng.uniform(0, 1, (200, 1)), rng.uniform(5, 6, (200, 1))]
    y = np.r_[rng.normal(size=200), np.full(200, np.nan)]
    with pytest.warns(CollapseWarning, match="few rows .*; raise n_neighbors or smoothing"):
        model = NearestNeighborRatio(Ridge(), n_neighbors=1).fit(X, y, sample_domain=np.repeat([1, -2], 200))
    assert model.health_["unreached"] > 0.9
