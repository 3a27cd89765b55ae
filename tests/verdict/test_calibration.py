"""Is the verdict calibrated? A small, seeded version of benchmarks/calibration.py."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import sterna
from sterna.baselines import Pooled, SourceOnly, TargetOnly
from sterna.verdict import _cells
from sterna.verdict._analysis import analyse
from sterna.verdict._cells import CHOICE, Cell, Plan, run_cell
from sterna.verdict._metrics import find_metric
from sterna.verdict._splits import target_splits
from sterna.verdict._store import CellStore

BASE = {"classification": LogisticRegression(max_iter=1000), "regression": Ridge()}


@pytest.fixture(autouse=True)
def unmetered(monkeypatch):
    """Hundreds of fits of a millisecond: looking for linear algebra's threads before each takes several."""
    monkeypatch.setattr(_cells, "threadpool_limits", lambda n: contextlib.nullcontext())


class Placebo(TargetOnly):
    """Target only again under another seed: nothing that it could gain by."""


def make_domains(task, seed, n_source=200, n_target=40, n_features=8, source="true"):
    """The same rule with noise in both domains; the source's labels may be spoiled."""
    rng = np.random.default_rng(seed)
    w = rng.normal(size=n_features)
    Xs, Xt = rng.normal(size=(n_source, n_features)), rng.normal(size=(n_target, n_features)) + 0.2
    ys, yt = (X @ w + rng.normal(size=len(X)) for X in (Xs, Xt))
    if task == "classification":
        middle = np.median(yt)
        ys, yt = np.where(ys > middle, "b", "a"), np.where(yt > middle, "b", "a")
    if source == "inverted":
        ys = -ys if task == "regression" else np.where(ys == "a", "b", "a")
    if source == "shuffled":
        ys = rng.permutation(ys)
    return sterna.Domains({"s": (Xs, ys)}, {"t": (Xt, yt)}, task=task)


def judged(domains, strategies, estimator, seed, n_splits=3, n_repeats=3):
    """The outcomes of some strategies by name, without the choice of a baseline, which they do not need."""
    y = np.array(domains.target.y.tolist())
    stratify = domains.task == "classification"
    options = {"n_splits": n_splits, "n_repeats": n_repeats, "random_state": seed, "stratify": stratify}
    splits = target_splits(np.arange(len(y)), y, **options)
    plan = Plan(domains, strategies, estimator, find_metric(None, domains.task), splits, seed)
    store = CellStore(None, {})
    for j in range(len(splits)):
        for name in strategies:
            store.put(Cell(name, j).key, run_cell(plan, Cell(name, j)))
        store.put(Cell(CHOICE, j).key, {"choice": "TargetOnly", "seconds": 0.0})
    outcomes = analyse(plan, store, {}, confidence=0.95).outcomes
    assert all(outcome.reason is None for outcome in outcomes.values())
    return outcomes


def placebo_word(task, seed):
    tree = DecisionTreeClassifier if task == "classification" else DecisionTreeRegressor
    noisy = tree(max_features=2, min_samples_leaf=2)
    strategies = {
        "TargetOnly": TargetOnly(),
        "Placebo": Placebo(tree(max_features=2, min_samples_leaf=2, random_state=seed + 999)),
    }
    return judged(make_domains(task, seed, n_source=10, n_target=30), strategies, noisy, seed, n_repeats=2)[
        "Placebo"
    ].difference.word


def test_a_placebo_seldom_helps_or_hurts():
    words = [placebo_word(task, seed) for task in ("classification", "regression") for seed in range(20)]
    false = sum(word != "no evidence" for word in words)
    assert binomtest(false, len(words), 0.05, alternative="greater").pvalue > 0.001, words


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_harmful_source_hurts_the_pooled_model(task):
    for seed in range(5):
        source = "inverted" if seed % 2 else "shuffled"
        domains = make_domains(task, seed, n_source=600, n_target=100, source=source)
        strategies = {"TargetOnly": TargetOnly(), "Pooled": Pooled()}
        assert judged(domains, strategies, BASE[task], seed)["Pooled"].difference.word == "hurts", (source, seed)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_helpful_source_helps(task):
    helped = 0
    for seed in range(5):
        strategies = {"TargetOnly": TargetOnly(), "Pooled": Pooled(), "SourceOnly": SourceOnly()}
        outcomes = judged(make_domains(task, seed, n_source=800, n_target=40, n_features=60), strategies, BASE[task], seed)
        words = {outcomes[name].difference.word for name in ("Pooled", "SourceOnly")}
        assert "hurts" not in words
        helped += "helps" in words
    assert helped >= 4
