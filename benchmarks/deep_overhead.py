"""Steps per second of the deep contract against a bare PyTorch loop over the same batches, interleaved; writes results/deep_overhead.md.

python benchmarks/deep_overhead.py [--repeats 5]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from sterna.backbones import load_backbone
from sterna.deep import Network, Training
from sterna.deep._data import Pool, Pools, training_loader
from sterna.deep._module import TransferModule
from sterna.deep._network import linear_head
from sterna.deep._run import fitted
from sterna.deep._tasks import find_task
from sterna.finetune import FineTune

RESULTS = Path(__file__).parent / "results"


def lenet():
    convolutions = [nn.Conv2d(1, 20, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10))


def resnet():
    from torchvision.models import resnet18

    return resnet18(weights=None, num_classes=10)


SETTINGS = {
    "LeNet, 28 px, batch 128": (lenet, (1, 28, 28), 128, 200),
    "ResNet-18, 64 px, batch 32": (resnet, (3, 64, 64), 32, 12),
}


def prepared(make, shape, batch_size, n_steps, folder):
    """A module and its rows, as `fit` makes them."""
    rng = np.random.default_rng(0)
    X = rng.random((batch_size * n_steps, *shape), dtype=np.float32)
    y = rng.integers(0, 10, len(X))
    training = Training(1, batch_size, optimizer="sgd", learning_rate=0.01, progress=False, folder=folder)
    method = FineTune(training=training)
    method.seed_, method.health_, method.task_ = 0, {}, find_task(y, None, training)
    torch.manual_seed(0)
    backbone = load_backbone(make())
    network = Network(backbone, linear_head(backbone.n_features, 10))
    pools = Pools({"target": Pool(X, method.task_.encode(y))}, backbone, None, 0)
    pools.pools["target"].inputs(backbone, torch.arange(len(X)))  # rows are prepared before either loop
    return TransferModule(network, method, method.task_), pools


def ours(module, pools):
    """The contract: checkpoints, curves, CSV and TensorBoard logs on. Time of the training loop, without its set-up."""
    clock = {}
    start, end = module.on_train_epoch_start, module.on_train_epoch_end

    def on_start():
        start()
        clock["start"] = time.perf_counter()

    def on_end():
        end()
        clock["end"] = time.perf_counter()

    module.on_train_epoch_start, module.on_train_epoch_end = on_start, on_end
    fitted(module, pools, None)
    return clock["end"] - clock["start"]


def bare(module, pools, batch_size):
    """What people write by hand."""
    network, loss_function = module.network.train(), nn.CrossEntropyLoss()
    parameters = list(network.parameters())
    optimizer = torch.optim.SGD(parameters, lr=0.01, momentum=0.9, nesterov=True, weight_decay=1e-4)
    loader = training_loader(pools, batch_size, 0)
    total = 0.0
    start = time.perf_counter()
    for batch in loader:
        optimizer.zero_grad()
        loss = loss_function(network(batch.target.x), batch.target.y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        total += loss.item()
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    lines = ["| network | bare, steps/s | ours, steps/s | ratio (median of pairs) | lowest, highest |", "|---|---|---|---|---|"]
    for name, (make, shape, batch_size, n_steps) in SETTINGS.items():
        ratios, speeds = [], []
        for repeat in range(arguments.repeats + 1):
            with tempfile.TemporaryDirectory() as folder:
                module, pools = prepared(make, shape, batch_size, n_steps, folder)
                first = bare(module, pools, batch_size)
                own = ours(*prepared(make, shape, batch_size, n_steps, folder))
                second = bare(module, pools, batch_size)
            if repeat:  # the first pair warms up
                ratios.append((first + second) / 2 / own)
                speeds.append((2 * n_steps / (first + second), n_steps / own))
        bare_speed, own_speed = np.median(speeds, axis=0)
        cells = [
            name,
            f"{bare_speed:.1f}",
            f"{own_speed:.1f}",
            f"{np.median(ratios):.3f}",
            f"{min(ratios):.3f}, {max(ratios):.3f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    RESULTS.mkdir(exist_ok=True)
    heading = f"# Steps per second against a bare loop\n\n`benchmarks/deep_overhead.py`, {torch.get_num_threads()} threads, logging on.\n\n"
    (RESULTS / "deep_overhead.md").write_text(heading + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
