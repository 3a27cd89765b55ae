"""`FeatureCache`: features on disk, found again by the content of each row."""

from __future__ import annotations

import os
import re
import shutil
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sterna.encoders._shards import SUFFIX, read_shard, remove_leftovers, write_shard

Array = Any
_ROWS_OF_A_SHARD = 8192


class FeatureCache:
    """Keep the features of rows on disk, by the content of each row.

    Any number of processes may read and write the same folder at once; a kill leaves no more than a temporary file, and files that
    are cut off or of another kind are passed over. Worth it wherever computing a row takes longer than reading it: networks.

    Parameters
    ----------
    folder : path, default=None
        None: the environment variable STERNA_CACHE, else `sterna` in the user's cache folder ($XDG_CACHE_HOME or ~/.cache).

    Notes
    -----
    Each fingerprint (weights, preprocessing) has a folder. A call computes the rows that are missing and writes them as one shard
    (one per 8192 rows, so that a long run which is killed goes on from there): a file of the keys and, behind them, the features
    as an array that is memory-mapped. Two processes that compute the same rows both write them; either copy serves.

    Examples
    --------
    >>> import tempfile
    >>> from sterna.encoders import FeatureCache, content_keys
    >>> cache = FeatureCache(tempfile.mkdtemp())
    >>> texts = ["a tern", "a gull", "a tern"]
    >>> lengths = lambda rows: np.array([[len(texts[i])] for i in rows], dtype="float32")
    >>> cache.rows("lengths", content_keys(texts), lengths)[:, 0].tolist()
    [6.0, 6.0, 6.0]
    >>> cache.size()["rows"]
    2
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = folder

    @property
    def path(self) -> Path:
        """The folder in use."""
        return Path(self.folder).expanduser() if self.folder is not None else default_folder()

    def rows(
        self, fingerprint: str, keys: Sequence[bytes], compute: Callable[[list[int]], Array], chunk: int = _ROWS_OF_A_SHARD
    ) -> Array:
        """Read the rows that are there, and compute and write the others.

        Parameters
        ----------
        fingerprint : str
            Of all that the features depend on besides the row; letters, digits, "-" and "_".
        keys : sequence of bytes of length n
            From `content_keys`; equal keys are computed once.
        compute : callable
            Takes positions in `keys`, gives their features as an array of shape (number of positions, ...).
        chunk : int, default=8192
            The most rows that are computed before they are written.

        Returns
        -------
        ndarray of shape (n, ...)
        """
        shards, places = self._known(fingerprint)
        first = {key: i for i, key in reversed(list(enumerate(keys))) if key not in places}
        missing = sorted(first.values())
        for start in range(0, len(missing), chunk):
            part = missing[start : start + chunk]
            features = compute(part)
            new = [keys[i] for i in part]
            self._write(fingerprint, new, features)
            places.update((key, (len(shards), row)) for row, key in enumerate(new))
            shards.append(features)
        return _gathered(shards, [places[key] for key in keys])

    def _known(self, fingerprint: str) -> tuple[list[Array], dict[bytes, tuple[int, int]]]:
        """The shards of a fingerprint, and the shard and row of each key."""
        found = _read_all(self._folder_of(fingerprint))
        kinds = Counter((features.shape[1:], features.dtype) for _, features in found)
        usual = kinds.most_common(1)[0][0] if kinds else None
        found = [(keys, features) for keys, features in found if (features.shape[1:], features.dtype) == usual]
        places = {key: (shard, row) for shard, (keys, _) in enumerate(found) for row, key in enumerate(keys)}
        return [features for _, features in found], places

    def _folder_of(self, fingerprint: str) -> Path:
        if not re.fullmatch(r"[\w-]{1,200}", fingerprint):
            raise ValueError(f"the fingerprint {fingerprint!r} cannot name a folder; use letters, digits, '-' and '_'")
        return self.path / "features" / fingerprint

    def _write(self, fingerprint: str, keys: list[bytes], features: Array) -> None:
        folder = self._folder_of(fingerprint)
        try:
            write_shard(folder, keys, features)
            remove_leftovers(folder)
        except OSError as error:
            warnings.warn(
                f"the feature cache {self.path} cannot be written ({error.strerror or error}), so features are computed each time; "
                "set the environment variable STERNA_CACHE to a folder that can be, or pass cache=False",
                stacklevel=4,
            )

    def size(self) -> dict[str, int]:
        """Count what is kept: the number of `fingerprints`, `rows` and `bytes`."""
        kept = [found for folder in (self.path / "features").glob("*") if (found := _read_all(folder))]
        return {
            "fingerprints": len(kept),
            "rows": sum(len({key for keys, _ in found for key in keys}) for found in kept),
            "bytes": sum(features.nbytes for found in kept for _, features in found),
        }

    def clear(self, fingerprint: str | None = None) -> None:
        """Remove the features of one fingerprint, or of all."""
        folder = self.path / "features" if fingerprint is None else self._folder_of(fingerprint)
        shutil.rmtree(folder, ignore_errors=True)

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": None if self.folder is None else str(self.folder)}

    def __repr__(self) -> str:
        return f"FeatureCache({'' if self.folder is None else repr(str(self.folder))})"


def default_folder() -> Path:
    """Where features are kept when no folder is named."""
    if os.environ.get("STERNA_CACHE"):
        return Path(os.environ["STERNA_CACHE"]).expanduser()
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "sterna"


def find_cache(cache: Any) -> FeatureCache | None:
    """The cache of an encoder's parameter: None is the default one, False none, a path one in that folder."""
    if cache is False:
        return None
    return cache if isinstance(cache, FeatureCache) else FeatureCache(None if cache is True else cache)


def _read_all(folder: Path) -> list[tuple[list[bytes], Array]]:
    """The keys and features of every whole shard in a folder."""
    found = [read_shard(path) for path in sorted(folder.glob(f"*{SUFFIX}"))]
    return [shard for shard in found if shard is not None]


def _gathered(shards: list[Array], places: list[tuple[int, int]]) -> Array:
    """The rows at (shard, row) places as one array."""
    if not places:
        return np.empty((0, *(shards[0].shape[1:] if shards else ())), dtype=np.float32)
    where = np.asarray(places)
    used = np.unique(where[:, 0])
    out = np.empty((len(where), *shards[used[0]].shape[1:]), dtype=shards[used[0]].dtype)
    for shard in used:
        here = np.flatnonzero(where[:, 0] == shard)
        out[here] = shards[shard][where[here, 1]]
    return out
