"""Pretrained networks with their head cut off and their preprocessing kept (needs the extra `deep`)."""

from __future__ import annotations

from sterna.backbones._require import require

require("torch", "deep")

from sterna.backbones._backbone import Backbone  # noqa: E402
from sterna.backbones._cifar import CifarResNet  # noqa: E402
from sterna.backbones._fold import fold_batch_norm  # noqa: E402
from sterna.backbones._freeze import freeze, unfreeze  # noqa: E402
from sterna.backbones._heads import find_head  # noqa: E402
from sterna.backbones._load import load_backbone  # noqa: E402
from sterna.backbones._perceptron import Perceptron  # noqa: E402
from sterna.backbones._split import split_backbone  # noqa: E402

__all__ = [
    "Backbone",
    "CifarResNet",
    "Perceptron",
    "find_head",
    "fold_batch_norm",
    "freeze",
    "load_backbone",
    "split_backbone",
    "unfreeze",
]
