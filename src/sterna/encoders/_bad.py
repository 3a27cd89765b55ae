"""`find_bad`: rows that cannot be read."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from sterna.encoders._clips import read_clip
from sterna.encoders._items import text_fault


def find_bad(items: Any, modality: str) -> list[tuple[int, str]]:
    """Try to read every row.

    Parameters
    ----------
    items : sequence of length n
        Files, texts, pictures or clips.
    modality : {"image", "text", "audio"}

    Returns
    -------
    list of (int, str)
        The number of each row that cannot be read, and the reason.

    Examples
    --------
    >>> from sterna.encoders import find_bad
    >>> find_bad(["a tern", None], "text")
    [(1, 'is None (NoneType), no text')]
    """
    if modality not in _FAULTS:
        raise ValueError(f"modality is {modality!r}; allowed are {', '.join(map(repr, _FAULTS))}")
    found = ((row, _FAULTS[modality](item)) for row, item in enumerate(items))
    return [(row, fault) for row, fault in found if fault is not None]


def _image_fault(item: Any) -> str | None:
    from PIL import Image

    if not isinstance(item, str | Path):
        known = isinstance(item, Image.Image | np.ndarray)
        return None if known else f"is {item!r:.60} ({type(item).__name__}), no image"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata does not matter
            with Image.open(item) as image:
                image.load()
    except FileNotFoundError:
        return f"there is no file {item}"
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        reason = "no image that Pillow knows" if "cannot identify" in str(error) else str(error)
        return f"{item} cannot be read as an image ({reason})"
    return None


def _clip_fault(item: Any) -> str | None:
    try:
        read_clip(item, 16000)
    except (ValueError, OSError) as error:
        return str(error).partition(";")[0]
    return None


_FAULTS = {"image": _image_fault, "text": text_fault, "audio": _clip_fault}
