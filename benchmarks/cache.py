"""Ten epochs of a head on frozen ResNet-18 features: computed in each epoch against cached; interleaved; writes results/cache.md.

python benchmarks/cache.py [--repeats 3] [--images 200] [--epochs 10] [--precision float32 bfloat16]
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "2"

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torchvision import transforms
from torchvision.models import resnet18

from sterna.encoders import ImageEncoder

RESULTS = Path(__file__).parent / "results"
N_CLASSES = 5
BATCH = 32


def make_images(folder, n):
    """Random JPEG files, 320 x 256: coarse noise, so that they are as large on disk as photos are (30 to 40 kB)."""
    rng = np.random.default_rng(0)
    paths = []
    for i in range(n):
        coarse = Image.fromarray(rng.integers(0, 256, (64, 80, 3), dtype=np.uint8))
        paths.append(str(Path(folder) / f"{i:03d}.jpg"))
        coarse.resize((320, 256), Image.Resampling.BICUBIC).save(paths[-1], quality=88)
    return paths


class Files(torch.utils.data.Dataset):
    """What a plain PyTorch script has."""

    def __init__(self, paths, y):
        self.paths, self.y = paths, y
        self.prepare = transforms.Compose(
            [
                transforms.Resize(256),
                transforms.CenterCrop(224),
                transforms.ToTensor(),
                transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
            ]
        )

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, i):
        with Image.open(self.paths[i]) as image:
            return self.prepare(image.convert("RGB")), self.y[i]


def new_head(rate):
    torch.manual_seed(0)
    head = nn.Linear(512, N_CLASSES)
    return head, torch.optim.SGD(head.parameters(), lr=rate)


def step(head, optimizer, features, y):
    loss = nn.functional.cross_entropy(head(features), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def plain_pass(network, data):
    """One pass over the files in plain PyTorch, features (n, 512)."""
    with torch.no_grad():
        return torch.cat([network(x) for x, _ in torch.utils.data.DataLoader(data, BATCH)])


def recomputed(network, data, epochs, rate):
    head, optimizer = new_head(rate)
    for _ in range(epochs):
        for x, y in torch.utils.data.DataLoader(data, BATCH):
            with torch.no_grad():
                features = network(x)
            step(head, optimizer, features, y)
    return head


def cached(encoder, paths, y, epochs, rate):
    """The cache is empty at first and is asked in each epoch."""
    head, optimizer = new_head(rate)
    for _ in range(epochs):
        features = torch.from_numpy(encoder.transform(paths))
        for start in range(0, len(y), BATCH):
            step(head, optimizer, features[start : start + BATCH], y[start : start + BATCH])
    return head


def timed(function, *args):
    start = time.perf_counter()
    made = function(*args)
    return time.perf_counter() - start, made


def one_repeat(network, paths, y, epochs, precision):
    data = Files(paths, y)
    with tempfile.TemporaryDirectory() as folder:
        backbone = {"backbone": "torchvision/resnet18", "weights": network_weights(network)}
        encoder = ImageEncoder(**backbone, batch_size=BATCH, cache=folder, precision=precision, progress=False).fit(paths)
        first, plain = timed(plain_pass, network, data)
        # random weights give features of any size: a rate at which training is stable, or rounding errors grow
        rate = float(1 / plain.square().sum(dim=1).mean())
        second, head = timed(cached, encoder, paths, y, epochs, rate)
        third, reference = timed(recomputed, network, data, epochs, rate)
        error = float(np.abs(encoder.transform(paths) - plain.numpy()).max() / plain.abs().max())
    ours, theirs = head.weight.detach(), reference.weight.detach()
    apart = float((ours - theirs).abs().max() / theirs.abs().max())
    return {"pass": first, "cached": second, "recomputed": third, "error": error, "head": apart}


def network_weights(network):
    """The state dict with a classifier, as files have it."""
    return {**network.state_dict(), "fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}


def table(runs, epochs, n_images, precision):
    rows = []
    for i, run in enumerate(runs, 1):
        ratios = f"{run['recomputed'] / run['cached']:.2f} | {run['cached'] / run['pass']:.2f}"
        rows.append(f"| {i} | {run['recomputed']:.2f} | {run['cached']:.2f} | {run['pass']:.2f} | {ratios} |")
    faster = statistics.median(run["recomputed"] / run["cached"] for run in runs)
    share = statistics.median(run["cached"] / run["pass"] for run in runs)
    error, apart = max(run["error"] for run in runs), max(run["head"] for run in runs)
    return "\n".join(
        [
            f"## {precision}: {n_images} JPEG files, {epochs} epochs of a linear head",
            "",
            "| repeat | recomputed each epoch, s | cached, s | one plain pass, s | times faster | share of one pass |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            f"Medians: {faster:.2f} times faster (asked: at least 7), {share:.2f} of one plain pass (asked: at most 1.1). Largest "
            f"difference of a feature from plain PyTorch {error:.1e} of the largest feature; of a weight of the head {apart:.1e} of the "
            "largest weight.",
            "",
        ]
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--precision", nargs="+", default=["float32"])
    args = parser.parse_args()
    torch.manual_seed(0)
    network = resnet18(weights=None)
    network.fc = nn.Identity()
    network.eval()
    y = torch.arange(args.images) % N_CLASSES
    with tempfile.TemporaryDirectory() as folder:
        paths = make_images(folder, args.images)
        plain_pass(network, Files(paths[:BATCH], y[:BATCH]))  # the first pass is slower
        parts = []
        for precision in args.precision:
            runs = [one_repeat(network, paths, y, args.epochs, precision) for _ in range(args.repeats)]
            parts.append(table(runs, args.epochs, args.images, precision))
            print(parts[-1], flush=True)
    header = [
        "# The feature cache (`benchmarks/cache.py`)",
        "",
        "ResNet-18 with random weights, 224 px, files decoded each time, two threads. The three timings of a repeat follow each other "
        "and the machine was shared, so the ratios say more than the seconds. The cache starts empty; reading the files for their "
        "hashes, folding and writing are within its time, building the network is in nobody's.",
        "",
    ]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "cache.md").write_text("\n".join(header + parts))


if __name__ == "__main__":
    main()
