"""compare, end to end on small pairs: the whole summary, the numbers, what fails, and what may never be read."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn import metrics
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sterna
from sterna.align import CORAL
from sterna.baselines import TargetOnly
from sterna.verdict import _compare, _metrics
from sterna.verdict._splits import target_splits

TOP = (
    "sterna title subject task metric situation domains findings verdict adaptation best baselines strategies confidence n_comparisons "
    "correction protocol power learning_curve confusion measure use reproduce"
)
INNER = {
    "metric": "name greater_is_better unit",
    "situation": "name label_space feature_space sentence",
    "verdict": "word sentence control strategy difference",
    "adaptation": "word sentence control strategy difference",
    "best": "name mean low high reason",
    "protocol": "n_splits n_repeats n_cells random_state estimator estimator_reason preprocessing seconds completed_splits "
    "planned_splits stopped",
    "use": "python shell",
    "reproduce": "command python versions platform",
}
DOMAIN = "name role n_rows n_labelled n_features classes label_summary fingerprint"
STRATEGY = "name family mean low high difference verdict adaptation_difference adaptation seconds peak_mb health warnings label_free reason"
WORDS = ("helps", "no evidence", "hurts", "unproven")


def check_summary(summary):
    """Every key of the schema, plain JSON types, and the promises between them."""
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert sorted(summary) == sorted(TOP.split())
    for key, inner in INNER.items():
        assert sorted(summary[key]) == sorted(inner.split()), key
    for domain in summary["domains"]:
        assert sorted(domain) == sorted(DOMAIN.split())
        assert (domain["classes"] is None) == (summary["task"] == "regression")
    for row in summary["strategies"]:
        assert sorted(row) == sorted(STRATEGY.split())
        assert row["family"]
        if row["mean"] is not None:
            assert row["reason"] is None
            assert row["low"] <= row["mean"] <= row["high"]
        else:
            assert row["reason"] is not None or row["label_free"] is not None, row["name"]
        assert row["verdict"] in (*WORDS, None)
    assert len({row["name"] for row in summary["strategies"]}) == len(summary["strategies"])
    for key in ("verdict", "adaptation"):
        assert summary[key]["word"] in WORDS
        assert summary[key]["sentence"].endswith((".", "."))
    if summary["power"] is not None:
        assert {"sentence", "n_labels", "smallest_difference", "curve"} <= summary["power"].keys()
    if summary["confusion"] is not None:
        n_classes = len(summary["confusion"]["classes"])
        assert all(np.shape(matrix) == (n_classes, n_classes) for matrix in summary["confusion"]["models"].values())


@pytest.mark.parametrize("kind", ["dense", "table", "sparse"])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_from_domains_to_a_model_for_new_rows(pair, quick, tmp_path, task, kind):
    domains = pair(task, kind, n_sources=2 if kind == "table" else 1)
    comparison = quick(domains, out=tmp_path / "run", command="sterna compare ...")
    summary = comparison.summary
    check_summary(summary)
    assert summary["task"] == task
    assert [row["family"] for row in summary["strategies"]].count("baselines") == 4
    assert {"CORAL", "TargetOnly", "SourceOnly", "Pooled", "Constant"} == {row["name"] for row in summary["strategies"]}
    assert all(row["reason"] is None for row in summary["strategies"])
    assert summary["protocol"]["completed_splits"] == summary["protocol"]["planned_splits"] == 3
    on_disk = json.loads((tmp_path / "run" / "results.json").read_text())
    assert on_disk == summary
    new_rows = pair(task, kind, seed=1).target.X
    np.testing.assert_array_equal(sterna.load(tmp_path / "run").predict(new_rows), comparison.best_estimator_.predict(new_rows))
    assert comparison.best == summary["best"]["name"]
    assert comparison.best in comparison.table().index
    assert comparison.to_html().lower().startswith("<!doctype html")
    assert summary["title"] in comparison.to_markdown()


def test_with_a_measure(pair, quick):
    summary = quick(pair(kind="table"), with_measure=True).summary
    check_summary(summary)
    assert summary["measure"]["kind"]
    assert {row["column"] for row in summary["measure"]["drift"]} == {"age", "height", "dose", "sex", "seen"}


def test_rows_come_best_first(pair, quick):
    rows = quick(pair()).summary["strategies"]
    means = [row["mean"] for row in rows]
    assert means == sorted(means, reverse=True)
    errors = [row["mean"] for row in quick(pair("regression")).summary["strategies"]]
    assert errors == sorted(errors)


def naive_scores(domains, rows_for_training, model, metric, n_splits=3, n_repeats=2):
    """The score of each repeat by a plain loop with scikit-learn alone."""
    X, y = domains.target.X, np.array(domains.target.y.tolist())
    splits = target_splits(
        np.arange(len(y)),
        y,
        stratify=domains.task == "classification",
        n_splits=n_splits,
        n_repeats=n_repeats,
        random_state=0,
    )
    scores = []
    for repeat in range(n_repeats):
        truth, predicted = [], []
        for split in (split for split in splits if split.repeat == repeat):
            X_train, y_train = rows_for_training(X[split.adapt], y[split.adapt])
            fitted = make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), model).fit(X_train, y_train)
            truth.append(y[split.evaluate])
            predicted.append(fitted.predict(X[split.evaluate]))
        scores.append(metric(np.concatenate(truth), np.concatenate(predicted)))
    return scores


@pytest.mark.parametrize("name", ["accuracy", "balanced_accuracy", "rmse", "mae"])
def test_the_score_of_target_only_is_that_of_a_plain_loop(pair, quick, entry, name):
    task, metric = {
        "accuracy": ("classification", metrics.accuracy_score),
        "balanced_accuracy": ("classification", metrics.balanced_accuracy_score),
        "rmse": ("regression", metrics.root_mean_squared_error),
        "mae": ("regression", metrics.mean_absolute_error),
    }[name]
    domains = pair(task, n_target=45)
    base = LogisticRegression(max_iter=2000) if task == "classification" else RidgeCV(alphas=np.logspace(-3, 4, 15))
    comparison = quick(domains, metric=name, n_repeats=2)
    expected = naive_scores(domains, lambda X, y: (X, y), base, metric)
    assert entry(comparison, "TargetOnly")["mean"] == pytest.approx(np.mean(expected))


def test_the_score_of_source_only_is_that_of_a_plain_loop(pair, quick, entry):
    domains = pair()
    source = domains.sources[0].X, np.array(domains.sources[0].y.tolist())
    expected = naive_scores(domains, lambda X, y: source, LogisticRegression(max_iter=2000), metrics.accuracy_score)
    assert entry(quick(domains, n_repeats=2), "SourceOnly")["mean"] == pytest.approx(np.mean(expected))


@pytest.mark.parametrize("name", ["roc_auc", "log_loss"])
def test_metrics_of_probabilities(pair, quick, name):
    comparison = quick(pair(n_target=60), metric=name)
    check_summary(comparison.summary)
    assert comparison.summary["metric"]["greater_is_better"] == (name == "roc_auc")
    assert all(row["mean"] is not None for row in comparison.summary["strategies"])


def test_differences_are_positive_where_better_whatever_the_metric(pair, quick, entry):
    """SourceOnly is better than Constant in every metric, and so are its difference and its place."""
    for task, name in [("classification", "log_loss"), ("regression", "rmse")]:
        comparison = quick(pair(task), metric=name)
        source, control = entry(comparison, "SourceOnly"), entry(comparison, "TargetOnly")
        sign = 1 if comparison.summary["metric"]["greater_is_better"] else -1
        assert source["difference"]["mean"] == pytest.approx(sign * (source["mean"] - control["mean"]))


def test_a_source_of_the_same_rule_helps_few_labels(quick):
    rng = np.random.default_rng(0)
    w = rng.normal(size=20)
    Xs, Xt = rng.normal(size=(400, 20)), rng.normal(size=(40, 20))
    comparison = quick(sterna.Domains({"s": (Xs, Xs @ w > 0)}, {"t": (Xt, Xt @ w > 0)}), n_splits=3, n_repeats=2)
    assert comparison.verdict.word == "helps"
    assert comparison.verdict.difference.low > 0
    assert comparison.best in ("Pooled", "SourceOnly")
    assert "helps" in comparison.verdict.sentence


def test_a_source_of_the_opposite_rule_hurts_and_is_not_handed_over(quick, entry):
    rng = np.random.default_rng(0)
    w = rng.normal(size=5)
    Xs, Xt = rng.normal(size=(400, 5)), rng.normal(size=(60, 5))
    comparison = quick(sterna.Domains({"s": (Xs, Xs @ w < 0)}, {"t": (Xt, Xt @ w > 0)}), n_splits=3, n_repeats=2)
    assert comparison.verdict.word == "hurts"
    assert entry(comparison, "Pooled")["verdict"] == "hurts"
    assert comparison.best == "TargetOnly"
    assert comparison.adaptation.word == "hurts"


class FailsOnce(CORAL):
    """Raises in its third fit, which is the second split: each has one with all labels and one with twelve."""

    fits = 0

    def _fit_domains(self, data):
        FailsOnce.fits += 1
        if FailsOnce.fits == 3:
            raise RuntimeError("no\nmemory   left")
        super()._fit_domains(data)


def test_a_strategy_that_fails_in_one_split_is_listed_with_its_reason(pair, quick, entry):
    FailsOnce.fits = 0
    comparison = quick(pair(), strategies=["CORAL", FailsOnce], label_budgets=[12])
    check_summary(comparison.summary)
    failed = entry(comparison, "FailsOnce")
    assert failed["reason"] == "failed in 1 of 3 splits: RuntimeError: no memory left"
    assert failed["mean"] is failed["difference"] is failed["verdict"] is None
    assert comparison.summary["strategies"][-1] is failed
    alone = quick(pair(), label_budgets=[12])
    assert entry(comparison, "Pooled")["mean"] == entry(alone, "Pooled")["mean"]
    assert comparison.summary["n_comparisons"] == alone.summary["n_comparisons"]


class Nonsense(TargetOnly):
    """Predicts what is no number."""

    def predict(self, X, sample_domain=None, *, allow_source=False):
        return np.full(len(X), np.nan)


def test_predictions_that_are_no_numbers_are_a_failure(pair, quick, entry):
    comparison = quick(pair("regression"), strategies=[Nonsense])
    check_summary(comparison.summary)
    assert "are not finite" in entry(comparison, "Nonsense")["reason"]


def test_users_strategies_are_left_alone(pair, quick, entry):
    mine = CORAL(RandomForestClassifier(3, random_state=5), regularization=0.3)
    before = repr(mine)
    comparison = quick(pair(), strategies={"mine": mine}, n_repeats=1)
    assert repr(mine) == before
    assert not hasattr(mine, "estimator_")
    assert entry(comparison, "mine")["family"] == "align"
    assert "mine" in comparison.summary["reproduce"]["python"]


def test_the_users_data_are_left_alone(quick):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), rng.integers(0, 2, 60)
    X.setflags(write=False)
    y.setflags(write=False)
    quick(sterna.Domains({"s": (X, y)}, {"t": (X[:30] + 0.1, y[:30])}))


ODD = {
    "one class": ["yes"] * 30,
    "a class of one row": ["yes"] * 29 + ["no"],
    "a new class of one row": ["yes"] * 29 + ["new"],
    "new classes only": ["new"] * 30,
    "eight labels": ["yes", "no"] * 4 + [None] * 22,
}


@pytest.mark.parametrize(
    ("which", "metric"), [*((which, "accuracy") for which in ODD), ("one class", "roc_auc"), ("a class of one row", "roc_auc")]
)
def test_odd_targets(pair, quick, which, metric):
    domains, labels = pair(n_target=30), ODD[which]
    odd = sterna.Domains({"s": (domains.sources[0].X, domains.sources[0].y)}, {"t": (domains.target.X, labels)})
    comparison = quick(odd, metric=metric)
    check_summary(comparison.summary)
    assert len(comparison.best_estimator_.predict(domains.target.X)) == 30
    if labels == ["new"] * 30:
        assert comparison.best == "TargetOnly"
        assert "none that uses the source applies here" in comparison.verdict.sentence
    elif comparison.verdict.word == "unproven":
        assert metric == "roc_auc"
        assert "the metric is not defined" in comparison.verdict.sentence


def test_odd_sources(pair, quick):
    domains = pair()
    for labels in (["yes"] * 60, ["yes"] * 59 + ["no"]):
        odd = sterna.Domains({"s": (domains.sources[0].X, labels)}, {"t": (domains.target.X, domains.target.y)})
        comparison = quick(odd, estimator=None)
        check_summary(comparison.summary)
        assert comparison.best == "TargetOnly"


def test_odd_regressions(quick):
    """Labels that never vary, in the target or in the source, and labels without noise."""
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(40, 2)), rng.normal(size=(20, 2))
    rule, constant = lambda X: X @ [1.0, 2.0], lambda X: np.full(len(X), 2.5)
    for source, target, best in ((rule, constant, "TargetOnly"), (constant, rule, "TargetOnly"), (rule, rule, None)):
        comparison = quick(sterna.Domains({"s": (Xs, source(Xs))}, {"t": (Xt, target(Xt))}, task="regression"))
        check_summary(comparison.summary)
        assert comparison.best == (best or comparison.best)


def test_targets_of_a_few_rows_are_not_measured_and_nothing_breaks(pair, quick):
    for n_target in (1, 2):
        summary = quick(pair(n_target=n_target, n_labelled=0), with_measure=True).summary
        check_summary(summary)
        assert (summary["measure"] is None) == (n_target == 1)


def test_label_budgets_make_a_curve(pair, quick):
    summary = quick(pair(n_target=60), label_budgets=[20, 8, 8, 1000], n_splits=3, n_repeats=2).summary
    check_summary(summary)
    curve = summary["learning_curve"]
    assert [point["budget"] for point in curve] == [8, 20, 40]
    for point in curve:
        assert set(point["strategies"]) == {"TargetOnly", "SourceOnly", "Pooled", "CORAL"}
        assert set(point["differences"]) == {"SourceOnly", "Pooled", "CORAL"}
    assert curve[-1]["strategies"]["Pooled"]["mean"] == next(r["mean"] for r in summary["strategies"] if r["name"] == "Pooled")
    # no label enters it, so that a budget changes nothing
    means = {round(point["strategies"]["SourceOnly"]["mean"], 9) for point in curve}
    assert len(means) == 1


def test_a_time_budget_drops_the_slow_ones_and_says_so(pair, quick, entry, monkeypatch):
    run_cell = _compare.run_cell

    def timed(plan, cell):
        return run_cell(plan, cell) | {"seconds": 1000.0 if cell.strategy in ("CORAL", "Pooled") else 0.001}

    monkeypatch.setattr(_compare, "run_cell", timed)
    comparison = quick(pair(), n_repeats=2, time_budget=800.0)
    check_summary(comparison.summary)
    reason = entry(comparison, "CORAL")["reason"]
    assert reason == "left out to keep the time budget of 800 s: one split took it 1000.0 s"
    assert entry(comparison, "Pooled")["mean"] is not None, "plain baselines are never dropped"
    assert comparison.summary["protocol"]["stopped"] is None
    assert comparison.summary["protocol"]["completed_splits"] == 6
    assert comparison.adaptation.word == "unproven"


def test_a_time_budget_stops_between_splits(pair, quick):
    comparison = quick(pair(), n_repeats=2, time_budget=1e-6)
    summary = comparison.summary
    check_summary(summary)
    assert summary["protocol"]["completed_splits"] == 1
    assert summary["protocol"]["planned_splits"] == 6
    assert "time budget of 1e-06 s ended after 1 of 6 splits; 3 are needed" in summary["protocol"]["stopped"]
    assert comparison.verdict.word == comparison.adaptation.word == "unproven"
    left_out = [item for item in summary["strategies"] if "the others took half of it" in (item["reason"] or "")]
    assert {item["name"] for item in left_out} >= {"CORAL"}
    assert "1 splits are complete, 3 are needed" in comparison.verdict.sentence


def test_enough_time_changes_nothing(pair, quick):
    first, second = quick(pair()).summary, quick(pair(), time_budget=3600.0).summary
    assert first["verdict"] == second["verdict"]
    assert first["baselines"] == second["baselines"]


def test_more_confidence_wider_intervals(pair, quick, entry):
    wide, narrow = (entry(quick(pair(), confidence=level), "CORAL")["difference"] for level in (0.99, 0.8))
    assert wide["low"] < narrow["low"] < narrow["high"] < wide["high"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"confidence": 95}, r"confidence is 95; give a number between 0.5 and 1"),
        ({"metric": "rmse"}, r"'rmse' is not one for classification; allowed are"),
        ({"metric": "roc_auc", "estimator": "svm"}, r"'roc_auc' needs probabilities, which SVC does not give"),
        ({"label_budgets": [10, -5]}, r"label_budgets holds -5"),
        ({"label_budgets": [0]}, r"label_budgets holds 0"),
        ({"label_budgets": [1.5]}, r"label_budgets holds 1.5"),
        ({"n_splits": 1}, r"n_splits is 1; give 2 or more"),
        ({"n_repeats": 0}, r"n_repeats is 0; give 1 or more"),
        ({"random_state": None}, r"random_state is None; give a whole number"),
        ({"random_state": -1}, r"random_state is -1; give a whole number"),
        ({"strategies": ["Coral"]}, r"did you mean CORAL"),
        ({"estimator": "lasso"}, r"'lasso' is unknown"),
    ],
)
def test_what_is_refused(pair, quick, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        quick(pair(), out=tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_all_metrics_are_offered():
    tasks = {name: metric.task for name, metric in _metrics.METRICS.items()}
    assert sorted(tasks) == ["accuracy", "balanced_accuracy", "log_loss", "mae", "rmse", "roc_auc"]
