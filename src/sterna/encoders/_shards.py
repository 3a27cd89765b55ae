"""Files of the feature cache: one shard holds the keys and the features of some rows."""

from __future__ import annotations

import os
import tempfile
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

SUFFIX = ".shard"
_TEMPORARY = ".part"
_DAY = 86400.0


def write_shard(folder: Path, keys: list[bytes], features: Any) -> Path:
    """Write a shard so that it is there whole or not at all.

    Parameters
    ----------
    folder : Path
    keys : list of bytes of length n
        32 bytes each.
    features : ndarray of shape (n, ...)

    Returns
    -------
    Path
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=folder, suffix=_TEMPORARY)
    path = Path(temporary).with_suffix(SUFFIX)
    try:
        with os.fdopen(handle, "wb") as file:
            np.save(file, np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(len(keys), 32))
            np.save(file, np.ascontiguousarray(features))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def read_shard(path: Path) -> tuple[list[bytes], Any] | None:
    """The keys of a shard and its features as a memory map; None for a file that is no whole shard."""
    try:
        status = path.stat()
    except OSError:
        return None
    return _read(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=256)
def _read(path: Path, changed: int, size: int) -> tuple[list[bytes], Any] | None:
    try:
        with path.open("rb") as file:
            keys = np.load(file, allow_pickle=False)
            shape, fortran, dtype = _header(file)
            start = file.tell()
        whole = start + int(np.prod(shape)) * dtype.itemsize == size
        if not whole or fortran or dtype.hasobject or keys.dtype != np.uint8 or keys.shape != (shape[0], 32) or not len(keys):
            return None
        features = np.memmap(path, dtype, "r", start, shape)
    except (OSError, ValueError, EOFError, SyntaxError, IndexError, MemoryError):
        return None
    packed = keys.tobytes()
    return [packed[i : i + 32] for i in range(0, len(packed), 32)], features


def _header(file: Any) -> tuple[Any, bool, Any]:
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError("another version of the format")
    return np.lib.format.read_array_header_1_0(file)


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files that a killed process left a day ago or earlier."""
    for path in folder.glob(f"*{_TEMPORARY}"):
        try:
            if time.time() - path.stat().st_mtime > _DAY:
                path.unlink()
        except OSError:
            continue
