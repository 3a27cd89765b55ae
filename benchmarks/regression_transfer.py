"""Regression transfer on school, bike and California: every shallow strategy that takes regression, beside no transfer.

STERNA_DATA=... python benchmarks/regression_transfer.py [--jobs 2] [--draws 10] [--only RidgeTransfer ...]

A draw takes up to 1000 source rows and 600 target rows at random; 20 or 100 of these target rows are labelled (the 20 are among the
100), and RMSE is taken on those that are not among the 100. Strategies see the target rows that are not labelled without their
labels. Raw tables through `TablePreprocessor`; RidgeCV as the base estimator of all, a random forest too for the baselines; defaults
else.

Writes results/regression_transfer.md.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from harness import interval, strategy_named, takes_base
from joblib import Parallel, delayed
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import RidgeCV
from threadpoolctl import threadpool_limits

import sterna
from sterna.domains import TablePreprocessor
from sterna.verdict._run import transport_with_numpy_only

RESULTS = Path(__file__).parent / "results"
DATA = Path(os.environ.get("STERNA_DATA", "data"))
COUNTS = (20, 100)
N_SOURCE, N_TARGET = 1000, 600
BASES = {"ridge": lambda seed: RidgeCV(np.logspace(-6, 4, 21)), "forest": lambda seed: RandomForestRegressor(random_state=seed)}
OWN = "its own"


@cache
def bike():
    """2011 to 2012; one source."""
    table = pd.read_parquet(DATA / "tabular_shift" / "bike_hour.parquet")
    parts = [table[table.yr == year] for year in (0, 1)]
    X = [part.drop(columns=["instant", "dteday", "yr", "casual", "registered", "cnt"]) for part in parts]
    return [(X[0], parts[0].cnt)], [(X[1], parts[1].cnt)]


@cache
def california():
    """House values in thousands: inland, by the ocean and within an hour of it, three sources, to those near the bay."""
    table = pd.read_parquet(DATA / "tabular_shift" / "california_housing.parquet")
    parts = [table[table.ocean_proximity == name] for name in ("INLAND", "<1H OCEAN", "NEAR OCEAN", "NEAR BAY")]
    found = [(part.drop(columns=["median_house_value", "ocean_proximity"]), part.median_house_value / 1000) for part in parts]
    return found[:3], found[3:]


@cache
def school():
    """Examination scores: each draw another of the ten largest schools as the target, the rest of the eleven largest as sources."""
    held = np.load(DATA / "school_mtl" / "school.npz")
    X, y, task = held["X"].astype(float), held["y"].astype(float), held["task"]
    by_size = np.argsort(-np.bincount(task), kind="stable")
    found = [(pd.DataFrame(X[task == k]).add_prefix("column "), pd.Series(y[task == k])) for k in by_size]
    return found, found


CASES = {"school": school, "bike": bike, "california": california}


def draw(case, seed):
    """X, y, sample_domain, and how many rows are of sources; the target rows that may be labelled stand first among its own."""
    sources, targets = CASES[case]()
    if case == "school":
        at = seed % 10
        sources, targets = [sources[k] for k in range(11) if k != at], [targets[at]]
    rng = np.random.default_rng(seed)
    parts = [(*part, N_SOURCE // len(sources)) for part in sources] + [(*targets[0], N_TARGET)]
    kept = [rng.permutation(len(y))[:n] for _, y, n in parts]
    X = pd.concat([X.iloc[rows] for (X, _, _), rows in zip(parts, kept, strict=True)], ignore_index=True)
    y = np.concatenate([y.to_numpy(float)[rows] for (_, y, _), rows in zip(parts, kept, strict=True)])
    codes = [*range(1, len(sources) + 1), -1]
    return X, y, np.repeat(codes, [len(rows) for rows in kept]), sum(len(rows) for rows in kept[:-1])


def run(case, name, base, seed, n_labelled):
    """RMSE, seconds, whether it warned of a collapse, the sentence that refuses."""
    X, y, sample_domain, n_source = draw(case, seed)
    test = slice(n_source + max(COUNTS), None)
    shown = y.copy()
    shown[n_source + n_labelled :] = np.nan
    cls = sterna.all_strategies(deep=False)[name]
    strategy = strategy_named(name, None if base == OWN else BASES[base](seed), seed)
    model = sterna.make_pipeline(TablePreprocessor(fit_on=cls.trains_on), strategy)
    transport_with_numpy_only()
    start = time.time()
    with threadpool_limits(1), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            predicted = model.fit(X, shown, sample_domain=sample_domain).predict(X.iloc[test])
        except (ValueError, TypeError) as error:
            return np.nan, time.time() - start, False, str(error)
    warned = any(issubclass(warning.category, sterna.CollapseWarning) for warning in caught)
    return float(np.sqrt(np.mean((predicted - y[test]) ** 2))), time.time() - start, warned, None


def candidates(only=None):
    """Pairs of strategy and base estimator, plain baselines first."""
    pairs = []
    for name, cls in sterna.all_strategies(deep=False).items():
        if "regression" not in cls.tasks or (only and cls.family != "baselines" and name not in only):
            continue
        has_base = takes_base(name) and name != "Constant"
        bases = ("ridge", "forest") if cls.family == "baselines" else ("ridge",)
        pairs += [(name, base) for base in bases] if has_base else [(name, "ridge" if name == "Constant" else OWN)]
    plain = set(sterna.all_strategies("baselines"))
    return sorted(pairs, key=lambda pair: pair[0] not in plain)


def table(found, plain):
    """Lines for one case and number of labels; `found`: (RMSE, seconds, warned, refusal) a draw, by strategy and base."""
    error = {pair: np.array([row[0] for row in rows]) for pair, rows in found.items()}
    best = min((pair for pair in found if pair[0] in plain), key=lambda pair: error[pair].mean())
    lines = ["| strategy | base | RMSE | against target only | against the best plain baseline | collapse warnings | s |"]
    lines.append("|---" * 7 + "|")
    refused = [pair for pair in found if np.isnan(error[pair]).any()]
    for pair in sorted(set(found) - set(refused), key=lambda pair: error[pair].mean()):
        control = ("TargetOnly", "forest" if pair[1] == "forest" else "ridge")
        cells = [interval(error[pair] - error[other], "+.4g") if pair != other else "-" for other in (control, best)]
        mean, warned = f"{error[pair].mean():.4g}", sum(row[2] for row in found[pair])
        name = f"*{pair[0]}*" if pair[0] in plain else pair[0]
        seconds = np.mean([row[1] for row in found[pair]])
        lines.append(f"| {name} | {pair[1]} | {mean} | {cells[0]} | {cells[1]} | {warned or ''} | {seconds:.2f} |")
    sentences = {pair[0]: next((row[3] for row in found[pair] if row[3]), "its predictions are not finite") for pair in refused}
    return [*lines, "", *(f"- {name} does not run: {sentence}" for name, sentence in sentences.items()), ""]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--only", nargs="*")
    options = parser.parse_args()
    start, pairs = time.time(), candidates(options.only)
    seeds = range(options.draws)
    cells = [(case, *pair, seed, n) for case in CASES for n in COUNTS for pair in pairs for seed in seeds]
    results = dict(zip(cells, Parallel(options.jobs, verbose=1)(delayed(run)(*cell) for cell in cells), strict=True))
    lines, plain = [], set(sterna.all_strategies("baselines"))
    for case, load in CASES.items():
        for n in COUNTS:
            found = {pair: [results[case, *pair, seed, n] for seed in seeds] for pair in pairs}
            lines += [f"## {case}, {n} labels", "", load.__wrapped__.__doc__, "", *table(found, plain)]
    print("\n".join(lines))
    if not options.only:
        about = (
            f"`benchmarks/regression_transfer.py --draws {options.draws}`, {time.time() - start:.0f} s on {options.jobs} core(s).\n\n"
            + __doc__.split("\n\n")[2]
            + "\n\nDifferences in RMSE (below 0 is better) with 95 % intervals by Student's t over the draws. Target only: ridge, for forests "
            "the forest. The best plain baseline (*in italics* all of them) is the one of least mean RMSE in this very table, known "
            "only afterwards.\n\n"
        )
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "regression_transfer.md").write_text("# Regression transfer\n\n" + about + "\n".join(lines))


if __name__ == "__main__":
    main()
