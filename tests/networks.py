"""Small networks and pictures."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")


def small_cnn(seed=0, n_outputs=4, norm=True):
    """Two convolutions with batch normalisation and a linear head, with random weights."""
    from collections import OrderedDict

    from torch import nn

    torch.manual_seed(seed)
    layers = [("conv1", nn.Conv2d(3, 8, 3, padding=1))]
    layers += [("bn1", nn.BatchNorm2d(8))] if norm else []
    layers += [("act1", nn.ReLU()), ("pool1", nn.MaxPool2d(2)), ("conv2", nn.Conv2d(8, 16, 3, padding=1))]
    layers += [("bn2", nn.BatchNorm2d(16))] if norm else []
    layers += [
        ("act2", nn.ReLU()),
        ("pool2", nn.AdaptiveAvgPool2d(1)),
        ("flat", nn.Flatten()),
        ("fc", nn.Linear(16, n_outputs)),
    ]
    return nn.Sequential(OrderedDict(layers))


def pictures(n=48, seed=0, shift=0.0, size=16):
    """Pictures (n, 3, size, size) whose brightest quarter is their class."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    X = rng.normal(0.4 + shift, 0.1, size=(n, 3, size, size)).astype(np.float32)
    half = size // 2
    for i, label in enumerate(y):
        row, column = divmod(int(label), 2)
        X[i, :, row * half : (row + 1) * half, column * half : (column + 1) * half] += 0.4
    return X.clip(0, 1), np.array(["a", "b", "c"])[y]
