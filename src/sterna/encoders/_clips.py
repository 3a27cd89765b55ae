"""Reading clips: files and arrays as samples at one rate, with what can be wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sterna.domains import _clips


def read_clip(item: Any, rate: int, where: str = "the clip") -> Any:
    """Read a clip as one channel.

    Parameters
    ----------
    item : path, ndarray of shape (n_samples,) or (n_samples, n_channels), or pair of array and its rate
    rate : int
        Samples per second that are wanted; an array alone is taken to have them.
    where : str
        How messages call an array.

    Returns
    -------
    ndarray of shape (n_samples,), float32
    """
    if isinstance(item, str | Path):
        return _checked(_of_file(Path(item), rate), str(item))
    clip, own = item if isinstance(item, tuple) else (item, rate)
    clip = _checked(_one_channel(_scaled(np.asarray(clip), where), where), where)
    return _clips.read_clip((clip, own), rate)


def _of_file(path: Path, rate: int) -> Any:
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; check its name and folder")
    try:
        return _clips.read_clip(path, rate)
    except ImportError as error:
        raise ImportError("reading clips needs soundfile; install it with pip install 'sterna[audio]'") from error


def _checked(clip: Any, where: str) -> Any:
    if clip.size == 0:
        raise ValueError(f"{where} holds no samples; leave it out")
    if not np.isfinite(clip).all():
        raise ValueError(f"{where} holds samples that are not finite; leave it out or repair it")
    return clip


def _scaled(clip: Any, where: str) -> Any:
    """Samples from -1 to 1."""
    if clip.dtype.kind == "f":
        return clip
    if clip.dtype == np.uint8:
        return (clip.astype(np.float32) - 128) / 128
    if clip.dtype.kind == "i":
        return clip / -float(np.iinfo(clip.dtype).min)
    raise ValueError(f"{where} has samples of dtype {clip.dtype}; give floats from -1 to 1, or signed integers")


def _one_channel(clip: Any, where: str) -> Any:
    if clip.ndim == 1:
        return clip
    if clip.ndim != 2:
        raise ValueError(f"{where} has the shape {clip.shape}; give samples of shape (n_samples,) or (n_samples, n_channels)")
    return clip.mean(axis=int(np.argmin(clip.shape)))


def length_of(item: Any, rate: int) -> tuple[int, int]:
    """Samples and their rate, without reading them all."""
    if isinstance(item, str | Path):
        import soundfile

        try:
            info = soundfile.info(str(item))
        except (soundfile.LibsndfileError, OSError) as error:
            raise ValueError(f"{item} cannot be read as sound ({error}); replace it or leave it out") from error
        return int(info.frames), int(info.samplerate)
    clip, own = item if isinstance(item, tuple) else (item, rate)
    return max(np.shape(clip)), int(own)
