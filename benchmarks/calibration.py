"""Is the verdict calibrated? Placebo, harmful and helpful pairs, seeded; prints a table and writes it to benchmarks/results/.

python benchmarks/calibration.py                # 200 placebo runs a task, 40 harmful and 40 helpful runs each: an hour and a half on 2 cores
python benchmarks/calibration.py --runs 20      # a look
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from scipy.stats import binomtest
from sklearn.datasets import load_diabetes, load_digits
from sklearn.tree import ExtraTreeClassifier, ExtraTreeRegressor

import sterna
from sterna.baselines import TargetOnly

RESULTS = Path(__file__).parent / "results"


class Placebo(TargetOnly):
    """Target only again, under another seed: nothing that it could gain by."""


def digits_pair(seed, n_source=600, n_target=100, angle=0.0, labels="true"):
    """Two disjoint samples of the digits; the target is drawn with a shear of `angle` degrees; source labels may be spoiled."""
    from scipy.ndimage import rotate

    rng = np.random.default_rng(seed)
    X, y = load_digits(return_X_y=True)
    rows = rng.permutation(len(X))
    source, target = rows[:n_source], rows[n_source : n_source + n_target]
    X_target = X[target]
    if angle:
        images = X_target.reshape(-1, 8, 8)
        X_target = rotate(images, angle, axes=(1, 2), reshape=False, order=1).reshape(len(target), -1)
    y_source = {"true": y, "shuffled": rng.permutation(y), "inverted": 9 - y}[labels][source]
    return sterna.Domains({"source": (X[source], y_source)}, {"target": (X_target, y[target])})


def linear_pair(seed, n_source=600, n_target=100, shift=0.5, labels="true", n_features=20, noise=1.0):
    """The same linear task in both domains, the target's features moved by `shift` standard deviations; regression."""
    rng = np.random.default_rng(seed)
    w = rng.normal(size=n_features)
    X_source = rng.normal(size=(n_source, n_features))
    X_target = rng.normal(size=(n_target, n_features)) + shift * rng.choice([-1, 1], n_features)
    y_source = X_source @ w + noise * rng.normal(size=n_source)
    y_target = X_target @ w + noise * rng.normal(size=n_target)
    y_source = {"true": y_source, "shuffled": rng.permutation(y_source), "inverted": -y_source}[labels]
    return sterna.Domains({"source": (X_source, y_source)}, {"target": (X_target, y_target)})


def boundary_pair(seed, n_source=1500, n_target=30, shift=0.3, n_features=100, labels="true"):
    """The same linear boundary in both domains, the target's features moved by `shift` standard deviations; two classes."""
    rng = np.random.default_rng(seed)
    w = rng.normal(size=n_features)
    X_source = rng.normal(size=(n_source, n_features))
    X_target = rng.normal(size=(n_target, n_features)) + shift * rng.choice([-1, 1], n_features)
    offset = np.median(X_target @ w)
    y_source = X_source @ w + rng.normal(size=n_source) > offset
    y_target = X_target @ w + rng.normal(size=n_target) > offset
    y_source = {"true": y_source, "shuffled": rng.permutation(y_source), "inverted": ~y_source}[labels]
    return sterna.Domains({"source": (X_source, y_source)}, {"target": (X_target, y_target)})


def diabetes_pair(seed, n_target=60):
    """Real regression data, two disjoint samples."""
    X, y = load_diabetes(return_X_y=True)
    rows = np.random.default_rng(seed).permutation(len(X))
    source, target = rows[n_target:], rows[:n_target]
    return sterna.Domains({"source": (X[source], y[source])}, {"target": (X[target], y[target])})


def placebo(seed, task, n_labels):
    """The word for a placebo when it is compared alone (the nominal rate then is 5 %); random trees make the seed matter."""
    if task == "classification":
        domains, tree = digits_pair(seed, n_source=100, n_target=n_labels), ExtraTreeClassifier
    else:
        domains, tree = diabetes_pair(seed, n_labels), ExtraTreeRegressor
    other = Placebo(tree(random_state=seed + 10_000))
    comparison = sterna.compare(
        domains,
        strategies={"Placebo": other},
        estimator=tree(),
        random_state=seed,
        n_jobs=1,
        with_measure=False,
    )
    return entry(comparison, "Placebo")["verdict"]


def entry(comparison, name):
    return next(row for row in comparison.summary["strategies"] if row["name"] == name)


def compared(domains, seed):
    """The plain baselines and a strategy of each of three families, at their defaults."""
    strategies = ["CORAL", "FeatureAugmentation", "LogisticTransfer" if domains.task == "classification" else "RidgeTransfer"]
    return sterna.compare(domains, strategies=strategies, estimator="linear", random_state=seed, n_jobs=1, with_measure=False)


def harmful(seed, kind):
    """The word for the pooled model (and overall) where the source contradicts the target, 100 target labels."""
    domains = {
        "classification, labels shuffled": lambda: boundary_pair(seed, 600, 100, 0.5, 20, "shuffled"),
        "classification, labels inverted": lambda: boundary_pair(seed, 600, 100, 0.5, 20, "inverted"),
        "digits, labels inverted": lambda: digits_pair(seed, labels="inverted"),
        "regression, labels shuffled": lambda: linear_pair(seed, labels="shuffled"),
        "regression, labels inverted": lambda: linear_pair(seed, labels="inverted"),
    }[kind]()
    comparison = compared(domains, seed)
    return entry(comparison, "Pooled")["verdict"], comparison.verdict.word


def helpful(seed, kind):
    """The overall word where source and target are the same task under a mild shift, 30 target labels."""
    domains = {
        "classification, digits turned by 10 degrees": lambda: digits_pair(seed, 1200, 30, angle=10.0),
        "classification, 100 features moved by 0.3 deviations": lambda: boundary_pair(seed),
        "regression, 20 features moved by half a deviation": lambda: linear_pair(seed, 600, 30),
    }[kind]()
    return compared(domains, seed).verdict.word


def share(words, wanted):
    count = sum(word in wanted for word in words)
    interval = binomtest(count, len(words)).proportion_ci()
    return f"{count}/{len(words)} = {count / len(words):.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--placebo-runs", type=int, default=200)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--only", default="", help="placebo, harmful or helpful")
    parser.add_argument("--jobs", type=int, default=-1)
    arguments = parser.parse_args()
    parallel = Parallel(n_jobs=arguments.jobs)
    lines = ["| condition | wanted | measured (95 % interval) | words | seconds |", "|---|---|---|---|---|"]

    def row(condition, wanted, words, counted, seconds):
        lines.append(f"| {condition} | {wanted} | {share(words, counted)} | {dict(Counter(words))} | {seconds:.0f} |")
        print(lines[-1], flush=True)

    for task in ("classification", "regression"):
        for n_labels in (60,):
            if arguments.only in ("", "placebo"):
                start = time.time()
                words = parallel(delayed(placebo)(seed, task, n_labels) for seed in range(arguments.placebo_runs))
                condition = f"placebo alone, {task}, {n_labels} labels"
                row(condition, "helps or hurts in at most 5 %", words, ("helps", "hurts"), time.time() - start)
    kinds = ["regression, labels shuffled", "regression, labels inverted"]
    for kind in [*kinds, "classification, labels shuffled", "classification, labels inverted", "digits, labels inverted"]:
        if arguments.only in ("", "harmful"):
            start = time.time()
            words = parallel(delayed(harmful)(seed, kind) for seed in range(arguments.runs))
            condition = f"harmful: {kind}, 100 labels"
            row(f"{condition}, pooled", "hurts in at least 95 %", [w[0] for w in words], ("hurts",), time.time() - start)
            row(f"{condition}, overall", "never helps", [w[1] for w in words], ("helps",), time.time() - start)
    wide = "classification, 100 features moved by 0.3 deviations"
    for kind in ("regression, 20 features moved by half a deviation", wide, "classification, digits turned by 10 degrees"):
        if arguments.only in ("", "helpful"):
            start = time.time()
            words = parallel(delayed(helpful)(seed, kind) for seed in range(arguments.runs))
            row(f"helpful: {kind}, 30 labels, overall", "helps in at least 90 %", words, ("helps",), time.time() - start)
    if not arguments.only:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "calibration.md").write_text("# Is the verdict calibrated?\n\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
