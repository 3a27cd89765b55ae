"""The lock by which a file of trials belongs to one search at a time."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO


@contextlib.contextmanager
def held(storage: Path | None) -> Iterator[None]:
    """Hold the lock of a file of trials, or refuse where another search does; the system frees it after a kill."""
    if storage is None:
        yield
        return
    path = storage.resolve()
    with path.with_name(f".{path.name}.held").open("a") as file:
        try:
            _lock(file, True)
        except (BlockingIOError, PermissionError):
            raise ValueError(
                f"storage {str(storage)!r} is in use by another search; wait for its end, or give another storage"
            ) from None
        try:
            yield
        finally:
            _lock(file, False)


def _lock(file: IO[str], taken: bool) -> None:
    if sys.platform == "win32":
        import msvcrt

        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK if taken else msvcrt.LK_UNLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB if taken else fcntl.LOCK_UN)
