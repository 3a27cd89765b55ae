"""Scores that refit a strategy: reverse_validation and leave_one_source_out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier

import sterna
from sterna.align import CORAL
from sterna.baselines import Constant, SourceOnly
from sterna.select import leave_one_source_out, reverse_validation


def made(n=60, shift=1.0, n_sources=2, seed=0):
    """Two groups of rows in each domain, domain k moved by k * shift; the target comes last."""
    rng = np.random.default_rng(seed)
    y = np.tile([0, 1], n // 2)
    X = [3.0 * y[:, None] * [1.0, 0.2] + rng.normal(size=(n, 2)) + [0.0, k * shift] for k in range(n_sources + 1)]
    sample_domain = np.repeat([*range(1, n_sources + 1), -1], n)
    return np.vstack(X), np.tile(y, n_sources + 1).astype(float), sample_domain


def hidden(y, sample_domain):
    return np.where(sample_domain > 0, y, np.nan)


def reverse_by_hand(X, y, sample_domain, fold, base):
    """With no adaptation there and back is two fits of the base estimator."""
    Xs, ys, Xt = X[sample_domain > 0], y[sample_domain > 0], X[sample_domain < 0]
    scores = []
    for k in np.unique(fold):
        there = clone(base).fit(Xs[fold != k], ys[fold != k])
        back = clone(base).fit(Xt, there.predict(Xt))
        scores += [back.score(Xs[fold == k], ys[fold == k])]
    return np.mean(scores)


@pytest.mark.parametrize("base", [LogisticRegression(), Ridge(), KNeighborsClassifier(3)])
def test_reverse_validation_without_adaptation_is_two_fits(base):
    from sterna.measures._source_model import fold_numbers

    X, y, sample_domain = made()
    fold = fold_numbers(y[sample_domain > 0], 3, True, np.random.RandomState(0))
    value = reverse_validation(SourceOnly(base), X, hidden(y, sample_domain), sample_domain, random_state=0)
    assert value == pytest.approx(reverse_by_hand(X, y, sample_domain, fold, base))


@pytest.mark.parametrize("base", [LogisticRegression(), Ridge()])
def test_leaving_one_out_without_adaptation_is_a_fit_on_the_others(base):
    X, y, sample_domain = made(n_sources=3)
    scores = []
    for source in (1, 2, 3):
        train, test = (sample_domain > 0) & (sample_domain != source), sample_domain == source
        scores += [clone(base).fit(X[train], y[train]).score(X[test], y[test])]
    value = leave_one_source_out(SourceOnly(base), X, hidden(y, sample_domain), sample_domain)
    assert value == pytest.approx(np.mean(scores))


SCORES = [reverse_validation, leave_one_source_out]
each_score = pytest.mark.parametrize("score", SCORES)


def options(score):
    return {"random_state": 0} if score is reverse_validation else {}


@each_score
def test_no_target_label_is_read(score):
    X, y, sample_domain = made()
    given = score(SourceOnly(), X, y, sample_domain, **options(score))
    poisoned = np.where(sample_domain > 0, y, 1 - y)
    assert score(SourceOnly(), X, poisoned, sample_domain, **options(score)) == given
    assert score(SourceOnly(), X, hidden(y, sample_domain), sample_domain, **options(score)) == given


@each_score
@pytest.mark.parametrize("names", [("no", "yes"), (-1, 1), (False, True), (2.0, 7.0), (3, 8)])
def test_labels_and_domains_of_any_kind_give_the_same(score, names):
    X, y, sample_domain = made()
    expected = score(CORAL(), X, hidden(y, sample_domain), sample_domain, **options(score))
    words = np.array(["source:a", "source:b", "target"], dtype=object)[np.where(sample_domain < 0, 2, sample_domain - 1)]
    labels = np.array(names, dtype=object)[y.astype(int)]
    labels[sample_domain < 0] = None
    assert score(CORAL(), X, labels, words, **options(score)) == expected


@each_score
@pytest.mark.parametrize("kind", [sparse.csc_array, pd.DataFrame, np.ndarray.tolist])
def test_rows_of_any_kind(score, kind):
    X, y, sample_domain = made()
    expected = score(SourceOnly(), X, y, sample_domain, **options(score))
    assert score(SourceOnly(), kind(X), y, sample_domain, **options(score)) == pytest.approx(expected, abs=0.02)


@each_score
def test_the_strategy_and_the_arrays_stay_as_they_were(score):
    X, y, sample_domain = made()
    for array in (X, y, sample_domain):
        array.setflags(write=False)
    strategy = CORAL()
    score(strategy, X, y, sample_domain, **options(score))
    assert not hasattr(strategy, "estimator_")


@each_score
def test_a_pipeline_is_refitted_as_a_whole(score):
    X, y, sample_domain = made()
    from sklearn.preprocessing import StandardScaler

    pipeline = sterna.make_pipeline(StandardScaler(), CORAL())
    value = score(pipeline, X, hidden(y, sample_domain), sample_domain, **options(score))
    assert 0.5 < value <= 1.0


@each_score
def test_a_named_score(score):
    X, y, sample_domain = made()
    value = score(SourceOnly(Ridge()), X, y, sample_domain, scoring="neg_mean_squared_error", **options(score))
    assert -1 < value < 0


@pytest.mark.parametrize("seed", range(3))
def test_the_strategy_that_undoes_the_shift_is_preferred(seed):
    """Each domain is moved along the axis that tells the classes apart."""
    rng = np.random.default_rng(seed)
    y = np.tile([0, 1], 60)
    side = np.c_[np.where(y, 1.5, -1.5), np.zeros(120)]
    X = np.vstack([side + rng.normal(size=(120, 2)) + [2.5 * k, 0.0] for k in range(3)])
    sample_domain, labels = np.repeat([1, 2, -1], 120), np.tile(y, 3)
    one = sample_domain != 2
    plain, coral = (
        (
            leave_one_source_out(strategy, X, labels, sample_domain),
            reverse_validation(strategy, X[one], labels[one], sample_domain[one], random_state=0),
        )
        for strategy in (SourceOnly(), CORAL())
    )
    assert coral[0] > plain[0] + 0.2
    assert coral[1] > plain[1] + 0.2


class Certain(ClassifierMixin, BaseEstimator):
    """Predicts the first class whatever it is given."""

    def fit(self, X, y, sample_domain=None):
        known = [label for label in np.asarray(y).tolist() if label is not None]
        self.classes_ = np.unique(known)
        return self

    def predict(self, X):
        return np.repeat(self.classes_[:1], X.shape[0])


def test_a_collapsed_strategy_gets_the_share_of_its_class():
    X, y, sample_domain = made(n_sources=1)
    labels = np.array(["few", "many"])[(y + np.tile([0, 0, 1], 40) > 0).astype(int)]
    share = np.mean(labels[sample_domain > 0] == "few")
    value = reverse_validation(Certain(), X, labels, sample_domain, n_folds=2, random_state=0)
    assert value == pytest.approx(share, abs=0.02)
    assert reverse_validation(Constant(), X, labels, sample_domain, random_state=0) <= 0.7


def test_folds_hold_all_classes_evenly():
    from sterna.measures._source_model import fold_numbers

    y = np.repeat(["a", "b", "c"], [30, 9, 3])
    fold = fold_numbers(y, 3, True, np.random.RandomState(0))
    assert [np.sum((fold == k) & (y == name)) for name in "abc" for k in range(3)] == [10] * 3 + [3] * 3 + [1] * 3
    assert not np.array_equal(fold, fold_numbers(y, 3, True, np.random.RandomState(1)))


def test_same_seed_same_value():
    X, y, sample_domain = made()
    values = [reverse_validation(SourceOnly(), X, y, sample_domain, random_state=3) for _ in range(2)]
    assert values[0] == values[1]


X6, Y6 = np.arange(6.0)[:, None], np.array([0, 1, 0, 1, 0, 1])


@pytest.mark.parametrize(
    ("score", "sample_domain", "more", "message"),
    [
        (reverse_validation, [1] * 6, {}, "no target row"),
        (reverse_validation, [-1] * 6, {}, "no labelled source row"),
        (reverse_validation, [1] + [-1] * 5, {}, "labelled source rows, of which there is 1; label 2 or more"),
        (reverse_validation, [1, 1, 1, 1, -1, -1], {"n_folds": 1}, "n_folds is 1; give a whole number of 2 or more"),
        (reverse_validation, [1, 1, 1, 1, -1, -1], {"n_folds": 2.5}, "n_folds is 2.5"),
        (reverse_validation, [1, -1, 1, -1, -1, -1], {}, "not held out in a fold all have the class 0; give two source rows"),
        (reverse_validation, [1, 1, 1, -1, -1, -1], {}, "all have the class 0; give two source rows or more of two classes"),
        (leave_one_source_out, [1, 1, -1, 2, -1, 2], {}, "without source 1 the labelled source rows all have the class 1"),
        (reverse_validation, [1, 1, 1, 1, -1], {}, "sample_domain has shape"),
        (leave_one_source_out, [1, 1, 1, 1, -1, -1], {}, "two source domains or more, got one"),
        (leave_one_source_out, [-1] * 6, {}, "no labelled source row"),
        (leave_one_source_out, [0] * 6, {}, "sample_domain is 0 in row 0"),
    ],
)
def test_bad_stacks_get_a_sentence(score, sample_domain, more, message):
    with pytest.raises(ValueError, match=message):
        score(SourceOnly(), X6, Y6, sample_domain, **more)


@pytest.mark.parametrize(
    ("score", "sample_domain", "what"),
    [
        (reverse_validation, [1, 1, 1, -1, -1, -1], "a fold of the source"),
        (leave_one_source_out, [1, 2, 2, 2, -1, -1], "source 1"),
    ],
)
def test_one_held_out_row_has_no_r_squared(score, sample_domain, what):
    with pytest.raises(ValueError, match=f"{what} has 1 labelled row, which has no R squared; give a scoring"):
        score(SourceOnly(Ridge()), X6, Y6, sample_domain)
    assert score(SourceOnly(Ridge()), X6, Y6, sample_domain, scoring="neg_mean_squared_error") <= 0


@each_score
def test_labels_of_another_length_are_refused(score):
    with pytest.raises(ValueError, match="y has 4 labels but X has 6 rows"):
        score(SourceOnly(), X6, Y6[:4], [1, 1, 2, 2, -1, -1])
