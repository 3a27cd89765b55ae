"""Maps of single columns that could have made the target of the source: another scale, or columns turned round."""

from __future__ import annotations

import numpy as np

from sterna.domains._stack import Array
from sterna.measures._relation import label_weight

#: The scale of a column is known where so many rows of both domains differ from its median.
MIN_VARIED = 10


def without_rare(X: Array, X_source: Array, X_target: Array) -> Array:
    """Rows `X` with those columns made constant in which hardly a row of a domain differs from the others: they have no scale."""
    varied = [np.sum(np.median(part, axis=0) != part, axis=0) >= MIN_VARIED for part in (X_source, X_target)]
    return np.where(varied[0] & varied[1], X, X_source.mean(axis=0))


def rescaled(X_source: Array, y_source: Array, X_target: Array, rows: Array, y_target: Array, n_classes: int | None) -> Array:
    """The target's rows with the mean and spread that each column of the source has where its labels are as the target's.

    The source's rows are weighted to have the target's labels: else shares of the classes that differ, be it by chance, are taken
    for another scale.

    Parameters
    ----------
    X_source : ndarray of shape (n_source, n_features)
    y_source : ndarray of shape (n_source,)
    X_target : ndarray of shape (n_target, n_features)
    rows : ndarray of int of shape (n_labelled,)
        The target rows whose label is known, `y_target`; they tell the scale.
    y_target : ndarray of shape (n_labelled,)
    n_classes : int or None

    Returns
    -------
    ndarray of shape (n_target, n_features)
    """
    weight = label_weight(y_source, y_target, n_classes)
    like = X_target[rows]
    mean = np.average(X_source, axis=0, weights=weight)
    spread = np.sqrt(np.average((X_source - mean) ** 2, axis=0, weights=weight))
    own = like.std(axis=0)
    ratio = np.where(own > 0, spread / np.where(own > 0, own, 1.0), 1.0)
    return (X_target - like.mean(axis=0)) * ratio + mean


def turned(X_source: Array, y_source: Array, X_target: Array, rows: Array, y_target: Array, n_classes: int | None) -> Array:
    """Rescaled rows `X_target` with those columns turned round about their mean that go the other way with the label.

    Parameters
    ----------
    X_source : ndarray of shape (n_source, n_features)
    y_source : ndarray of shape (n_source,)
    X_target : ndarray of shape (n_target, n_features)
    rows : ndarray of int of shape (n_labelled,)
        The target rows whose label is known, `y_target`.
    y_target : ndarray of shape (n_labelled,)
    n_classes : int or None

    Returns
    -------
    ndarray of shape (n_target, n_features)
    """
    profiles = [_profile(X, y, n_classes) for X, y in ((X_source, y_source), (X_target[rows], y_target))]
    share = np.ones(1) if n_classes is None else np.bincount(y_target, minlength=n_classes) / len(y_target)
    sign = np.where(share @ (profiles[0] * profiles[1]) < 0, -1.0, 1.0)
    middle = X_source.mean(axis=0)
    return (X_target - middle) * sign + middle


def _profile(X: Array, y: Array, n_classes: int | None) -> Array:
    """How each column goes with the label: the centred mean of each class, or the covariance, shape (n_classes or 1, n_features)."""
    centred = X - X.mean(axis=0)
    if n_classes is None:
        return ((y - y.mean()) @ centred)[None, :]
    return np.stack([centred[y == c].mean(axis=0) if np.any(y == c) else np.zeros(X.shape[1]) for c in range(n_classes)])
