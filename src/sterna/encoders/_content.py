"""Keys of rows: a SHA-256 of what each row holds, wherever it lies."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np


def content_keys(items: Iterable[Any], *, files: bool = False) -> list[bytes]:
    """Hash what each row holds.

    Parameters
    ----------
    items : iterable of length n
        Texts, paths, PIL images, arrays, or pairs of array and sampling rate.
    files : bool, default=False
        Whether a str is the name of a file; a Path always is. Of a file its bytes count, not its name.

    Returns
    -------
    list of bytes of length n
        32 bytes each.

    Examples
    --------
    >>> from sterna.encoders import content_keys
    >>> first, second, third = content_keys(["a tern", "a gull", "a tern"])
    >>> first == third, first == second
    (True, False)
    """
    return [_key(item, row, files) for row, item in enumerate(items)]


def _key(item: Any, row: int, files: bool) -> bytes:
    if isinstance(item, Path) or (files and isinstance(item, str)):
        return _key_of_file(Path(item), row)
    if isinstance(item, str):
        return hashlib.sha256(b"text " + item.encode("utf-8", "surrogatepass")).digest()
    if isinstance(item, tuple):
        return hashlib.sha256(b"pair " + _key_of_array(item[0]) + repr(float(item[1])).encode()).digest()
    if hasattr(item, "tobytes") and hasattr(item, "mode"):
        palette = item.convert("RGBA") if item.mode in ("P", "PA") else item
        return hashlib.sha256(f"image {palette.mode} {palette.size} ".encode() + palette.tobytes()).digest()
    return _key_of_array(item)


def _key_of_file(path: Path, row: int) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.sha256(b"file " + hashlib.file_digest(file, "sha256").digest()).digest()
    except FileNotFoundError:
        raise FileNotFoundError(f"row {row}: there is no file {path}; check its name and folder") from None
    except OSError as error:
        raise ValueError(f"row {row}: the file {path} cannot be read ({error.strerror}); leave it out or replace it") from error


def _key_of_array(item: Any) -> bytes:
    array = np.ascontiguousarray(item)
    return hashlib.sha256(f"array {array.dtype.str} {array.shape} ".encode() + array.tobytes()).digest()


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
