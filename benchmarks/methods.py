"""CPU time, added memory and accuracy of every shallow method beside skada, adapt, densratio and POT, in one run.

Digits rotated by 30 degrees, 64 features, `n` rows a domain (drawn with replacement, small noise), LogisticRegression on top. Methods
that need target labels get 50. Each measurement is a process of its own: the data are made and the library is imported before the clock
starts; added memory is the largest resident set minus what was resident then. Times are CPU seconds on one thread, so that other work on
the machine hardly counts; "method" leaves out the longest fit of the LogisticRegression on top, which is scikit-learn's in all libraries.

    python benchmarks/methods.py --cache runs/methods                 # all: hours; an interrupted run goes on where it stopped
    python benchmarks/methods.py --only CORAL TCA --sizes 2000 --alone
    python benchmarks/methods.py --adapt ~/adapt/bin/python           # an interpreter in which adapt and TensorFlow are installed
    python benchmarks/methods.py --alone 1000000 --sizes --only CORAL
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

RESULTS = Path(__file__).parent / "results"
N_LABELS = 50
FIXED_TITLE = "(fixed)"
MILLION = {  # every reweighting of classes, and the fastest ways of aligning and transporting
    "KMM",
    "KLIEP",
    "ULSIF",
    "RuLSIF",
    "DomainClassifierRatio",
    "NearestNeighborRatio",
    "GaussianRatio",
    "KernelDensityRatio",
    "LabelShiftEM",
    "BBSE",
    "RLLS",
    "MMDTargetShift",
    "BalancedWeighting",
    "TrAdaBoost",
    "MultiSourceTrAdaBoost",
    "CORAL",
    "SubspaceAlignment",
    "TCA",
    "LinearMonge",
}


def rotated_digits(n, seed=0):
    """Digits, and digits rotated by 30 degrees: X_source, y_source, X_target, y_target, n rows each."""
    from scipy.ndimage import rotate
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(X))
    half = len(X) // 2
    source, target = rng.choice(rows[:half], n), rng.choice(rows[half:], n)
    images = rotate(X.reshape(-1, 8, 8), 30, axes=(1, 2), reshape=False, order=1).reshape(-1, 64)
    sets = (X[source], images[target])
    moved = [(rows + 0.3 * rng.standard_normal((n, 64), dtype=np.float32)) / 16 for rows in sets]
    return moved[0], y[source], moved[1], y[target]


def head():
    """The base estimator of all libraries; it keeps the CPU seconds of its longest fit."""
    from sklearn.linear_model import LogisticRegression

    class Timed(LogisticRegression):
        longest_fit = 0.0

        def fit(self, X, y, sample_weight=None):
            start = time.process_time()
            super().fit(X, y, sample_weight=sample_weight)
            Timed.longest_fit = max(Timed.longest_fit, time.process_time() - start)
            return self

    return Timed(max_iter=1000)


def ours(name, sources=1, **parameters):
    def run(base, Xs, ys, Xt, yt):
        from harness import strategy_named

        from sterna.verdict._run import transport_with_numpy_only

        transport_with_numpy_only()
        model = strategy_named(name, base).set_params(**parameters)
        y_target = np.full(len(Xt), -1)
        if "target labels" in model.needs:
            y_target[:N_LABELS] = yt[:N_LABELS]
        X, y = np.vstack([Xs, Xt]), np.concatenate([ys, y_target])
        sample_domain = np.concatenate([1 + np.arange(len(Xs)) % sources, np.full(len(Xt), -1 - sources)])
        return lambda: model.fit(X, y, sample_domain=sample_domain).predict(Xt)

    return run


def of_skada(name, sources=1, **parameters):
    def run(base, Xs, ys, Xt, yt):
        import skada

        os.environ["POT_BACKEND_DISABLE_TENSORFLOW"] = "1"
        found = getattr(skada, name)
        X, y = np.vstack([Xs, Xt]), np.concatenate([ys, np.full(len(Xt), -1)])
        sample_domain = np.concatenate([1 + np.arange(len(Xs)) % sources, np.full(len(Xt), -1 - sources)])
        if name in ("DASVMClassifier", "JDOTClassifier"):
            model = found(base, **parameters)
        elif "Reweight" in name or "LabelProp" in name:
            model = skada.make_da_pipeline(found(**parameters), base.set_fit_request(sample_weight=True))
        else:
            model = skada.make_da_pipeline(found(**parameters), base)
        return lambda: model.fit(X, y, sample_domain=sample_domain).predict(Xt)

    return run


def of_densratio(alpha):
    def run(base, Xs, ys, Xt, yt):
        from densratio import densratio

        def fit():
            weights = densratio(Xt, Xs, alpha=alpha, verbose=False).compute_density_ratio(Xs)
            return base.fit(Xs, ys, sample_weight=np.asarray(weights)).predict(Xt)

        return fit

    return run


def of_adapt(name, labels=False, **parameters):
    def run(base, Xs, ys, Xt, yt):
        import adapt.feature_based
        import adapt.instance_based
        import adapt.parameter_based

        rooms = (adapt.feature_based, adapt.instance_based, adapt.parameter_based)
        cls = next(getattr(room, name) for room in rooms if hasattr(room, name))
        shown = {"Xt": Xt[:N_LABELS], "yt": yt[:N_LABELS]} if labels else {"Xt": Xt}
        if name == "RegularTransferLC":
            model = cls(base, verbose=0, **shown, **parameters)  # wants a base that knows the source
            return lambda: base.fit(Xs, ys) and model.fit(shown["Xt"], shown["yt"]).predict(Xt)
        model = cls(base, verbose=0, **shown, **parameters)
        return lambda: model.fit(Xs, ys).predict(Xt)

    return run


def of_pot(name, **parameters):
    def run(base, Xs, ys, Xt, yt):
        import ot.da

        def fit():
            plan = getattr(ot.da, name)(**parameters).fit(Xs=Xs, ys=ys, Xt=Xt)
            return base.fit(plan.transform(Xs=Xs), ys).predict(Xt)

        return fit

    return run


def plain(base, Xs, ys, Xt, yt):
    return lambda: base.fit(Xs, ys).predict(Xt)


PEERS = {
    "KMM": {"skada": of_skada("KMMReweightAdapter"), "adapt": of_adapt("KMM")},
    "KLIEP": {"skada": of_skada("KLIEPReweightAdapter", gamma=1.0), "adapt": of_adapt("KLIEP")},
    "ULSIF": {"densratio": of_densratio(0), "adapt": of_adapt("ULSIF")},
    "RuLSIF": {"densratio": of_densratio(0.1), "adapt": of_adapt("RULSIF")},
    "DomainClassifierRatio": {"skada": of_skada("DiscriminatorReweightAdapter"), "adapt": of_adapt("IWC")},
    "NearestNeighborRatio": {
        "skada": of_skada("NearestNeighborReweightAdapter"),
        "adapt": of_adapt("NearestNeighborsWeighting"),
    },
    "GaussianRatio": {"skada": of_skada("GaussianReweightAdapter")},
    "KernelDensityRatio": {"skada": of_skada("DensityReweightAdapter")},
    "MMDTargetShift": {"skada": of_skada("MMDTarSReweightAdapter", gamma=1.0)},
    "BalancedWeighting": {"adapt": of_adapt("BalancedWeighting", labels=True)},
    "TrAdaBoost": {"adapt": of_adapt("TrAdaBoost", labels=True)},
    "CORAL": {"skada": of_skada("CORALAdapter"), "adapt": of_adapt("CORAL")},
    "SubspaceAlignment": {
        "skada": of_skada("SubspaceAlignmentAdapter", n_components=20),
        "adapt": of_adapt("SA", n_components=20),
    },
    "TCA": {"skada": of_skada("TransferComponentAnalysisAdapter", n_components=20), "adapt": of_adapt("TCA", n_components=20)},
    "TJM": {"skada": of_skada("TransferJointMatchingAdapter", n_components=20)},
    "FeatureAugmentation": {"adapt": of_adapt("FA", labels=True)},
    "FeatureTransfer": {},
    "LinearInterpolation": {"adapt": of_adapt("LinInt", labels=True)},
    "LogisticTransfer": {"adapt": of_adapt("RegularTransferLC", labels=True)},
    "OTMapping": {"skada": of_skada("ClassRegularizerOTMappingAdapter"), "POT": of_pot("SinkhornLpl1Transport", norm="median")},
    "OTMapping emd": {"skada": of_skada("OTMappingAdapter"), "POT": of_pot("EMDTransport", norm="median")},
    "OTMapping sinkhorn": {"skada": of_skada("EntropicOTMappingAdapter"), "POT": of_pot("SinkhornTransport", norm="median")},
    "OTMapping group-lasso": {"POT": of_pot("SinkhornL1l2Transport", norm="median", reg_e=0.1, reg_cl=0.1)},
    "OTMapping laplacian": {"POT": of_pot("EMDLaplaceTransport", norm="median")},
    "OTMapping unbalanced": {"POT": of_pot("UnbalancedSinkhornTransport", norm="median", reg_e=0.02)},
    "OTMapping low-rank": {},
    "LinearMonge": {"skada": of_skada("LinearOTMappingAdapter"), "POT": of_pot("LinearTransport")},
    "JDOT": {"skada": of_skada("JDOTClassifier")},
    "JCPOT": {"skada": of_skada("JCPOTLabelPropAdapter", sources=2)},
    "TransportLabelPropagation": {"skada": of_skada("OTLabelPropAdapter")},
    "DASVM": {"skada": of_skada("DASVMClassifier")},
}


# Where ours chooses parameters by cross-validation and a peer has fixed ones: ours with such parameters fixed, beside the same peers.
FIXED = {
    "BalancedWeighting": {"target_share": 0.5},
    "DomainClassifierRatio": {"domain_classifier": LogisticRegression(max_iter=1000), "cv": 2},
    "GaussianRatio": {"flattening": 1.0},
    "KLIEP": {"bandwidth": 1.0},
    "KernelDensityRatio": {"flattening": 1.0, "bandwidth": 1.0},
    "LinearInterpolation": {"source_weight": 0.5},
    "RuLSIF": {"bandwidth": 5.0, "regularization": 0.1},
    "SubspaceAlignment": {"n_components": 20, "standardize": False},
    "TransportLabelPropagation": {"solver": "emd"},
    "ULSIF": {"bandwidth": 5.0, "regularization": 0.1},
}


def methods():
    """Every method by name: how ours is run, then its peers."""
    import sterna

    solvers = {name.removeprefix("OTMapping "): name for name in PEERS if name.startswith("OTMapping ")}
    found = {"no adaptation": {"ours": plain}}
    for name, cls in sterna.all_strategies(deep=False).items():
        if "classification" not in cls.tasks or cls.family == "baselines" or "shared rows" in cls.needs:
            continue
        several = 2 if "several sources" in cls.needs or name == "JCPOT" else 1
        found[name] = {"ours": ours(name, several)} | PEERS.get(name, {})
        if name == "OTMapping":
            found |= {title: {"ours": ours(name, solver=solver)} | PEERS[title] for solver, title in solvers.items()}
    for name, parameters in FIXED.items():
        peers = {library: run for library, run in PEERS[name].items() if library != "densratio"}  # it chooses too
        found[f"{name} {FIXED_TITLE}"] = {"ours": ours(name, **parameters)} | peers
    return found


def measure(run, n):
    """In a fresh process: CPU seconds in all and without the longest fit of the base, added MB, accuracy; printed as JSON."""
    warnings.simplefilter("ignore")
    data = rotated_digits(n)
    base = head()
    fit = run(base, *data)
    with open("/proc/self/statm") as statm:
        before = int(statm.read().split()[1]) * resource.getpagesize()
    peak, stop = [before], threading.Event()

    def watch():
        while not stop.wait(0.01):
            with open("/proc/self/statm") as statm:
                peak[0] = max(peak[0], int(statm.read().split()[1]) * resource.getpagesize())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    wall, start = time.perf_counter(), time.process_time()
    predicted = fit()
    seconds, wall = time.process_time() - start, time.perf_counter() - wall
    stop.set()
    watcher.join()
    score = float(np.mean(np.asarray(predicted) == data[3]))
    own = seconds - type(base).longest_fit
    print(json.dumps({"seconds": seconds, "own": own, "wall": wall, "mb": (peak[0] - before) / 2**20, "accuracy": score}))


def measured(method, library, n, options):
    """The median run of some processes; kept in the cache's folder."""
    kept = Path(options.cache) / f"{method}-{library}-{n}.json".replace(" ", "_") if options.cache else None
    if kept and kept.exists():
        return json.loads(kept.read_text())
    result = _measured(method, library, n, options)
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(result))
    return result


def _measured(method, library, n, options):
    python = options.adapt if library == "adapt" else sys.executable
    command = [python, __file__, "--measure", method, library, str(n)]
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"), "1")
    runs = []
    for _ in range(options.repeats):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=options.limit, env=os.environ | one)
        except subprocess.TimeoutExpired:
            return {"error": f"stopped at {options.limit:g} s"}
        if done.returncode:
            return {"error": (done.stderr.strip().splitlines() or ["killed"])[-1][:100]}
        runs.append(json.loads(done.stdout.splitlines()[-1]))
        if runs[-1]["wall"] > 5:
            break
    return sorted(runs, key=lambda run: run["seconds"])[len(runs) // 2]


def spelled(run):
    if "error" in run:
        return run["error"]
    return f"{run['seconds']:.2f} s (method {run['own']:.2f}) / {run['mb']:.0f} MB / {100 * run['accuracy']:.1f}"


def compared(results, options):
    """The table, and what it says of time, memory and accuracy."""
    lines = [
        "| method | n | ours: CPU time / added memory / accuracy | peers | times faster (method alone) |",
        "|---|---|---|---|---|",
    ]
    ratios, bounds, fixed, slower, larger, worse, long = [], [], [], [], [], [], []
    for (method, n), runs in results.items():
        mine = runs["ours"]
        peers = {library: run for library, run in runs.items() if library != "ours"}
        told = []
        for library, run in peers.items():
            if "error" in run and "stopped" in run["error"] and "error" not in mine:
                bounds.append(options.limit / max(mine["own"], 1e-3))
                told.append(f"over {options.limit / mine['seconds']:.0f} ({bounds[-1]:.0f})")
                continue
            if "error" in run or "error" in mine:
                told.append("-")
                continue
            ratio, own = run["seconds"] / mine["seconds"], run["own"] / max(mine["own"], 1e-3)
            (fixed if FIXED_TITLE in method else ratios).append(own)
            told.append(f"{ratio:.1f} ({own:.1f})")
            where = f"{method} at {n} against {library}"
            if own < 1:
                slower.append(f"{where} ({own:.2f}, in all {ratio:.2f})")
            if mine["mb"] > run["mb"] + 5:
                larger.append(f"{where} ({mine['mb']:.0f} and {run['mb']:.0f} MB)")
            if mine["accuracy"] < run["accuracy"] - 0.005:
                worse.append(f"{where} ({100 * (mine['accuracy'] - run['accuracy']):+.1f} points)")
        if n >= 100000 and ("error" in mine or mine["seconds"] > 180 or mine["mb"] > 3072) and n < 1000000:
            long.append(f"{method} ({spelled(mine)})")
        cells = "; ".join(f"{library} {spelled(run)}" for library, run in peers.items()) or "-"
        lines.append(f"| {method} | {n} | {spelled(mine)} | {cells} | {'; '.join(told) or '-'} |")
    if ratios:
        lines += [
            "",
            f"Defaults against defaults: {len(ratios)} peers that finished take {np.median(ratios):.1f} times the CPU of ours in the median "
            f"(method alone); with {len(bounds)} stopped ones, counted at the limit, {np.median(ratios + bounds):.1f} times.",
        ]
    if fixed:
        lines.append(
            f"With ours at fixed parameters where it chooses them by default and the peer does not: {np.median(fixed):.1f} times ({len(fixed)})."
        )
    if ratios:
        lines += ["", f"- slower than a peer: {'; '.join(slower) or 'none'}."]
        lines += [f"- more memory than a peer (by over 5 MB): {'; '.join(larger) or 'none'}."]
        lines += [f"- less accurate by over 0.5 point: {'; '.join(worse) or 'none'}."]
    lines += [f"- over 3 minutes of CPU or 3 GB at 100000 rows: {'; '.join(long) or 'none'}."]
    return lines


def plot(results, path):
    """CPU time against rows, a line for each method of ours."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    curves = {}
    for (method, n), runs in results.items():
        if "error" not in runs["ours"] and FIXED_TITLE not in method:
            curves.setdefault(method, []).append((n, runs["ours"]["seconds"], runs["ours"]["mb"]))
    rooms = {}
    import sterna

    for method in curves:
        cls = sterna.all_strategies(deep=False).get(method.split()[0])
        rooms.setdefault(cls.family if cls else "plain", []).append(method)
    rooms = {room: names for room, names in rooms.items() if room != "plain"}
    figure, axes = plt.subplots(2, 3, figsize=(15, 9), sharex=True, sharey=True)
    for axis, (room, names) in zip(axes.flat, rooms.items(), strict=False):
        for i, method in enumerate(names):
            points = np.array(sorted(curves[method]))
            axis.loglog(points[:, 0], points[:, 1], "o-", ms=3, color=plt.get_cmap("tab20")(i % 20), label=method)
        axis.axhline(180, color="0.6", lw=0.8, ls="--")
        axis.set_title(room)
        axis.legend(fontsize=6, ncols=2)
    for axis in axes[-1]:
        axis.set_xlabel("rows a domain")
    for axis in axes[:, 0]:
        axis.set_ylabel("CPU seconds, one thread")
    figure.tight_layout()
    figure.savefig(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=[2000, 10000])
    parser.add_argument("--alone", type=int, nargs="*", default=[100000, 1000000], help="sizes at which only ours runs")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--limit", type=float, default=240, help="seconds a process may take; ten times that at 1000000 rows")
    parser.add_argument("--adapt", metavar="PYTHON", help="an interpreter in which adapt is installed")
    parser.add_argument("--cache", help="a folder where finished measurements are kept")
    parser.add_argument("--only", nargs="*", help="methods")
    parser.add_argument("--skip", nargs="*", default=[], help="methods")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        method, library, n = options.measure
        peer = PEERS.get(method.removesuffix(f" {FIXED_TITLE}"), {}).get(library)
        measure(peer or methods()[method][library], int(n))
        return
    results = {}
    for n in [*options.sizes, *options.alone]:
        limit, options.limit = options.limit, options.limit * (10 if n >= 1000000 else 1)
        for method, runs in methods().items():
            if method in options.skip or (options.only and method not in options.only):
                continue
            if n >= 1000000 and method not in MILLION and not options.only:
                continue
            if n in options.alone and FIXED_TITLE in method:
                continue
            libraries = [
                name for name in runs if name == "ours" or (n not in options.alone and (name != "adapt" or options.adapt))
            ]
            results[method, n] = {library: measured(method, library, n, options) for library in libraries}
            print(method, n, "; ".join(f"{name} {spelled(run)}" for name, run in results[method, n].items()), flush=True)
        options.limit = limit
    lines = compared(results, options)
    print("\n".join(lines))
    if not options.only:
        RESULTS.mkdir(exist_ok=True)
        title = "# Shallow methods side by side (digits rotated by 30 degrees, 64 features, n rows a domain)\n\n"
        (RESULTS / "methods.md").write_text(title + __doc__.split("\n\n")[1] + "\n\n" + "\n".join(lines) + "\n")
        plot(results, RESULTS / "methods.svg")


if __name__ == "__main__":
    main()
