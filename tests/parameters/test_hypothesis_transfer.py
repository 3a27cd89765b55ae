"""HypothesisTransfer against normal equations, stacking by hand, and harmful sources."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from sterna.baselines import SourceOnly, TargetOnly
from sterna.parameters import HypothesisTransfer


def test_ridge_residuals_are_least_squares_biased_by_the_source(values):
    """min ||y - X w - b||^2 + ||w - w_S||^2 by normal equations in (w, b)."""
    case = values(n_target=8)
    model = case.fit(HypothesisTransfer(Ridge(), trust=1.0))
    prior = np.r_[Ridge().fit(case.Xs, case.ys).coef_, 0.0]
    design, pull = np.c_[case.Xt, np.ones(8)], np.diag(np.r_[np.ones(6), 0.0])
    solution = np.linalg.solve(design.T @ design + pull, design.T @ case.yt + pull @ prior)
    np.testing.assert_allclose(model.predict(case.X), np.c_[case.X, np.ones(len(case.X))] @ solution)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_classes_are_stacked_on_scaled_log_probabilities(classes, n_classes):
    case = classes(n_classes=n_classes)
    model = case.fit(HypothesisTransfer(trust=2.0))
    source = LogisticRegression(max_iter=1000).fit(case.Xs, case.ys)

    def centered(X):
        log_proba = np.maximum(source.predict_log_proba(X), np.log(1e-4))
        rows = [[value - np.mean(row) for value in row] for row in log_proba]
        return np.array(rows)[:, 1:] if n_classes == 2 else np.array(rows)

    mean, deviation = centered(case.Xt).mean(axis=0), centered(case.Xt).std(axis=0)
    peer = LogisticRegression(max_iter=1000).fit(np.c_[case.Xt, 2 * (centered(case.Xt) - mean) / deviation], case.yt)
    expected = peer.predict_proba(np.c_[case.X, 2 * (centered(case.X) - mean) / deviation])
    np.testing.assert_allclose(model.predict_proba(case.X), expected, atol=1e-3)


@pytest.mark.parametrize("task", ["classes", "values"])
def test_ends_are_the_target_alone_and_the_source(classes, values, task):
    case, base = (classes(), LogisticRegression()) if task == "classes" else (values(), Ridge())
    alone, unchanged = (case.fit(HypothesisTransfer(base, trust=trust)) for trust in (0.0, np.inf))
    np.testing.assert_array_equal(alone.predict(case.X), case.fit(TargetOnly(base)).predict(case.X))
    source = case.fit(SourceOnly(base))
    moved = 0 if task == "classes" else np.mean(case.yt - source.predict(case.Xt))
    np.testing.assert_allclose(unchanged.predict(case.X), source.predict(case.X) + moved)


def test_trust_has_the_least_cross_validated_error(values):
    """Ten folds of rows dealt out by label, refitted one by one."""
    case = values(n_target=30, offset=0.0, change=1.0)
    model = case.fit(HypothesisTransfer(Ridge()))
    source = Ridge().fit(case.Xs, case.ys)
    fold = np.argsort(np.argsort(case.yt)) % 10
    errors = {}
    for trust in (0.0, 0.25, 0.5, 0.75, 1.0):
        residual = case.yt - trust * source.predict(case.Xt)
        squares = [
            (residual[i] - Ridge().fit(case.Xt[fold != fold[i]], residual[fold != fold[i]]).predict(case.Xt[i : i + 1])[0]) ** 2
            for i in range(30)
        ]
        errors[trust] = np.mean(squares)
    assert model.trust_ == min(errors, key=errors.get)
    assert model.health_["cv_loss"] == pytest.approx(min(errors.values()))
    assert model.health_["cv_loss_target"] == pytest.approx(errors[0.0])


@pytest.mark.parametrize("seed", range(3))
def test_opposite_labels_cost_little(classes, values, seed):
    case = classes(seed=seed, n_target=60, change=0.0)
    harmful = case.with_source_labels(1 - case.ys)
    assert harmful.score(HypothesisTransfer()) > case.score(TargetOnly()) - 0.03
    case = values(seed=seed, n_target=60)
    noise = case.with_source_labels(np.random.default_rng(seed).permutation(case.ys))
    assert noise.score(HypothesisTransfer(Ridge())) > case.score(TargetOnly(Ridge())) - 0.02


def test_helps_with_few_labels(classes, values):
    """Above both ends on average over six draws."""
    for make, base, margin, n_target in ((classes, LogisticRegression(), 0.005, 40), (values, Ridge(), 0.005, 20)):
        cases = [make(seed=seed, d=10, n_target=n_target, change=0.5) for seed in range(6)]
        models = HypothesisTransfer(base), TargetOnly(base), SourceOnly(base)
        scores = np.mean([[case.score(model) for model in models] for case in cases], axis=0)
        assert scores[0] > scores[1] + margin
        assert scores[0] > scores[2] + margin


def test_any_base_and_sparse_rows(classes, values):
    case = classes(n_classes=3, n_target=60)
    for base in (LinearSVC(), DecisionTreeClassifier(max_depth=4, random_state=0)):
        assert case.score(HypothesisTransfer(base)) > case.score(TargetOnly(base)) - 0.02
    assert not hasattr(case.fit(HypothesisTransfer(LinearSVC())), "predict_proba")
    X = sparse.csr_matrix(np.concatenate([case.Xs, case.Xt]))
    y, sample_domain = np.r_[case.ys, case.yt], np.repeat([1, -2], [300, 60])
    by_csr = HypothesisTransfer(trust=1.0).fit(X, y, sample_domain=sample_domain)
    dense = case.fit(HypothesisTransfer(trust=1.0))
    np.testing.assert_allclose(by_csr.predict_proba(case.X), dense.predict_proba(case.X), atol=1e-4)
    curved = values(n_target=30)
    mixed = HypothesisTransfer(LinearRegression(), source_estimator=KNeighborsRegressor())
    assert curved.score(mixed) > 0.8


@pytest.mark.parametrize("labels", [[0], [1, 1, 1], [0, 1]])
def test_few_labels(classes, labels):
    case = classes(change=0.0)
    rows = [np.flatnonzero(case.yt == c)[i] for i, c in enumerate(labels)]
    X, y = np.concatenate([case.Xs, case.Xt[rows]]), np.r_[case.ys, labels]
    model = HypothesisTransfer().fit(X, y, sample_domain=np.repeat([1, -2], [300, len(labels)]))
    assert model.score(case.X, case.y) > 0.7
    assert (model.trust_ == np.inf) or labels == [0, 1]


def test_one_row_of_regression_moves_the_offset(values):
    case = values(n_target=1, change=0.0, offset=50.0)
    assert np.mean((case.fit(HypothesisTransfer(Ridge())).predict(case.X) - case.y) ** 2) < 2


def test_fragile_inputs(classes):
    """More columns than rows, a constant column, duplicates, float32, a source of one class, a class that only one has."""
    case = classes(n_source=12, n_target=10, d=40)
    assert np.isfinite(case.fit(HypothesisTransfer()).predict_proba(case.X)).all()
    one = HypothesisTransfer().fit(
        np.r_[case.Xs, case.Xt, case.Xt].astype(np.float32) * np.r_[0, np.ones(39)].astype(np.float32),
        np.r_[np.zeros(12, int), case.yt, case.yt],
        sample_domain=np.repeat([1, -2], [12, 20]),
    )
    assert set(one.classes_) == {0, 1}
    third = case.with_source_labels(np.where(np.arange(12) < 4, 2, case.ys))
    assert third.fit(HypothesisTransfer()).predict_proba(case.X).shape[1] == len({*third.ys, *case.yt})


def test_trees_see_no_difference_between_sizes_of_the_extra_features(classes):
    """Their choice is among the target alone, one size and the source."""
    case = classes(n_target=40)
    tree = DecisionTreeClassifier(max_depth=3, random_state=0)
    grown = [case.fit(HypothesisTransfer(tree, trust=trust)).predict_proba(case.X) for trust in (0.3, 1.0, 3.0, 10.0)]
    for other in grown[1:]:
        np.testing.assert_array_equal(other, grown[0])
    assert case.fit(HypothesisTransfer(tree)).trust_ in (0.0, 1.0, np.inf)
