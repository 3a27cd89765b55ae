"""Augmented views of a picture: a random part of it, mirrored half of the time."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

_AREA = (0.35, 1.0)
_RATIO = (3 / 4, 4 / 3)


def view_key(key: bytes, view: int, seed: int) -> bytes:
    """The key of a view: of the picture's content, the number of the view and the seed; 32 bytes."""
    return hashlib.sha256(b"view %d %d " % (view, seed) + key).digest()


def random_view(image: Any, key: bytes, size: int | None) -> Any:
    """A view that its key decides.

    Parameters
    ----------
    image : PIL.Image
    key : bytes
        From `view_key`.
    size : int or None
        Pixels of a side of the view; None: as large as the picture.

    Returns
    -------
    PIL.Image
    """
    from PIL import Image

    rng = np.random.default_rng(int.from_bytes(key[:16], "little"))
    image = image.resize((size, size) if size else image.size, Image.Resampling.BILINEAR, random_box(image.size, rng))
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else image


def random_box(size: tuple[int, int], rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a part of the picture: 35 to 100 % of its area, 3:4 to 4:3; all of it after ten misses."""
    width, height = size
    for _ in range(10):
        area = width * height * rng.uniform(*_AREA)
        ratio = np.exp(rng.uniform(*np.log(_RATIO)))
        w, h = round(np.sqrt(area * ratio)), round(np.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            left, top = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
            return left, top, left + w, top + h
    return 0, 0, width, height
