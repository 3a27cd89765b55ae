"""Importance-weighted cross-validation: how well weights serve the base estimator on source rows that are like the target's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier

from sterna.base import fit_weighted
from sterna.domains._stack import Array
from sterna.reweight._base import effective_sample_size

_ROWS = 2000  # source rows that are cross-validated at most


def flattest_enough(log_ratio: Array, size: float) -> float:
    """The largest exponent in [0, 1] at which the weights exp(exponent * log_ratio) have this effective sample size.

    Parameters
    ----------
    log_ratio : ndarray of shape (n_samples,)
    size : float

    Returns
    -------
    float
    """
    log_ratio = log_ratio - log_ratio.max()
    low, high = 0.0, 1.0
    for exponent in (1.0, *[None] * 30):
        middle = (low + high) / 2 if exponent is None else exponent
        if effective_sample_size(np.exp(middle * log_ratio)) >= size:
            low = middle
        else:
            high = middle
    return low


def choose_weights(
    base: Any, X: Any, y: Array, candidates: Sequence[Array], validation: Array, n_folds: int, rng: np.random.RandomState
) -> int | None:
    """The first candidate whose held-out loss is within one standard error of the least; parameters as in `held_out_losses`.

    The flattest are to come first: they stand where the loss can't tell.

    Returns
    -------
    int or None
        None where there are too few rows to hold some out.
    """
    losses = held_out_losses(base, X, y, candidates, validation, n_folds, rng)
    return None if losses is None else first_within_error(losses)


def held_out_losses(
    base: Any, X: Any, y: Array, candidates: Sequence[Array], validation: Array, n_folds: int, rng: np.random.RandomState
) -> Array | None:
    """The loss of each row, weighted by `validation`, under models of the other folds trained with each candidate.

    Parameters
    ----------
    base : estimator
        Not fitted; clones are.
    X : array or sparse matrix of shape (n_source, n_features)
    y : ndarray of shape (n_source,)
    candidates : sequence of ndarray of shape (n_source,)
        Weights to train with.
    validation : ndarray of shape (n_source,)
        Weights of the losses: log loss where the base gives probabilities, else the error rate; squares for regression.
    n_folds : int
    rng : RandomState
        Draws the folds, and at most 2000 rows.

    Returns
    -------
    ndarray of shape (n_candidates, n_rows) or None
        Of the rows drawn whose `validation` is positive; infinite where a candidate leaves nothing to train with. None where
        there are too few rows to hold some out.
    """
    rows = rng.permutation(len(y))[:_ROWS]
    folds = folds_of_rows(y[rows], n_folds, is_classifier(base), rng)
    if folds is None:
        return None
    losses = np.full((len(candidates), len(rows)), np.inf)
    for k in range(folds.max() + 1):
        train, test = rows[folds != k], rows[folds == k]
        for i, weights in enumerate(candidates):
            if weights[train].sum() > 0:
                model = fit_weighted(clone(base), X[train], y[train], weights[train] / weights[train].mean())
                losses[i, folds == k] = validation[test] * losses_of_rows(model, X[test], y[test])
    return losses[:, validation[rows] > 0]


def first_within_error(losses: Array) -> int | None:
    """The first candidate whose loss is within one standard error of the least; None where none has a finite loss.

    Parameters
    ----------
    losses : ndarray of shape (n_candidates, n_rows)

    Returns
    -------
    int or None
    """
    possible = np.flatnonzero(np.isfinite(losses).all(axis=1))
    if not len(possible):
        return None
    excess = losses[possible] - losses[possible[losses[possible].sum(axis=1).argmin()]]
    error = excess.std(axis=1) * np.sqrt(excess.shape[1])
    return int(possible[np.argmax(excess.sum(axis=1) <= error)])


def folds_of_rows(y: Array, n_folds: int, stratified: bool, rng: np.random.RandomState) -> Array | None:
    """The fold of every row; each class is spread over the folds. None where a training set would lack rows or classes."""
    counts = np.unique(y, return_counts=True)[1] if stratified else np.array([len(y)] * 2)
    if np.sum(counts > 1) < 2:  # a class with two rows is in every training set
        return None
    order = rng.permutation(len(y))
    if stratified:
        # classes in the order of their first row, so that the folds do not depend on how classes are called
        _, first, class_of_row = np.unique(y[order], return_index=True, return_inverse=True)
        order = order[np.argsort(first[class_of_row], kind="stable")]
    folds = np.empty(len(y), dtype=int)
    folds[order] = np.arange(len(y)) % min(n_folds, len(y))
    return folds


def losses_of_rows(model: Any, X: Any, y: Array) -> Array:
    """Log loss of each row, else whether it is wrong, else its squared error; shape (n_samples,)."""
    if not is_classifier(model):
        return (model.predict(X) - y) ** 2
    if not hasattr(model, "predict_proba"):
        return (model.predict(X) != y).astype(float)
    of_label = model.predict_proba(X) * (y[:, None] == model.classes_)
    return -np.log(np.clip(of_label.sum(axis=1), 1e-6, None))  # a class that is not among the training rows costs 13.8
