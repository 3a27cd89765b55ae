"""What a task of the suite is, how its rows are cut, and the shifts that are made where nature gives none.

A shift is either a change of rows, `change(X, y, rng) -> X, y`, or a choice of rows, `choice(X, y, rng) -> scores`: the higher the score of
a row, the rather it goes to the target.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter, rotate

N_SOURCE, N_ADAPT, N_TEST = 800, 400, 1000  # at most: source rows in all, target rows to learn from, target rows to judge on
FEW = 150  # target rows to learn from that 100 labels need


@dataclass(frozen=True)
class Parts:
    """The rows of a task for one seed; nobody may write to them.

    `sources` holds rows and labels by name. The first n rows of `X_adapt` are those that show their labels where n labels are given.
    Nothing but the final score may see `X_test` and `y_test`.
    """

    sources: dict[str, tuple[Any, np.ndarray]]
    X_adapt: Any
    y_adapt: np.ndarray
    X_test: Any
    y_test: np.ndarray


@dataclass(frozen=True)
class Task:
    """A task: `load(seed)` gives its parts; `kind` is "classification" or "regression", `budgets` the numbers of target labels."""

    title: str
    group: str
    kind: str
    budgets: tuple[int, ...]
    load: Callable[[int], Parts]


def generator(title, seed):
    """Random numbers of a task's own."""
    return np.random.default_rng([seed, zlib.crc32(title.encode())])


def take(X, rows):
    """Rows of an array or of a table."""
    return X.iloc[rows].reset_index(drop=True) if isinstance(X, pd.DataFrame) else X[rows]


def in_turn(y, rng):
    """An order in which each class comes early and the first rows hold the classes in their shares."""
    order = rng.permutation(len(y))
    place = np.empty(len(y))
    for label in np.unique(y):
        own = order[y[order] == label]
        place[own] = np.arange(len(own)) / len(own)
    return order[np.argsort(place[order], kind="stable")]


def n_to_adapt(n):
    """How many of n target rows may be learned from: a third, and rather what 20 or 100 labels need."""
    return min(N_ADAPT, max(n // 3, 40, FEW if n >= FEW + 60 else 0))


def cut(kind, sources, target, rng, n_source=N_SOURCE, test=None):
    """Parts: source rows and target rows drawn at random; `test` holds the rows to judge on where they are apart already."""
    kept = {}
    for name, (X, y) in sources.items():
        rows = rng.permutation(len(y))[: n_source // len(sources)]
        kept[name] = take(X, rows), y[rows]
    X, y = target
    order = rng.permutation(len(y))
    n = n_to_adapt(len(y)) if test is None else N_ADAPT
    adapt, judged = order[:n], order[n:]
    if kind == "classification":
        adapt = adapt[in_turn(y[adapt], rng)]
    X_test, y_test = (take(X, judged), y[judged]) if test is None else test
    some = rng.permutation(len(y_test))[:N_TEST]
    return Parts(kept, take(X, adapt), y[adapt], take(X_test, some), y_test[some])


def shifted(kind, X, y, rng, n_source, *, choice=None, target=None, source=None):
    """Parts of one set with a shift made: rows chosen for the target by `choice`, then changed on either side."""
    scores = np.zeros(len(y)) if choice is None else choice(X, y, rng)
    order = np.argsort(scores + rng.logistic(size=len(y)))  # a score is the log odds of the target
    n_target = min(len(y) - n_source, N_ADAPT + N_TEST)
    here, there = rng.permutation(order[: len(y) - n_target])[:n_source], order[len(y) - n_target :]
    Xs, ys = (X[here], y[here]) if source is None else source(X[here], y[here], rng)
    Xt, yt = (X[there], y[there]) if target is None else target(X[there], y[there], rng)
    return cut(kind, {"source": (Xs, ys)}, (Xt, yt), rng)


def several(kind, X, y, rng, n_source, *, target, sources):
    """Parts of one set with several sources of `n_source` rows, each changed in its own way, and a target changed in another."""
    order = rng.permutation(len(y))
    found = {}
    for k, change in enumerate(sources):
        own = order[k * n_source : (k + 1) * n_source]
        found[f"source {k + 1}"] = change(X[own], y[own], rng)
    rest = order[len(sources) * n_source :]
    return cut(kind, found, target(X[rest], y[rest], rng), rng)


# choices of rows


def along_axis(X, y, rng, strength=1.0):
    """Covariate shift: by the first principal component."""
    return strength * principal(X, 0)


def beyond(X, y, rng, share=0.4):
    """Missing support: the rows that are highest on the first principal component all go to the target."""
    found = principal(X, 0)
    return 100.0 * (found > np.quantile(found, 1 - share))


def by_label(X, y, rng, strength=1.0):
    """Label shift: by the quantity, standardized; by the number of the class, from 0 to 1, otherwise."""
    if y.dtype.kind == "f":
        return strength * (y - y.mean()) / y.std()
    return strength * np.searchsorted(np.unique(y), y) / (len(np.unique(y)) - 1)


def principal(X, k):
    """The k-th principal component of standardized columns, with unit variance; its largest loading is positive."""
    Z = (X - X.mean(axis=0)) / np.where(X.std(axis=0) > 0, X.std(axis=0), 1)
    axis = np.linalg.svd(Z, full_matrices=False)[2][k]
    found = Z @ axis * np.sign(axis[np.argmax(np.abs(axis))])
    return found / found.std()


# changes of rows


def unchanged(X, y, rng):
    """No shift."""
    return X, y


def in_order(X, y, rng, steps=()):
    """Several changes."""
    for step in steps:
        X, y = step(X, y, rng)
    return X, y


def moved(X, y, rng, shift=1.0, scale=0.5):
    """Each column moved and scaled by chance."""
    return X * rng.lognormal(0, scale, X.shape[1]) + shift * X.std(axis=0) * rng.normal(size=X.shape[1]), y


def turned_space(X, y, rng, angle=0.15):
    """The space of the standardized columns turned by chance; 0 is no turn."""
    mean, spread = X.mean(axis=0), np.where(X.std(axis=0) > 0, X.std(axis=0), 1)
    d = X.shape[1]
    Q, R = np.linalg.qr(np.eye(d) + angle * rng.normal(size=(d, d)))
    return (X - mean) / spread @ (Q * np.sign(np.diag(R))) * spread + mean, y


def bent(X, y, rng, power=1.7):
    """Standardized columns to a power, with their sign."""
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    return np.sign(Z) * np.abs(Z) ** power * X.std(axis=0) + X.mean(axis=0), y


def mirrored(X, y, rng, share=0.3):
    """Concept: some columns change their sign about the mean."""
    columns = rng.permutation(X.shape[1])[: max(1, round(share * X.shape[1]))]
    X = X.copy()
    X[:, columns] = 2 * X[:, columns].mean(axis=0) - X[:, columns]
    return X, y


def swapped(X, y, rng, first=0, second=1):
    """Concept: two classes exchange their labels."""
    return X, np.where(y == first, second, np.where(y == second, first, y))


def changed_in_part(X, y, rng, share=0.3, size=1.5):
    """Concept: high on the second component another class (the next one), or a quantity less by `size` deviations."""
    found = principal(X, 1)
    there = found > np.quantile(found, 1 - share)
    if y.dtype.kind == "f":
        return X, y - size * y.std() * there
    labels = np.unique(y)
    return X, np.where(there, labels[(np.searchsorted(labels, y) + 1) % len(labels)], y)


def without(X, y, rng, classes=()):
    """Partial classes: rows of some classes left out."""
    kept = ~np.isin(y, classes)
    return X[kept], y[kept]


def noisy(X, y, rng, size=0.5):
    """Noise of so many deviations of all values together added to each value."""
    return X + size * X.std() * rng.normal(size=X.shape), y


def noisy_columns(X, y, rng, share=0.3):
    """Some columns shuffled: they tell nothing any more."""
    X = X.copy()
    for column in rng.permutation(X.shape[1])[: max(1, round(share * X.shape[1]))]:
        X[:, column] = rng.permutation(X[:, column])
    return X, y


def dead_columns(X, y, rng, share=0.3):
    """Some columns at their smallest value throughout."""
    columns = rng.permutation(X.shape[1])[: max(1, round(share * X.shape[1]))]
    X = X.copy()
    X[:, columns] = X[:, columns].min(axis=0)
    return X, y


def unrelated(X, y, rng):
    """Labels shuffled."""
    return X, rng.permutation(y)


def turned(X, y, rng, degrees=15):
    """Square pictures turned."""
    side = round(X.shape[1] ** 0.5)
    return rotate(X.reshape(-1, side, side), degrees, axes=(2, 1), reshape=False, order=1).reshape(X.shape), y


def blurred(X, y, rng, width=0.8):
    """Square pictures blurred."""
    side = round(X.shape[1] ** 0.5)
    return gaussian_filter(X.reshape(-1, side, side), (0, width, width)).reshape(X.shape), y


def contrast(X, y, rng, factor=0.5, offset=0.0):
    """Values scaled and moved, all alike."""
    return X * factor + offset, y
