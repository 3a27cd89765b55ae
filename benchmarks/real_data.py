"""`sterna compare` on real pairs, with a page each; the data are found by STERNA_DATA. Prints a table and writes it to results/.

STERNA_DATA=... python benchmarks/real_data.py [--only bike] [--out runs/real]
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.ndimage import zoom

import sterna

RESULTS = Path(__file__).parent / "results"
DATA = Path(os.environ.get("STERNA_DATA", "data"))


def few(y, n_labelled, seed=0):
    """The labels with all but `n_labelled` hidden."""
    kept = np.random.default_rng(seed).permutation(len(y))[:n_labelled]
    labels = np.full(len(y), None, dtype=object)
    labels[kept] = np.asarray(y)[kept].tolist()
    return labels


def amazon():
    parts = np.load(DATA / "amazon_msda" / "amazon_msda5000.npz")

    def reviews(name):
        csr = tuple(parts[f"{name}_{part}"] for part in ("data", "indices", "indptr"))
        X = sparse.csr_array((csr[0].astype(float), csr[1].astype(np.int32), csr[2]), shape=(len(parts[f"{name}_y"]), 5000))
        return X, parts[f"{name}_y"]

    X, y = reviews("dvd_train")
    return sterna.Domains({"books": reviews("books_train")}, {"dvd": (X, few(y, 200))}, task="classification")


def bike():
    table = pd.read_parquet(DATA / "tabular_shift" / "bike_hour.parquet")
    table = table.drop(columns=["instant", "dteday", "casual", "registered"])
    later = table[table.yr == 1].reset_index(drop=True)
    labels = few(later["cnt"], 300)
    return sterna.Domains(
        {"2011": (table[table.yr == 0].drop(columns="cnt"), table[table.yr == 0]["cnt"])},
        {"2012": (later.drop(columns="cnt"), labels)},
        task="regression",
    )


def corn():
    spectra = np.load(DATA / "corn_nir" / "corn_nir.npz")
    moisture = spectra["Y"][:, 0]
    half = np.arange(80) % 2 == 0
    source = (spectra["m5"][half], moisture[half])
    return sterna.Domains({"m5": source}, {"mp5": (spectra["mp5"][~half], moisture[~half])}, task="regression")


def california():
    table = pd.read_parquet(DATA / "tabular_shift" / "california_housing.parquet")
    inland, bay = table[table.ocean_proximity == "INLAND"], table[table.ocean_proximity == "NEAR BAY"]
    labels = few(bay["median_house_value"], 200)
    return sterna.Domains(
        {"inland": (inland.drop(columns="median_house_value"), inland["median_house_value"])},
        {"near bay": (bay.drop(columns="median_house_value"), labels)},
        task="regression",
    )


def digits():
    mnist, usps = np.load(DATA / "mnist" / "mnist.npz"), np.load(DATA / "usps" / "usps.npz")
    rows = np.random.default_rng(0).permutation(60000)[:2000]
    small = zoom(mnist["train_X"][rows].astype(float) / 255, (1, 16 / 28, 16 / 28), order=1)
    X = (usps["train_X"][:1800].astype(float) / 1000 + 1) / 2
    source = (small.reshape(len(rows), -1), mnist["train_y"][rows])
    return sterna.Domains(
        {"mnist": source}, {"usps": (X.reshape(1800, -1), few(usps["train_y"][:1800], 100))}, task="classification"
    )


def digits_unlabelled():
    labelled = digits()
    mnist = labelled.sources[0]
    return sterna.Domains({"mnist": (mnist.X, mnist.y)}, {"usps": (labelled.target.X, None)}, task="classification")


PAIRS = {
    "amazon": amazon,
    "bike": bike,
    "corn": corn,
    "california": california,
    "digits": digits,
    "digits_unlabelled": digits_unlabelled,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=PAIRS)
    parser.add_argument("--out", type=Path, default=Path("runs/real"))
    parser.add_argument("--time-budget", type=float)
    arguments = parser.parse_args()
    lines = [
        "| pair | labels | metric | target only | source only | pooled | best strategy | source | adapting | handed over | seconds |"
    ]
    lines.append("|" + "---|" * 11)
    for name in [arguments.only] if arguments.only else PAIRS:
        start = time.time()
        domains = PAIRS[name]()
        comparison = sterna.compare(domains, out=arguments.out / name, random_state=0, time_budget=arguments.time_budget)
        seconds = time.time() - start
        summary = comparison.summary
        baselines = [summary["baselines"].get(key) for key in ("TargetOnly", "SourceOnly", "Pooled")]
        shown = [f"{b['mean']:.4g} [{b['low']:.4g}, {b['high']:.4g}]" if b else "-" for b in baselines]
        top = next((s for s in summary["strategies"] if s["family"] != "baselines" and s["mean"] is not None), None)
        best = f"{top['name']} {top['mean']:.4g} [{top['low']:.4g}, {top['high']:.4g}]" if top else "-"
        cells = [name, int(domains.target.labelled.sum()), summary["metric"]["name"], *shown, best]
        cells += [comparison.verdict.word, comparison.adaptation.word, comparison.best, f"{seconds:.0f}"]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
        print(lines[-1], flush=True)
        print(comparison.verdict.sentence, comparison.adaptation.sentence, sep="\n", flush=True)
    if not arguments.only:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "real_data.md").write_text("# `sterna compare` on real pairs (seed 0)\n\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
