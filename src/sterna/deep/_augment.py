"""Augmentation of training images, seeded row by row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from sterna.backbones import Backbone


def find_augmentation(name: Any, backbone: Backbone) -> Callable[[Any, np.random.Generator], Any] | None:
    """A function of an image and a Generator, or None.

    Parameters
    ----------
    name : str, callable or None
        See `Training`.
    backbone : Backbone
        Must take images.
    """
    if name is None or callable(name):
        return name
    if backbone.modality != "image":
        raise ValueError(f"augment is {name!r}, which is for images, but the backbone takes {backbone.modality}; leave it out")
    from torchvision.transforms import v2

    size = backbone.image_size
    if size is None and name != "flip":
        raise ValueError(f"augment is {name!r}, but the backbone takes pictures of any size; say image_size, or use 'flip'")
    flip, crop = v2.RandomHorizontalFlip(), v2.RandomResizedCrop(size or 1, scale=(0.35, 1.0), antialias=True)
    steps = {
        "flip": [flip],
        "crop": [crop, flip],
        "randaugment": [crop, flip, v2.RandAugment(num_ops=2, magnitude=9)],
        "trivial": [crop, flip, v2.TrivialAugmentWide()],
    }[name]
    transform = v2.Compose([_to_image, *steps])

    def augment(image: Any, rng: np.random.Generator) -> Any:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng.integers(2**31)))
            return transform(image)

    return augment


def _to_image(image: Any) -> Any:
    """HWC arrays of bytes as PIL images; others as they are."""
    from PIL import Image

    return Image.fromarray(image) if isinstance(image, np.ndarray) else image
