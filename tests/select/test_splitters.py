"""Splitters over domains: what is tested, what is trained on, and scikit-learn's searches."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import config_context
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, cross_val_score
from sklearn.preprocessing import StandardScaler

import sterna
from sterna.select import LeaveOneSourceOut, SourceFold, TargetFold


def stack(n_labelled=12, kind=int, seed=0):
    """Two sources of 20 rows and a target of 30, of which some are labelled; three classes, or values."""
    rng = np.random.default_rng(seed)
    sample_domain = np.repeat([1, 2, -3], [20, 20, 30])
    y = np.arange(70) % 3
    X = rng.normal(size=(70, 2)) + y[:, None]
    if kind is str:
        y = np.array(["a", "b", "c"], dtype=object)[y]
        y[40 + n_labelled :] = None
    elif kind is float:
        y = X[:, 0] + 0.01 * rng.normal(size=70)
        y[40 + n_labelled :] = np.nan
    else:
        y[40 + n_labelled :] = -1
    return X, y, sample_domain


@pytest.mark.parametrize("kind", [int, str, float])
def test_target_folds_test_each_labelled_row_once_and_train_on_all_else(kind):
    X, y, sample_domain = stack(kind=kind)
    splits = list(TargetFold(4, random_state=0).split(X, y, sample_domain))
    assert np.sort(np.concatenate([test for _, test in splits])).tolist() == list(range(40, 52))
    for train, test in splits:
        assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(70))
        if kind is int:
            assert set(y[test]) == {0, 1, 2}
    assert TargetFold(4).get_n_splits(X, y, sample_domain) == 4


def test_groups_stay_together():
    X, y, sample_domain = stack()
    groups = np.arange(70) // 4
    for train, test in TargetFold(3, groups=groups, random_state=0).split(X, y, sample_domain):
        labelled = train[(train >= 40) & (train < 52)]
        assert not set(groups[test]) & set(groups[labelled])


def test_groups_may_be_of_any_kind_and_rows_that_are_not_tested_need_none():
    X, y, sample_domain = stack()
    numbers = np.arange(70) // 4
    names = np.array([7, "b", 2.5, "d", (1, 2)], dtype=object)[numbers % 5]
    names[sample_domain > 0] = None
    names[52:] = np.nan
    expected = [test.tolist() for _, test in TargetFold(3, groups=numbers, random_state=0).split(X, y, sample_domain)]
    found = [test.tolist() for _, test in TargetFold(3, groups=names, random_state=0).split(X, y, sample_domain)]
    assert sorted(found) == sorted(expected)


def test_each_source_is_left_out_once():
    X, y, sample_domain = stack()
    tests = [test for _, test in LeaveOneSourceOut().split(X, y, sample_domain)]
    assert [set(sample_domain[test]) for test in tests] == [{1}, {2}]
    assert all(len(test) == 20 for test in tests)


def test_source_folds_hold_each_source_and_class_evenly():
    X, y, sample_domain = stack()
    found = np.concatenate([test for _, test in SourceFold(2, random_state=0).split(X, y, sample_domain)])
    assert np.sort(found).tolist() == list(range(40))
    for _, test in SourceFold(2, random_state=0).split(X, y, sample_domain):
        counts = [np.sum((sample_domain[test] == s) & (y[test] == c)) for s in (1, 2) for c in range(3)]
        assert set(counts) <= {3, 4}


@pytest.mark.parametrize("search", [GridSearchCV, RandomizedSearchCV])
@pytest.mark.parametrize(
    ("cv", "routing"),
    [
        (TargetFold(3, random_state=0), False),
        (TargetFold(3, random_state=0), True),
        (LeaveOneSourceOut(), False),
        (SourceFold(3, random_state=0), False),
    ],
)
def test_in_searches(cv, search, routing):
    X, y, sample_domain = stack()
    pipeline = sterna.make_pipeline(StandardScaler(), sterna.align.CORAL())
    with config_context(enable_metadata_routing=routing):
        given = {"sample_domain": sample_domain} if routing else {"sample_domain": sample_domain, "groups": sample_domain}
        options = {"random_state": 0, "n_iter": 2} if search is RandomizedSearchCV else {}
        found = search(pipeline, {"coral__regularization": [0.1, 1.0]}, cv=cv, error_score="raise", **options).fit(
            X, y, **given
        )
        by_hand = []
        for train, test in cv.split(X, y, sample_domain):
            model = sterna.make_pipeline(StandardScaler(), sterna.align.CORAL(regularization=0.1))
            model.fit(X[train], y[train], sample_domain=sample_domain[train])
            by_hand.append(np.mean(model.predict(X[test]) == y[test]))
    row = [p["coral__regularization"] for p in found.cv_results_["params"]].index(0.1)
    assert found.cv_results_["mean_test_score"][row] == pytest.approx(np.mean(by_hand))


def test_in_cross_val_score_with_values():
    X, y, sample_domain = stack(kind=float)
    scores = cross_val_score(
        sterna.baselines.SourceOnly(Ridge()),
        X,
        y,
        groups=sample_domain,
        cv=TargetFold(3),
        params={"sample_domain": sample_domain},
    )
    assert scores.min() > 0.9


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda X, y, d: TargetFold().split(X, y), "TargetFold got no domains; give the search groups=sample_domain"),
        (lambda X, y, d: TargetFold().split(X, None, d), "got no labels"),
        (lambda X, y, d: TargetFold(20).split(X, y, d), "n_splits is 20, but there are 12 labelled target rows; give 2 to 12"),
        (
            lambda X, y, d: TargetFold(2, groups=np.zeros(70)).split(X, y, d),
            "TargetFold splits groups of labelled target rows, of which the stack has 1; give 2 or more",
        ),
        (lambda X, y, d: TargetFold(2, groups=[None] * 70).split(X, y, d), "groups holds None for row 40; give each labelled"),
        (lambda X, y, d: TargetFold(2, groups=[np.nan] * 70).split(X, y, d), "groups holds nan for row 40"),
        (lambda X, y, d: TargetFold("3").split(X, y, d), "TargetFold: n_splits is '3'; give a whole number of 2 or more"),
        (lambda X, y, d: TargetFold(None).split(X, y, d), "TargetFold: n_splits is None"),
        (lambda X, y, d: TargetFold(2.5).split(X, y, d), "TargetFold: n_splits is 2.5"),
        (lambda X, y, d: TargetFold().split(X, y, abs(d)), "labelled target rows, of which the stack has 0; give 2 or more"),
        (lambda X, y, d: SourceFold("3").split(X, y, d), "SourceFold: n_splits is '3'; give a whole number"),
        (lambda X, y, d: SourceFold(None).split(X, y, d), "SourceFold: n_splits is None"),
        (lambda X, y, d: SourceFold(True).split(X, y, d), "SourceFold: n_splits is True"),
        (lambda X, y, d: SourceFold().split(X, y, -abs(d)), "labelled source rows, of which the stack has 0; give 2 or more"),
        (lambda X, y, d: TargetFold(2, groups=np.zeros(7)).split(X, y, d), "groups has the shape"),
        (lambda X, y, d: LeaveOneSourceOut().split(X, y, np.where(d > 0, 1, d)), "two sources or more, got 1; use SourceFold"),
        (lambda X, y, d: SourceFold(100).split(X, y, d), "there are 40 labelled source rows"),
        (lambda X, y, d: TargetFold().split(X, y, np.zeros(70, dtype=int)), "sample_domain is 0 in row 0"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        list(call(*stack()))
