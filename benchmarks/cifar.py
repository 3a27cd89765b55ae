"""CIFAR-10 to CIFAR-100: a ResNet-20 trained on CIFAR-10, fine-tuned on a few images a class, against training from scratch.

STERNA_DATA=... python benchmarks/cifar.py [--epochs 15] [--groups 5] [--backbone cifar_resnet20]

The 100 classes are cut at random into five groups of twenty; each is a task of its own with its own seed (240 test images), so that the
five runs are on different classes, training images and test images. The learning rate of each strategy is the best of three by the log
loss on a quarter of the training images of the first group (20 a class), never by a test image. Writes results/cifar.md.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
import torch
from harness import interval
from joblib import Memory
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

import sterna
from sterna.deep import Training

RESULTS = Path(__file__).parent / "results"
DATA = Path(os.environ.get("STERNA_DATA", "data"))
STRATEGIES = (
    "FromScratch",
    "FeatureExtraction",
    "FineTune",
    "GradualUnfreezing",
    "LinearProbeFineTune",
    "L2SP",
    "DELTA",
    "LoRA",
    "WiSEFT",
)
CURVE = ("FromScratch", "FeatureExtraction", "FineTune", "WiSEFT")  # also at 10 and 25 images a class
RATES = (1e-3, 3e-3, 1e-2)


def task(group, n_groups=5):
    """Images and labels for training (25 a class) and for the test, of the classes of one group."""
    held = np.load(DATA / "cifar100" / "cifar100_subset.npz")
    classes = np.random.default_rng(0).permutation(100).reshape(n_groups, -1)[group]
    parts = []
    for part in ("train", "test"):
        X, y = held[f"{part}_X"], held[f"{part}_y"]
        kept = np.isin(y, classes)
        parts += [list(X[kept]), y[kept]]
    return parts


def few(y, n, seed):
    """The rows of `n` images a class, drawn by the seed; smaller draws lie within larger ones."""
    rng = np.random.default_rng(seed)
    return np.sort(np.concatenate([rng.permutation(np.flatnonzero(y == c))[:n] for c in np.unique(y)]))


def model(name, rate, seed, backbone, epochs):
    cls = sterna.all_strategies("finetune")[name]
    weights = DATA / "cifar_resnets" / f"{backbone.removeprefix('cifar_')}_cifar10.pt"
    if name == "FeatureExtraction":
        return cls(backbone, weights=str(weights), random_state=seed)
    training = Training(epochs, 32, learning_rate=rate, augment="flip", progress=False)
    return cls(backbone, weights=str(weights), training=training, random_state=seed)


def best_rate(name, backbone, epochs):
    torch.set_num_threads(1)
    if name == "FeatureExtraction":
        return None
    X, y, _, _ = task(0)
    rows = few(y, 20, 0)
    train, held = train_test_split(rows, test_size=0.25, stratify=y[rows], random_state=0)
    scores = {}
    for rate in RATES:
        fitted = model(name, rate, 0, backbone, epochs).fit([X[i] for i in train], y[train])
        scores[rate] = log_loss(y[held], fitted.predict_proba([X[i] for i in held]))
    return min(scores, key=scores.get)


def run(name, n, group, rate, backbone, epochs):
    torch.set_num_threads(1)
    X, y, X_test, y_test = task(group)
    rows = few(y, n, group)
    start = time.time()
    fitted = model(name, rate, group, backbone, epochs).fit([X[i] for i in rows], y[rows])
    seconds = time.time() - start
    return (name, n), (fitted.predict(X_test) == y_test).mean(), seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--groups", type=int, default=5)
    parser.add_argument("--cache", default=None, help="A folder for finished runs.")
    parser.add_argument("--backbone", default="cifar_resnet20")
    options = parser.parse_args()
    memory = Memory(options.cache, verbose=0)  # a run that was stopped goes on
    remembered_rate, remembered_run = memory.cache(best_rate), memory.cache(run)
    rates = {name: remembered_rate(name, options.backbone, options.epochs) for name in STRATEGIES}
    print("learning rates:", rates, flush=True)
    cells = [(name, n) for n in (5, 20) for name in STRATEGIES] + [(name, n) for n in (10, 25) for name in CURVE]
    jobs = [(name, n, group) for group in range(options.groups) for name, n in cells]
    found = []
    for name, n, group in jobs:
        found.append(remembered_run(name, n, group, rates[name], options.backbone, options.epochs))
        print(name, n, group, found[-1][1:], flush=True)
    scores = {cell: np.array([100 * accuracy for c, accuracy, _ in found if c == cell]) for cell in cells}
    seconds = {cell: np.mean([s for c, _, s in found if c == cell]) for cell in cells}
    lines = [
        "| images a class | strategy | learning rate | accuracy, % [95 %] | against FineTune, points | against scratch, points | s |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, n in sorted(cells, key=lambda cell: (cell[1], STRATEGIES.index(cell[0]))):
        own = scores[name, n]
        against = [interval(own - scores[other, n]) if name != other else "-" for other in ("FineTune", "FromScratch")]
        rate = "-" if rates[name] is None else f"{rates[name]:g}"
        lines.append(f"| {n} | {name} | {rate} | {interval(own)} | {against[0]} | {against[1]} | {seconds[name, n]:.0f} |")
    about = (
        f"`benchmarks/cifar.py --backbone {options.backbone}`: {options.epochs} epochs, batches of 32, flips; twenty classes a task, "
        f"{options.groups} tasks with disjoint classes; differences are paired by task, intervals by Student's t over the tasks."
    )
    print("\n".join(lines))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "cifar.md").write_text(f"# CIFAR-10 to CIFAR-100\n\n{about}\n\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
