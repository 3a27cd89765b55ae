"""Bandwidths by importance-weighted cross-validation against a naive double loop."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.linear_model import Ridge
from sklearn.utils import check_random_state

import sterna.reweight._bandwidth as module
from sterna.baselines import SourceOnly
from sterna.domains._stack import take_apart
from sterna.reweight import KMM, ULSIF, RuLSIF
from sterna.reweight._base import effective_sample_size
from sterna.reweight._iwcv import first_within_error, folds_of_rows
from sterna.reweight._kernel import median_distance, same_scale

each_method = pytest.mark.parametrize("cls", [KMM, RuLSIF, ULSIF])


@pytest.fixture
def asked(monkeypatch):
    """What was cross-validated: arguments by name, with the random numbers as they stood."""
    calls = []
    names = ("base", "X", "y", "candidates", "validation", "n_folds", "rng")

    def record(*args):
        calls.append(dict(zip(names, deepcopy(args), strict=True)))
        return original(*args)

    original = module.held_out_losses
    monkeypatch.setattr(module, "held_out_losses", record)
    return calls


def ridge_prediction(X, y, weights, rows):
    """Weighted ridge regression with penalty 1 and a free intercept, by its normal equations."""
    Z = np.column_stack([X, np.ones(len(X))])
    penalty = np.diag([1.0] * X.shape[1] + [0.0])
    return np.column_stack([rows, np.ones(len(rows))]) @ np.linalg.solve(
        Z.T @ (weights[:, None] * Z) + penalty, Z.T @ (weights * y)
    )


def naive_scores(call):
    """Mean weighted squared error of each candidate: a loop over candidates, and over folds."""
    X, y, rng = call["X"], call["y"], call["rng"]
    rows = rng.permutation(len(y))
    folds = folds_of_rows(y[rows], call["n_folds"], False, rng)
    scores = []
    for weights in call["candidates"]:
        total = 0.0
        for k in range(call["n_folds"]):
            train, test = rows[folds != k], rows[folds == k]
            predicted = ridge_prediction(X[train], y[train], weights[train] / weights[train].mean(), X[test])
            for i, row in enumerate(test):
                total += call["validation"][row] * (y[row] - predicted[i]) ** 2
        scores.append(total / len(y))
    return np.array(scores)


def test_scores_equal_a_naive_double_loop(cubic, asked):
    X, y, sample_domain, _, _ = cubic(0, n=80)
    model = KMM(Ridge(solver="cholesky"), bandwidth="iwcv", random_state=0).fit(X, y, sample_domain=sample_domain)
    scores = naive_scores(*asked)
    losses = model.health_["iwcv_losses"]
    np.testing.assert_allclose(sorted(scores), sorted(losses.values()), rtol=1e-8)
    assert min(losses, key=losses.get) == pytest.approx(sorted(losses)[np.argmin([losses[h] for h in sorted(losses)])])
    source, target = same_scale(X[sample_domain > 0], X[sample_domain < 0])
    median = median_distance(source, target, check_random_state(0))  # of all rows: these are few
    np.testing.assert_allclose(sorted(losses), median * 2.0 ** np.arange(-2, 2.1, 0.5))
    # the candidates are what the method gives at these bandwidths, the nearest to the default first
    order = sorted(losses, key=lambda bandwidth: abs(np.log(bandwidth / median)))
    assert order[0] == pytest.approx(median)
    for bandwidth, weights, score in zip(order[::4], asked[0]["candidates"][::4], scores[::4], strict=True):
        fixed = KMM(Ridge(), bandwidth=bandwidth).fit(X, y, sample_domain=sample_domain)
        np.testing.assert_allclose(weights / weights.mean(), fixed.weights_, atol=1e-6)
        assert losses[bandwidth] == pytest.approx(score)


def seed_of_candidates(random_state):
    return int(check_random_state(random_state).randint(2**31 - 1))


@each_method
def test_the_chosen_bandwidth_is_used(curved, cls, asked):
    X, y, sample_domain, _, _ = curved(0, n=120)
    model = cls(bandwidth="iwcv", random_state=0).fit(X, y, sample_domain=sample_domain)
    losses = model.health_["iwcv_losses"]
    assert model.bandwidth_ == model.health_["bandwidth"]
    assert model.bandwidth_ in losses
    assert len(losses) == len(asked[0]["candidates"]) == 9
    fixed = cls(bandwidth=model.bandwidth_, random_state=seed_of_candidates(0)).fit(X, y, sample_domain=sample_domain)
    np.testing.assert_allclose(model.weights_, fixed.weights_)
    assert model.bandwidth == "iwcv"


@each_method
def test_where_losses_cannot_tell_the_default_stays(curved, cls, monkeypatch):
    monkeypatch.setattr(module, "held_out_losses", lambda base, X, y, candidates, *_: np.ones((len(candidates), len(y))))
    X, y, sample_domain, _, _ = curved(0, n=60)
    chosen = cls(bandwidth="iwcv", random_state=0).fit(X, y, sample_domain=sample_domain)
    default = cls(random_state=seed_of_candidates(0)).fit(X, y, sample_domain=sample_domain)
    assert abs(np.log2(chosen.bandwidth_ / default.bandwidth_)) <= 0.26  # candidates lie half an octave apart
    assert first_within_error(np.full((3, 20), np.inf)) is None


@each_method
def test_beats_the_source_and_keeps_up_with_the_default(cubic, cls):
    """Eight features of noise, which each kernel sees."""
    scores = []
    for seed in range(2):
        X, y, sample_domain, new, truth = cubic(seed, n=150, n_noise=8)
        models = SourceOnly(Ridge()), cls(Ridge(), random_state=0), cls(Ridge(), bandwidth="iwcv", random_state=0)
        scores.append([model.fit(X, y, sample_domain=sample_domain).score(new, truth) for model in models])
    source, default, chosen = np.mean(scores, axis=0)
    assert chosen > source + 1
    assert chosen > default - 0.01


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
def test_judging_weights_see_a_shift_of_spread(kind):
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(600, 2)), rng.normal(0.5, 0.6, size=(600, 2))
    data = take_apart(kind(np.concatenate([Xs, Xt])), np.zeros(1200), np.repeat([1, -2], 600))
    weights = module.judging_weights(data, np.random.RandomState(0))
    truth = np.sum(Xs**2 / 2 - (Xs - 0.5) ** 2 / (2 * 0.6**2), axis=1)
    assert np.corrcoef(np.log(weights), truth)[0, 1] > 0.97
    assert weights.mean() == pytest.approx(1)


def test_judging_weights_keep_enough_rows():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(300, 1)), rng.normal(6, 0.5, size=(300, 1))])
    data = take_apart(X, np.zeros(600), np.repeat([1, -2], 300))
    assert effective_sample_size(module.judging_weights(data, np.random.RandomState(0))) >= 24.9
    one = take_apart(X[[0, -1]], np.zeros(2), np.array([1, -2]))
    np.testing.assert_array_equal(module.judging_weights(one, np.random.RandomState(0)), [1])


@each_method
@pytest.mark.filterwarnings("ignore::sterna.CollapseWarning")
def test_too_few_rows_take_the_default(cls):
    X, y = np.array([[0.0], [1.0], [2.0], [0.5], [1.5], [2.5]]), np.array([0, 1, 1, -1, -1, -1])
    model = cls(bandwidth="iwcv", random_state=0).fit(X, y, sample_domain=[1, 1, 1, -2, -2, -2])
    assert "iwcv_losses" not in model.health_
    assert model.health_["bandwidth"] == model.bandwidth_ > 0


def test_many_rows_are_compared_by_some(curved, asked, monkeypatch):
    monkeypatch.setattr(module, "_ROWS", 60)
    X, y, sample_domain, _, _ = curved(0, n=150)
    model = RuLSIF(bandwidth="iwcv", random_state=0).fit(csr_array(X), y, sample_domain=sample_domain)
    assert asked[0]["X"].shape == (60, 2)
    assert {len(weights) for weights in asked[0]["candidates"]} == {60}
    assert model.weights_.shape == (150,)


def test_labelled_target_rows_join_the_training_alone(curved, asked):
    X, y, sample_domain, _, _ = curved(0, n=100)
    y[-10:] = 1.0
    KMM(bandwidth="iwcv", random_state=0).fit(X, y, sample_domain=sample_domain)
    assert len(asked[0]["y"]) == 100
