"""What a comparison measures: a value for every evaluated row, and the score that they make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

from sterna.domains._stack import Array


@dataclass(frozen=True)
class Truth:
    """Labels of evaluated rows, shape (n_rows,), and the share of each class among all labelled target rows."""

    y: Array
    shares: dict[Any, float]


@dataclass(frozen=True)
class Metric:
    """A score as a function of one value a row.

    Attributes
    ----------
    name : str
    task : str
    rows : function (truth, prediction, proba, classes) -> ndarray of shape (n_rows,)
        `proba` and `classes` are None unless `needs_probabilities`.
    greater_is_better : bool
    unit : str
    root : bool
        The score is the square root of the mean value, not the mean.
    needs_probabilities : bool
    counts_rows : bool
        The score moves in steps of one row, so that a difference under 1 / n_rows cannot be told from none.
    bounds : tuple of float
        What the score can be; intervals of scores end there.
    """

    name: str
    task: str
    rows: Callable[[Truth, Array, Array | None, Array | None], Array]
    greater_is_better: bool = True
    unit: str = ""
    root: bool = False
    needs_probabilities: bool = False
    counts_rows: bool = False
    bounds: tuple[float, float] = (0.0, 1.0)

    @property
    def sign(self) -> float:
        """1 where greater is better, else -1."""
        return 1.0 if self.greater_is_better else -1.0

    def values(self, model: Any, X: Any, truth: Truth, prediction: Array) -> Array:
        """One value for each row of `X`, shape (n_rows,)."""
        if self.needs_probabilities:
            return self.rows(truth, prediction, model.predict_proba(X), np.asarray(model.classes_))
        return self.rows(truth, prediction, None, None)

    def score(self, values: Array, sample_weight: Array | None = None) -> float:
        """The score in its own units."""
        mean = float(np.average(values, weights=sample_weight))
        return float(np.sqrt(mean)) if self.root else mean

    def gains(self, values: Array) -> Array:
        """What each row adds to the score of its repeat, larger is better.

        Parameters
        ----------
        values : ndarray of shape (n_rows, n_repeats)
            NaN where a row was not evaluated.

        Returns
        -------
        ndarray of shape (n_rows, n_repeats)
            The mean of a column is the signed score of that repeat. A square root is linearised around it (delta method).
        """
        if not self.root:
            return self.sign * values
        mean = np.nanmean(values, axis=0, keepdims=True)
        root = np.sqrt(np.maximum(mean, np.finfo(float).tiny))
        return self.sign * (root + (values - mean) / (2 * root))


def _accuracy(truth: Truth, prediction: Array, proba: Array | None, classes: Array | None) -> Array:
    return (prediction == truth.y).astype(float)


def _balanced_accuracy(truth: Truth, prediction: Array, proba: Array | None, classes: Array | None) -> Array:
    weights = np.array([1 / (len(truth.shares) * truth.shares[label]) for label in truth.y.tolist()])
    return (prediction == truth.y) * weights


def _squared_error(truth: Truth, prediction: Array, proba: Array | None, classes: Array | None) -> Array:
    return (prediction - truth.y) ** 2


def _absolute_error(truth: Truth, prediction: Array, proba: Array | None, classes: Array | None) -> Array:
    return np.abs(prediction - truth.y)


def _log_loss(truth: Truth, prediction: Array, proba: Array | None, classes: Array | None) -> Array:
    chosen = np.zeros(len(truth.y))  # the probability of the true class; 0 where the model does not know it
    for j, label in enumerate(_known(classes)):
        chosen = np.where(truth.y == label, _known(proba)[:, j], chosen)
    return -np.log(np.clip(chosen, 1e-6, 1.0))


def _roc_auc(truth: Truth, prediction: Array, proba: Array | None, classes: Array | None) -> Array:
    """One class against the rest, averaged; each row's part by its rank among the other side (DeLong et al. 1988)."""
    known = list(_known(classes))
    labels = [label for label in np.unique(truth.y) if 0 < np.sum(truth.y == label) < len(truth.y)]
    if len(truth.shares) == 2:
        labels = [label for label in labels if label == max(truth.shares)]
    scores = [_known(proba)[:, known.index(label)] if label in known else np.zeros(len(truth.y)) for label in labels]
    parts = [_auc_parts(truth.y == label, score) for label, score in zip(labels, scores, strict=True)]
    return np.mean(parts, axis=0) if parts else np.full(len(truth.y), np.nan)


def _auc_parts(positive: Array, score: Array) -> Array:
    """Values with the area under the curve as their mean, shape (n_rows,)."""
    n, n_positive = len(score), int(positive.sum())
    ranks = rankdata(score)
    own = np.empty(n)
    own[positive] = rankdata(score[positive])
    own[~positive] = rankdata(score[~positive])
    below = ranks - own  # of the other side, ties count half
    placement = np.where(positive, below / (n - n_positive), 1 - below / n_positive)
    area = float(placement[positive].mean())
    return area + (placement - area) * np.where(positive, n / n_positive, n / (n - n_positive))


def _known(value: Array | None) -> Array:
    return np.empty((0, 0)) if value is None else value


_POSITIVE = (0.0, np.inf)
_ALL = [
    Metric("accuracy", "classification", _accuracy, unit="share of rows", counts_rows=True),
    Metric("balanced_accuracy", "classification", _balanced_accuracy, unit="mean share per class", counts_rows=True),
    Metric("roc_auc", "classification", _roc_auc, unit="area under the ROC curve", needs_probabilities=True),
    Metric("log_loss", "classification", _log_loss, False, "nats", needs_probabilities=True, bounds=_POSITIVE),
    Metric("rmse", "regression", _squared_error, False, "units of the label", root=True, bounds=_POSITIVE),
    Metric("mae", "regression", _absolute_error, False, "units of the label", bounds=_POSITIVE),
]
METRICS = {metric.name: metric for metric in _ALL}


def find_metric(name: str | None, task: str) -> Metric:
    """The metric called `name`, or the default of the task: accuracy, or the root mean squared error.

    Parameters
    ----------
    name : str or None
    task : {"classification", "regression"}

    Returns
    -------
    Metric
    """
    fitting = [metric.name for metric in METRICS.values() if metric.task == task]
    if name is None:
        return METRICS[fitting[0]]
    if name not in fitting:
        raise ValueError(f"metric {name!r} is not one for {task}; allowed are {', '.join(fitting)}")
    return METRICS[name]
