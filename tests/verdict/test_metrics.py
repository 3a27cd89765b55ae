"""Every metric against scikit-learn, the areas under curves against DeLong's variance, and properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from sterna.verdict._metrics import METRICS, Truth, find_metric


class Model:
    """Gives the probabilities it was made with."""

    def __init__(self, proba, classes):
        self.proba, self.classes_ = proba, np.asarray(classes)

    def predict_proba(self, X):
        return self.proba


def make_case(seed=0, n=60, classes=("a", "b", "c")):
    """Truth, prediction and model of a middling classifier; all classes occur."""
    rng = np.random.default_rng(seed)
    classes = np.array(classes)
    code = np.concatenate([np.arange(len(classes)), rng.integers(0, len(classes), n - len(classes))])
    logits = rng.normal(size=(n, len(classes))) + 1.2 * np.eye(len(classes))[code]
    proba = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    y = classes[code]
    labels, counts = np.unique(y, return_counts=True)
    truth = Truth(y, dict(zip(labels.tolist(), (counts / n).tolist(), strict=True)))
    return truth, classes[proba.argmax(axis=1)], Model(proba, classes)


def score(name, truth, prediction, model=None):
    metric = METRICS[name]
    return metric.score(metric.values(model, np.zeros((len(truth.y), 1)), truth, prediction))


@pytest.mark.parametrize("classes", [("no", "yes"), ("a", "b", "c"), (-1, 1), (False, True), (3, 7, 20, 100)])
@pytest.mark.parametrize("seed", [0, 1])
def test_classification_scores_are_scikit_learns(seed, classes):
    truth, prediction, model = make_case(seed, classes=classes)
    assert score("accuracy", truth, prediction) == pytest.approx(metrics.accuracy_score(truth.y, prediction))
    balanced = metrics.balanced_accuracy_score(truth.y, prediction)
    assert score("balanced_accuracy", truth, prediction) == pytest.approx(balanced)
    loss = metrics.log_loss(truth.y, model.proba, labels=model.classes_)
    assert score("log_loss", truth, prediction, model) == pytest.approx(loss)
    one = model.proba[:, 1] if len(classes) == 2 else model.proba
    area = metrics.roc_auc_score(truth.y, one, multi_class="ovr")
    assert score("roc_auc", truth, prediction, model) == pytest.approx(area)


@pytest.mark.parametrize("seed", [0, 1])
def test_regression_scores_are_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    truth = Truth(rng.normal(size=50), {})
    prediction = truth.y + rng.normal(size=50)
    assert score("rmse", truth, prediction) == pytest.approx(metrics.root_mean_squared_error(truth.y, prediction))
    assert score("mae", truth, prediction) == pytest.approx(metrics.mean_absolute_error(truth.y, prediction))


def test_weighted_scores_are_scikit_learns():
    rng = np.random.default_rng(0)
    truth, weight = Truth(rng.normal(size=50), {}), rng.random(50)
    prediction = truth.y + rng.normal(size=50)
    metric = METRICS["rmse"]
    weighted = metric.score(metric.values(None, None, truth, prediction), sample_weight=weight)
    assert weighted == pytest.approx(metrics.root_mean_squared_error(truth.y, prediction, sample_weight=weight))


def naive_delong(positive, score):
    """Area under the curve and its variance by loops over all pairs (DeLong et al. 1988)."""
    first, second = score[positive], score[~positive]
    pairs = np.array([[1.0 if a > b else 0.5 if a == b else 0.0 for b in second] for a in first])
    own, others = pairs.mean(axis=1), pairs.mean(axis=0)
    return pairs.mean(), own.var(ddof=1) / len(own) + others.var(ddof=1) / len(others)


@pytest.mark.parametrize("ties", [False, True])
def test_rows_of_the_area_under_the_curve_have_its_variance(ties):
    truth, prediction, model = make_case(3, n=200, classes=(0, 1))
    if ties:
        model.proba = np.round(model.proba, 1)
    positive = truth.y == 1
    area, variance = naive_delong(positive, model.proba[:, 1])
    values = METRICS["roc_auc"].values(model, np.zeros((200, 1)), truth, prediction)
    assert values.mean() == pytest.approx(area)
    assert values.var(ddof=1) / len(values) == pytest.approx(variance, rel=0.02)  # 1 / n where DeLong has 1 / (n - 1)


def test_areas_of_several_classes_leave_out_a_class_that_is_not_evaluated():
    truth, prediction, model = make_case(0, n=90)
    seen = truth.y != "c"
    part = Truth(truth.y[seen], truth.shares)
    values = METRICS["roc_auc"].values(Model(model.proba[seen], ["a", "b", "c"]), np.zeros((1, 1)), part, prediction[seen])
    areas = [metrics.roc_auc_score(part.y == label, model.proba[seen, j]) for j, label in enumerate("ab")]
    assert values.mean() == pytest.approx(np.mean(areas))


def test_a_class_unknown_to_the_model():
    truth, prediction, model = make_case(0, n=90)
    two = model.proba[:, :2] / model.proba[:, :2].sum(axis=1, keepdims=True)
    without = Model(two, ["a", "b"])
    unseen = truth.y == "c"
    values = METRICS["log_loss"].values(without, np.zeros((90, 1)), truth, prediction)
    np.testing.assert_allclose(values[unseen], -np.log(1e-6))
    np.testing.assert_allclose(values[truth.y == "a"], -np.log(two[truth.y == "a", 0]))
    area = METRICS["roc_auc"].values(without, np.zeros((90, 1)), truth, prediction).mean()
    expected = [metrics.roc_auc_score(truth.y == label, two[:, j]) for j, label in enumerate("ab")]
    assert area == pytest.approx(np.mean([*expected, 0.5]))  # what is not ranked is a coin's throw


def test_one_class_has_no_area():
    truth = Truth(np.array([1, 1, 1]), {0: 0.5, 1: 0.5})
    model = Model(np.full((3, 2), 0.5), [0, 1])
    assert np.isnan(METRICS["roc_auc"].values(model, np.zeros((3, 1)), truth, truth.y)).all()


@pytest.mark.parametrize("name", METRICS)
def test_gains_average_to_the_signed_score(name):
    metric, rng = METRICS[name], np.random.default_rng(0)
    values = rng.random((40, 3))
    values[rng.random((40, 3)) < 0.2] = np.nan
    gains = metric.gains(values)
    np.testing.assert_array_equal(np.isnan(gains), np.isnan(values))
    for repeat in range(3):
        column = values[:, repeat][~np.isnan(values[:, repeat])]
        assert np.nanmean(gains[:, repeat]) == pytest.approx(metric.sign * metric.score(column))


def test_the_root_is_linearised_around_its_mean():
    """The variance of the mean gain is that of the root of the mean, by simulation."""
    rng, metric = np.random.default_rng(0), METRICS["rmse"]
    samples = rng.normal(size=(2000, 100)) ** 2
    roots = np.sqrt(samples.mean(axis=1))
    estimated = np.mean([metric.gains(sample[:, None]).var(ddof=1) / 100 for sample in samples[:200]])
    assert estimated == pytest.approx(roots.var(), rel=0.1)


def test_no_error_at_all_has_gains_of_zero():
    np.testing.assert_allclose(METRICS["rmse"].gains(np.zeros((5, 2))), 0.0, atol=1e-100)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.floats(0, 1)), min_size=2, max_size=30))
def test_areas_by_pairs(rows):
    truth = np.array([label for label, _ in rows]) > 0
    scores = np.array([value for _, value in rows])
    if truth.all() or not truth.any():
        return
    shares = {False: float(np.mean(~truth)), True: float(np.mean(truth))}
    model = Model(np.column_stack([1 - scores, scores]), [False, True])
    values = METRICS["roc_auc"].values(model, np.zeros((len(rows), 1)), Truth(truth, shares), truth)
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[truth] for b in scores[~truth]]
    assert values.mean() == pytest.approx(np.mean(pairs))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=30), st.integers(0, 1000))
def test_a_perfect_prediction_is_the_best_score(labels, seed):
    y = np.array(labels)
    found, counts = np.unique(y, return_counts=True)
    truth = Truth(y, dict(zip(found.tolist(), (counts / len(y)).tolist(), strict=True)))
    other = np.random.default_rng(seed).choice(list("abc"), len(y))
    for name in ("accuracy", "balanced_accuracy"):
        assert score(name, truth, y) == pytest.approx(1.0)
        assert 0 <= score(name, truth, other) <= 1 + 1e-12


def test_defaults_and_refusals():
    assert find_metric(None, "classification").name == "accuracy"
    assert find_metric(None, "regression").name == "rmse"
    assert find_metric("mae", "regression").name == "mae"
    with pytest.raises(ValueError, match=r"'rmse' is not one for classification; allowed are accuracy, balanced_accuracy"):
        find_metric("rmse", "classification")
