"""JCPOT against POT's projections and the true class shares of the target."""

from __future__ import annotations

import numpy as np
import ot
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from sterna.transport import JCPOT
from sterna.transport._jcpot import class_discrepancies, class_proportions, reliability

CENTERS = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]])


def domains(seed, n=150, shares=((0.4, 0.4, 0.2), (0.2, 0.3, 0.5), (0.8, 0.15, 0.05)), shift=(0.3, -0.2), noise=0.8):
    """Sources and, last, the target, which is shifted a little; returns X, y with unknown target labels, domains, truth."""
    rng = np.random.default_rng(seed)
    y = np.concatenate([rng.permutation(np.repeat([0, 1, 2], np.round(n * np.array(p)).astype(int))) for p in shares])
    counts = [int(np.round(n * np.array(p)).astype(int).sum()) for p in shares]
    sample_domain = np.repeat([*range(1, len(shares)), -len(shares)], counts)
    X = CENTERS[y] + noise * rng.normal(size=(len(y), 2))
    X[sample_domain < 0] += shift
    return X, np.where(sample_domain < 0, np.nan, y), sample_domain, y[sample_domain < 0]


def test_shares_equal_pot():
    X, y, sample_domain, _ = domains(0, n=60)
    sources, labels = [X[sample_domain == k] for k in (1, 2)], [y[sample_domain == k].astype(int) for k in (1, 2)]
    Xt = X[sample_domain < 0]
    expected = ot.bregman.jcpot_barycenter(sources, [c.copy() for c in labels], Xt, reg=0.5, numItermax=500, stopThr=1e-10)
    kernels = [np.exp(-ot.dist(rows, Xt) / 0.5) for rows in sources]
    shares, _, converged = class_proportions(kernels, labels, 3, 500, 1e-10)
    assert converged
    np.testing.assert_allclose(shares, np.ravel(expected) / np.sum(expected), atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_finds_the_class_shares_of_the_target(seed):
    X, y, sample_domain, truth = domains(seed, shift=(0, 0))
    model = JCPOT().fit(X, y, sample_domain=sample_domain)
    found, true = model.class_shares_, np.bincount(truth) / len(truth)
    assert np.abs(found - true).sum() / 2 < 0.06
    assert model.health_["share_shift"] == pytest.approx(np.abs(found - [0.3, 0.35, 0.35]).sum() / 2, abs=0.01)


def test_recovers_from_other_class_shares():
    gains = []
    for seed in range(4):
        X, y, sample_domain, truth = domains(seed, shift=(0, 0), noise=1.2)
        base = LogisticRegression().fit(X[sample_domain > 0], y[sample_domain > 0])
        target = X[sample_domain < 0]
        gains.append(JCPOT().fit(X, y, sample_domain=sample_domain).score(target, truth) - base.score(target, truth))
    assert np.mean(gains) > 0.02


def test_labels_follow_plans_with_the_estimated_shares():
    X, y, sample_domain, _ = domains(1, n=60)
    model = JCPOT(entropic_regularization=0.1, standardize=False).fit(X, y, sample_domain=sample_domain)
    Xt, expected = X[sample_domain < 0], 0.0
    for k in (1, 2):
        rows, codes = X[sample_domain == k], y[sample_domain == k].astype(int)
        cost = ot.dist(rows, Xt)
        masses = (model.class_shares_ / np.bincount(codes))[codes]
        plan = ot.sinkhorn(masses, np.full(len(Xt), 1 / len(Xt)), cost / np.median(cost), 0.1, numItermax=5000, stopThr=1e-10)
        expected = expected + len(Xt) * plan.T @ np.eye(3)[codes] / 2
    np.testing.assert_allclose(model.soft_labels_, expected, atol=1e-3)


def test_a_class_that_one_source_lacks():
    X, y, sample_domain, truth = domains(0, shares=((0.5, 0.5, 0.0), (0.0, 0.4, 0.6), (0.6, 0.2, 0.2)), shift=(0, 0), noise=0.5)
    model = JCPOT().fit(X, y, sample_domain=sample_domain)
    assert model.score(X[sample_domain < 0], truth) > 0.7
    assert set(model.classes_) == {0, 1, 2}


def test_one_source_is_enough_to_run():
    X, y, sample_domain, truth = domains(0, shares=((0.4, 0.3, 0.3), (0.8, 0.1, 0.1)))
    model = JCPOT().fit(X, y, sample_domain=sample_domain)
    assert np.abs(model.class_shares_ - np.bincount(truth) / len(truth)).sum() / 2 < 0.1


def test_known_target_labels_stand():
    X, y, sample_domain, truth = domains(2, shift=(1.5, 0.0))
    y[np.flatnonzero(sample_domain < 0)[::2]] = truth[::2]
    model = JCPOT(KNeighborsClassifier(1)).fit(X, y, sample_domain=sample_domain)
    np.testing.assert_array_equal(model.predict(X[sample_domain < 0][::2]), truth[::2])


def test_samples_of_rows_and_mini_batches_stay_near_one_piece(monkeypatch):
    """On the mean of four draws: of 300 test rows the standard error is over a point."""
    gaps = []
    for seed in range(4):
        X, y, sample_domain, truth = domains(seed, n=300)
        monkeypatch.setattr("sterna.transport._jcpot._ROWS", 2000)
        whole = JCPOT().fit(X, y, sample_domain=sample_domain)
        monkeypatch.setattr("sterna.transport._jcpot._ROWS", 150)
        pieces = JCPOT(batch_size=150, random_state=0).fit(X, y, sample_domain=sample_domain)
        assert pieces.health_["n_batches"] == 4
        assert np.abs(pieces.class_shares_ - whole.class_shares_).sum() / 2 < 0.07
        target = X[sample_domain < 0]
        gaps.append(pieces.score(target, truth) - whole.score(target, truth))
    assert abs(np.mean(gaps)) < 0.03


@pytest.mark.parametrize("seed", range(3))
def test_shares_stay_near_the_sources_where_classes_moved_instead(seed):
    """Even shares and another origin: the paper's shares follow the move, and labels with them."""
    X, y, sample_domain, truth = domains(seed, shares=((1 / 3,) * 3,) * 3, shift=(-1, -1), noise=0.5)
    paper, shrunk = (JCPOT(shrinkage=shrinkage).fit(X, y, sample_domain=sample_domain) for shrinkage in (0, "auto"))
    off = [np.abs(model.class_shares_ - 1 / 3).sum() / 2 for model in (paper, shrunk)]
    assert off[1] < off[0] / 2
    target = X[sample_domain < 0]
    assert shrunk.score(target, truth) > paper.score(target, truth) + 0.1
    assert shrunk.health_["explained"] < 0.5


def test_the_reliability_of_shares_by_hand():
    """Two classes at -1 and 1 on a line; the target is a mixture of them, or lies beyond."""
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1], 200)
    Xs = np.where(codes, 1.0, -1.0)[:, None] + 0.1 * rng.normal(size=(400, 1))
    even, found = np.array([0.5, 0.5]), np.array([0.2, 0.8])
    mixture = np.where(rng.random(400) < 0.8, 1.0, -1.0)[:, None] + 0.1 * rng.normal(size=(400, 1))
    B = class_discrepancies(Xs, codes, mixture, 2)
    gaps = [np.abs(a[:, None] - b).mean() for a, b in ((Xs[:, 0], mixture[:, 0]), (Xs[:, 0], Xs[:, 0]), (mixture[:, 0],) * 2)]
    assert even @ B @ even == pytest.approx(2 * gaps[0] - gaps[1] - gaps[2], abs=0.01)
    assert reliability(B, even, found) == pytest.approx((1.0, 1.0), abs=0.1)
    beyond = class_discrepancies(Xs, codes, mixture + 3, 2)
    kept, explained = reliability(beyond, even, found)
    assert kept <= explained < 0.6
    assert reliability(np.zeros((2, 2)), even, found) == (0.0, 0.0)


def test_fragile_inputs():
    """A constant column, duplicates, an outlier, three target rows, other units."""
    X, y, sample_domain, _ = domains(0, n=40)
    X = np.c_[X * [1e4, 1e-3], np.ones(len(X))]
    X[0], X[2] = [1e9, 1e9, 1.0], X[1]
    few = np.flatnonzero((sample_domain > 0) | (np.cumsum(sample_domain < 0) <= 3))
    for rows in (few, np.arange(len(X))):
        model = JCPOT().fit(X[rows], y[rows], sample_domain=sample_domain[rows])
        assert np.isfinite(model.predict_proba(X[rows])).all()
        assert model.class_shares_.sum() == pytest.approx(1.0)
