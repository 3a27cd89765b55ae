"""Files of word vectors: GloVe and word2vec text, and npz."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np


def read_vectors(source: Any) -> tuple[list[str], Any]:
    """Read words and their vectors.

    Parameters
    ----------
    source : path or mapping
        See `WordVectors`.

    Returns
    -------
    words : list of str of length n_words
        Each once; of a word that comes again the first vector counts.
    vectors : ndarray of shape (n_words, n_dimensions), float32
    """
    title = "the mapping" if isinstance(source, Mapping) else str(source)
    words, vectors = _of_mapping(source) if isinstance(source, Mapping) else _of_file(Path(source))
    if vectors.ndim != 2 or len(words) != len(vectors) or vectors.size == 0:
        raise ValueError(
            f"{title} holds {len(words)} words, but vectors of shape {vectors.shape}; give one vector of one length per word"
        )
    if not np.isfinite(vectors).all():
        row = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
        raise ValueError(f"{title}: the vector of {words[row]!r} is not finite; leave the word out")
    first = {word: row for row, word in reversed(list(enumerate(words)))}
    rows = sorted(first.values())
    return [words[row] for row in rows], np.ascontiguousarray(vectors[rows])


def _of_mapping(source: Mapping[str, Any]) -> tuple[list[str], Any]:
    if set(source) == {"words", "vectors"} and np.ndim(source["vectors"]) == 2:
        return [str(word) for word in source["words"]], np.asarray(source["vectors"], dtype=np.float32)
    try:
        return [str(word) for word in source], np.asarray(list(source.values()), dtype=np.float32)
    except ValueError as error:
        raise ValueError("the mapping holds vectors of several lengths; give vectors of one length") from error


def _of_file(path: Path) -> tuple[list[str], Any]:
    if path.suffix != ".npz":
        return _of_text(path)
    try:
        with np.load(path, allow_pickle=False) as archive:
            return [str(word) for word in archive["words"]], np.asarray(archive["vectors"], dtype=np.float32)
    except KeyError as error:
        raise ValueError(f"{path} lacks the array {error}; it needs `words` and `vectors`") from error
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} cannot be read as npz without pickles ({error}); write it with numpy.savez") from error


def _of_text(path: Path) -> tuple[list[str], Any]:
    words, rows = [], []
    width = 0
    for number, line in _lines(path):
        fields = line.split(" ")
        if number == 1 and len(fields) == 2 and fields[1].isdecimal():
            width = int(fields[1])  # word2vec: the number of words and of dimensions
            continue
        width = width or len(fields) - 1
        # words of some files hold blanks
        word, numbers = " ".join(fields[:-width]), fields[-width:]
        try:
            row = np.array(numbers, dtype=np.float32)
        except ValueError:
            row = np.empty(0, dtype=np.float32)
        if len(row) != width or not word:
            raise ValueError(
                f"{path}, line {number}: not a word and {width} numbers ({line[:40]!r}); repair the line or leave it out"
            )
        words.append(word)
        rows.append(row)
    return words, np.array(rows, dtype=np.float32)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            try:
                yield number, raw.decode("utf-8").rstrip()
            except UnicodeDecodeError as error:
                raise ValueError(f"{path}, line {number}: not UTF-8; write the file as UTF-8 text") from error
