"""AutoTransfer on every task of the suite, beside every strategy it may choose, single label-free scores, and skada's.

    STERNA_DATA=... python benchmarks/suite/run.py [--jobs 2] [--seeds 1] [--only surf ...] [--cache FOLDER] [--development]

A cell is a task, a number of target labels and a seed. In each, every strategy that `compare` runs by default is fitted once on all rows that
may be learned from and judged on the test rows, which nothing else reads; so is AutoTransfer, at its defaults. The base estimator is the
same for all (linear or forest, chosen on the source). Without labels each strategy is fitted once more without a fifth of the source,
and every label-free score chooses among them. Finished cells are kept in the cache. Writes results/suite.md and results/suite.json.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import sys
import time
import warnings
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from joblib import Parallel, delayed
from tasks import all_tasks, development_tasks, domains_of
from threadpoolctl import threadpool_limits

import sterna
from report import write
from sterna.select import guard
from sterna.select._candidates import assemble, base_estimator, select_strategies
from sterna.select._folds import folds
from sterna.select._importance_weighted import stack_weights
from sterna.select._search_scores import Fitted
from sterna.select._search_stack import Stack, with_gaps
from sterna.verdict._run import transport_with_numpy_only

CACHE = Path(os.environ.get("STERNA_CACHE", Path.home() / ".cache" / "sterna")) / "suite"
SKADA = (
    "CircularValidation",
    "DeepEmbeddedValidation",
    "ImportanceWeightedScorer",
    "MaNoScorer",
    "MixValScorer",
    "PredictionEntropyScorer",
    "SoftNeighborhoodDensity",
)


def judged(predicted, y, kind):
    """Points of accuracy, or the negative root mean squared error."""
    if kind == "classification":
        return 100 * float(np.mean(predicted == y))
    return -float(np.sqrt(np.mean((predicted - y) ** 2)))


def timed(work, *arguments):
    """The result and the CPU seconds, or the reason of a failure."""
    start = time.process_time()
    try:
        found, fault = work(*arguments), None
    except Exception as error:  # a strategy may refuse a task
        found, fault = None, f"{type(error).__name__}: {error}"
    return found, time.process_time() - start, fault


class Cell:
    """A task with some labels shown, and what is fitted on it."""

    def __init__(self, task, n_labels, seed):
        parts = task.load(seed)
        self.kind, self.seed, self.parts = task.kind, seed, parts
        self.domains = domains_of(task, parts, n_labels)
        self.X, self.y, self.codes = self.domains.stack()
        self.base, _ = base_estimator(None, self.domains, seed)
        found, _ = select_strategies(None, self.domains, self.base)
        self.strategies = {name: strategy for name, strategy in found.items() if name != "Constant"}

    def model(self, name):
        return assemble(self.strategies[name], self.base, self.domains.kind, self.seed)

    def run(self, model):
        fitted, seconds, fault = timed(lambda: model.fit(self.X, self.y, sample_domain=self.codes))
        if fault is None:
            with np.errstate(all="ignore"):
                value = judged(fitted.predict(self.parts.X_test), self.parts.y_test, self.kind)
            return {"score": value if np.isfinite(value) else None, "seconds": seconds}, fitted
        return {"score": None, "seconds": seconds, "fault": fault[:200]}, None


def label_free_scores(cell):
    """The scores of each strategy fitted without a fifth of the source, and why the guard voids it."""
    source, target = np.flatnonzero(cell.codes > 0), np.flatnonzero(cell.codes < 0)
    classes = cell.kind == "classification"
    y_source = np.array(cell.y[source].tolist())
    y = with_gaps(y_source, cell.codes > 0, classes)
    stack = Stack(cell.X, y, cell.codes, cell.codes > 0, classes)
    held = folds(y_source, 5, classes, [cell.seed, 11])[0][1]
    test, rows = source[held], np.setdiff1d(np.arange(len(y)), source[held])
    weights = stack_weights(cell.X, source, target, normalized=False, random_state=cell.seed)[held]
    found, void, plain = {}, {}, None
    for name in ["SourceOnly", *(name for name in cell.strategies if name != "SourceOnly")]:
        model, _, fault = timed(stack.fit, cell.model(name), rows)
        if fault is not None:
            continue
        seen = Fitted(model, stack, test)
        source_score = seen.source_score()
        plain = source_score if name == "SourceOnly" else plain
        reason = guard(seen.predict_target(), y_source, cell.kind, source_score=source_score, plain_source_score=plain)
        if reason is not None and name != "SourceOnly":
            void[name] = reason
        found[name] = ours(seen, weights, cell) | (skadas(model, cell) if classes else {})
    return found, void


def ours(seen, weights, cell):
    scores = {}
    for name, scorer in sterna.all_scorers().items():
        if cell.kind not in scorer.tasks:
            continue
        given, _, fault = timed(
            lambda s=scorer: {word: weights if word == "weights" else getattr(seen, word)() for word in s.needs}
        )
        seeded = {"random_state": cell.seed} if "random_state" in inspect.signature(scorer).parameters else {}
        value, _, fault = timed(lambda s=scorer, g=given, k=seeded: float(s(**g, **k))) if fault is None else (None, 0, fault)
        if fault is None and np.isfinite(value):
            scores[name] = value
    return scores


def skadas(model, cell):
    """skada's scores of the strategy on prepared rows, as they ship."""
    import skada.metrics as metrics

    X, strategy = (
        model[:-1].transform(cell.X),
        sterna.TransferPipeline([("strategy", model[-1])]),
    )  # two of them want a pipeline
    y = np.where(cell.codes > 0, cell.y, -1).astype(int)
    scores = {}
    for name in SKADA:
        scorer = getattr(metrics, name)
        seeded = {"random_state": cell.seed} if "random_state" in inspect.signature(scorer).parameters else {}
        value, _, fault = timed(lambda s=scorer, k=seeded: float(s(**k)(strategy, X, y, sample_domain=cell.codes)))
        if fault is None and np.isfinite(value):
            scores[f"skada {name}"] = value
    return scores


def quietly(work, task, n_labels, seed):
    """What `work` finds in a cell, on one thread."""
    transport_with_numpy_only()
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return work(Cell(task, n_labels, seed))


def run_strategies(cell):
    """Every strategy by itself, and what label-free scores say of it where there are no labels."""
    found = {"base": type(cell.base).__name__, "strategies": {name: cell.run(cell.model(name))[0] for name in cell.strategies}}
    if not cell.domains.target.labelled.any():
        found["label_free"], found["void"] = label_free_scores(cell)
    return found


def run_auto(cell):
    """AutoTransfer."""
    start = time.perf_counter()
    found, fitted = cell.run(sterna.AutoTransfer(random_state=cell.seed))
    found["wall"] = time.perf_counter() - start
    if fitted is not None:
        rows = fitted.results_
        found |= {"plain": fitted.choice_.plain, "transfers": fitted.choice_.transfers, "method": fitted.choice_.method}
        found |= {
            "weights": fitted.weights_,
            "kind": fitted.kind_,
            "kept": rows.loc[rows["seconds"].notna(), "strategy"].tolist(),
        }
    return {"auto": found}


def kept(cache, task, n_labels, seed):
    """The results of a cell, plain JSON types, from the cache where they are there."""
    result = {"title": task.title, "group": task.group, "kind": task.kind, "n_labels": n_labels, "seed": seed}
    name = "".join(c if c.isalnum() else "_" for c in f"{task.title} {n_labels} {seed}")
    for work in (run_strategies, run_auto):
        path = cache / work.__name__ / f"{name}.json"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_suffix(".part").write_text(json.dumps(quietly(work, task, n_labels, seed)))
            path.with_suffix(".part").rename(path)
        result |= json.loads(path.read_text())
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", nargs="*", help="groups of tasks")
    parser.add_argument("--labels", type=int, nargs="*", default=[100, 20, 0], help="numbers of target labels")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--development", action="store_true", help="the tasks for designing, which are not reported")
    options = parser.parse_args()
    tasks = development_tasks() if options.development else all_tasks()
    tasks = [task for task in tasks if not options.only or task.group in options.only]
    cells = [(task, n, seed) for seed in range(options.seeds) for n in options.labels for task in tasks if n in task.budgets]
    options.planned = len(cells)
    results = Parallel(options.jobs, verbose=5)(delayed(kept)(options.cache, *cell) for cell in cells)
    write(results, options)


if __name__ == "__main__":
    main()
