"""No silent collapse: every strategy on twenty shifts of data that come with scikit-learn.

    python benchmarks/collapse.py [--jobs 2] [--only CORAL ...]

Source only is the strategy's own base estimator. A strategy that
needs no target labels gets none, the others 30. Listed is every fall of more than 10 points under source only, with the
warning that was given, if any. Writes results/collapse.md.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from harness import strategy_named, takes_base
from joblib import Parallel, delayed
from scipy.ndimage import gaussian_filter, rotate, shift
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import sterna
from sterna.verdict._run import transport_with_numpy_only

RESULTS = Path(__file__).parent / "results"
N_LABELS = 30


def pictures(change):
    def made(rng):
        X, y = load_digits(return_X_y=True)
        rows = rng.permutation(len(X))
        source, target = rows[:800], rows[800:1600]
        turned = np.array([change(image, rng) for image in X[target].reshape(-1, 8, 8)]).reshape(len(target), -1)
        return X[source] / 16, y[source], turned / 16, y[target]

    return made


def tables(load, change, n_source=None):
    def made(rng):
        X, y = load(return_X_y=True)
        X = (X - X.mean(axis=0)) / X.std(axis=0)
        rows = rng.permutation(len(X))
        half = len(X) // 2 if n_source is None else n_source
        source, target = rows[:half], rows[half:]
        Xt, yt = change(X[target], y[target], rng)
        return X[source], y[source], Xt, yt

    return made


def rare(share):
    """Keep a share of the rows of class 0 only."""

    def change(X, y, rng):
        kept = (y != 0) | (rng.random(len(y)) < share)
        return X[kept], y[kept]

    return change


def without_class(X, y, rng):
    return X[y != 1], y[y != 1]


SHIFTS = {
    "digits turned by 15 degrees": pictures(lambda a, rng: rotate(a, 15, reshape=False, order=1)),
    "digits turned by 30 degrees": pictures(lambda a, rng: rotate(a, 30, reshape=False, order=1)),
    "digits turned by 60 degrees": pictures(lambda a, rng: rotate(a, 60, reshape=False, order=1)),
    "digits one pixel to the right": pictures(lambda a, rng: shift(a, (0, 1), order=0)),
    "digits at half contrast": pictures(lambda a, rng: a / 2),
    "digits inverted": pictures(lambda a, rng: 16 - a),
    "digits blurred": pictures(lambda a, rng: gaussian_filter(a, 0.8)),
    "digits with noise": pictures(lambda a, rng: a + rng.normal(0, 4, a.shape)),
    "digits with dead pixels": pictures(lambda a, rng: a * (rng.random(a.shape) > 0.2)),
    "digits with dead columns": pictures(lambda a, rng: a * (np.arange(8) != 3)),
    "cancer, every column moved": tables(load_breast_cancer, lambda X, y, rng: (X + rng.normal(0, 1, X.shape[1]), y)),
    "cancer, every column scaled": tables(load_breast_cancer, lambda X, y, rng: (X * rng.lognormal(0, 0.7, X.shape[1]), y)),
    "cancer, class 0 rare": tables(load_breast_cancer, rare(0.1)),
    "cancer, a turned plane": tables(
        load_breast_cancer, lambda X, y, rng: (X @ np.linalg.qr(np.eye(30) + 0.15 * rng.normal(size=(30, 30)))[0], y)
    ),
    "cancer, one row in twenty an outlier": tables(
        load_breast_cancer, lambda X, y, rng: (X + 20 * (rng.random((len(X), 1)) < 0.05), y)
    ),
    "cancer, 40 source rows": tables(load_breast_cancer, lambda X, y, rng: (X + 0.3, y), n_source=40),
    "cancer, no shift": tables(load_breast_cancer, lambda X, y, rng: (X, y)),
    "wine, class 0 rare": tables(load_wine, rare(0.2)),
    "wine, class 1 missing": tables(load_wine, without_class),
    "wine, columns cubed": tables(load_wine, lambda X, y, rng: (np.sign(X) * np.abs(X) ** 1.7, y)),
}


def run(name, title, seed):
    """Accuracy of the strategy and of source only, the warnings, seconds; or the refusal."""
    cls = sterna.all_strategies(deep=False)[name]
    Xs, ys, Xt, yt = SHIFTS[title](np.random.default_rng(seed))
    shown = np.random.default_rng(seed + 1).permutation(len(yt))[:N_LABELS]
    labels = np.full(len(yt), np.nan)
    if "target labels" in cls.needs:
        labels[shown] = yt[shown]
    judged = np.setdiff1d(np.arange(len(yt)), shown)
    base = LogisticRegression(max_iter=2000)
    strategy = strategy_named(name, base, seed)
    codes = np.repeat([1, -3], [len(ys), len(yt)])
    if "several sources" in cls.needs:
        codes[: len(ys)] = 1 + np.arange(len(ys)) % 2
    start = time.time()
    transport_with_numpy_only()
    with threadpool_limits(1), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        alone = base if takes_base(name) else clone(strategy)  # without domains: its own base
        plain = make_pipeline(StandardScaler(), alone).fit(Xs, ys).score(Xt[judged], yt[judged])
        try:
            model = sterna.make_pipeline(StandardScaler(), strategy)
            model.fit(np.concatenate([Xs, Xt]), np.concatenate([ys.astype(float), labels]), sample_domain=codes)
            found = float(np.mean(model.predict(Xt[judged]) == yt[judged]))
        except ValueError as error:
            return name, title, seed, None, plain, [str(error)], time.time() - start
    told = [str(w.message) for w in caught if issubclass(w.category, UserWarning)]
    return name, title, seed, found, plain, told, time.time() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", nargs="*")
    options = parser.parse_args()
    found = sterna.all_strategies(deep=False)
    names = options.only or [
        name
        for name, cls in found.items()
        if "classification" in cls.tasks and "shared rows" not in cls.needs and cls.family != "baselines"
    ]
    tasks = [(name, title, seed) for name in names for title in SHIFTS for seed in range(1, 1 + options.seeds)]
    rows = Parallel(options.jobs, verbose=1)(delayed(run)(*task) for task in tasks)
    refused = [row for row in rows if row[3] is None]
    falls = [row for row in rows if row[3] is not None and row[3] < row[4] - 0.1]
    warned = [row for row in rows if row[3] is not None and row[3] >= row[4] - 0.1 and row[5]]
    needless, gained = len(warned), sum(row[3] > row[4] for row in warned)
    silent = [row for row in falls if not row[5]]
    lines = [
        f"{len(names)} strategies, {len(SHIFTS)} shifts, {options.seeds} seed(s): {len(rows)} runs, {len(falls)} fall by more than 10 points "
        f"under source only, **{len(silent)} of them without a warning**; {len(refused)} refuse with a sentence.",
        f"Of the {len(rows) - len(refused) - len(falls)} other runs {needless} are warned of, {gained} of these although they gain.",
        "",
        "| strategy | shift | source only, % | strategy, % | the warning |",
        "|---|---|---|---|---|",
    ]
    for name, title, _, score, plain, told, _ in sorted(falls, key=lambda row: (bool(row[5]), row[0], row[1])):
        lines.append(f"| {name} | {title} | {100 * plain:.1f} | {100 * score:.1f} | {told[0] if told else '**none**'} |")
    lines += ["", "Refusals: " + ("; ".join(sorted({f"{row[0]}: {row[5][0]}" for row in refused})) or "none") + "."]
    print("\n".join(lines))
    about = (
        f"`benchmarks/collapse.py --seeds {options.seeds}`, seeds from 1 (the thresholds of the warnings were set on seed 0); "
    )
    about += f"LogisticRegression on top, {N_LABELS} target labels for strategies that need some."
    if not options.only:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "collapse.md").write_text(f"# No silent collapse\n\n{about}\n\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
