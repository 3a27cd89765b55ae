"""The classic tutorial: ants and bees, 244 photos, MobileNetV2 of ImageNet; fine-tuning strategies against training from scratch.

STERNA_DATA=... python benchmarks/hymenoptera.py [--seeds 3] [--epochs 4] [--jobs 2]

Each strategy is trained on all 244 photos and judged on the 153 validation photos, with its defaults. Which one would be handed over is decided
without them, by the log loss on a quarter of the training photos that a second training of each does not see. Writes results/hymenoptera.md.
"""

from __future__ import annotations

import argparse
import io
import os
import time
from pathlib import Path

import numpy as np
import torch
from harness import interval
from joblib import Parallel, delayed
from PIL import Image
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

import sterna
from sterna.deep import Training

RESULTS = Path(__file__).parent / "results"
DATA = Path(os.environ.get("STERNA_DATA", "data"))
BACKBONE = "mobilenetv2_100?pad_type=same&mean=0.5&std=0.5"  # as the weights' provenance says
WEIGHTS = DATA / "imagenet_weights" / "mobilenetv2_100_timm.pt"
STRATEGIES = ("FeatureExtraction", "FineTune", "LinearProbeFineTune", "WiSEFT", "FromScratch")


def photos(part):
    held = np.load(DATA / "hymenoptera" / "hymenoptera256.npz")
    offset, content = held[f"{part}_jpeg_offset"], held[f"{part}_jpeg"]
    rows = np.empty(len(offset) - 1, dtype=object)
    for i in range(len(rows)):
        rows[i] = np.asarray(Image.open(io.BytesIO(content[offset[i] : offset[i + 1]].tobytes())).convert("RGB"))
    return rows, np.array(["ants", "bees"])[held[f"{part}_y"]]


def model(name, seed, epochs):
    cls = sterna.all_strategies("finetune")[name]
    if name == "FeatureExtraction":
        return cls(BACKBONE, weights=str(WEIGHTS), random_state=seed)
    training = Training(epochs, 16, batch_norm="joint" if name == "FromScratch" else "frozen", progress=False)
    return cls(BACKBONE, weights=str(WEIGHTS), training=training, random_state=seed)


def run(name, seed, epochs, threads):
    torch.set_num_threads(threads)
    X, y = photos("train")
    X_val, y_val = photos("val")
    train, held = train_test_split(np.arange(len(y)), test_size=0.25, stratify=y, random_state=seed)
    trial = model(name, seed, epochs).fit(X[train], y[train])
    chosen_by = log_loss(y[held], trial.predict_proba(X[held]))
    start = time.time()
    right = model(name, seed, epochs).fit(X, y).predict(X_val) == y_val
    return name, seed, chosen_by, right, time.time() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    tasks = [(name, seed) for seed in range(arguments.seeds) for name in STRATEGIES]
    found = Parallel(arguments.jobs)(delayed(run)(name, seed, arguments.epochs, 1) for name, seed in tasks)
    lines = [
        "| strategy | accuracy on 153 photos, %, mean over seeds [95 %] | by seed | against scratch, points | held-out log loss | seconds |"
    ]
    lines.append("|---|---|---|---|---|---|")
    table = {name: [row for row in found if row[0] == name] for name in STRATEGIES}
    scratch = np.array([row[3].mean() for row in table["FromScratch"]])
    for name, rows in table.items():
        accuracy = np.array([row[3].mean() for row in rows])
        cells = [
            name,
            interval(100 * accuracy),
            ", ".join(f"{100 * a:.1f}" for a in accuracy),
            interval(100 * (accuracy - scratch)),
        ]
        cells += [f"{np.mean([row[2] for row in rows]):.3f}", f"{np.mean([row[4] for row in rows]):.0f}"]
        lines.append("| " + " | ".join(cells) + " |")
    chosen = [min((row for row in found if row[1] == seed), key=lambda row: row[2]) for seed in range(arguments.seeds)]
    picked = ", ".join(f"{row[0]} {100 * row[3].mean():.1f}" for row in chosen)
    lines.append(
        f"\nChosen without the validation photos, by seed: {picked}; mean {100 * np.mean([row[3].mean() for row in chosen]):.1f} %."
    )
    print("\n".join(lines))
    RESULTS.mkdir(exist_ok=True)
    about = f"`benchmarks/hymenoptera.py`, {arguments.epochs} epochs, one thread each; intervals over {arguments.seeds} seeds."
    heading = f"# Ants and bees\n\n{about}\n\n"
    (RESULTS / "hymenoptera.md").write_text(heading + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
