"""Splits of the labelled target into a part to adapt with and a part to evaluate on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sterna.domains._stack import Array
from sterna.select._folds import Rows, folds

#: The most rows that one split evaluates.
MAX_EVALUATED = 5000


@dataclass(frozen=True)
class Split:
    """Row numbers of the target: `adapt` may be learned from, `evaluate` is never seen by training, tuning or selection.

    It is fold `fold` of the cross-validation `repeat`.
    """

    adapt: Rows
    evaluate: Rows
    repeat: int = 0
    fold: int = 0


def default_repeats(n_labelled: int) -> int:
    """Repeats of a 5-fold split: few labels need more, many labels less."""
    return 5 if n_labelled <= 200 else 3 if n_labelled <= 2000 else 2


def target_splits(labelled: Rows, y: Array, *, stratify: bool, n_splits: int, n_repeats: int, random_state: int) -> list[Split]:
    """Repeated cross-validation of the labelled target rows.

    Parameters
    ----------
    labelled : ndarray of int of shape (n_labelled,)
        The rows that have a label.
    y : ndarray of shape (n_labelled,)
        Their labels.
    stratify : bool
        Keep the class shares.
    n_splits, n_repeats : int
    random_state : int

    Returns
    -------
    list of Split, of length n_splits * n_repeats
        All rows of a fold beyond 5000 are left out of both parts.
    """
    splits = []
    for repeat in range(n_repeats):
        for fold, (adapt, evaluate) in enumerate(folds(y, n_splits, stratify, [random_state, repeat])):
            splits.append(Split(labelled[adapt], labelled[_thinned(evaluate, [random_state, repeat, fold])], repeat, fold))
    return splits


def _thinned(evaluate: Rows, seed: list[int]) -> Rows:
    """At most 5000 of the evaluation rows: more would make the interval narrower than any choice depends on."""
    if len(evaluate) <= MAX_EVALUATED:
        return evaluate
    return np.sort(np.random.default_rng(seed).choice(evaluate, MAX_EVALUATED, replace=False))


def nested_budget(rows: Rows, y: Array, budget: int, stratify: bool, seed: list[int]) -> Rows:
    """The first `budget` of `rows` in a seeded order that serves the classes in turn; larger budgets contain smaller ones."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(rows))
    if stratify:
        turn = np.empty(len(rows), dtype=int)
        for label in np.unique(y):
            members = order[y[order] == label]
            turn[members] = np.arange(len(members))
        order = order[np.argsort(turn[order], kind="stable")]
    return rows[np.sort(order[:budget])]
