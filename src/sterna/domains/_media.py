"""Rows that are files or texts: folders of images and clips, arrays of paths, columns of text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from sterna.domains._findings import Finding
from sterna.domains._media_files import refuse_bad_files
from sterna.domains._read import read_domain
from sterna.domains._stack import Array

#: The kinds of rows that are no table, and what messages call their rows.
NOUNS = {"image": "photos", "audio": "clips", "text": "texts"}
SUFFIXES = {
    "image": (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"),
    "audio": (".wav", ".flac", ".ogg"),
}
UNLABELLED = "unlabelled"


@dataclass(frozen=True)
class RawRows:
    """The rows of one domain before the checks: `X` (n_samples,) of str, `y` (n_samples,) or None, and their modality."""

    X: Array
    y: Array | None
    modality: str


def is_raw(data: dict[str, Any], text: str | None, modality: str | None) -> bool:
    """Say whether any domain is given as a folder, or texts, images or clips are named."""
    folders = [Path(value) for value in data.values() if isinstance(value, str | Path) and Path(value).is_dir()]
    # a folder without images and clips beside tables is a mistake that the reader of files names
    all_folders = bool(folders) and len(folders) == len(data)
    return text is not None or modality is not None or all_folders or any(map(_has_media, folders))


def _has_media(folder: Path) -> bool:
    suffixes = {suffix for kind in SUFFIXES.values() for suffix in kind}
    return any(path.suffix.lower() in suffixes for path in folder.rglob("*"))


def read_raw(
    data: dict[str, Any], *, label: str | None, text: str | None, modality: str | None, skip_bad: bool
) -> tuple[str, dict[str, RawRows], list[Finding]]:
    """Read the domains whose rows are files or texts.

    Parameters
    ----------
    data : dict of str to data
        The key is how messages call the domain.
    label, text : str or None
        The columns of tables that hold the labels and the text.
    modality : {"image", "audio", "text"} or None
        What arrays of str hold; None: read from the folders, or text where a text column is named.
    skip_bad : bool
        Leave files out that cannot be read; each is a finding.

    Returns
    -------
    kind : {"image", "audio", "text"}
    rows : dict of str to RawRows
    findings : list of Finding
    """
    if modality not in (None, *NOUNS):
        raise ValueError(
            f"modality is {modality!r}; allowed are 'image', 'audio', 'text' and None (tables, or seen by the folders)"
        )
    if text is not None and modality not in (None, "text"):
        raise ValueError(f"modality is {modality!r}, but text names a column of text; give one of them")
    modality = "text" if text is not None else modality
    findings: list[Finding] = []
    rows = {title: _read_one(title, value, label, text, modality, findings) for title, value in data.items()}
    kind = _common_modality(rows)
    if kind != "text":
        rows = {title: _sound(title, part, skip_bad, findings) for title, part in rows.items()}
    return kind, rows, findings


def _read_one(
    title: str, value: Any, label: str | None, text: str | None, modality: str | None, findings: list[Finding]
) -> RawRows:
    if isinstance(value, str | Path) and Path(value).is_dir():
        return read_folder(Path(value), title)
    if isinstance(value, tuple) and len(value) == 2 and not hasattr(value[0], "columns"):
        if modality is None:
            raise ValueError(
                f"{title} is an array, but another domain is a folder; give modality='image' or 'audio' where it holds paths, and "
                "folders or paths for every domain"
            )
        return _from_array(title, *value, modality)
    if text is None:
        raise ValueError(
            f"{title} is no folder and no pair (X, y), but other domains hold files or texts; give the same for every domain, or "
            "name the text column of tables with text=COLUMN"
        )
    return _from_table(title, value, label, text, findings)


def _common_modality(rows: dict[str, RawRows]) -> str:
    target = list(rows)[-1]
    kind = rows[target].modality
    other = next((title for title, part in rows.items() if part.modality != kind), None)
    if other is not None:
        raise ValueError(
            f"{other} holds {NOUNS[rows[other].modality]} but {target} holds {NOUNS[kind]}; every domain needs the same kind of rows"
        )
    return kind


def _sound(title: str, part: RawRows, skip_bad: bool, findings: list[Finding]) -> RawRows:
    """The rows whose files can be read."""
    bad = refuse_bad_files(title, part.X.tolist(), part.modality, skip_bad)
    if not bad:
        return part
    for path, reason in bad.items():
        findings.append(Finding("bad-file", title, None, f"{path} of {title} cannot be read ({reason}); it is left out"))
    keep = np.array([path not in bad for path in part.X.tolist()], dtype=bool)
    if not keep.any():
        raise ValueError(f"{title} has no file that can be read (first: {next(iter(bad))}); write the files again")
    return RawRows(part.X[keep], None if part.y is None else part.y[keep], part.modality)


def media_files(folder: Path, title: str) -> tuple[list[Path], str]:
    """The image or audio files in a folder and its sub-folders, sorted, and their modality.

    Parameters
    ----------
    folder : Path
    title : str
        How messages call the domain.

    Returns
    -------
    files : list of Path
    modality : {"image", "audio"}
    """
    every = sorted(path for path in folder.rglob("*") if path.is_file() and not _hidden(path, folder))
    found = {kind: [path for path in every if path.suffix.lower() in suffixes] for kind, suffixes in SUFFIXES.items()}
    if found["image"] and found["audio"]:
        raise ValueError(
            f"{title}: the folder {folder} holds {len(found['image'])} images and {len(found['audio'])} clips; put each kind in a "
            "folder of its own"
        )
    kind = "image" if found["image"] else "audio"
    if not found[kind]:
        raise ValueError(
            f"{title}: the folder {folder} holds no image ({', '.join(SUFFIXES['image'])}) and no clip "
            f"({', '.join(SUFFIXES['audio'])}); give a folder with one sub-folder a class, or a file"
        )
    return found[kind], kind


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def read_folder(folder: Path, title: str) -> RawRows:
    """The rows of a folder: the first sub-folder names the class; none, or "unlabelled", is no label.

    Parameters
    ----------
    folder : Path
    title : str
        How messages call the domain.

    Returns
    -------
    RawRows
    """
    files, kind = media_files(folder, title)
    places = [path.relative_to(folder).parts for path in files]
    labels = [parts[0] if len(parts) > 1 and parts[0].lower() != UNLABELLED else None for parts in places]
    y = np.array(labels, dtype=object) if any(label is not None for label in labels) else None
    return RawRows(as_strings(files), y, kind)


def as_strings(items: Any) -> Array:
    """Paths or texts as an object array of str, shape (n_samples,)."""
    array = np.empty(len(items), dtype=object)
    array[:] = [str(item) for item in items]
    return array


def _from_array(title: str, X: Any, y: Any, modality: str) -> RawRows:
    items = np.asarray(X, dtype=object)
    items = items[:, 0] if items.ndim == 2 and items.shape[1] == 1 else items
    noun = "texts" if modality == "text" else "paths"
    if items.ndim != 1 or not len(items):
        raise ValueError(f"{title} has the shape {items.shape}; give {noun} as a list or an array of shape (n_samples,)")
    allowed = str if modality == "text" else (str, Path)
    if modality == "text":
        items = np.where(pd.isna(items), "", items)
    odd = next((i for i, item in enumerate(items.tolist()) if not isinstance(item, allowed)), None)
    if odd is not None:
        raise ValueError(f"{title} holds a {type(items[odd]).__name__} in row {odd}; give {noun} (str)")
    # the labels go through the reader of pairs, so that the same kinds of labels are taken
    _, labels = read_domain(title, (np.zeros((len(items), 1)), y), None)
    return RawRows(as_strings(items), labels, modality)


def _from_table(title: str, value: Any, label: str | None, text: str, findings: list[Finding]) -> RawRows:
    X, y = read_domain(title, value, label)
    if not isinstance(X, pd.DataFrame) or text not in X.columns:
        has = ", ".join(map(str, X.columns[:8])) if isinstance(X, pd.DataFrame) else "an array without names"
        raise ValueError(f"{title} has no text column {text!r}; it has {has}")
    if y is None and label is not None:
        message = f"{title} has no column {label!r}; all its rows are taken as unlabelled"
        findings.append(Finding("unlabelled-target", title, label, message))
    others = [str(column) for column in X.columns if column != text]
    if others:
        named = ", ".join(map(repr, others[:3])) + (" ..." if len(others) > 3 else "")
        count = "1 column" if len(others) == 1 else f"{len(others)} columns"
        message = f"{count} of {title} besides the text {text!r} ({named}) {'is' if len(others) == 1 else 'are'} left out"
        findings.append(Finding("other-columns", title, None, message))
    if pd.api.types.is_numeric_dtype(X[text]) and X[text].notna().any():
        raise ValueError(f"the column {text!r} of {title} holds numbers, not text; name the column that holds the text")
    return RawRows(_from_array(title, X[text].to_numpy(dtype=object), None, "text").X, y, "text")


def as_features(title: str, n_rows: int, X: Any) -> Any:
    """What an encoder gave for the rows of a domain, as a sparse matrix or an array of shape (n_samples, n_features)."""
    X = sparse.csr_array(X).astype(np.float64) if sparse.issparse(X) else np.asarray(X, dtype=np.float64)
    if X.ndim != 2 or X.shape[0] != n_rows:
        raise ValueError(
            f"the encoder gave the shape {X.shape} for the {n_rows} rows of {title}; it must give (n_samples, n_features)"
        )
    return X
