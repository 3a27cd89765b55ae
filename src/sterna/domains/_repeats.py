"""Rows that stand in a source and in the target, or twice in the target, where chance does not explain them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sterna.domains._findings import Finding
from sterna.domains._hashes import label_hashes, row_hashes
from sterna.domains._stack import Array

#: What is expected by chance may be exceeded by so many times its square root.
_CLEARLY = 4
#: Taken for a count of none beside one that is not: it may be luck.
_FEW = 0.25


def repeated_rows(tables: dict[str, Any], known: dict[str, Array], labelled: NDArray[np.bool_]) -> list[Finding]:
    """Find rows that stand in a source and in the target, and rows that the target holds twice.

    Rows of few different values are alike by chance. What is told is beyond that; rows whose labels differ are not the same.

    Parameters
    ----------
    tables : dict of str to DataFrame, array or sparse matrix
        The key is how messages call the domain; the last is the target.
    known : dict of str to ndarray of shape (n_labelled,)
        The known labels of each domain; of a source those of all its rows.
    labelled : ndarray of bool of shape (n_samples,)
        Which rows of the target they belong to.

    Returns
    -------
    list of Finding
    """
    *sources, target = tables
    rows = {title: row_hashes(X) for title, X in tables.items()}
    cases = {title: rows[title] ^ label_hashes(known[title]) for title in sources}
    own_cases = rows[target][labelled] ^ label_hashes(known[target])
    found = []
    for title in sources:
        shared = np.zeros(len(labelled), dtype=bool)
        shared[~labelled] = _shared(rows[title], rows[target][~labelled])
        shared[labelled] = _shared(cases[title], own_cases)
        found += _leakage(title, target, shared)
    return found + _duplicates(target, own_cases if labelled.all() else rows[target])


def _leakage(title: str, target: str, shared: NDArray[np.bool_]) -> list[Finding]:
    if not shared.any():
        return []
    message = (
        f"{shared.sum()} of {len(shared)} rows of {target} also stand in {title} (first: row {np.flatnonzero(shared)[0]}); "
        "if they are the same cases, the source has seen the test: remove them from it"
    )
    return [Finding("leakage", title, None, message)]


def _shared(source: Array, own: Array) -> NDArray[np.bool_]:
    """Say which of the hashes `own` stand in `source` too; none where chance explains it."""
    shared = pd.Series(own).isin(source).to_numpy()
    return shared if shared.any() and _share_beyond_chance(source, own) else np.zeros(len(own), dtype=bool)


def _share_beyond_chance(source: Array, own: Array) -> bool:
    """Say whether more patterns that stand two or three times in all are shared than two unrelated domains would.

    Of those with k copies, u stand in the source alone and v in the target alone. By Hölder's inequality, whatever the two
    distributions, at most (u^(1/k) + v^(1/k))^k - u - v are expected in both.
    """
    patterns, places = np.unique(np.concatenate([source, own]), return_inverse=True)
    there, here = (np.bincount(part, minlength=len(patterns)) for part in (places[: len(source)], places[len(source) :]))
    n_shared, expected = 0, 0.0
    for k in (2, 3):
        alone = [float(np.sum(there[here == 0] == k)), float(np.sum(here[there == 0] == k))]
        n_shared += int(np.sum((there + here == k) & (there > 0) & (here > 0)))
        u, v = (max(count, _FEW) for count in alone) if any(alone) else alone
        expected += (u ** (1 / k) + v ** (1 / k)) ** k - u - v
    return n_shared > expected + _CLEARLY * expected**0.5


def _duplicates(target: str, own: Array) -> list[Finding]:
    """Rows of the target that repeat; by chance, at most (1.5 singles triples)^0.5 pairs are expected (Cauchy-Schwarz)."""
    copies = np.unique(own, return_counts=True)[1]
    singles, pairs, triples = (int(np.sum(copies == k)) for k in (1, 2, 3))
    expected = (1.5 * singles * triples) ** 0.5
    if pairs <= expected + _CLEARLY * expected**0.5:
        return []
    twice = len(own) - len(copies)
    message = f"{twice} of {len(own)} rows of {target} repeat another of its rows; repeats may fall on both sides of a split"
    return [Finding("duplicate", target, None, message)]
