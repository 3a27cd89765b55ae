"""Scores of the target's representation: class_ami, rankme, mixval."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from sterna.select import class_ami, mixval, rankme


def groups(n=60, seed=0):
    codes = np.arange(n) % 3
    return 8 * np.eye(3)[codes] + np.random.default_rng(seed).normal(size=(n, 3)), codes


# -- class_ami


def ami_by_permutations(first, second, n=3000):
    """Chance agreement by shuffling, in place of the exact hypergeometric sum."""

    def shares(a, b):
        table = np.array([[np.mean((a == i) & (b == j)) for j in range(3)] for i in range(3)])
        return table[table > 0]

    def entropy(p):
        p = p[p > 0]
        return -np.sum(p * np.log(p))

    def information(a, b):
        return sides - entropy(shares(a, b))

    halves = [entropy(np.bincount(v, minlength=3) / len(v)) for v in (first, second)]
    sides = sum(halves)
    rng = np.random.default_rng(0)
    chance = np.mean([information(first, rng.permutation(second)) for _ in range(n)])
    return (information(first, second) - chance) / (sides / 2 - chance)


def test_ami_of_predictions_that_are_wrong_in_part():
    features, codes = groups()
    predicted = codes.copy()
    predicted[:20] = np.random.default_rng(1).integers(3, size=20)
    value = class_ami(np.eye(3)[predicted], features, random_state=0)
    assert value == pytest.approx(ami_by_permutations(predicted, codes), abs=0.01)  # the clusters are the groups


def test_ami_does_not_care_what_groups_are_called():
    features, codes = groups()
    assert class_ami(np.eye(3)[(codes + 1) % 3], features, random_state=0) == pytest.approx(1.0)
    assert class_ami(np.eye(3)[np.random.default_rng(0).integers(3, size=60)], features, random_state=0) < 0.1


def test_ami_of_sparse_features_and_of_a_draw():
    features, codes = groups(300)
    assert class_ami(np.eye(3)[codes], sparse.csc_array(features), random_state=0) == pytest.approx(1.0)
    assert class_ami(np.eye(3)[codes], features, max_rows=50, random_state=0) == pytest.approx(1.0)


@pytest.mark.parametrize("features", [np.ones((6, 2)), np.zeros((6, 1))])
def test_ami_of_equal_rows_is_zero(features):
    assert class_ami(np.eye(3)[[0, 1, 2, 0, 1, 2]], features, random_state=0) == pytest.approx(0.0)
    assert class_ami(np.eye(3)[[0] * 6], features, random_state=0) == 0.0


def test_ami_of_more_classes_than_rows():
    assert np.isfinite(class_ami(np.eye(9)[:4], np.arange(4.0)[:, None], random_state=0))


def test_ami_of_other_rows_is_refused():
    with pytest.raises(ValueError, match="features_target has 5 rows but proba_target has 3"):
        class_ami(np.eye(3), np.ones((5, 2)))


@pytest.mark.parametrize("max_rows", [0, 1, -1, 1.5, "all", None])
def test_a_number_of_rows_that_is_none_is_refused(max_rows):
    for score in (lambda: class_ami(np.eye(3), np.eye(3), max_rows=max_rows), lambda: rankme(np.eye(3), max_rows=max_rows)):
        with pytest.raises(ValueError, match=f"max_rows is {max_rows!r}; give a whole number of 2 or more"):
            score()


# -- rankme


@pytest.mark.parametrize("shape", [(40, 7), (7, 40)])
def test_rankme_equals_the_published_form(shape):
    features = np.random.default_rng(0).normal(size=shape) * np.geomspace(1, 1e-3, shape[1])
    singular = np.linalg.svd(features, compute_uv=False)
    shares = singular / np.abs(singular).sum() + 1e-7
    assert rankme(features) == pytest.approx(np.exp(-np.sum(shares * np.log(shares))), rel=1e-4)
    assert rankme(sparse.coo_array(features)) == pytest.approx(rankme(features))


def test_rankme_of_equal_directions_is_their_number():
    assert rankme(np.vstack([np.eye(5), -np.eye(5)])) == pytest.approx(5.0)
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(50, 3)))[0]
    assert rankme(basis @ np.random.default_rng(1).normal(size=(3, 20))) <= 3.0
    assert rankme(np.zeros((4, 3))) == 0.0
    assert rankme(np.ones((4, 3))) == pytest.approx(1.0)


@pytest.mark.parametrize("scale", [1e-200, 1e-5, 1e5, 1e200])
def test_rankme_does_not_depend_on_the_scale(scale):
    features = np.random.default_rng(0).normal(size=(30, 4))
    assert rankme(scale * features) == pytest.approx(rankme(features))


def test_rankme_of_many_rows_draws_some():
    features = np.random.default_rng(0).normal(size=(20_000, 10))
    assert rankme(features, max_rows=500, random_state=0) == pytest.approx(rankme(features), rel=0.02)


# -- mixval


def mixval_by_loops(features, predict, share, partner):
    """One round, pair by pair."""
    right = {True: [], False: []}
    for i, j in enumerate(partner):
        first, second = predict(features[[i, j]])
        mixed = predict((share * features[i] + (1 - share) * features[j])[None])[0]
        right[first == second] += [mixed == first]
    return (np.mean(right[True]) + np.mean(right[False])) / 2


def test_mixval_equals_naive_loops(monkeypatch):
    from sterna.select import _mixval

    features = np.random.default_rng(0).normal(size=(40, 2))
    model = LogisticRegression().fit(features, np.arange(40) % 3)
    partner = np.roll(np.arange(40), 7)
    monkeypatch.setattr(_mixval, "_partners", lambda n, rng: partner)
    value = mixval(features, model.predict_proba, share=0.6, n_rounds=1)
    assert value == pytest.approx(mixval_by_loops(features, model.predict, 0.6, partner))


def test_partners_are_other_rows_and_all_of_them():
    from sterna.select._mixval import _partners

    for n in (2, 3, 50):
        partner = _partners(n, np.random.RandomState(n))
        assert sorted(partner) == list(range(n))
        assert np.all(partner != np.arange(n))


def test_boundaries_between_groups_beat_those_that_cut_them():
    features = np.r_[np.random.default_rng(0).normal(-4, 0.5, 50), np.random.default_rng(1).normal(4, 0.5, 50)][:, None]

    def between(X):
        return np.hstack([X < 0, X >= 0]).astype(float)

    def through(X):
        return np.hstack([X < -4, X >= -4]).astype(float)

    assert mixval(features, between, random_state=0) > mixval(features, through, random_state=0) + 0.1


def test_one_predicted_class_gets_a_half_and_no_equal_pair_counts_as_kept():
    features = np.arange(8.0)[:, None]
    assert mixval(features, lambda X: np.tile([1.0, 0.0], (len(X), 1)), random_state=0) == 0.5
    assert mixval(np.array([[-1.0], [1.0]]), lambda X: np.hstack([X < 0, X >= 0]), random_state=0) == 1.0


def test_mixval_of_sparse_rows():
    features = np.abs(np.random.default_rng(0).normal(size=(30, 4)))
    model = LogisticRegression().fit(features, np.arange(30) % 2)
    dense = mixval(features, model.predict_proba, random_state=0)
    assert mixval(sparse.csr_matrix(features), model.predict_proba, random_state=0) == pytest.approx(dense)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"share": 0.5}, "share is 0.5"), ({"share": 1.0}, "share is 1.0"), ({"n_rounds": 0}, "n_rounds is 0")],
)
def test_bad_options_get_a_sentence(options, message):
    with pytest.raises(ValueError, match=message):
        mixval(np.eye(2), lambda X: X, **options)
