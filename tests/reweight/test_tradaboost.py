from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from sterna import CollapseWarning
from sterna.baselines import TargetOnly
from sterna.reweight import TrAdaBoost


def half_right(seed, n=400, m=40, n_classes=2, share=0.5):
    """A source of which a share follows the target's rule and the rest its mirror image, and a noisy small target."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n + m + 1000, 4))
    signal = X[:, 0] + X[:, 1]
    n_wrong = round(n * (1 - share))
    signal[:n_wrong] = (X[:, 0] - X[:, 1])[:n_wrong]
    signal[: n + m] += 0.4 * rng.normal(size=n + m)
    y = np.digitize(signal, [0] if n_classes == 2 else [-0.8, 0.8]).astype(float)
    return X[: n + m], y[: n + m], np.repeat([1, -2], [n, m]), X[n + m :], y[n + m :]


def naive(Xs, ys, Xt, yt, base, N, weights):
    """The paper's algorithm by loops (labels 0 and 1); weights are scaled to sum to n + m before each fit."""
    n, m = len(Xs), len(Xt)
    w = list(weights)
    beta = 1 / (1 + np.sqrt(2 * np.log(n) / N))
    learners, betas = [], []
    for _ in range(N):
        p = np.array(w) / sum(w)
        h = base().fit(np.vstack([Xs, Xt]), np.r_[ys, yt], sample_weight=p * (n + m))
        source, target = h.predict(Xs), h.predict(Xt)
        error = sum(p[n + i] * abs(target[i] - yt[i]) for i in range(m)) / sum(p[n:])
        assert error > 0.5 / m
        if error >= 0.5:
            break
        beta_t = error / (1 - error)
        for i in range(n):
            w[i] *= beta ** abs(source[i] - ys[i])
        for i in range(m):
            w[n + i] *= beta_t ** -abs(target[i] - yt[i])
        learners.append(h)
        betas.append(beta_t)
    N = len(learners)
    first = int(np.ceil(N / 2)) - 1

    def predict(x):
        left = np.prod([betas[t] ** -learners[t].predict(x[None])[0] for t in range(first, N)])
        return float(left >= np.prod([betas[t] ** -0.5 for t in range(first, N)]))

    return predict, np.log(1 / np.array(betas)), np.array(w) / sum(w)


@pytest.mark.parametrize("n_estimators", [1, 4, 7])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_equals_a_naive_loop(n_estimators, share):
    X, y, sample_domain, X_test, _ = half_right(0, n=120, m=30, share=0.7)
    X_test = X_test[:60]
    model = TrAdaBoost(RidgeClassifier(), n_estimators=n_estimators, initial_target_share=share)
    model.fit(X, y, sample_domain=sample_domain)
    initial = np.ones(150) if not share else np.repeat([0.5 / 120, 0.5 / 30], [120, 30])
    predict, votes, weights = naive(X[:120], y[:120], X[120:], y[120:], RidgeClassifier, n_estimators, initial)
    assert len(votes) >= min(3, n_estimators)
    np.testing.assert_allclose(model.votes_, votes)
    np.testing.assert_allclose(model.weights_ / model.weights_.sum(), weights)
    np.testing.assert_array_equal(model.predict(X_test), [predict(x) for x in X_test])


def test_several_classes_follow_samme():
    X, y, sample_domain, X_test, _ = half_right(0, n=120, m=60, n_classes=3)
    tree = DecisionTreeClassifier(max_depth=2, random_state=0)
    model = TrAdaBoost(tree, n_estimators=3, initial_target_share=0).fit(X, y, sample_domain=sample_domain)
    w, beta, votes, proba = np.ones(180), 1 / (1 + np.sqrt(2 * np.log(120) / 3)), [], []
    for _ in range(3):
        w *= 180 / w.sum()
        h = DecisionTreeClassifier(max_depth=2, random_state=0).fit(X, y, sample_weight=w)
        wrong = h.predict(X) != y
        error = w[120:][wrong[120:]].sum() / w[120:].sum()
        votes.append(np.log((1 - error) / error) + np.log(2))
        proba.append(h.predict_proba(X_test))
        w = np.where(wrong, w * np.r_[np.full(120, beta), np.full(60, np.exp(votes[-1]))], w)
    np.testing.assert_allclose(model.votes_, votes)
    expected = (votes[1] * proba[1] + votes[2] * proba[2]) / (votes[1] + votes[2])  # rounds ceil(3/2) to 3
    np.testing.assert_allclose(model.predict_proba(X_test), expected)
    np.testing.assert_array_equal(model.predict(X_test), expected.argmax(axis=1))


@pytest.mark.filterwarnings("ignore:TrAdaBoost is left without the source:sterna.CollapseWarning")
@pytest.mark.parametrize("base", [LogisticRegression(), DecisionTreeClassifier(max_depth=3, random_state=0)])
def test_beats_the_source_and_finds_its_useful_part(base):
    gains, kept = [], []
    for seed in range(8):
        X, y, sample_domain, X_test, y_test = half_right(seed, share=0.4)
        model = TrAdaBoost(base).fit(X, y, sample_domain=sample_domain)
        source = type(base)(**base.get_params()).fit(X[:400], y[:400])
        gains.append(model.score(X_test, y_test) - source.score(X_test, y_test))
        agrees = (X[:400, :2].sum(axis=1) > 0) == y[:400]  # with the target's rule
        kept.append(model.weights_[:400][agrees].mean() / model.weights_[:400][~agrees].mean())
    assert np.mean(gains) > 0.08
    assert np.median(kept) > 2


@pytest.mark.filterwarnings("ignore::sterna.CollapseWarning")  # with 12 target rows some runs stop after a round
def test_beats_the_target_alone_where_most_of_the_source_is_right():
    gains = []
    for seed in range(8):
        X, y, sample_domain, X_test, y_test = half_right(seed, m=12, share=0.9)
        model, alone = TrAdaBoost(LogisticRegression(), initial_target_share=0), TargetOnly(LogisticRegression())
        fitted = [each.fit(X, y, sample_domain=sample_domain).score(X_test, y_test) for each in (model, alone)]
        gains.append(fitted[0] - fitted[1])
    assert np.mean(gains) > 0.02


def test_health_tells_the_rounds_the_errors_and_the_sources_share():
    X, y, sample_domain, _, _ = half_right(0)
    model = TrAdaBoost(n_estimators=6).fit(X, y, sample_domain=sample_domain)
    health = model.health_
    assert health["n_rounds"] == len(model.estimators_) == len(health["target_errors"]) == 6
    assert health["last_error"] == health["target_errors"][-1]
    assert health["source_weight_shares"][0] == pytest.approx(0.5)
    assert health["source_weight_share"] == health["source_weight_shares"][-1] < 0.5
    last = model.estimators_[-1].predict(X[400:]) != y[400:]
    assert 0 < last.mean() < 0.5


def test_nothing_to_boost_is_a_warning():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 2))
    y = (X[:, 0] > 0).astype(int)
    with pytest.warns(CollapseWarning, match="nothing to boost; use a weaker base"):
        model = TrAdaBoost(DecisionTreeClassifier(random_state=0)).fit(X, y, sample_domain=np.repeat([1, -2], 50))
    assert model.health_["n_rounds"] == 1
    assert model.score(X, y) == 1


def test_a_source_that_misleads_is_a_warning():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(520, 2))
    y = (X[:, 0] > 0).astype(int)
    y[:500] = 1 - y[:500]
    with pytest.warns(CollapseWarning, match="no better than chance on the labelled target rows in round 1"):
        model = TrAdaBoost(initial_target_share=0).fit(X, y, sample_domain=np.repeat([1, -2], [500, 20]))
    assert np.isfinite(model.predict_proba(X)).all()


def test_a_second_round_without_use_is_a_warning():
    X, y, sample_domain, _, _ = half_right(0, n=120, m=30)
    with pytest.warns(CollapseWarning, match="no better than chance on the target rows in round 2"):
        model = TrAdaBoost(RidgeClassifier(), initial_target_share=0).fit(X, y, sample_domain=sample_domain)
    np.testing.assert_array_equal(model.predict(X), RidgeClassifier().fit(X, y).predict(X))
    assert model.health_["n_rounds"] == 1


def test_a_source_that_loses_all_weight_is_a_warning():
    X, y, sample_domain, _, _ = half_right(0, share=0.5)
    stump = DecisionTreeClassifier(max_depth=2, random_state=0)
    with pytest.warns(CollapseWarning, match="left without the source"):
        model = TrAdaBoost(stump, n_estimators=200).fit(X, y, sample_domain=sample_domain)
    assert np.isfinite(model.weights_).all()
    assert model.health_["source_weight_share"] < 0.01


def test_probabilities_are_there_if_the_base_has_them():
    X, y, sample_domain, _, _ = half_right(0)
    assert not hasattr(TrAdaBoost(RidgeClassifier()).fit(X, y, sample_domain=sample_domain), "predict_proba")
    proba = TrAdaBoost().fit(X, y, sample_domain=sample_domain).predict_proba(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1)


def test_a_base_without_weights_is_refused():
    X, y, sample_domain, _, _ = half_right(0)
    with pytest.raises(TypeError, match="KNeighborsClassifier does not accept sample_weight"):
        TrAdaBoost(KNeighborsClassifier()).fit(X, y, sample_domain=sample_domain)


def test_sparse_and_single_precision_and_a_constant_column():
    X, y, sample_domain, _, _ = half_right(0, n=100)
    X = np.hstack([X, np.ones((len(X), 1))])
    expected = TrAdaBoost(n_estimators=4).fit(X, y, sample_domain=sample_domain).predict_proba(X)
    for kind in (csr_array, np.float32):
        found = TrAdaBoost(n_estimators=4).fit(kind(X), y, sample_domain=sample_domain).predict_proba(kind(X))
        np.testing.assert_allclose(found, expected, atol=1e-2)
