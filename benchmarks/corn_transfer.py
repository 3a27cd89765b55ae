"""Corn spectra on three instruments: a calibration carried to another instrument from a few samples measured on both.

STERNA_DATA=... python benchmarks/corn_transfer.py [--seeds 20]

Each split draws 40 of the 80 samples for calibration, measured and labelled on one instrument; the first 10 or 30 of them are also
measured on another, where the other 40 samples are predicted. PLS, its components chosen by cross-validation on the calibration set.
Writes results/corn_transfer.md.
"""

from __future__ import annotations

import argparse
import os
from itertools import permutations
from pathlib import Path

import numpy as np
from harness import interval
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GridSearchCV

from sterna.align import DirectStandardization, FeatureTransfer, PiecewiseDirectStandardization
from sterna.baselines import TargetOnly

RESULTS = Path(__file__).parent / "results"
DATA = Path(os.environ.get("STERNA_DATA", "data")) / "corn_nir" / "corn_nir.npz"
INSTRUMENTS = ("m5", "mp5", "mp6")
COMPONENTS = (2, 4, 6, 8, 10, 12, 14)
PAIRED = {
    "DirectStandardization": lambda: DirectStandardization(pls()),
    "PiecewiseDirectStandardization": lambda: PiecewiseDirectStandardization(pls()),
    "DirectStandardization, use_shared_labels=False": lambda: DirectStandardization(pls(), use_shared_labels=False),
    "PiecewiseDirectStandardization, use_shared_labels=False": lambda: PiecewiseDirectStandardization(
        pls(), use_shared_labels=False
    ),
}
LABELLED = {
    "FeatureTransfer*": lambda: FeatureTransfer(RidgeCV(np.logspace(-6, 2, 17))),
    "TargetOnly*": lambda: TargetOnly(pls((1, 2, 4, 6))),
}


def pls(components=COMPONENTS):
    return GridSearchCV(PLSRegression(scale=False), {"n_components": components}, cv=5, scoring="neg_root_mean_squared_error")


def split(spectra, y, seed, counts):
    """RMSE by (method, source, target, number of shared samples)."""
    order = np.random.default_rng(seed).permutation(len(y))
    train, test = order[:40], order[40:]
    found = {}

    def error(model, X):
        return float(np.sqrt(np.mean((np.ravel(model.predict(X)) - y[test]) ** 2)))

    for source, target in permutations(INSTRUMENTS, 2):
        own = pls().fit(spectra[source][train], y[train]).best_estimator_
        found["own instrument", source, target, 0] = error(own, spectra[source][test])
        found["no transfer", source, target, 0] = error(own, spectra[target][test])
        for n in counts:
            X = np.vstack([spectra[source][train], spectra[target][train[:n]]])
            sample_domain, sample_id = np.repeat([1, -2], [40, n]), np.concatenate([train, train[:n]])
            hidden, shown = (np.concatenate([y[train], labels]) for labels in (np.full(n, np.nan), y[train[:n]]))
            for name, make in PAIRED.items():
                model = make().fit(X, hidden, sample_domain=sample_domain, sample_id=sample_id)
                found[name, source, target, n] = error(model, spectra[target][test])
            for name, make in LABELLED.items():
                model = make().fit(X, shown, sample_domain=sample_domain)
                found[name, source, target, n] = error(model, spectra[target][test])
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=20)
    seeds, counts = parser.parse_args().seeds, (10, 30)
    with np.load(DATA) as stored:
        spectra = {name: stored[name].astype(float) for name in INSTRUMENTS}
        y = stored["Y"][:, 0].astype(float)
    runs = [split(spectra, y, seed, counts) for seed in range(seeds)]
    pairs = list(permutations(INSTRUMENTS, 2))
    heads = " | ".join(f"{s} -> {t}" for s, t in pairs)
    lines = [f"| method | shared | {heads} | mean of pairs | times the mean on the source's instrument |"]
    lines.append("|---" * (len(pairs) + 4) + "|")
    own = np.array([[run["own instrument", s, t, 0] for s, t in pairs] for run in runs])
    for name in ("own instrument", "no transfer", *PAIRED, *LABELLED):
        for n in (0,) if name in ("own instrument", "no transfer") else counts:
            values = np.array([[run[name, s, t, n] for s, t in pairs] for run in runs])  # (n_seeds, n_pairs)
            cells = " | ".join(interval(column, ".3f") for column in values.T)
            means, ratio = interval(values.mean(axis=1), ".3f"), np.mean(values) / np.mean(own)
            lines.append(f"| {name} | {n or '-'} | {cells} | {means} | {ratio:.2f} |")
    print("\n".join(lines))
    RESULTS.mkdir(exist_ok=True)
    intro = (
        f"# Corn moisture on another instrument\n\n`benchmarks/corn_transfer.py --seeds {seeds}`; RMSE, mean and 95 % interval over "
        "splits. 'own instrument': calibrated and tested on the first one named. No method sees a label on the new instrument, but "
        "the shared samples have those of the first one; methods marked * get these same labels on the new one.\n\n"
    )
    (RESULTS / "corn_transfer.md").write_text(intro + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
