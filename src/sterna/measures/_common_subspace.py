"""A linear subspace of the features in which both domains agree, features and label together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import norm

from sterna.domains._stack import Array
from sterna.measures._agreeing_directions import agreeing_directions
from sterna.measures._given_label import same_given_label
from sterna.measures._source_model import Seen, errors, fold_numbers, losses, paired_p_value
from sterna.measures._threads import single_threaded
from sterna.measures._views import Views, predict_classes, predict_numbers

#: Sizes of the subspace that are tried.
SIZES = (1, 2, 3, 5, 8, 12, 18, 25)


@dataclass(frozen=True)
class CommonSubspace:
    """The subspace as judged on rows that it was not found with."""

    n_dimensions: int
    p_same: float | None  # of "rows of one label have the same places in it"
    p_better: float  # of "the source model there predicts the target no better than on all columns"
    p_informative: float  # of "what it predicts does not go with the target's labels"
    error: float  # of the source model there, on the target


@single_threaded
def common_subspace(
    source: Array, y_source: Array, target: Array, y_target: Array, n_classes: int | None, level: float, rng: Any
) -> CommonSubspace | None:
    """Find a subspace in which rows of one label lie alike, with each half of the labelled rows, and judge it on the other half.

    Parameters
    ----------
    source : ndarray of shape (n_source, n_features)
    y_source : ndarray of shape (n_source,)
        Class numbers, or values: these are cut into thirds to find the subspace.
    target : ndarray of shape (n_target, n_features)
    y_target : ndarray of shape (n_target,)
    n_classes : int or None
        None for regression.
    level : float
    rng : RandomState

    Returns
    -------
    CommonSubspace or None
        None for one feature, or where no feature varies within the classes.

    Notes
    -----
    For the directions see `agreeing_directions`. Of the sizes at which rows of one label lie alike at `level` in the half that the
    subspace was not found with, both ways round (Bonferroni), the one is taken whose models of the source lose least on the target's
    rows that it was found with; of no such size, the smallest. The losses of the rows that it is judged on have no say in it, so
    their p-values need no correction for the sizes.
    """
    if source.shape[1] < 2:
        return None
    classes = n_classes is not None
    group = [y_source, y_target] if classes else _thirds(y_source, y_target)
    halves = [fold_numbers(g, 2, True, rng) for g in group]
    bases, p_values = [], []
    for half in range(2):
        (s, t), (other_s, other_t) = [part != half for part in halves], [part == half for part in halves]
        basis = agreeing_directions(source[s], group[0][s], target[t], group[1][t])
        places = source[other_s] @ basis, target[other_t] @ basis
        labels = y_source[other_s], y_target[other_t]
        sizes = [size for size in SIZES if size < source.shape[1] and size <= basis.shape[1]]
        bases.append(basis)
        p_values.append(
            [same_given_label(places[0][:, :k], labels[0], places[1][:, :k], labels[1], classes, rng) for k in sizes]
        )
    p_same = [None if a is None or b is None else min(1.0, 2 * a, 2 * b) for a, b in zip(*p_values, strict=False)]
    if not p_same:
        return None
    alike = [i for i, p in enumerate(p_same) if p is not None and p > level] or [0]
    seen = np.empty((len(alike), len(y_target), n_classes or 1))
    loss_found_with = np.zeros(len(alike))
    for half, basis in enumerate(bases):
        unseen = halves[1] == half
        for i, size in enumerate(alike):
            part = basis[:, : SIZES[size]]
            values = _predicted(source @ part, y_source, target @ part, n_classes)
            seen[i, unseen] = values[unseen]
            loss_found_with[i] += losses(Seen(values, target), y_target, classes)[~unseen].sum()
    best = int(np.argmin(loss_found_with))
    there, as_is = Seen(seen[best], target), Seen(_predicted(source, y_source, target, n_classes), target)
    return CommonSubspace(
        SIZES[alike[best]],
        p_same[alike[best]],
        _less(losses(there, y_target, classes), losses(as_is, y_target, classes)),
        association_p_value(there.predicted, y_target, n_classes),
        float(errors(there, y_target, classes).mean()),
    )


def _less(one: Array, other: Array) -> float:
    return 1.0 if np.allclose(one, other) else paired_p_value(one, other, "less")


def _thirds(y_source: Array, y_target: Array) -> list[Array]:
    cuts = np.quantile(np.concatenate([y_source, y_target]), [1 / 3, 2 / 3])
    return [np.searchsorted(cuts, y) for y in (y_source, y_target)]


def _predicted(train: Array, y: Array, test: Array, n_classes: int | None) -> Array:
    """Predictions of a model of the source, shape (n_test, n_classes or 1)."""
    spread = np.where(train.std(axis=0) > 0, train.std(axis=0), 1.0)
    views = [Views(Z, Z) for Z in ((X - train.mean(axis=0)) / spread for X in (train, test))]
    if n_classes is None:
        return predict_numbers(views[0], y, views[1])[:, None]
    return predict_classes(views[0], y, views[1], n_classes)


def association_p_value(predicted: Array, y: Array, n_classes: int | None) -> float:
    """The one-sided p-value of "predictions have nothing to do with the labels".

    Parameters
    ----------
    predicted : ndarray of shape (n_samples, n_classes or 1)
        Class probabilities, or values.
    y : ndarray of shape (n_samples,)
        Class numbers, or values.
    n_classes : int or None
        None for regression.

    Returns
    -------
    float
        1.0 where predictions or labels do not vary.

    Notes
    -----
    The sum over rows of the probability of the true class (of prediction times value) over permutations of the labels: its mean and
    variance there are exact, its distribution is taken for normal. A model that is too sure of itself, and loses more than a constant
    for it, can tell of the label nevertheless.

    References
    ----------
    N. Mantel (1967), The detection of disease clustering and a generalized regression approach, Cancer Research 27.
    """
    truth = y[:, None] if n_classes is None else y[:, None] == np.arange(n_classes)
    one, other = (values - values.mean(axis=0) for values in (predicted, truth.astype(float)))
    if max(np.ptp(predicted, axis=0)) <= 1e-9 * np.abs(predicted).max() or len(np.unique(y)) < 2:
        return 1.0
    variance = np.sum((one.T @ one) * (other.T @ other)) / (len(y) - 1)
    return float(norm.sf(np.sum(one * other) / np.sqrt(variance)))
