"""Reading clips without a network."""

from __future__ import annotations

from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
from scipy.signal import resample_poly

from sterna.domains._stack import Array


def read_clip(item: Any, rate: int) -> Array:
    """A clip as float32 at a sampling rate.

    Parameters
    ----------
    item : path, array, or tuple of array and its rate
        Whole numbers are scaled by the range of their type; several channels of a file are averaged.
    rate : int
        Samples a second; plain arrays are taken to have it.

    Returns
    -------
    ndarray of shape (n_samples,)
    """
    if isinstance(item, str | Path):
        item = _read_file(Path(item))
    clip, own = item if isinstance(item, tuple) else (item, rate)
    clip = np.asarray(clip)
    clip = (clip / (np.iinfo(clip.dtype).max + 1) if clip.dtype.kind == "i" else clip).astype(np.float32)
    if own != rate:
        common = gcd(int(own), int(rate))
        clip = resample_poly(clip, rate // common, int(own) // common).astype(np.float32)
    return clip


def _read_file(path: Path) -> tuple[Array, int]:
    import soundfile

    try:
        clip, own = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise ValueError(f"{path} cannot be read as sound ({type(error).__name__}); replace it or leave it out") from error
    return clip.mean(axis=1), int(own)
