"""Time, added memory and accuracy of the shallow methods beside skada, densratio (and adapt on request), in one run.

Digits rotated by 30 degrees, 64 features, `n` rows a domain (drawn with replacement, small noise), LogisticRegression on top. Each
measurement is a process of its own: the data are made and the library is imported before the clock starts; added memory is the
largest resident set minus what was resident then.

    python benchmarks/methods.py                    # n = 2000 and 10000 side by side, ours at 100000: about half an hour on 2 cores
    python benchmarks/methods.py --sizes 2000 --repeats 1
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results"
LIMIT = 120  # seconds a measurement may take, besides a minute for starting


def rotated_digits(n, seed=0):
    """Digits, and digits rotated by 30 degrees: X_source, y_source, X_target, y_target, n rows each."""
    from scipy.ndimage import rotate
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(X))
    half = len(X) // 2
    source, target = rng.choice(rows[:half], n), rng.choice(rows[half:], n)
    turned = rotate(X[target].reshape(-1, 8, 8), 30, axes=(1, 2), reshape=False, order=1).reshape(n, -1)
    noise = rng.normal(0, 0.3, (2, n, 64))
    return (X[source] + noise[0]) / 16, y[source], (turned + noise[1]) / 16, y[target]


def ours(name):
    def run(Xs, ys, Xt, yt):
        from sklearn.linear_model import LogisticRegression

        import sterna

        base = LogisticRegression(max_iter=1000)
        cls = sterna.all_strategies()[name]
        model = cls(estimator=base)
        if "random_state" in model.get_params(deep=False):
            model.set_params(random_state=0)
        X, sample_domain = np.vstack([Xs, Xt]), np.repeat([1, -2], [len(Xs), len(Xt)])
        y = np.concatenate([ys, np.full(len(Xt), -1)])
        return lambda: model.fit(X, y, sample_domain=sample_domain).score(Xt, yt)

    return run


def of_skada(name, **parameters):
    def run(Xs, ys, Xt, yt):
        import skada
        from sklearn.linear_model import LogisticRegression

        base = LogisticRegression(max_iter=1000)
        if "Adapter" in name and ("Reweight" in name or "KMM" in name):
            base = base.set_fit_request(sample_weight=True)
        adapter = getattr(skada, name)(**parameters)
        model = skada.make_da_pipeline(adapter, base)
        X, sample_domain = np.vstack([Xs, Xt]), np.repeat([1, -2], [len(Xs), len(Xt)])
        y = np.concatenate([ys, np.full(len(Xt), -1)])
        return lambda: model.fit(X, y, sample_domain=sample_domain).score(Xt, yt)

    return run


def of_densratio(Xs, ys, Xt, yt):
    from densratio import densratio
    from sklearn.linear_model import LogisticRegression

    def fit():
        result = densratio(Xt, Xs, alpha=0.1, verbose=False)
        weights = np.asarray(result.compute_density_ratio(Xs))
        return LogisticRegression(max_iter=1000).fit(Xs, ys, sample_weight=weights).score(Xt, yt)

    return fit


def of_adapt(name):
    def run(Xs, ys, Xt, yt):
        from adapt import feature_based, instance_based
        from sklearn.linear_model import LogisticRegression

        cls = getattr(instance_based, name, None) or getattr(feature_based, name)
        model = cls(LogisticRegression(max_iter=1000), Xt=Xt, verbose=0)
        return lambda: model.fit(Xs, ys).score(Xt, yt)

    return run


def source_only(Xs, ys, Xt, yt):
    from sklearn.linear_model import LogisticRegression

    return lambda: LogisticRegression(max_iter=1000).fit(Xs, ys).score(Xt, yt)


METHODS = {
    "source only": {"scikit-learn": source_only},
    "KMM": {"sterna": ours("KMM"), "skada": of_skada("KMMReweightAdapter"), "adapt": of_adapt("KMM")},
    "RuLSIF": {"sterna": ours("RuLSIF"), "densratio": of_densratio, "adapt": of_adapt("RULSIF")},
    "DomainClassifierRatio": {"sterna": ours("DomainClassifierRatio"), "skada": of_skada("DiscriminatorReweightAdapter")},
    "CORAL": {"sterna": ours("CORAL"), "skada": of_skada("CORALAdapter"), "adapt": of_adapt("CORAL")},
    "SubspaceAlignment": {"sterna": ours("SubspaceAlignment"), "skada": of_skada("SubspaceAlignmentAdapter", n_components=20)},
    "TCA": {"sterna": ours("TCA"), "skada": of_skada("TransferComponentAnalysisAdapter", n_components=20)},
    "JDA": {"sterna": ours("JDA")},
    "OTMapping": {"sterna": ours("OTMapping"), "skada": of_skada("ClassRegularizerOTMappingAdapter")},
}


def measure(method, library, n):
    """In a fresh process: seconds, added MB and accuracy, or the error."""
    warnings.simplefilter("ignore")
    data = rotated_digits(n)
    import sklearn.linear_model  # noqa: F401

    fit = METHODS[method][library](*data)
    with open("/proc/self/statm") as statm:
        before = int(statm.read().split()[1]) * resource.getpagesize()
    peak, stop = [before], threading.Event()

    def watch():
        while not stop.wait(0.01):
            with open("/proc/self/statm") as statm:
                peak[0] = max(peak[0], int(statm.read().split()[1]) * resource.getpagesize())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    start = time.perf_counter()
    score = fit()
    seconds = time.perf_counter() - start
    stop.set()
    watcher.join()
    print(json.dumps({"seconds": seconds, "mb": (peak[0] - before) / 2**20, "accuracy": float(score)}))


def measured(method, library, n, repeats):
    """The median run of `repeats` processes."""
    runs = []
    for _ in range(repeats):
        command = [sys.executable, __file__, "--measure", method, library, str(n)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT + 60)
        except subprocess.TimeoutExpired:
            return {"error": f"stopped at {LIMIT + 60} s"}
        if done.returncode:
            return {"error": (done.stderr.strip().splitlines() or ["killed"])[-1][:80]}
        runs.append(json.loads(done.stdout.splitlines()[-1]))
        if runs[-1]["seconds"] > 30:
            break
    return sorted(runs, key=lambda run: run["seconds"])[len(runs) // 2]


def spelled(run):
    if "error" in run:
        return run["error"]
    return f"{run['seconds']:.2f} s / {run['mb']:.0f} MB / {run['accuracy']:.3f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[2000, 10000])
    parser.add_argument("--alone", type=int, nargs="*", default=[100000], help="sizes at which only ours runs")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--adapt", action="store_true", help="also adapt (pip install adapt: TensorFlow)")
    parser.add_argument("--only", nargs="*", help="methods")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.measure[0], arguments.measure[1], int(arguments.measure[2]))
        return
    lines = ["| method | n | ours | peers (time / added memory / accuracy) | times faster |", "|---|---|---|---|---|"]
    for method in arguments.only or METHODS:
        for n in [*arguments.sizes, *arguments.alone]:
            libraries = [library for library in METHODS[method] if library != "adapt" or arguments.adapt]
            if n in arguments.alone:
                libraries = libraries[:1]
            runs = {library: measured(method, library, n, arguments.repeats) for library in libraries}
            first = runs.pop(libraries[0])
            peers = "; ".join(f"{library} {spelled(run)}" for library, run in runs.items()) or "-"
            ratios = [
                f"{run['seconds'] / first['seconds']:.1f}"
                for run in runs.values()
                if "error" not in run and "error" not in first
            ]
            lines.append(f"| {method} | {n} | {spelled(first)} | {peers} | {', '.join(ratios) or '-'} |")
            print(lines[-1], flush=True)
    if not arguments.only:
        RESULTS.mkdir(exist_ok=True)
        title = "# Shallow methods side by side (digits rotated by 30 degrees, 64 features, n rows a domain)\n\n"
        (RESULTS / "methods.md").write_text(title + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
