"""From raw rows to what a network takes: pictures, texts, clips, tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sterna.domains._clips import read_clip

Augment = Callable[[Any, np.random.Generator], Any] | None


@dataclass(frozen=True)
class ImagePreprocessing:
    """Resize the shorter side, crop the centre, scale to [0, 1], normalise by channel.

    Attributes
    ----------
    size : int or None
        Pixels of the square that goes in; None: pictures stay as large as they are.
    mean, std : tuple of float
    crop : float
        The share of the resized shorter side that is kept.
    interpolation : {"bilinear", "bicubic", "nearest"}
    """

    size: int | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    crop: float = 1.0
    interpolation: str = "bilinear"

    def __call__(self, items: Any, rng: np.random.Generator | None = None, augment: Augment = None) -> Tensor:
        """Prepared pictures of shape (n, channels, height, width)."""
        ready = _as_float_array(items) if augment is None else None
        if ready is not None and (self.size is None or ready.shape[2:] == (self.size, self.size)):
            return self._normalised(ready)
        seeds = [None] * len(items) if rng is None else rng.integers(2**63, size=len(items)).tolist()
        one = [lambda item=item, seed=seed: self._picture(item, seed, augment) for item, seed in zip(items, seeds, strict=True)]
        if len(items) > 4 and isinstance(items[0], str | Path) and augment is None:
            with ThreadPoolExecutor(4) as pool:
                pictures = list(pool.map(lambda make: make(), one))
        else:
            pictures = [make() for make in one]
        if len({picture.shape for picture in pictures}) > 1:
            raise ValueError("the pictures have different sizes; give the backbone image_size, for instance 224")
        return self._normalised(torch.stack(pictures))

    def _normalised(self, x: Tensor) -> Tensor:
        if set(self.mean) == {0.0} and set(self.std) == {1.0}:
            return x
        mean, std = (torch.tensor(v, dtype=torch.float32)[:, None, None] for v in (self.mean, self.std))
        return (x - mean) / std

    def _picture(self, item: Any, seed: int | None, augment: Augment) -> Tensor:
        image = as_image(item, len(self.mean))
        if augment is not None:
            image = augment(image, np.random.default_rng(seed))
        if self.size is not None:
            image = _resized(image, self.size, self.crop, self.interpolation)
        pixels = np.asarray(image, dtype=np.float32) / 255
        return torch.from_numpy(np.ascontiguousarray(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)))


def _as_float_array(items: Any) -> Tensor | None:
    """Pictures as floats (n, channels, height, width), or None where they are of another kind."""
    if isinstance(items, Tensor):
        items = items.numpy()
    if not (isinstance(items, np.ndarray) and items.dtype.kind == "f" and items.ndim in (3, 4)):
        return None
    return torch.from_numpy(np.ascontiguousarray(items[:, None] if items.ndim == 3 else items, dtype=np.float32))


def as_image(item: Any, n_channels: int) -> Any:
    """A file, a PIL image or an array as a PIL image with 1 or 3 channels.

    Parameters
    ----------
    item : path, PIL image or array
        Arrays are (height, width), (height, width, 3) of bytes, or (channels, height, width) of floats in [0, 1].
    n_channels : int

    Returns
    -------
    PIL.Image
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    if isinstance(item, str | Path):
        try:
            with Image.open(item) as file:
                item = ImageOps.exif_transpose(_eight_bits(file))
                item.load()
        except FileNotFoundError:
            raise FileNotFoundError(f"there is no image file {item}; check its name and folder") from None
        except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
            raise ValueError(
                f"{item} cannot be read as an image ({type(error).__name__}); replace it or leave it out"
            ) from error
    elif not isinstance(item, Image.Image):
        item = Image.fromarray(_bytes(np.asarray(item)))
    if item.mode in ("RGBA", "LA", "PA") or "transparency" in item.info:  # what is transparent becomes white
        item = item.convert("RGBA")
        item = Image.alpha_composite(Image.new("RGBA", item.size, "white"), item)
    return item.convert(_mode(n_channels))


def _eight_bits(image: Any) -> Any:
    """Grey pictures of 16 bits as bytes; PIL would cut them off at 255."""
    from PIL import Image

    if not image.mode.startswith("I"):
        return image
    return Image.fromarray((np.asarray(image, dtype=np.float64) / 257).clip(0, 255).astype(np.uint8))


def _mode(n_channels: int) -> str:
    if n_channels not in (1, 3):
        raise ValueError(f"files hold 1 or 3 channels, but the backbone takes {n_channels}; give arrays of floats instead")
    return "L" if n_channels == 1 else "RGB"


def _bytes(array: Any) -> Any:
    if array.dtype.kind == "f":
        if array.min() < 0 or array.max() > 1.001:
            raise ValueError(
                f"pictures as floats must lie in [0, 1], but go from {array.min():.3g} to {array.max():.3g}; scale them"
            )
        array = np.rint(np.clip(array, 0, 1) * 255).astype(np.uint8)
        array = array.transpose(1, 2, 0) if array.ndim == 3 else array
    return array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array.astype(np.uint8)


def _resized(image: Any, size: int, crop: float, interpolation: str) -> Any:
    from PIL import Image

    short = round(size / crop)
    width, height = image.size
    scale = short / min(width, height)
    if scale != 1:
        how = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC, "nearest": Image.Resampling.NEAREST}
        image = image.resize((max(size, round(width * scale)), max(size, round(height * scale))), how[interpolation])
    left, top = (image.width - size) // 2, (image.height - size) // 2
    return image.crop((left, top, left + size, top + size))


@dataclass(frozen=True)
class TablePreprocessing:
    """Rows of numbers as they are."""

    n_inputs: int

    def __call__(self, items: Any, rng: Any = None, augment: Augment = None) -> Tensor:
        """Rows of shape (n, n_inputs)."""
        X = torch.as_tensor(np.array(items, dtype=np.float32))
        if X.ndim != 2 or X.shape[1] != self.n_inputs:
            raise ValueError(
                f"the rows have shape {tuple(X.shape)}, but the network takes (n, {self.n_inputs}); give as many columns"
            )
        return X


class TextPreprocessing:
    """Token numbers, padded to the longest text of the batch.

    Parameters
    ----------
    tokenizer : tokenizer of transformers
    max_length : int
        Tokens that are read of a text.
    """

    def __init__(self, tokenizer: Any, max_length: int) -> None:
        self.tokenizer = tokenizer
        self.max_length = max_length

    def __call__(self, items: Sequence[str], rng: Any = None, augment: Augment = None) -> dict[str, Tensor]:
        """`input_ids` and `attention_mask` of shape (n, tokens)."""
        odd = next((i for i, item in enumerate(items) if not isinstance(item, str)), None)
        if odd is not None:
            raise ValueError(f"row {odd} is a {type(items[odd]).__name__}, not a text; give str, '' where there is none")
        options = {"padding": True, "truncation": True, "max_length": self.max_length, "return_tensors": "pt"}
        return dict(self.tokenizer(list(items), **options))


class AudioPreprocessing:
    """Clips as a transformers feature extractor wants them.

    Parameters
    ----------
    extractor : feature extractor of transformers
    """

    def __init__(self, extractor: Any) -> None:
        self.extractor = extractor

    def __call__(self, items: Any, rng: Any = None, augment: Augment = None) -> dict[str, Tensor]:
        """The extractor's tensors, padded to the longest clip of the batch."""
        clips = [read_clip(item, self.extractor.sampling_rate) for item in items]
        given = self.extractor(clips, sampling_rate=self.extractor.sampling_rate, padding=True, return_tensors="pt")
        return {name: value for name, value in given.items() if isinstance(value, Tensor)}


def described(preprocessing: Any) -> dict[str, Any]:
    """Plain types from which `preprocessing` can be made again; texts and clips have files beside."""
    if isinstance(preprocessing, ImagePreprocessing | TablePreprocessing):
        return asdict(preprocessing)
    return {"max_length": preprocessing.max_length} if isinstance(preprocessing, TextPreprocessing) else {}
