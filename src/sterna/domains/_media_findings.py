"""What the checks found in rows that are files or texts: one sentence each."""

from __future__ import annotations

import hashlib
import json
from collections import Counter

import numpy as np
import pandas as pd

from sterna.domains._findings import Finding
from sterna.domains._media import NOUNS
from sterna.domains._stack import Array


def raw_findings(rows: dict[str, Array], hashes: dict[str, Array], kind: str) -> list[Finding]:
    """Rows that stand in a source and in the target, rows that stand twice, and empty texts.

    Parameters
    ----------
    rows : dict of str to ndarray of shape (n_samples,)
        Paths or texts of each domain; the target is the last.
    hashes : dict of str to ndarray of shape (n_samples,)
        What the rows hold.
    kind : {"image", "audio", "text"}

    Returns
    -------
    list of Finding
    """
    *sources, target = rows
    found = [leak for title in sources for leak in _leakage(title, target, rows, hashes, kind)]
    found += [finding for title in rows for finding in _duplicates(title, rows[title], hashes[title], kind, title == target)]
    if kind == "text":
        found += [finding for title, texts in rows.items() for finding in _empty_texts(title, texts)]
    return found


def _shown(item: str, kind: str) -> str:
    return repr(item if len(item) <= 60 else item[:57] + "...") if kind == "text" else item


def _leakage(title: str, target: str, rows: dict[str, Array], hashes: dict[str, Array], kind: str) -> list[Finding]:
    shared = np.flatnonzero(np.isin(hashes[target], hashes[title]))
    if not len(shared):
        return []
    message = (
        f"{len(shared)} of {len(rows[target])} {NOUNS[kind]} of {target} also stand in {title} (first: "
        f"{_shown(rows[target][shared[0]], kind)}); the source has seen the test: remove them from it"
    )
    return [Finding("leakage", title, None, message)]


def _duplicates(title: str, items: Array, hashes: Array, kind: str, is_target: bool) -> list[Finding]:
    twice = np.flatnonzero(pd.Series(hashes).duplicated().to_numpy())
    if not len(twice):
        return []
    end = "; repeats may fall on both sides of a split" if is_target else ""
    first = _shown(items[twice[0]], kind)
    message = f"{len(twice)} of {len(items)} {NOUNS[kind]} of {title} repeat another of them (first: {first}){end}"
    return [Finding("duplicate", title, None, message)]


def _empty_texts(title: str, texts: Array) -> list[Finding]:
    empty = [i for i, text in enumerate(texts.tolist()) if not text.strip()]
    if not empty:
        return []
    message = f"{len(empty)} of {len(texts)} texts of {title} are empty (first: row {empty[0]}); they are kept, and say nothing"
    return [Finding("empty-text", title, None, message)]


def lone_classes(labels: dict[str, Array]) -> list[Finding]:
    """Classes with one example in a domain: it cannot be both learned from and tested on.

    Parameters
    ----------
    labels : dict of str to ndarray of shape (n_labelled,)

    Returns
    -------
    list of Finding
    """
    found = []
    for title, y in labels.items():
        alone = sorted((label for label, count in Counter(y.tolist()).items() if count == 1), key=str)
        if not alone:
            continue
        named = ", ".join(map(repr, alone[:3])) + (" ..." if len(alone) > 3 else "")
        classes = f"the class {named} has" if len(alone) == 1 else f"{len(alone)} classes ({named}) have"
        message = f"{classes} one example in {title}; it cannot be both learned from and tested on"
        found.append(Finding("class", title, None, message))
    return found


def raw_fingerprint(columns: list[str], hashes: Array, y: Array) -> str:
    """A SHA-256 of what the rows hold and of their labels; the same wherever the files lie.

    Parameters
    ----------
    columns : list of str
    hashes : ndarray of str of shape (n_samples,)
    y : ndarray of shape (n_samples,)

    Returns
    -------
    str
    """
    labels = [None if unknown else label for label, unknown in zip(y.tolist(), pd.isna(y), strict=True)]
    return hashlib.sha256(json.dumps([columns, hashes.tolist(), labels]).encode()).hexdigest()
