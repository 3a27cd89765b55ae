from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import StratifiedKFold

from sterna import CollapseWarning
from sterna.reweight import DomainClassifierRatio


def gaussians(n_source, n_target, shift, seed=0, d=2):
    """Unit Gaussians, the target moved along the first axis: the log ratio is shift * x - shift^2 / 2."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_source + n_target, d))
    X[n_source:, 0] += shift
    y = np.r_[X[:n_source, 0], np.full(n_target, np.nan)]
    return X, y, np.repeat([1, -2], [n_source, n_target]), np.exp(shift * X[:n_source, 0] - shift**2 / 2)


@pytest.mark.parametrize(("n_source", "n_target"), [(2000, 2000), (3000, 300), (300, 3000)])
def test_finds_the_true_ratio_of_gaussians(n_source, n_target):
    X, y, sample_domain, truth = gaussians(n_source, n_target, 1.0)
    model = DomainClassifierRatio(Ridge(), random_state=0).fit(X, y, sample_domain=sample_domain)
    np.testing.assert_allclose(np.log(model.weights_), np.log(truth / truth.mean()), atol=0.4)
    assert np.mean(np.abs(np.log(model.weights_ * truth.mean() / truth))) < 0.15
    assert model.health_["mean_ratio"] == pytest.approx(1, abs=0.15)
    assert model.health_["domain_auc"] == pytest.approx(0.760, abs=0.03)  # Phi(1 / sqrt 2)
    assert model.health_["effective_share"] == pytest.approx(np.exp(-1), abs=0.15)


def test_each_row_is_judged_by_a_classifier_that_has_not_seen_it():
    """A naive loop: fold by fold, log odds of the rows left out, then one calibration line by Newton's steps."""
    X, y, sample_domain, _ = gaussians(60, 40, 0.8)
    classifier = LogisticRegression(C=0.3)
    model = DomainClassifierRatio(Ridge(), domain_classifier=classifier, random_state=7).fit(X, y, sample_domain=sample_domain)
    z = np.repeat([0, 1], [60, 40])
    seed = np.random.RandomState(7).randint(2**31 - 1)
    odds = np.empty(100)
    for train, test in StratifiedKFold(5, shuffle=True, random_state=seed).split(X, z):
        fitted = LogisticRegression(C=0.3).fit(X[train], z[train])
        odds[test] = X[test] @ fitted.coef_[0] + fitted.intercept_[0]
    design = np.column_stack([odds / odds.std(), np.ones(100)])
    line = np.zeros(2)
    penalty = np.diag([1.0, 0.0])
    for _ in range(30):
        p = 1 / (1 + np.exp(-design @ line))
        gradient = design.T @ (p - z) + penalty @ line
        line -= np.linalg.solve(design.T @ (design * (p * (1 - p))[:, None]) + penalty, gradient)
    ratio = np.exp(design[:60] @ line) * 60 / 40
    np.testing.assert_allclose(model.weights_, ratio / ratio.mean(), rtol=1e-3)
    assert model.health_["mean_ratio"] == pytest.approx(ratio.mean(), rel=1e-3)


def test_a_classifier_that_overfits_is_calibrated():
    """Forests of full trees are sure of rows they have seen; held out and calibrated, their ratio has the right spread."""
    X, y, sample_domain, truth = gaussians(600, 600, 1.0)
    forest = RandomForestClassifier(50, random_state=0)
    model = DomainClassifierRatio(Ridge(), domain_classifier=forest, random_state=0).fit(X, y, sample_domain=sample_domain)
    assert 0 < model.health_["calibration_slope"] < 0.9
    assert np.corrcoef(np.log(model.weights_), np.log(truth))[0, 1] > 0.45
    assert model.health_["mean_ratio"] == pytest.approx(1, abs=0.2)


def test_equal_domains_give_equal_weights():
    X, y, sample_domain, _ = gaussians(500, 500, 0.0, d=30)
    model = DomainClassifierRatio(Ridge(), random_state=0).fit(X, y, sample_domain=sample_domain)
    assert model.health_["effective_share"] > 0.95


def test_penalty_follows_the_data():
    X, y, sample_domain, _ = gaussians(60, 60, 0.3, d=60)
    weak = DomainClassifierRatio(Ridge(), random_state=0).fit(X, y, sample_domain=sample_domain).C_
    X, y, sample_domain, _ = gaussians(1000, 1000, 1.5, d=2)
    assert weak < DomainClassifierRatio(Ridge(), random_state=0).fit(X, y, sample_domain=sample_domain).C_


def test_separable_domains_are_a_warning():
    X, y, sample_domain, _ = gaussians(200, 200, 12.0)
    with pytest.warns(CollapseWarning, match="apart nearly without error"):
        model = DomainClassifierRatio(Ridge(), max_weight=10.0, random_state=0).fit(X, y, sample_domain=sample_domain)
    assert model.health_["domain_auc"] > 0.99
    assert np.isfinite(model.weights_).all()


def test_max_weight_cuts_the_ratio_before_scaling():
    X, y, sample_domain, _ = gaussians(1000, 1000, 1.5)
    free, cut = (
        DomainClassifierRatio(Ridge(), max_weight=limit, random_state=0).fit(X, y, sample_domain=sample_domain)
        for limit in (None, 2.0)
    )
    ratio = free.weights_ * free.health_["mean_ratio"]
    expected = np.minimum(ratio, 2)
    assert (ratio > 2).any()
    np.testing.assert_allclose(cut.weights_, expected / expected.mean())
    assert cut.health_["effective_sample_size"] > 1.2 * free.health_["effective_sample_size"]


def test_one_target_row_is_refused():
    with pytest.raises(ValueError, match="two rows of each domain, got 3 of source, 1 of target"):
        DomainClassifierRatio(Ridge(), random_state=0).fit(np.eye(4), [0.0, 1.0, 2.0, np.nan], sample_domain=[1, 1, 1, -2])


def test_many_rows_choose_the_penalty_on_a_sample():
    X, y, sample_domain, truth = gaussians(12_000, 12_000, 1.0)
    model = DomainClassifierRatio(Ridge(), random_state=0).fit(X, y, sample_domain=sample_domain)
    assert np.mean(np.abs(np.log(model.weights_ * truth.mean() / truth))) < 0.05
