"""Training a base estimator on target rows whose labels came along a transport plan."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import is_classifier

from sterna.base import fit_weighted, takes_weights
from sterna.domains._stack import Array, DomainData

_LEAST_SHARE = 0.05  # a class with less of a row's label is left out: it would cost a row in training for little


class LabelSums:
    """Labels that target rows receive, added up over batches: class masses, or means of the source's values.

    Attributes
    ----------
    masses : ndarray of shape (n_target, n_classes) or (n_target, 1)
        Of each class; of everything in regression. In units of what a target row would receive in balanced transport.
    values : ndarray of shape (n_target,)
        Regression only: label times mass.
    """

    def __init__(self, model: Any, data: DomainData, codes: Array) -> None:
        self.classes = is_classifier(model)
        self.codes, self.labels = codes, data.y_source
        n_columns = len(model.classes_) if self.classes else 1
        n_target = data.X_target.shape[0]
        self.masses, self.values, self.times = np.zeros((n_target, n_columns)), np.zeros(n_target), np.zeros(n_target)

    def add(self, coupling: Any, source: Array, target: Array) -> None:
        """Take in the plan between rows `source` and rows `target`."""
        received = coupling * len(target)
        self.times[target] += 1
        if self.classes:
            members = np.eye(self.masses.shape[1])[self.codes[source]]  # (n_batch, n_classes)
            self.masses[target] += received.T @ members
        else:
            self.masses[target, 0] += received.sum(axis=0)
            self.values[target] += self.labels[source] @ received

    def labels_and_weights(self) -> tuple[Array, Array]:
        """Class shares (n_target, n_classes) or mean labels (n_target,), and the mass of each row, 1 if balanced."""
        mass = self.masses.sum(axis=1)
        safe = np.maximum(mass, np.finfo(float).tiny)
        labels = self.masses / safe[:, None] if self.classes else self.values / safe
        return labels, mass / np.maximum(self.times, 1)


def fit_on_target(model: Any, data: DomainData, rows: Array, labels: Array, weights: Array) -> Any:
    """Fit the base estimator on target rows: known labels where there are any, transported ones elsewhere.

    Parameters
    ----------
    model : TransferEstimator
        Its `classes_` name the columns of `labels`.
    data : DomainData
    rows : ndarray of int of shape (n,)
        Numbers of target rows.
    labels : ndarray of shape (n, n_classes) or (n,)
        Class shares or values.
    weights : ndarray of shape (n,)
        Of each row; a base estimator without `sample_weight` is trained on the rows with a weight above 0 alone.

    Returns
    -------
    The fitted estimator.
    """
    base = model._base_estimator()
    known = data.labelled[rows]
    truth = data.y_target[(np.cumsum(data.labelled) - 1)[rows[known]]]
    weights = np.where(known, 1.0, weights)
    if is_classifier(model):
        labels = np.array(labels)
        labels[known] = np.eye(labels.shape[1])[np.searchsorted(model.classes_, truth)]
        entries, codes, shares = _one_row_a_class(labels * (weights > 0)[:, None], takes_weights(base))
        answers, weights = model.classes_[codes], weights[entries] * shares
    else:
        entries, answers = np.flatnonzero(weights > 0), np.array(labels)
        answers[known] = truth
        answers, weights = answers[entries], weights[entries]
    X = data.X_target[rows[entries]]
    if not takes_weights(base):
        return base.fit(X, answers)
    return fit_weighted(base, X, answers, weights)


def _one_row_a_class(shares: Array, weighted: bool) -> tuple[Array, Array, Array]:
    """Row numbers, class codes and weights: one entry for each class of a row; the leading one only where unweighted.

    Every class keeps its best row, so that the base estimator knows of it.
    """
    best = shares.argmax(axis=0)  # of each class, (n_classes,)
    received = np.flatnonzero(shares.max(axis=0) > 0)
    if weighted:
        kept = shares * (shares >= _LEAST_SHARE)
        kept[best[received], received] = shares[best[received], received]
        kept /= np.maximum(kept.sum(axis=1, keepdims=True), np.finfo(float).tiny)
        entries, codes = np.nonzero(kept)
        return entries, codes, kept[entries, codes]
    entries = np.flatnonzero(shares.max(axis=1) > 0)
    codes = shares.argmax(axis=1)
    missing = np.setdiff1d(received, codes[entries])
    codes[best[missing]] = missing
    return entries, codes[entries], np.ones(len(entries))
