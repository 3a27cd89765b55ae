"""One cell of a comparison: one strategy, fitted and scored in one split."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psutil
from sklearn.metrics import confusion_matrix
from threadpoolctl import threadpool_limits

from sterna.baselines import Pooled, TargetOnly
from sterna.domains import Domains
from sterna.domains._stack import Array, rows_of
from sterna.select._candidates import assemble
from sterna.select._folds import Rows, folds
from sterna.verdict._metrics import Metric, Truth
from sterna.verdict._splits import Split, nested_budget

MAX_CONFUSION_CLASSES = 100

#: The strategies that the protocol itself rests on. With a source: the control of the first question, and the naive transfer.
CONTROL, POOLED = TargetOnly.__name__, Pooled.__name__
#: Without one the pretrained network is what is carried over: the control learns the same network anew, the naive transfer keeps it.
SCRATCH, FROZEN = "FromScratch", "FeatureExtraction"


@dataclass(frozen=True)
class Plan:
    """All that a cell depends on.

    Attributes
    ----------
    domains : Domains
    strategies : dict of str to estimator
        Unfitted strategies by name, baselines among them.
    estimator : estimator
        The base estimator of all.
    metric : Metric
    splits : list of Split
    random_state : int
    raw : Domains or None
        The files or texts of which `domains` holds the features.
    encoder : transformer or None
        One that each pipeline fits, where `domains` holds files or texts themselves.
    """

    domains: Domains
    strategies: dict[str, Any]
    estimator: Any
    metric: Metric
    splits: list[Split]
    random_state: int
    raw: Domains | None = None
    encoder: Any = None

    @property
    def control(self) -> str:
        """The strategy that carries nothing over."""
        return CONTROL if self.domains.sources else SCRATCH

    @property
    def naive(self) -> str:
        """The plainest way of carrying over."""
        return POOLED if self.domains.sources else FROZEN

    @property
    def plain(self) -> list[str]:
        """The plain models: the baselines, or the frozen network where it stands in for a source."""
        if not self.domains.sources and FROZEN in self.strategies:
            return [FROZEN]
        return [name for name, strategy in self.strategies.items() if strategy.family == "baselines"]

    def rows(self, name: str) -> Domains:
        """The domains as a strategy takes them: raw rows for one that asks for them."""
        raw = getattr(self.strategies[name], "takes_raw", False)
        return self.raw if raw and self.raw is not None else self.domains

    def seed(self, split: int) -> int:
        """The seed of a split, the same for every strategy."""
        return int(np.random.SeedSequence([self.random_state, 1 + split]).generate_state(1)[0] % 2**31)

    def truth(self, rows: Rows, among: Rows | None = None) -> Truth:
        """The labels of labelled target rows, and the class shares among the rows `among` (None: all that are labelled)."""
        among = np.flatnonzero(self.domains.target.labelled) if among is None else among
        labels, counts = np.unique(known_labels(self.domains, among), return_counts=True)
        shares = (
            dict(zip(labels.tolist(), (counts / counts.sum()).tolist(), strict=True))
            if self.domains.task == "classification"
            else {}
        )
        return Truth(known_labels(self.domains, rows), shares)

    def model(self, name: str, seed: int) -> Any:
        """A fresh pipeline of preprocessing and strategy."""
        return assemble(self.strategies[name], self.estimator, self.domains.kind, seed, self.encoder)


@dataclass(frozen=True)
class Cell:
    """A strategy, a split, and how many target labels it may use (None: all of the adaptation part)."""

    strategy: str
    split: int
    budget: int | None = None

    @property
    def key(self) -> str:
        """Its file's stem."""
        labels = "" if self.budget is None else f"-b{self.budget:05d}"
        return f"s{self.split:03d}{labels}-{self.strategy}"


CHOICE = "(best plain baseline)"


def run_cell(plan: Plan, cell: Cell) -> dict[str, Any]:
    """Fit and score one cell; a failing strategy gives a cell with an `error`, never a failing run.

    Parameters
    ----------
    plan : Plan
    cell : Cell

    Returns
    -------
    dict
        values (one a row of the evaluation part), seconds, peak_mb, health, warnings, confusion (classification), error; plain JSON types.
    """
    meter = Meter()
    if cell.strategy == CHOICE:
        with meter.running():
            choice = choose_baseline(plan, cell.split)
        return {"choice": choice, "seconds": meter.seconds}
    split = plan.splits[cell.split]
    shown = split.adapt
    if cell.budget is not None:
        y = plan.domains.target.y[shown]
        shown = nested_budget(shown, y, cell.budget, plan.domains.task == "classification", [plan.random_state, cell.split])
    result: dict[str, Any] = {"values": None, "error": None, "health": {}, "confusion": None}
    with meter.running(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model, prediction = fit_predict(plan, cell.strategy, shown, split.evaluate, plan.seed(cell.split))
            truth = plan.truth(split.evaluate)
            X = rows_of(plan.rows(cell.strategy).target.X, split.evaluate)
            result["values"] = finite_values(plan.metric.values(model, X, truth, prediction))
            result["health"] = health_of(model[-1])
            result["confusion"] = _confusion(plan.domains, truth.y, prediction)
        except Exception as error:  # any strategy may fail on any data; the reason goes into the report
            result["error"] = f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]
    result["warnings"] = sorted({f"{w.category.__name__}: {' '.join(str(w.message).split())}"[:300] for w in caught})
    return result | {"seconds": meter.seconds, "peak_mb": meter.peak_mb}


def fit_predict(plan: Plan, name: str, shown: Rows, evaluate: Rows, seed: int) -> tuple[Any, Array]:
    """Fit a strategy without the rows `evaluate`, with the labels of the rows `shown`; predict `evaluate`."""
    domains = plan.rows(name)
    rest = np.setdiff1d(np.arange(len(domains.target.y)), evaluate)
    X, y, sample_domain = domains.stack(target_rows=rest, labelled_rows=shown)
    model = plan.model(name, seed).fit(X, y, sample_domain=sample_domain)
    return model, model.predict(rows_of(domains.target.X, evaluate))


def fit_all(plan: Plan, name: str) -> Any:
    """The strategy fitted on all domains and all known labels."""
    X, y, sample_domain = plan.rows(name).stack()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the cells' warnings are in the report
        return plan.model(name, plan.seed(len(plan.splits))).fit(X, y, sample_domain=sample_domain)


def known_labels(domains: Domains, rows: Rows) -> Array:
    """The labels of labelled target rows, in their natural type."""
    return np.array(domains.target.y[rows].tolist())


def choose_baseline(plan: Plan, split: int) -> str:
    """The best plain baseline by cross-validation within the adaptation part of a split.

    Parameters
    ----------
    plan : Plan
    split : int

    Returns
    -------
    str
        Its name.
    """
    adapt = plan.splits[split].adapt
    held_out = plan.splits[split].evaluate
    classes = plan.domains.task == "classification"
    names = plan.plain
    if len(names) == 1:
        return names[0]
    names.sort(key=lambda name: not plan.strategies[name].needs)  # of equals not the one that learns from nothing
    inner = folds(known_labels(plan.domains, adapt), min(3, len(adapt)), classes, [plan.random_state, split, 7])
    scores: dict[str, list[float]] = {name: [] for name in names}
    for train, test in inner:
        for name in names:
            score = _inner_score(plan, name, adapt[train], adapt[test], held_out, split)
            scores[name].append(score)
    sign = 1 if plan.metric.greater_is_better else -1
    means = {name: sign * np.mean(known) if (known := _defined(values)) else -np.inf for name, values in scores.items()}
    return max(names, key=lambda name: means[name])


def _defined(scores: list[float]) -> list[float]:
    """The scores of the parts in which there is one: a part may lack a class that the metric needs."""
    return [score for score in scores if np.isfinite(score)]


def _inner_score(plan: Plan, name: str, shown: Rows, test: Rows, held_out: Rows, split: int) -> float:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rest = np.setdiff1d(np.arange(len(plan.domains.target.y)), np.concatenate([test, held_out]))
            X, y, sample_domain = plan.domains.stack(target_rows=rest, labelled_rows=shown)
            model = plan.model(name, plan.seed(split)).fit(X, y, sample_domain=sample_domain)
            X_test = rows_of(plan.domains.target.X, test)
            truth = plan.truth(test, among=np.union1d(shown, test))  # the labels held out do not even lend their shares
            return plan.metric.score(plan.metric.values(model, X_test, truth, model.predict(X_test)))
    except Exception:  # one class only among very few rows, or a base estimator that needs more of them
        return float("nan")


def _confusion(domains: Domains, truth: Array, prediction: Array) -> list[list[int]] | None:
    if domains.classes is None or len(domains.classes) > MAX_CONFUSION_CLASSES:
        return None
    counts = confusion_matrix(truth, prediction, labels=domains.classes)
    return [[int(count) for count in row] for row in counts]


def finite_values(values: Array) -> list[float]:
    """Values as plain floats; refuses those that are not finite."""
    if not np.all(np.isfinite(values)):
        raise ValueError(
            f"the predictions of {int(np.sum(~np.isfinite(values)))} rows are not finite, or the metric is not defined for them"
        )
    return [float(value) for value in values]


def health_of(strategy: Any) -> dict[str, Any]:
    """The diagnostics of a fitted strategy as plain JSON types; arrays and long lists are left out."""
    plain = {}
    for name, value in getattr(strategy, "health_", {}).items():
        value = value.item() if isinstance(value, np.generic) else value
        if isinstance(value, float) and not np.isfinite(value):
            value = None
        if value is None or isinstance(value, bool | int | float | str):
            plain[name] = value
    return plain


@dataclass
class Meter:
    """Wall-clock seconds and the most memory added meanwhile (resident set, sampled every 5 ms), of a block."""

    seconds: float = 0.0
    peak_mb: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Measure the block, which runs on one thread of linear algebra so that its numbers do not depend on the machine's load."""
        process = psutil.Process()
        before = process.memory_info().rss
        watcher = threading.Thread(target=self._watch, args=(process, before), daemon=True)
        watcher.start()
        start = time.perf_counter()
        try:
            with threadpool_limits(1):
                yield
        finally:
            self.seconds = round(time.perf_counter() - start, 4)
            self._stop.set()
            watcher.join()

    def _watch(self, process: psutil.Process, before: int) -> None:
        while True:
            self.peak_mb = max(self.peak_mb, round((process.memory_info().rss - before) / 2**20, 1))
            if self._stop.wait(0.005):
                return
