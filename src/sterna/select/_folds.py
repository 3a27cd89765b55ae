"""Folds of rows, stratified as far as the classes allow."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold, StratifiedKFold

from sterna.domains._stack import Array

Rows = NDArray[np.int64]


def folds(y: Array, n_splits: int, stratify: bool, seed: list[int]) -> list[tuple[Rows, Rows]]:
    """One shuffled cross-validation; classes with fewer rows than folds are spread as far as they go."""
    state = int(np.random.SeedSequence(seed).generate_state(1)[0])
    if stratify and np.unique(y, return_counts=True)[1].max() >= n_splits:
        splitter = StratifiedKFold(n_splits, shuffle=True, random_state=state)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
            return list(splitter.split(np.zeros(len(y)), y))
    return list(KFold(n_splits, shuffle=True, random_state=state).split(y))
