"""Spoken digits, each of six speakers in turn the target: log-mel features before shallow strategies, without and with target labels.

STERNA_DATA=... python benchmarks/speakers.py

The recordings 5 to 49 of each digit are there for training (of the target without labels, or with 50 of them), 0 to 4 of the target for
judging. Writes results/speakers.md.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
from harness import interval, strategy_named
from joblib import Parallel, delayed
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import sterna
from sterna.encoders import AudioEncoder

RESULTS = Path(__file__).parent / "results"
DATA = Path(os.environ.get("STERNA_DATA", "data"))
UNLABELLED = ("SourceOnly", "CORAL", "SubspaceAlignment", "TCA", "KMM", "OTMapping")
LABELLED = ("TargetOnly", "Pooled", "FeatureAugmentation", "CORAL", "LogisticTransfer")


def features():
    held = np.load(DATA / "fsdd" / "fsdd.npz")
    audio = held["audio"]  # read once: each access reads the file again
    clips = [(audio[a:b], 8000) for a, b in zip(held["offset"][:-1], held["offset"][1:], strict=True)]
    X = AudioEncoder("log-mel", sampling_rate=8000).fit_transform(clips)
    return X, held["digit"].astype(int), held["speaker"], held["index"], held["speaker_names"].tolist()


def judged(name, X, y, sample_domain, X_test, y_test):
    model = sterna.make_pipeline(StandardScaler(), strategy_named(name, LogisticRegression(max_iter=2000)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X, y, sample_domain=sample_domain).predict(X_test) == y_test


def speaker(target, X, y, speakers, index, seeds=3):
    train, test = index >= 5, (speakers == target) & (index < 5)
    rows = np.flatnonzero(train)
    codes = np.where(speakers[rows] == target, -7, speakers[rows].astype(int) + 1)
    found = {}
    for name in UNLABELLED:
        labels = y[rows].astype(float)
        labels[codes < 0] = np.nan
        found["no target labels", name] = judged(name, X[rows], _known(labels), codes, X[test], y[test]).mean()
    for seed in range(seeds):
        own = np.flatnonzero(codes < 0)
        order = np.random.default_rng(seed).permutation(own)
        shown = np.concatenate([order[y[rows][order] == digit][:5] for digit in range(10)])
        labels = y[rows].astype(float)
        labels[np.setdiff1d(own, shown)] = np.nan
        for name in LABELLED:
            right = judged(name, X[rows], _known(labels), codes, X[test], y[test]).mean()
            found["50 target labels", name] = found.get(("50 target labels", name), 0) + right / seeds
    return found


def _known(labels):
    """Labels as objects: whole numbers, None where unknown."""
    return np.array([None if np.isnan(label) else int(label) for label in labels], dtype=object)


def main():
    X, y, speakers, index, names = features()
    found = Parallel(2)(delayed(speaker)(target, X, y, speakers, index) for target in range(len(names)))
    lines = [
        "| labels | strategy | " + " | ".join(names) + " | mean [95 % over speakers] | against the plain one |",
        "|---" * 10 + "|",
    ]
    for key in found[0]:
        plain = (key[0], "SourceOnly" if key[0].startswith("no") else "TargetOnly")
        values, base = (np.array([row[k] for row in found]) for k in (key, plain))
        cells = [
            *key,
            *(f"{100 * v:.0f}" for v in values),
            interval(100 * values),
            "-" if key == plain else interval(100 * (values - base)),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    print("\n".join(lines))
    RESULTS.mkdir(exist_ok=True)
    about = (
        "`benchmarks/speakers.py`; accuracy on 50 recordings of the target, %; the plain one is source only, or target only."
    )
    (RESULTS / "speakers.md").write_text(f"# Spoken digits by speaker\n\n{about}\n\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
