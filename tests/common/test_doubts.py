"""Warnings of negative transfer: given where class shares, far rows or a trusted source model speak against an adapted model."""

import warnings

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from sterna.align import CORAL, DomainStandardization
from sterna.base import NegativeTransferWarning, TransferEstimator
from sterna.domains._assumptions import class_shares, contradiction, far_rows
from sterna.domains._stack import take_apart
from sterna.reweight import BBSE
from sterna.transport import OTMapping

D = 8


def blobs(shares, n, rng, move=0.0):
    y = rng.choice(2, n, p=shares)
    return rng.normal(size=(n, D)) + 3 * y[:, None] * (np.arange(D) < 3) + move, y


def stacked(Xs, ys, Xt):
    X, unknown = np.concatenate([Xs, Xt]), np.nan if ys.dtype.kind == "f" else -1
    return X, np.concatenate([ys, np.full(len(Xt), unknown)]), np.repeat([1, -2], [len(Xs), len(Xt)])


def doubts(model, *domains):
    X, y, sample_domain = stacked(*domains)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y, sample_domain=sample_domain)
    return [str(w.message) for w in caught if w.category is NegativeTransferWarning]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("strategy", [DomainStandardization, OTMapping])
def test_aligning_domains_of_other_class_shares(strategy, seed):
    rng = np.random.default_rng(seed)
    Xs, ys = blobs([0.5, 0.5], 300, rng)
    Xt, yt = blobs([0.9, 0.1], 300, rng)
    model = strategy()
    told = doubts(model, Xs, ys, Xt)
    assert model.score(Xt, yt) < LogisticRegression().fit(Xs, ys).score(Xt, yt) - 0.1  # the warning is deserved
    assert any("differ in class shares alone: class" in text and "BBSE" in text for text in told)
    found = model.health_["target_shares_by_means"]
    assert found["1"] == pytest.approx(yt.mean(), abs=0.04)


@pytest.mark.parametrize("seed", range(3))
def test_no_doubt_of_what_is_made_for_it_nor_without_a_shift(seed):
    rng = np.random.default_rng(seed)
    Xs, ys = blobs([0.5, 0.5], 300, rng)
    assert not doubts(BBSE(), Xs, ys, blobs([0.9, 0.1], 300, rng)[0])
    assert not doubts(CORAL(), Xs, ys, blobs([0.5, 0.5], 300, rng)[0])
    assert not doubts(CORAL(), Xs, ys, blobs([0.5, 0.5], 300, rng, move=20.0)[0])  # far from the source: it can't be trusted


@pytest.mark.parametrize("base", [LogisticRegression(), LinearRegression()])
def test_rows_far_from_all_others(base):
    rng = np.random.default_rng(0)
    Xs, ys = blobs([0.5, 0.5], 200, rng)
    Xt, _ = blobs([0.5, 0.5], 200, rng)
    Xt[::20] += 100
    told = doubts(CORAL(base), Xs, ys.astype(float) if isinstance(base, LinearRegression) else ys, Xt)
    assert any(text.startswith("5.0% of the target rows lie far from all others (0.0% of the source's)") for text in told)


class Unchanged(TransferEstimator):
    def __init__(self, estimator=None):
        self.estimator = estimator

    def _fit_domains(self, data):
        self._fit_final(data.X_source, data)
        self._look_for_collapse(data)


@pytest.mark.parametrize(
    ("factor", "expected"), [(1, []), (1.5, []), (10, ["Unchanged predicts values whose standard deviation is"])]
)
def test_predictions_that_spread_more_than_labels_do(factor, expected):
    """A linear model of the source extrapolates to a target of another scale."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2))
    told = doubts(Unchanged(LinearRegression()), X[:200], X[:200] @ [1.0, 0.2], X[200:] * factor)
    assert [text.split(" 10")[0] for text in told] == expected


def test_far_rows_counts_them():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(400, 3))
    X[:8] += 1000
    data = take_apart(np.concatenate([X, X[8:]]), np.repeat([0.0, np.nan], [400, 392]), np.repeat([1, -2], [400, 392]))
    assert far_rows(data) == (8 / 400, 0.0)


def test_class_shares_by_the_normal_equations():
    """Two classes: the share of the second is the projection of m_t - m_0 on m_1 - m_0, in units of the spread within classes."""
    rng = np.random.default_rng(2)
    Xs, ys = blobs([0.5, 0.5], 500, rng)
    Xt, _ = blobs([0.8, 0.2], 500, rng)
    found = class_shares(take_apart(*stacked(Xs, ys.astype(float), Xt)))
    within = np.sqrt(((Xs - np.array([Xs[ys == c].mean(axis=0) for c in (0, 1)])[ys]) ** 2).sum(axis=0) / 498)
    m0, m1, mt = (rows.mean(axis=0) / within for rows in (Xs[ys == 0], Xs[ys == 1], Xt))
    assert found.target[1] == pytest.approx((mt - m0) @ (m1 - m0) / ((m1 - m0) @ (m1 - m0)), abs=1e-3)
    assert found.is_label_shift


def test_contradiction_is_the_share_of_flipped_rows():
    """Well-separated classes: the source's model is sure and right, so that each flipped prediction costs one row."""
    rng = np.random.default_rng(3)
    y = rng.integers(2, size=600)
    X = 0.1 * rng.normal(size=(600, D)) + 10 * y[:, None]
    data = take_apart(*stacked(X[:300], y[:300].astype(float), X[300:]))
    rows = np.arange(300)
    flipped = np.where(rows < 60, 1 - y[300:], y[300:])
    inside = contradiction(LogisticRegression(), data, rows, flipped)
    assert inside == pytest.approx(0.2, abs=0.03)  # one in twenty lies farther than source rows do; two of 102 may be wrong
    assert contradiction(LogisticRegression(), data, rows, y[300:]) == 0
