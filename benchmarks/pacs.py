"""PACS photo and art painting, each from the other: a frozen MobileNetV2 before shallow strategies, and fine-tuning; 0, 5, 20 labels a class.

STERNA_DATA=... python benchmarks/pacs.py [--seeds 3] [--cache FOLDER]

Half of the target (drawn by the seed) lends its rows, and the labels that are shown; the other half judges. Everything is at its default.
Writes results/pacs.md.
"""

from __future__ import annotations

import argparse
import io
import os
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from harness import interval, strategy_named
from joblib import Memory
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import sterna
from sterna.deep import Training
from sterna.encoders import ImageEncoder

RESULTS = Path(__file__).parent / "results"
DATA = Path(os.environ.get("STERNA_DATA", "data"))
BACKBONE = "mobilenetv2_100?pad_type=same&mean=0.5&std=0.5&image_size=96"  # as the weights' provenance says
WEIGHTS = str(DATA / "imagenet_weights" / "mobilenetv2_100_timm.pt")
DOMAINS = ("photo", "art_painting")
UNLABELLED = (
    *(
        "SourceOnly",
        "KMM",
        "RuLSIF",
        "DomainClassifierRatio",
        "CORAL",
        "SubspaceAlignment",
        "TCA",
        "JDA",
        "GFK",
        "MEDA",
        "JGSA",
    ),
    *("DomainStandardization", "OTMapping", "LinearMonge", "JDOT", "PseudoLabels", "FineTune"),
)
LABELLED = (
    *(
        "SourceOnly",
        "TargetOnly",
        "Pooled",
        "CORAL",
        "JDA",
        "FeatureAugmentation",
        "OTMapping",
        "TrAdaBoost",
        "LogisticTransfer",
    ),
    *("HypothesisTransfer", "AdaptiveSVM", "FeatureExtraction", "FineTune", "FromScratch"),
)


def photos(domain):
    held = np.load(DATA / "pacs" / f"pacs96_{domain}.npz")
    offset, content, y = held["offset"], held["jpeg"], held["y"]  # read once: each access reads the file again
    rows = np.empty(len(y), dtype=object)
    for i in range(len(rows)):
        rows[i] = np.asarray(Image.open(io.BytesIO(content[offset[i] : offset[i + 1]].tobytes())).convert("RGB"))
    return rows, y.astype(int)


def stack(source, target, n_labels, seed):
    """Rows, labels (NaN where hidden) and codes for training; rows and labels for judging, by position in photos then paintings."""
    (X_source, y_source), (X_target, y_target) = photos(source), photos(target)
    order = np.random.default_rng(seed).permutation(len(y_target))
    lent, judged = np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :])
    shown = np.concatenate([order[: len(order) // 2][y_target[order[: len(order) // 2]] == c][:n_labels] for c in range(7)])
    labels = np.where(np.isin(lent, shown), y_target[lent].astype(float), np.nan)
    X = np.concatenate([X_source, X_target[lent]])
    y = np.concatenate([y_source, labels])
    return X, y, np.repeat([1, -2], [len(y_source), len(lent)]), X_target[judged], y_target[judged]


def deep(name, n_labels, seed):
    cls = sterna.all_strategies("finetune")[name]
    if name == "FeatureExtraction":
        return cls(BACKBONE, weights=WEIGHTS, random_state=seed)
    # behind the fifth of seven blocks, on kept maps; few epochs on the 1700 photos of the source, more on the few of the target
    epochs, more = 10 if n_labels else 5, {} if name == "FromScratch" else {"freeze_until": "blocks.4"}
    training = Training(epochs, 32, batch_norm="joint" if name == "FromScratch" else "frozen", progress=False)
    return cls(BACKBONE, weights=WEIGHTS, training=training, random_state=seed, **more)


def run(name, source, target, n_labels, seed):
    torch.set_num_threads(1)
    X, y, codes, X_test, y_test = stack(source, target, n_labels, seed)
    cls = sterna.all_strategies()[name]
    start = time.time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if cls.family == "finetune":
            right = deep(name, n_labels, seed).fit(X, y, sample_domain=codes).predict(X_test) == y_test
        else:
            encoder = ImageEncoder(BACKBONE, WEIGHTS).fit(X[:1])
            strategy = strategy_named(name, LogisticRegression(max_iter=2000), seed)
            model = sterna.make_pipeline(StandardScaler(), strategy).fit(encoder.transform(X), y, sample_domain=codes)
            right = model.predict(encoder.transform(X_test)) == y_test
    return 100 * right.mean(), time.time() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cache", default=None, help="A folder for finished runs.")
    parser.add_argument("--labels", type=int, nargs="*", default=[0, 5, 20], help="Labels a class.")
    options = parser.parse_args()
    remembered = Memory(options.cache, verbose=0).cache(run)
    lines = [
        "| labels a class | strategy | photo to art | art to photo | mean | against the best plain baseline of the row's block, points | s |",
        "|---|---|---|---|---|---|---|",
    ]
    for n_labels in options.labels:
        names = LABELLED if n_labels else UNLABELLED
        found = {}
        for name in names:
            runs = [
                [remembered(name, s, t, n_labels, seed) for seed in range(options.seeds)] for s, t in (DOMAINS, DOMAINS[::-1])
            ]
            found[name] = np.array(runs)  # (direction, seed, 2)
            print(n_labels, name, found[name][..., 0].round(1).tolist(), flush=True)
        plain = [name for name in ("SourceOnly", "TargetOnly", "Pooled") if name in found]
        best = max(plain, key=lambda name: found[name][..., 0].mean())
        for name in names:
            accuracy = found[name][..., 0]
            differences = (accuracy - found[best][..., 0]).mean(axis=0)
            cells = [f"{row.mean():.1f}" for row in accuracy] + [f"{accuracy.mean():.1f}"]
            against = f"the baseline ({best})" if name == best else interval(differences)
            lines.append(f"| {n_labels} | {name} | {' | '.join(cells)} | {against} | {found[name][..., 1].mean():.0f} |")
    print("\n".join(lines))
    about = (
        f"`benchmarks/pacs.py`: MobileNetV2 of ImageNet at 96 px; {options.seeds} seeds (which half of the target judges, which labels "
        "are shown, training); intervals by Student's t over the seeds of the differences averaged over both directions; one thread."
    )
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "pacs.md").write_text(f"# PACS: photo and art painting\n\n{about}\n\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
