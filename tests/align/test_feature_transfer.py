"""FeatureTransfer against closed forms of partial least squares."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge

from sterna import NegativeTransferWarning
from sterna.align import FeatureTransfer
from sterna.baselines import SourceOnly, TargetOnly


def regression(case, seed=0, d=8, n=60):
    """Two directions carry the label; the target uses them with other signs and another offset."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(2 * n, d))
    u = X @ rng.normal(size=(d, 2)) / np.sqrt(d)
    y = np.concatenate([u[:n] @ [1, 0.4], 7 - 2 * u[n:] @ [1, 0.4]]) + 0.1 * rng.normal(size=2 * n)
    return case(X[:n], y[:n], X[n:], y[n:])


def standardized(X):
    return (X - X.mean(axis=0)) / X.std(axis=0)


def test_first_direction_is_the_covariance_with_the_label(case):
    data = regression(case)
    model = data.fit(FeatureTransfer(Ridge(), n_components=1), n_labelled=12)
    score = standardized(data.Xs) @ (standardized(data.Xs).T @ (data.ys - data.ys.mean()))
    np.testing.assert_allclose(abs(model._map_source(data.Xs)[:, 0]), abs(score / score.std()))


@pytest.mark.parametrize("k", [2, 3, 8])
def test_least_squares_on_the_source_is_krylovs(case, k):
    """PLS with one response spans b, A b, A^2 b ... with A = X^T X and b = X^T y."""
    data = regression(case)
    model = data.fit(FeatureTransfer(LinearRegression(), n_components=k), n_labelled=12)
    Z = standardized(data.Xs)
    krylov = [Z.T @ (data.ys - data.ys.mean())]
    for _ in range(k - 1):
        krylov.append(Z.T @ (Z @ krylov[-1]) / len(Z))
    basis = np.linalg.qr(np.array(krylov).T / np.linalg.norm(krylov, axis=1))[0]
    expected = LinearRegression().fit(Z @ basis, data.ys)
    head = LinearRegression().fit(model._map_source(data.Xs), data.ys)
    np.testing.assert_allclose(head.predict(model._map_source(data.Xs)), expected.predict(Z @ basis), atol=1e-6)
    assert model.health_["source_r2"] == pytest.approx(expected.score(Z @ basis, data.ys))


def test_components_have_their_relevance_as_deviation(case):
    data = regression(case)
    model = data.fit(FeatureTransfer(Ridge(), n_components=4), n_labelled=12)
    represented = model._map_source(data.Xs)
    np.testing.assert_allclose(represented.std(axis=0), model.relevance_)
    squares = [np.corrcoef(column, data.ys)[0, 1] ** 2 for column in represented.T]
    np.testing.assert_allclose(model.relevance_**2, squares / np.max(squares))


def test_head_is_trained_on_the_target_alone(case):
    data = regression(case)
    model = data.fit(FeatureTransfer(Ridge()), n_labelled=12)
    head = Ridge().fit(model.represent(data.Xt[:12]), data.yt[:12])
    np.testing.assert_allclose(model.predict(data.Xt), head.predict(model.represent(data.Xt)))
    assert model.health_["head_on_target"]


def test_head_that_would_miss_a_class_keeps_the_source(small):
    case = small()
    one_class = type(case)(case.Xs, case.ys, case.Xt, np.zeros_like(case.yt))
    model = one_class.fit(FeatureTransfer(), n_labelled=5)
    assert not model.health_["head_on_target"]
    rows = np.concatenate([case.Xs, case.Xt[:5]])
    head = LogisticRegression(max_iter=1000).fit(model.represent(rows), np.concatenate([case.ys, np.zeros(5)]))
    np.testing.assert_allclose(model.predict_proba(case.Xt), head.predict_proba(model.represent(case.Xt)))


def test_a_head_worse_than_the_source_is_doubted(case):
    """The same rule in both domains: twelve labels teach less than the source knows."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(800, 40))
    y = X @ rng.normal(size=40) + 0.1 * rng.normal(size=800)
    data = case(X[:400], y[:400], X[400:], y[400:])
    with pytest.warns(NegativeTransferWarning, match="12 labelled target rows.*squared error.*SourceOnly"):
        model = data.fit(FeatureTransfer(Ridge(), n_components=2), n_labelled=12)
    plain = Ridge().fit(data.Xs, data.ys)
    assert model.health_["source_loss"] == pytest.approx(np.mean((plain.predict(data.Xt[:12]) - data.yt[:12]) ** 2))
    folds = [(np.delete(np.arange(12), i), i) for i in range(12)]
    assert model.health_["head_loss"] > 10 * model.health_["source_loss"]
    heads = [Ridge().fit(model.represent(data.Xt[a]), data.yt[a]).predict(model.represent(data.Xt[[i]]))[0] for a, i in folds]
    assert model.health_["head_loss"] == pytest.approx(np.mean((np.array(heads) - data.yt[:12]) ** 2), rel=0.3)  # ten folds


def test_cures_other_coefficients_on_the_same_directions(case):
    over_source, over_target = [], []
    for seed in range(5):
        data = regression(case, seed, d=40, n=300)
        score = data.score(FeatureTransfer(Ridge()), n_labelled=15)
        over_source.append(score - data.score(SourceOnly(Ridge()), n_labelled=15))
        over_target.append(score - data.score(TargetOnly(Ridge()), n_labelled=15))
    assert min(over_source) > 0.5
    assert min(over_target) > 0.1


def test_cures_turned_classes(case):
    """The classes are swapped in the target: fifteen labels suffice in the right directions."""
    gains = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        ys, yt = rng.integers(3, size=(2, 300))
        centres = 1.2 * rng.normal(size=(3, 40)) / np.sqrt(8)
        data = case(
            rng.normal(size=(300, 40)) + 3 * centres[ys], ys, rng.normal(size=(300, 40)) + 3 * centres[yt], (yt + 1) % 3
        )
        score = data.score(FeatureTransfer(), n_labelled=15)
        gains.append(score - data.score(SourceOnly(), n_labelled=15))
    assert min(gains) > 0.5


def test_repeated_and_constant_features_add_no_components(case):
    data = regression(case, d=3)
    Xs, Xt = (np.column_stack([X, X, np.full(len(X), 7.0)]) for X in (data.Xs, data.Xt))
    model = case(Xs, data.ys, Xt, data.yt).fit(FeatureTransfer(Ridge()), n_labelled=10)
    expected = data.fit(FeatureTransfer(Ridge()), n_labelled=10)
    assert model.health_["n_components"] == 3
    np.testing.assert_allclose(model.predict(Xt), expected.predict(data.Xt), atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fragile_inputs(case, dtype):
    data = regression(case, d=200, n=20)
    wide = case(data.Xs.astype(dtype), data.ys, data.Xt.astype(dtype), data.yt)
    assert np.isfinite(wide.fit(FeatureTransfer(Ridge(), n_components=50), n_labelled=2).predict(data.Xt)).all()
    with pytest.raises(ValueError, match="all alike"):
        case(np.ones((5, 2)), np.arange(5), np.ones((5, 2)), np.arange(5)).fit(FeatureTransfer(Ridge()), n_labelled=2)
