"""The evaluation part of a split is never read: not its labels, not its rows, not by training and not by any choice."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

import sterna
from sterna.pipeline import TransferPipeline
from sterna.select._candidates import select_strategies
from sterna.verdict._cells import Plan, choose_baseline, fit_predict
from sterna.verdict._metrics import METRICS, find_metric
from sterna.verdict._splits import target_splits

# a few stand for all: of one domain, of both, weighted; the last test takes them all
SOME = ["CORAL", "SourceOnly", "TargetOnly", "Pooled", "Constant", "DomainClassifierRatio"]


def make_plan(domains, metric=None):
    base = LogisticRegression(max_iter=1000) if domains.task == "classification" else Ridge()
    strategies, _ = select_strategies(SOME, domains, base)
    labelled = np.flatnonzero(domains.target.labelled)
    y = np.array(domains.target.y[labelled].tolist())
    splits = target_splits(labelled, y, stratify=domains.task == "classification", n_splits=3, n_repeats=1, random_state=0)
    return Plan(domains, strategies, base, find_metric(metric, domains.task), splits, 0)


def poison(plan, rows, *, labels, X=False):
    """The same plan over domains whose target has garbage in `rows`."""
    domains = copy.deepcopy(plan.domains)
    if labels:
        kinds = ["yes", "no"] if domains.task == "classification" else [1e9, -1e9]
        garbage = [kinds[i % 3 == 0] for i in range(len(rows))]  # two to one: other shares than before
        domains.target.y[rows] = garbage
    if X:
        domains.target.X[rows] = 1e6 * np.random.default_rng(0).normal(size=(len(rows), domains.target.X.shape[1]))
    return Plan(domains, plan.strategies, plan.estimator, plan.metric, plan.splits, plan.random_state)


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("name", SOME)
def test_poisoned_evaluation_rows_change_no_prediction(pair, task, name):
    plan = make_plan(pair(task, n_labelled=30))
    for j, split in enumerate(plan.splits):
        _, clean = fit_predict(plan, name, split.adapt, split.evaluate, plan.seed(j))
        _, poisoned = fit_predict(poison(plan, split.evaluate, labels=True), name, split.adapt, split.evaluate, plan.seed(j))
        np.testing.assert_array_equal(clean, poisoned)
        model, _ = fit_predict(
            poison(plan, split.evaluate, labels=True, X=True), name, split.adapt, split.evaluate, plan.seed(j)
        )
        np.testing.assert_array_equal(model.predict(plan.domains.target.X[split.evaluate]), clean)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_poison_would_be_noticed(pair, task):
    """The same poison in the adaptation part changes what models predict, so that the tests above can fail."""
    plan = make_plan(pair(task, n_labelled=30))
    split = plan.splits[0]
    _, clean = fit_predict(plan, "TargetOnly", split.adapt, split.evaluate, 0)
    _, poisoned = fit_predict(poison(plan, split.adapt, labels=True), "TargetOnly", split.adapt, split.evaluate, 0)
    assert not np.array_equal(clean, poisoned)


@pytest.mark.parametrize("metric", METRICS)
def test_poisoned_evaluation_rows_change_no_choice(pair, metric):
    """Balanced accuracy weighs by class shares: those of the evaluation part may not enter either."""
    for seed in range(3):
        plan = make_plan(pair(METRICS[metric].task, seed=seed, n_labelled=24, n_source=40, shift=1.0), metric)
        for j, split in enumerate(plan.splits[:2]):
            assert choose_baseline(plan, j) == choose_baseline(poison(plan, split.evaluate, labels=True, X=True), j)


def test_class_shares_of_the_evaluation_part_do_not_enter_the_choice(pair, monkeypatch):
    plan = make_plan(pair(n_labelled=24), "balanced_accuracy")
    seen = []
    values = type(plan.metric).values

    def spy(self, model, X, truth, prediction):
        seen.append(truth.shares)
        return values(self, model, X, truth, prediction)

    monkeypatch.setattr(type(plan.metric), "values", spy)
    choose_baseline(plan, 0)
    adapt = np.array(plan.domains.target.y[plan.splits[0].adapt].tolist())
    assert len(seen) == 12
    assert all(shares["yes"] == pytest.approx(np.mean(adapt == "yes")) for shares in seen)


def test_no_evaluation_row_is_in_a_training_stack(pair, monkeypatch):
    """Nor in the inner cross-validation that chooses the baseline, which holds out its own rows besides."""
    plan = make_plan(pair(n_labelled=30))
    target = plan.domains.target.X
    stacks = []
    fit = TransferPipeline.fit

    def spy(self, X, y=None, sample_domain=None, **params):
        stacks.append((X, np.asarray(y, dtype=object), sample_domain))
        return fit(self, X, y, sample_domain=sample_domain, **params)

    monkeypatch.setattr(TransferPipeline, "fit", spy)
    split = plan.splits[1]
    fit_predict(plan, "CORAL", split.adapt, split.evaluate, 0)
    choose_baseline(plan, 1)
    assert len(stacks) == 1 + 3 * 4
    for number, (X, y, sample_domain) in enumerate(stacks):
        rows = {row.tobytes() for row in np.ascontiguousarray(X)}
        assert not [i for i in split.evaluate if target[i].tobytes() in rows]
        n_target = int((sample_domain < 0).sum())
        n_labelled = sum(label is not None for label in y[sample_domain < 0])
        inner = 0 if number == 0 else len(split.adapt) // 3
        assert abs(n_target - (40 - len(split.evaluate) - inner)) <= 1
        assert abs(n_labelled - (len(split.adapt) - inner)) <= 1


def test_rows_without_a_label_stay_in_training_without_one(pair, monkeypatch):
    """With a label budget the other rows of the adaptation part are there, but their labels are not."""
    plan = make_plan(pair())
    split = plan.splits[0]
    shown = split.adapt[:5]
    hidden = poison(plan, split.adapt[5:], labels=True)
    for name in SOME:
        _, clean = fit_predict(plan, name, shown, split.evaluate, 0)
        _, poisoned = fit_predict(hidden, name, shown, split.evaluate, 0)
        np.testing.assert_array_equal(clean, poisoned)


def test_the_whole_run_does_not_read_the_evaluation_labels(pair, quick):
    """The choices and the diagnostics of a run are the same where one split's evaluation labels are garbage."""
    domains = pair(n_target=30)
    plan = make_plan(domains)
    spoiled = poison(plan, plan.splits[0].evaluate, labels=True)
    for name in ("CORAL", "Pooled"):
        models = [fit_predict(p, name, plan.splits[0].adapt, plan.splits[0].evaluate, 0)[0] for p in (plan, spoiled)]
        np.testing.assert_array_equal(models[0][-1].estimator_.coef_, models[1][-1].estimator_.coef_)


@pytest.mark.filterwarnings("ignore")
def test_every_strategy_by_poison(pair):
    """All strategies that apply, one split: neither the labels nor the rows of the evaluation part have any effect."""
    domains = pair(n_labelled=30, n_sources=2, n_source=30)
    plan = make_plan(domains)
    strategies, _ = select_strategies(None, domains, plan.estimator)
    plan = Plan(domains, strategies, plan.estimator, plan.metric, plan.splits, 0)
    split = plan.splits[2]
    spoiled = poison(plan, split.evaluate, labels=True, X=True)
    assert set(strategies) > set(sterna.all_strategies("baselines"))
    for name in strategies:
        _, clean = fit_predict(plan, name, split.adapt, split.evaluate, 0)
        model, _ = fit_predict(spoiled, name, split.adapt, split.evaluate, 0)
        np.testing.assert_array_equal(model.predict(domains.target.X[split.evaluate]), clean, err_msg=name)
