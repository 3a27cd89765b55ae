"""Without target labels: unproven, ranked by scores that read none, and never a collapsed model."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats
from sklearn.base import is_regressor
from sklearn.dummy import DummyClassifier, DummyRegressor

import sterna
from sterna.base import TransferEstimator
from sterna.baselines import SourceOnly
from sterna.verdict._label_free import labels_to_settle, rank_label_free


class Collapsed(TransferEstimator):
    """Predicts one class, and is quite sure of it."""

    family = "mine"
    reference = "none"

    def __init__(self, estimator=None):
        self.estimator = estimator

    def _base_estimator(self):
        return DummyRegressor() if is_regressor(self.estimator) else DummyClassifier(strategy="most_frequent")

    def _fit_domains(self, data):
        self._fit_plain(data.X_source, data.y_source)


class Flipped(SourceOnly):
    """Predicts the other class, with conviction."""

    family = "mine"

    def predict(self, X, sample_domain=None, *, allow_source=False):
        return np.where(super().predict(X, sample_domain, allow_source=allow_source) == "yes", "no", "yes")

    def predict_proba(self, X, sample_domain=None, *, allow_source=False):
        return np.eye(2)[(super().predict_proba(X, sample_domain, allow_source=allow_source)[:, 0] > 0.5).astype(int)]


class FarOff(SourceOnly):
    """Predicts values far from any label."""

    family = "mine"

    def predict(self, X, sample_domain=None, *, allow_source=False):
        return 50 + 30 * super().predict(X, sample_domain, allow_source=allow_source)


class Nonsense(SourceOnly):
    """Predicts what is no number."""

    family = "mine"

    def predict(self, X, sample_domain=None, *, allow_source=False):
        return np.full(X.shape[0], np.nan)


@pytest.mark.parametrize("n_labelled", [0, 1, 2, 7])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_few_labels_or_none_are_unproven(pair, quick, task, n_labelled):
    comparison = quick(pair(task, n_labelled=n_labelled))
    summary = comparison.summary
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert comparison.verdict.word == comparison.adaptation.word == "unproven"
    said = "the target has no labels" if not n_labelled else f"{n_labelled} target label"
    assert said in comparison.verdict.sentence
    assert all(row["mean"] is None and row["difference"] is None for row in summary["strategies"])
    ranked = {row["name"]: row for row in summary["strategies"] if row["label_free"] is not None}
    expected = {"SourceOnly", "CORAL"} | ({"Pooled"} if n_labelled else set())
    assert set(ranked) == expected
    kinds = {"importance_weighted", "information_maximisation"} if task == "classification" else {"importance_weighted"}
    assert all(set(row["label_free"]) == kinds for row in ranked.values())
    assert comparison.best in ranked
    assert summary["baselines"] == {}
    assert summary["power"]["n_labels"] >= 20
    assert len(comparison.best_estimator_.predict(pair(task, seed=1).target.X)) == 40
    assert comparison.table().index[0] == comparison.best


def test_eight_labels_are_enough_for_a_verdict(pair, quick):
    assert quick(pair(n_labelled=8)).verdict.word != "unproven"


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "roc_auc", "log_loss"])
def test_a_collapsed_strategy_never_wins(pair, quick, entry, metric):
    comparison = quick(pair(n_labelled=0), strategies=["CORAL", Collapsed], metric=metric)
    assert comparison.best != "Collapsed"
    row = entry(comparison, "Collapsed")
    assert row["warnings"][0].startswith("void: predicts 1 of 2 classes only") or "% of the target" in row["warnings"][0]
    assert comparison.summary["strategies"].index(row) == 2


def test_who_contradicts_the_source_comes_last_where_no_column_changed(pair, quick, entry):
    comparison = quick(pair(n_labelled=0, shift=0.3), strategies=[Flipped])
    assert entry(comparison, "Flipped")["warnings"][0].startswith("void: contradicts SourceOnly on 100 %")
    assert comparison.best == "SourceOnly"
    moved = quick(pair(n_labelled=0, shift=30.0), strategies=[Flipped])
    assert not any("contradicts" in warning for warning in entry(moved, "Flipped")["warnings"])


@pytest.mark.parametrize("strategy", [Collapsed, FarOff])
def test_a_collapsed_regression_never_wins(pair, quick, entry, strategy):
    comparison = quick(pair("regression", n_labelled=0), strategies=["CORAL", strategy])
    assert comparison.best != strategy.__name__
    assert entry(comparison, strategy.__name__)["warnings"][0].startswith("void: ")


def test_where_all_have_collapsed_the_source_model_is_handed_over(pair, quick):
    """A target far away, where even the source model predicts one class."""
    domains = pair(n_labelled=0, shift=50.0)
    comparison = quick(domains, strategies=[Collapsed])
    assert comparison.best == "SourceOnly"
    assert "are void (2)" in comparison.summary["best"]["reason"]


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "roc_auc", "log_loss"])
def test_a_model_that_is_wrong_on_the_source_never_wins(pair, quick, metric):
    """However sure it is, and whichever way the metric points."""
    comparison = quick(pair(n_labelled=0), strategies=[Flipped, "CORAL"], metric=metric)
    assert comparison.best != "Flipped"
    scores = {row["name"]: row["label_free"] for row in comparison.summary["strategies"] if row["label_free"]}
    assert scores["Flipped"]["importance_weighted"] < 0.5 < scores["CORAL"]["importance_weighted"]
    assert "estimated accuracy" in comparison.adaptation.sentence or metric == "balanced_accuracy"


def test_predictions_that_are_no_numbers_are_a_failure_and_spoil_no_rank(pair, quick, entry):
    comparison = quick(pair("regression", n_labelled=0), strategies=["CORAL", Nonsense])
    assert "not finite" in entry(comparison, "Nonsense")["reason"]
    alone = quick(pair("regression", n_labelled=0))
    assert comparison.best == alone.best
    assert entry(comparison, "CORAL")["label_free"] == entry(alone, "CORAL")["label_free"]


def test_scores_read_no_target_label(pair, quick, entry):
    """SourceOnly has the same scores whatever the few known labels say; nor do they matter to the guard."""
    domains, poisoned = pair(n_labelled=7), pair(n_labelled=7)
    for i in range(7):
        poisoned.target.y[i] = "no" if poisoned.target.y[i] == "yes" else "yes"
    first, second = quick(domains), quick(poisoned)
    assert entry(first, "SourceOnly")["label_free"] == entry(second, "SourceOnly")["label_free"]
    assert entry(first, "Pooled")["label_free"] != entry(second, "Pooled")["label_free"], "known labels do train the models"


def test_importance_weighted_scores_by_a_plain_loop(pair, quick, entry):
    """The weighted accuracy of each fold of the source by scikit-learn, with preprocessing on the rows that remain."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score
    from sklearn.model_selection import StratifiedKFold
    from sklearn.preprocessing import StandardScaler

    from sterna.select import importance_weights

    domains = pair(n_labelled=0)
    X, y, Xt = domains.sources[0].X, np.array(domains.sources[0].y.tolist()), domains.target.X
    scaled = StandardScaler().fit_transform(np.vstack([X, Xt]))
    weights = importance_weights(scaled[: len(X)], scaled[len(X) :], random_state=0)
    state = int(np.random.SeedSequence([0, 11]).generate_state(1)[0])
    scores = []
    for train, test in StratifiedKFold(5, shuffle=True, random_state=state).split(X, y):
        scaler = StandardScaler().fit(np.vstack([X[train], Xt]))
        model = LogisticRegression(max_iter=2000).fit(scaler.transform(X[train]), y[train])
        scores.append(accuracy_score(y[test], model.predict(scaler.transform(X[test])), sample_weight=weights[test]))
    measured = entry(quick(domains), "SourceOnly")["label_free"]["importance_weighted"]
    assert measured == pytest.approx(np.mean(scores))


@pytest.mark.parametrize("n_target", [1, 2, 3])
def test_targets_of_a_few_rows(pair, quick, n_target):
    comparison = quick(pair(n_target=n_target, n_labelled=0))
    assert comparison.verdict.word == "unproven"
    assert len(comparison.best_estimator_.predict(np.zeros((2, 3)))) == 2


def test_sources_of_a_few_rows(quick):
    rng = np.random.default_rng(0)
    domains = sterna.Domains({"s": (rng.normal(size=(4, 3)), ["yes", "no"] * 2)}, {"t": (rng.normal(size=(20, 3)), None)})
    comparison = quick(domains)
    assert comparison.verdict.word == "unproven"
    assert comparison.best == "SourceOnly"
    assert all(
        "failed in" in row["reason"] for row in comparison.summary["strategies"] if row["name"] in ("CORAL", "SourceOnly")
    )


def test_few_labels_of_classes_that_the_source_has_not(pair, quick):
    domains = pair()
    labels = ["new", "other"] + [None] * 38
    odd = sterna.Domains({"s": (domains.sources[0].X, domains.sources[0].y)}, {"t": (domains.target.X, labels)})
    comparison = quick(odd)
    assert comparison.verdict.word == "unproven"
    assert comparison.best == "TargetOnly"
    assert "no strategy that uses the source applies here" in comparison.summary["best"]["reason"]
    assert set(comparison.best_estimator_.predict(domains.target.X).tolist()) <= {"new", "other"}


def test_a_source_without_noise(quick):
    X = np.random.default_rng(0).normal(size=(60, 2))
    domains = sterna.Domains({"s": (X[:40], 2.5 * X[:40, 0])}, {"t": (X[40:], None)}, task="regression")
    summary = quick(domains).summary
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_a_failing_strategy_and_a_time_budget(pair, quick, entry):
    comparison = quick(pair(n_labelled=0), strategies=["CORAL", Nonsense], time_budget=1e-6)
    assert "1 of 5" in comparison.summary["protocol"]["stopped"]
    assert comparison.summary["protocol"]["completed_splits"] == 1
    assert entry(comparison, "SourceOnly")["label_free"] is not None
    assert entry(comparison, "CORAL")["reason"] == "left out to keep the time budget of 1e-06 s: the others took half of it"


def test_ranks():
    scores = {
        "best": {"importance_weighted": 0.9, "information_maximisation": 0.6},
        "middle": {"importance_weighted": 0.8, "information_maximisation": 0.5},
        "worst": {"importance_weighted": 0.7, "information_maximisation": 0.4},
    }
    assert rank_label_free(scores, {}, True) == ["best", "middle", "worst"]
    assert rank_label_free(scores, {"best": "predicts one class"}, True) == ["middle", "worst", "best"]
    errors = {name: {"importance_weighted": 1 - value["importance_weighted"]} for name, value in scores.items()}
    assert rank_label_free(errors, {}, False) == ["best", "middle", "worst"]


def test_a_missing_score_is_no_advantage():
    """A strategy without probabilities, equal in the other score, does not pass those that have them."""
    scores = {
        "a": {"importance_weighted": 0.8, "information_maximisation": 0.5},
        "b": {"importance_weighted": 0.8, "information_maximisation": 0.1},
        "none": {"importance_weighted": 0.8},
    }
    assert rank_label_free(scores, {}, True) == ["a", "b", "none"]


def test_labels_to_settle_by_simulation():
    """With that many rows the better of two classifiers is shown by a paired test in about 80 % of the runs."""
    rng = np.random.default_rng(0)
    first = rng.integers(0, 2, 20_000)
    differ = rng.random(20_000) < 0.3
    second = np.where(differ, 1 - first, first)
    n = labels_to_settle(first, second, "classification", smallest=0.1, confidence=0.95, n_comparisons=1, noise=0.0)
    # the first is right in two thirds of the rows in which they differ: a gain of 0.1
    gains = rng.choice([1, -1, 0], p=[0.2, 0.1, 0.7], size=(600, n))
    means, errors = gains.mean(axis=1), gains.std(axis=1, ddof=1) / np.sqrt(n)
    power = np.mean(means / errors > stats.norm.ppf(0.975))
    assert 0.74 < power < 0.86


def test_more_comparisons_and_smaller_differences_need_more_labels():
    first, second = np.zeros(100), np.r_[np.ones(30), np.zeros(70)]
    options = {"task": "classification", "smallest": 0.1, "confidence": 0.95, "n_comparisons": 1, "noise": 0.0}
    needed = labels_to_settle(first, second, **options)
    assert labels_to_settle(first, second, **options | {"n_comparisons": 10}) > needed
    assert labels_to_settle(first, second, **options | {"smallest": 0.05}) > 3 * needed
    assert labels_to_settle(first, first, **options) == 20
