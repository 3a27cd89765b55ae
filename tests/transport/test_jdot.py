"""JDOT against a plain loop, losses by hand, and shifts that it cures."""

from __future__ import annotations

import numpy as np
import ot
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import LinearSVC

from sterna.transport import JDOT
from sterna.transport._jdot import _hinge


def stack(Xs, ys, Xt, yt=None):
    y_target = np.full(len(Xt), np.nan) if yt is None else yt
    return np.vstack([Xs, Xt]), np.r_[ys.astype(float), y_target], np.repeat([1, -2], [len(Xs), len(Xt)])


def fit(model, *domains):
    X, y, sample_domain = stack(*domains)
    return model.fit(X, y, sample_domain=sample_domain)


def classes(n, seed, shift=2.0):
    rng = np.random.default_rng(seed)
    centers = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]])
    ys, yt = rng.integers(0, 3, n), rng.integers(0, 3, n)
    Xs = centers[ys] + 0.7 * rng.normal(size=(n, 2))
    return Xs, ys, centers[yt] @ [[0.9, 0.4], [-0.4, 0.9]] + 0.7 * rng.normal(size=(n, 2)) + [shift, -shift], yt


def line(n, seed):
    rng = np.random.default_rng(seed)
    Xs, latent = rng.normal(size=(n, 2)), rng.normal(size=(n, 2))
    return Xs, Xs @ [2.0, -1.0], latent * [1.5, 0.7] + [2.0, -1.0], latent @ [2.0, -1.0]


def test_regression_equals_a_plain_loop():
    Xs, ys, Xt, _ = line(60, 0)
    features = ot.dist(Xs, Xt)
    features /= np.median(features)
    labels = 60 * ot.emd([], [], features).T @ ys
    for _ in range(4):
        base = LinearRegression().fit(Xt, labels)
        label = (ys[:, None] - base.predict(Xt)) ** 2 / (2 * ys.var())
        labels = 60 * ot.emd([], [], features + 0.7 * label).T @ ys
    model = fit(JDOT(LinearRegression(), label_weight=0.7, standardize=False, max_iter=4, tol=0.0), Xs, ys, Xt)
    np.testing.assert_allclose(model.soft_labels_, labels)
    np.testing.assert_allclose(model.predict(Xt), LinearRegression().fit(Xt, labels).predict(Xt))


def test_classification_equals_a_plain_loop():
    Xs, ys, Xt, _ = classes(60, 0)
    features = ot.dist(Xs, Xt)
    features /= np.median(features)
    plan = ot.emd([], [], features)
    for _ in range(3):
        base = GaussianNB().fit(Xt, ys[plan.argmax(axis=0)])
        proba = base.predict_proba(Xt)
        label = np.array([[-np.log(max(proba[j, ys[i]], 1e-6)) for j in range(60)] for i in range(60)])
        plan = ot.emd([], [], features + label)
    model = fit(JDOT(GaussianNB(), standardize=False, max_iter=3, tol=0.0), Xs, ys, Xt)
    np.testing.assert_allclose(model.soft_labels_, np.eye(3)[ys[plan.argmax(axis=0)]], atol=1e-9)


def test_hinge_of_every_class_by_hand():
    scores = np.random.default_rng(0).normal(size=(5, 3))
    signs = 2 * np.eye(3) - 1
    expected = [[sum(max(0, 1 - signs[c, k] * row[k]) for k in range(3)) for c in range(3)] for row in scores]
    np.testing.assert_allclose(_hinge(scores, np.arange(3), 3), expected)
    np.testing.assert_allclose(_hinge(scores[:, 0], np.arange(2), 2)[:, 1], 2 * np.maximum(0, 1 - scores[:, 0]))


@pytest.mark.parametrize(
    ("base", "loss"),
    [
        (LogisticRegression(), "auto"),
        (LogisticRegression(), "squared"),
        (LinearSVC(), "auto"),
        (RidgeClassifier(), "hinge"),
        (KNeighborsClassifier(5), "auto"),
    ],
)
def test_recovers_from_a_turn_and_another_origin(base, loss):
    gains = []
    for seed in range(2):
        Xs, ys, Xt, yt = classes(120, seed)
        gains.append(fit(JDOT(base, loss=loss), Xs, ys, Xt).score(Xt, yt) - base.fit(Xs, ys).score(Xt, yt))
    assert np.mean(gains) > 0.15


@pytest.mark.parametrize("seed", range(3))
def test_regression_recovers(seed):
    Xs, ys, Xt, yt = line(200, seed)
    assert fit(JDOT(Ridge()), Xs, ys, Xt).score(Xt, yt) > 0.8 > Ridge().fit(Xs, ys).score(Xt, yt)


def test_turns_lower_the_cost_and_converge():
    """The loss that Ridge minimises is that of the plan, so that no turn can raise the sum (but for its penalty)."""
    model = fit(JDOT(Ridge(alpha=1e-6)), *line(150, 0)[:3])
    assert np.all(np.diff(model.costs_) < 1e-6)
    assert model.health_["converged"]
    assert model.health_["n_iter"] == len(model.costs_)


@pytest.mark.parametrize("swapped", [False, True])
def test_known_target_labels_decide(swapped):
    """Turned by 90 degrees: either class may go to either side."""
    rng = np.random.default_rng(0)
    ys = np.repeat([0, 1], 40)
    Xs = np.array([[-2.0, 0.0], [2.0, 0.0]])[ys] + 0.5 * rng.normal(size=(80, 2))
    Xt, yt = Xs[:, ::-1], (1 - ys if swapped else ys)
    known = np.where(np.arange(80) % 4 == 0, yt, np.nan)
    assert fit(JDOT(), Xs, ys, Xt, known).score(Xt, yt) > 0.8


def test_mini_batches_stay_near_one_piece():
    """Of 1000 test rows the standard error is a point."""
    scores = []
    for seed in range(4):
        Xs, ys, Xt, yt = classes(250, seed)
        models = [fit(JDOT(batch_size=size, random_state=0), Xs, ys, Xt) for size in (None, 125)]
        scores.append([model.score(Xt, yt) for model in models])
    exact, batched = np.mean(scores, axis=0)
    assert abs(exact - batched) <= 0.02


@pytest.mark.parametrize(("n_source", "n_target"), [(150, 330), (330, 150)])
def test_past_ten_pairs_the_rest_join_in_the_last_turn(n_source, n_target):
    Xs, ys, *_ = classes(n_source, 0)
    *_, Xt, yt = classes(n_target, 0)
    model = fit(JDOT(batch_size=30, random_state=0), Xs, ys, Xt)
    assert model.health_["n_parts"] > 1
    np.testing.assert_allclose(model.soft_labels_.sum(axis=1), 1.0)
    assert model.score(Xt, yt) > 0.85


def test_a_loss_that_the_base_cannot_give_is_refused():
    Xs, ys, Xt, _ = classes(30, 0)
    with pytest.raises(TypeError, match="has no predict_proba"):
        fit(JDOT(LinearSVC(), loss="squared"), Xs, ys, Xt)
    with pytest.raises(ValueError, match="loss='squared'"):
        fit(JDOT(Ridge(), loss="hinge"), Xs, ys, Xt)


def test_fragile_inputs():
    """A constant column, three target rows, duplicates, an outlier, constant labels in regression."""
    Xs, ys, Xt, _ = classes(40, 0)
    Xs, Xt = np.c_[Xs, np.ones(40)], np.c_[Xt, np.ones(40)]
    Xs[0], Xs[2] = [1e6, 1e6, 1.0], Xs[1]
    for target in (Xt[:3], Xt):
        assert np.isfinite(fit(JDOT(), Xs, ys, target).predict_proba(target)).all()
    np.testing.assert_allclose(fit(JDOT(Ridge()), Xs, np.full(40, 2.0), Xt).predict(Xt), 2.0)
