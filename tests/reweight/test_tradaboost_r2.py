from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.tree import DecisionTreeRegressor

from sterna import CollapseWarning
from sterna.baselines import TargetOnly
from sterna.reweight import TrAdaBoostR2
from sterna.reweight._tradaboost_r2 import _WeightedMedian


def half_right(seed, n=300, m=15, share=0.5):
    """A source of which a share follows the target's relation and the rest is 4 higher."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n + m + 500, 6))
    y = X @ [1.0, -2.0, 0.5, 0.0, 1.0, 0.0] + 0.5 * rng.normal(size=len(X))
    n_wrong = round(n * (1 - share))
    y[:n_wrong] += 4
    return X[: n + m], y[: n + m], np.repeat([1, -2], [n, m]), X[n + m :], y[n + m :], n_wrong


@pytest.mark.parametrize("n_estimators", [1, 4, 7])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_equals_a_naive_loop(n_estimators, share):
    X, y, sample_domain, X_test, _, _ = half_right(0, n=60, m=12)
    n, m, N, X_test = 60, 12, n_estimators, X_test[:40]
    base = DecisionTreeRegressor(max_depth=2, random_state=0)
    model = TrAdaBoostR2(base, n_estimators=N, initial_target_share=share).fit(X, y, sample_domain=sample_domain)
    w = [1.0] * 72 if not share else [0.5 / 60] * 60 + [0.5 / 12] * 12
    beta = 1 / (1 + np.sqrt(2 * np.log(n) / N))
    predictions, betas = [], []
    for _ in range(N):
        p = np.array(w) / sum(w)
        h = DecisionTreeRegressor(max_depth=2, random_state=0).fit(X, y, sample_weight=p * (n + m))
        residual = [abs(a - b) for a, b in zip(h.predict(X), y, strict=True)]
        adjusted = [r / max(residual) for r in residual]
        error = sum(p[i] * adjusted[i] for i in range(n, n + m)) / sum(p[n:])
        assert 0 < error < 0.5
        betas.append(error / (1 - error))
        w = [w[i] * (beta ** adjusted[i] if i < n else betas[-1] ** -adjusted[i]) for i in range(n + m)]
        predictions.append(h.predict(X_test))
    first = int(np.ceil(N / 2)) - 1
    votes = np.log(1 / np.array(betas))
    np.testing.assert_allclose(model.votes_, votes)
    np.testing.assert_allclose(model.weights_ / model.weights_.sum(), np.array(w) / sum(w))
    for i, found in enumerate(model.predict(X_test)):
        pairs = sorted((predictions[t][i], votes[t]) for t in range(first, N))
        reached = 0.0
        while reached < votes[first:].sum() / 2 - 1e-12:
            value, vote = pairs.pop(0)
            reached += vote
        assert found == pytest.approx(value)


class Says:
    def __init__(self, value):
        self.value = value

    def predict(self, X):
        return np.full(len(X), self.value)


@pytest.mark.parametrize(("votes", "median"), [([1, 1, 1], 2.0), ([5, 1, 1], 9.0), ([1, 1, 3], 1.0)])
def test_weighted_median(votes, median):
    ensemble = _WeightedMedian([Says(9.0), Says(2.0), Says(1.0)], np.array(votes, dtype=float))
    np.testing.assert_array_equal(ensemble.predict(np.zeros((4, 1))), median)


def test_beats_the_source_and_finds_its_useful_part():
    ratios, kept = [], []
    for seed in range(8):
        X, y, sample_domain, X_test, y_test, n_wrong = half_right(seed)
        model = TrAdaBoostR2().fit(X, y, sample_domain=sample_domain)
        source = Ridge().fit(X[:300], y[:300])
        ratios.append(np.mean((model.predict(X_test) - y_test) ** 2) / np.mean((source.predict(X_test) - y_test) ** 2))
        kept.append(model.weights_[n_wrong:300].mean() / model.weights_[:n_wrong].mean())
    assert np.median(ratios) < 0.4
    assert max(ratios) < 1
    assert np.median(kept) > 2


def test_beats_the_target_alone_where_most_of_the_source_is_right():
    ratios = []
    for seed in range(8):
        X, y, sample_domain, X_test, y_test, _ = half_right(seed, m=8, share=0.9)
        both = [cls(Ridge()).fit(X, y, sample_domain=sample_domain) for cls in (TrAdaBoostR2, TargetOnly)]
        errors = [np.mean((model.predict(X_test) - y_test) ** 2) for model in both]
        ratios.append(errors[0] / errors[1])
    assert np.median(ratios) < 0.7


def test_a_perfect_first_round_is_a_warning():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 5, size=(60, 2)).astype(float)
    y = X[:, 0] + 2 * X[:, 1]
    with pytest.warns(CollapseWarning, match="nothing to boost"):
        model = TrAdaBoostR2(DecisionTreeRegressor(random_state=0)).fit(X, y, sample_domain=np.repeat([1, -2], [50, 10]))
    np.testing.assert_allclose(model.predict(X), y)


def test_a_source_that_misleads_is_a_warning():
    X, y, sample_domain, _, _, _ = half_right(0)
    y[:300] = 100
    with pytest.warns(CollapseWarning, match="no better than chance"):
        model = TrAdaBoostR2(initial_target_share=0).fit(X, y, sample_domain=sample_domain)
    assert np.isfinite(model.predict(X)).all()
    assert model.health_["n_rounds"] == 1


def test_constant_labels_and_few_rows():
    X, sample_domain = np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]]), [1, 1, -2]
    with pytest.warns(CollapseWarning, match="nothing to boost"):
        model = TrAdaBoostR2(DecisionTreeRegressor()).fit(X, [3.0, 3.0, 3.0], sample_domain=sample_domain)
    np.testing.assert_array_equal(model.predict(X), 3.0)
    with pytest.warns(CollapseWarning, match="no better than chance"):
        model = TrAdaBoostR2(LinearRegression(), initial_target_share=0.2).fit(X, [0.0, 1.0, 5.0], sample_domain=sample_domain)
    assert np.isfinite(model.predict(X)).all()


def test_a_base_without_weights_is_refused():
    X, y, sample_domain, _, _, _ = half_right(0)
    with pytest.raises(TypeError, match="KNeighborsRegressor does not accept sample_weight"):
        TrAdaBoostR2(KNeighborsRegressor()).fit(X, y, sample_domain=sample_domain)
