"""StackedExperts: its weights are those of the constrained least squares problem, and a source of no use gets none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.svm import LinearSVC

from sterna.baselines import SourceOnly
from sterna.multisource import StackedExperts


def without_seen_labels(X, y, domain, base, folds=10):
    """Predictions of the labelled target rows by models of the other rows, dealt out by rising label."""
    Xt, yt = X[domain < 0], y[domain < 0]
    rows = np.flatnonzero(~np.isnan(yt))
    order = rows[np.argsort(yt[rows], kind="stable")]
    result = np.empty(len(yt))
    for k in range(folds):
        train = np.sort(np.delete(order, np.s_[k::folds]))
        result[order[k::folds]] = base.fit(Xt[train], yt[train]).predict(Xt[order[k::folds]])
    return result[rows]


def test_weights_are_those_of_a_general_solver(three_sources):
    X, y, domain, _, _ = three_sources(0, shuffled=(2,), values=True)
    model = StackedExperts(Ridge()).fit(X, y, sample_domain=domain)
    known = (domain < 0) & ~np.isnan(y)
    columns = [Ridge().fit(X[domain == k], y[domain == k]).predict(X[known]) for k in (1, 2, 3)]
    P = np.column_stack([*columns, without_seen_labels(X, y, domain, Ridge())])
    solved = minimize(
        lambda w: np.sum((P @ w - y[known]) ** 2),
        np.full(4, 0.25),
        bounds=[(0, 1)] * 4,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        method="SLSQP",
        options={"ftol": 1e-12},
    )
    np.testing.assert_allclose(model.weights_, solved.x, atol=2e-3)
    assert model.health_["cv_loss"] == pytest.approx(solved.fun / known.sum(), rel=1e-4)


def test_a_reversed_source_is_named_and_source_only_is_beaten(three_sources):
    for seed in range(3):
        X, y, domain, new, truth = three_sources(seed)
        y[domain < 3] = np.where(domain[domain < 3] > 0, 1 - y[domain < 3], y[domain < 3])
        model = StackedExperts().fit(X, y, sample_domain=domain)
        assert model.health_["harmful_sources"] == [1, 2]
        assert model.score(new, truth) > SourceOnly().fit(X, y, sample_domain=domain).score(new, truth) + 0.2


def test_few_labels_weigh_by_closeness(three_sources):
    X, y, domain, _, _ = three_sources(0, n_labelled=5)
    X = X.copy()
    X[domain == 2] += 5
    model = StackedExperts(random_state=0).fit(X, y, sample_domain=domain)
    weights = model.health_["source_weights"]
    assert model.health_["weights_from"] == "closeness"
    assert weights[2] < 0.02
    assert weights[1] > 0.4
    assert weights[3] > 0.4
    known = (domain == 1) | ((domain < 0) & ~np.isnan(y))
    np.testing.assert_allclose(model.experts_[0].coef_, LogisticRegression(max_iter=1000).fit(X[known], y[known]).coef_)


def test_labels_of_one_class_choose_no_weights(three_sources):
    X, y, domain, new, truth = three_sources(0)
    y[(domain < 0) & (y == 0)] = np.nan
    model = StackedExperts(random_state=0).fit(X, y, sample_domain=domain)
    assert model.health_["weights_from"] == "closeness"
    assert model.score(new, truth) > 0.75


def test_sources_that_lack_classes_and_bases_without_probabilities(three_sources):
    X, y, domain, new, truth = three_sources(0)
    y[domain == 1] = 1  # one class
    names = np.array([None if np.isnan(v) else ("no", "yes")[int(v)] for v in y], dtype=object)
    model = StackedExperts(LinearSVC()).fit(X.astype(np.float32), names, sample_domain=domain)
    assert not hasattr(model, "predict_proba")
    assert model.health_["source_weights"][1] < 0.1
    assert np.mean(model.predict(new.astype(np.float32)) == np.array(["no", "yes"])[truth.astype(int)]) > 0.75


def test_one_source_is_refused(three_sources):
    X, y, domain, _, _ = three_sources(0)
    with pytest.raises(ValueError, match="two or more source domains"):
        StackedExperts().fit(X, y, sample_domain=np.minimum(domain, 1))


def test_sources_all_far_from_the_target_weigh_nearly_the_same(three_sources):
    X, y, domain, _, _ = three_sources(0, n_labelled=0)
    X = X.copy()
    X[domain > 0, 3] += 8
    X[np.flatnonzero(domain == 2)[0], 3] -= 8  # one row that is taken for the target's must not decide
    model = StackedExperts(random_state=0).fit(X, y, sample_domain=domain)
    np.testing.assert_allclose(model.weights_, 1 / 3, atol=0.01)
