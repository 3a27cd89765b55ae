"""Whether the classes of the domains differ: classes that only one of them has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sterna.domains._stack import Array
from sterna.measures._shares import shares_p_value

#: A class that the source has and the target's labels lack is taken for absent where chance would miss it so seldom.
BY_CHANCE = 0.05
#: Without labels: a class of which fewer target rows than this are expected.
HARDLY_A_ROW = 0.5


@dataclass(frozen=True)
class ClassSets:
    """Class numbers that only the source has (`absent`), and only the target (`new`); `seen` tells whether by labels."""

    absent: list[int]
    new: list[int]
    seen: bool


def class_sets(y_source: Array, y_target: Array, n_classes: int, level: float, rng: Any) -> ClassSets | None:
    """The classes that differ, by labels of both domains.

    Parameters
    ----------
    y_source : ndarray of int of shape (n_source,)
    y_target : ndarray of int of shape (n_labelled,)
    n_classes : int
    level : float
        Class shares have to differ at this level before a class is called absent from the target.
    rng : RandomState

    Returns
    -------
    ClassSets or None
        None where no sign is that they differ.
    """
    if not len(y_target):
        return None
    counts = np.stack([np.bincount(y, minlength=n_classes) for y in (y_source, y_target)])
    new = np.flatnonzero((counts[0] == 0) & (counts[1] > 0)).tolist()
    missed = (1 - counts[0] / counts[0].sum()) ** len(y_target)
    absent = np.flatnonzero((counts[1] == 0) & (counts[0] > 0) & (missed * np.sum(counts[0] > 0) <= BY_CHANCE)).tolist()
    common = counts[:, counts[0] > 0]  # a new class says nothing of those that the source has
    if absent and common[1].any() and shares_p_value(common, rng)[0] > level:
        absent = []
    return ClassSets(absent, new, True) if absent or new else None


def estimated_class_sets(shares: Array, old: Array, n_target: int) -> ClassSets | None:
    """The classes that an unlabelled target seems to lack, by shares that were estimated as if label shift were all.

    Parameters
    ----------
    shares : ndarray of shape (n_classes,)
        Estimated of the target.
    old : ndarray of shape (n_classes,)
        Of the source.
    n_target : int

    Returns
    -------
    ClassSets or None
    """
    expected = (1 - old) ** n_target * np.sum(old > 0) <= BY_CHANCE
    absent = np.flatnonzero((old > 0) & expected & (shares * n_target < HARDLY_A_ROW)).tolist()
    return ClassSets(absent, [], False) if absent else None
