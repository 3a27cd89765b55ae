"""SimilarityWeighting: weights as the rule says, computed anew, and sources of no use left out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier

import sterna
from sterna.baselines import SourceOnly
from sterna.multisource import SimilarityWeighting


def test_weights_and_model_by_hand(three_sources):
    X, y, domain, _, _ = three_sources(0, values=True)
    y[domain == 1] += 0.5 * np.random.default_rng(0).normal(size=150)
    model = SimilarityWeighting(Ridge()).fit(X, y, sample_domain=domain)
    known = (domain < 0) & ~np.isnan(y)
    order = np.sort(y[known])
    held_out = [order[i] - np.delete(order, np.s_[i % 10 :: 10]).mean() for i in range(30)]
    constant = np.mean(np.square(held_out))
    errors = [np.mean((Ridge().fit(X[domain == k], y[domain == k]).predict(X[known]) - y[known]) ** 2) for k in (1, 2, 3)]
    skill = 1 - np.array(errors) / constant
    np.testing.assert_allclose(list(model.health_["source_weights"].values()), skill / skill.sum())
    rows = (domain > 0) | known
    weights = np.where(domain > 0, (skill / skill.mean())[np.clip(domain, 1, 3) - 1], 1.0)
    expected = Ridge().fit(X[rows], y[rows], sample_weight=weights[rows])
    np.testing.assert_allclose(model.estimator_.coef_, expected.coef_)


def test_closeness_is_twice_the_error_of_telling_domains_apart(three_sources):
    X, y, domain, _, _ = three_sources(0, n=800, n_labelled=0)
    X = X.copy()
    X[domain == 2, 0] += 1.5
    X[domain == 3, 0] += 3.0
    weights = SimilarityWeighting(random_state=0).fit(X, y, sample_domain=domain).health_["source_weights"]
    # two Gaussians d deviations apart are told apart with the error Phi(-d / 2): 1/2, 0.2266, 0.0668
    np.testing.assert_allclose(list(weights.values()), np.array([0.5, 0.2266, 0.0668]) / 0.7934, atol=0.03)


def test_far_sources_of_another_rule_are_outweighed_without_labels(three_sources):
    gains = []
    for seed in range(3):
        X, y, domain, new, truth = three_sources(seed, n_labelled=0)
        X = X.copy()
        X[domain < 3, 3] += np.where(domain[domain < 3] > 0, 2.0, 0.0)
        other = (domain == 1) | (domain == 2)
        y[other] = 1 - y[other]
        model = SimilarityWeighting(random_state=0).fit(X, y, sample_domain=domain)
        gains.append(model.score(new, truth) - SourceOnly().fit(X, y, sample_domain=domain).score(new, truth))
    assert np.mean(gains) > 0.1


def test_all_but_one_source_left_out_warns(three_sources):
    X, y, domain, new, truth = three_sources(0)
    y[(domain == 1) | (domain == 3)] = 1 - y[(domain == 1) | (domain == 3)]
    with pytest.warns(sterna.CollapseWarning, match="all sources but 2"):
        model = SimilarityWeighting().fit(X, y, sample_domain=domain)
    assert model.health_["harmful_sources"] == model.health_["dropped_sources"] == [1, 3]
    assert model.score(new, truth) > 0.8


def test_where_no_source_beats_a_constant_the_best_stays(three_sources):
    X, y, domain, _, _ = three_sources(0)
    y[domain > 0] = 1 - y[domain > 0]
    with pytest.warns(sterna.CollapseWarning, match="worse than a constant"):
        model = SimilarityWeighting().fit(X, y, sample_domain=domain)
    assert model.health_["harmful_sources"] == [1, 2, 3]
    assert len(model.health_["dropped_sources"]) == 2


def test_sparse_rows_and_domains_of_few_rows(three_sources):
    X, y, domain, _, _ = three_sources(0, n_labelled=0)
    few = np.flatnonzero((domain != 1) | (np.cumsum(domain == 1) <= 1))
    model = SimilarityWeighting(random_state=0).fit(csr_matrix(X[few]), y[few], sample_domain=domain[few])
    assert model.health_["source_weights"][1] == pytest.approx(0.4, abs=0.1)  # a single row: taken as close
    np.testing.assert_allclose(model.weights_.mean(), 1)


def test_a_base_without_weights_is_refused(three_sources):
    X, y, domain, _, _ = three_sources(0)
    with pytest.raises(TypeError, match="sample_weight"):
        SimilarityWeighting(KNeighborsClassifier()).fit(X, y, sample_domain=domain)
    assert isinstance(SimilarityWeighting().fit(X, y, sample_domain=domain).estimator_, LogisticRegression)
