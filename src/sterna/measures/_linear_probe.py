"""linear_probe: the cross-validated score of a linear model on frozen features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import t as student
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.utils import check_random_state

from sterna.domains._stack import Array
from sterna.measures._checks import sample_rows
from sterna.measures._facts import transferability_facts
from sterna.measures._gram import gram_spectrum
from sterna.measures._labelled import Labelled, check_labelled
from sterna.measures._parameters import check_count

_PENALTIES = np.logspace(-6, 3, 13)  # in units of the mean eigenvalue of the features' Gram matrix


_MANY_ROWS = 4  # times the rank: then leverages are small enough for their mean to do


@dataclass(frozen=True)
class Probe:
    """The cross-validated score: accuracy, or R^2 for values.

    Attributes
    ----------
    value : float
    low, high : float
        Its 95 % interval, by the rows.
    by_row : ndarray of shape (n_used,)
        Its parts, of mean `value`, each by a model that has not seen the row: 1 where the class is predicted, else 0; for values 1
        less the squared error in units of the labels' variance. The same rows in the same order for the same labels and
        `random_state`, whatever the features.
    """

    value: float
    low: float
    high: float
    by_row: Array

    def __float__(self) -> float:
        return self.value


@transferability_facts(
    bounds=(-np.inf, 1.0),
    takes="features and labels",
    tasks=("classification", "regression"),
    reference="Alain and Bengio 2017",
)
def linear_probe(features: Any, y: Any, *, cv: int = 5, max_rows: int = 20_000, random_state: Any = None) -> Probe:
    """Held-out accuracy (R^2 for values) of a ridge model on frozen features: the plain answer, and the default of rankings.

    When to use it: first. It is what a frozen encoder with a linear head will do, in a number that people can read. When it
    cannot tell: what fine-tuning would add, or differences between encoders smaller than its interval.

    Parameters
    ----------
    features : array-like of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)
        Classes, or values.
    cv : int, default=5
        Folds, at most the rows of the smallest class or 2.
    max_rows : int, default=20_000
        Used at most, drawn at random.
    random_state : int, RandomState or None, default=None
        Draws rows and folds.

    Returns
    -------
    Probe

    Notes
    -----
    Ridge regression on indicators (values for regression), features centred by the fold, the penalty by the leave-one-out
    error within the fold from 13 values (by generalised cross-validation where rows are four times the rank or more). One
    eigendecomposition a fold of the smaller Gram matrix serves all penalties and classes. The interval is Student's over rows;
    it leaves out that folds share their rows. Time O(cv n d min(n, d)).

    References
    ----------
    G. Alain, Y. Bengio (2017), Understanding intermediate layers using linear classifier probes, ICLR workshop. S. Kornblith, J.
    Shlens, Q. Le (2019), Do better ImageNet models transfer better?, CVPR. D. Allen (1974), The relationship between
    variable selection and data augmentation and a method for prediction, Technometrics 16 (the leave-one-out error). G. Golub, M. Heath, G.
    Wahba (1979), Generalized cross-validation as a method for choosing a good ridge parameter, Technometrics 21.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.measures import linear_probe
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(3, size=300)
    >>> linear_probe(4 * np.eye(3)[y] + rng.normal(size=(300, 3)), y, random_state=0).value > 0.9
    True
    """
    check_count("linear_probe: cv", cv, 2)
    check_count("linear_probe: max_rows", max_rows, 4)
    data = check_labelled("linear_probe", features, y, classes_only=False, least=4)
    rng = check_random_state(random_state)
    rows = sample_rows(len(data.y), max_rows, rng)
    X, y = data.X[rows], data.y[rows]
    answers = y[:, None] if data.classes is None else np.eye(len(data.classes))[y]
    predicted = np.empty(answers.shape)
    for train, test in _folds(data, y, cv, rng):
        predicted[test] = _ridge(X[train], answers[train], X[test])
    if data.classes is not None:
        return _probe((predicted.argmax(axis=1) == y).astype(float))
    return _probe(1 - (predicted[:, 0] - y) ** 2 / (float(np.var(y)) or 1.0))


def _folds(data: Labelled, y: Array, cv: int, rng: np.random.RandomState) -> Any:
    if data.classes is None:
        return KFold(min(cv, len(y)), shuffle=True, random_state=rng).split(y)
    smallest = int(np.bincount(y)[np.unique(y)].min())
    if smallest < 2:  # a class of one row is never predicted for it
        return KFold(min(cv, len(y)), shuffle=True, random_state=rng).split(y)
    return StratifiedKFold(min(cv, smallest), shuffle=True, random_state=rng).split(y, y)


def _probe(by_row: Array) -> Probe:
    value = float(by_row.mean())
    half = float(student.ppf(0.975, len(by_row) - 1) * by_row.std(ddof=1) / np.sqrt(len(by_row)))
    return Probe(value, value - half, min(1.0, value + half), by_row)


def _ridge(X: Array, answers: Array, X_new: Array) -> Array:
    """Predictions of ridge regression, the penalty by the leave-one-out error, shape (n_new, n_answers)."""
    centre, offset = X.mean(axis=0, dtype=np.float64), answers.mean(axis=0)
    X, answers, X_new = X - centre, answers - offset, X_new - centre
    n, d = X.shape
    values, vectors = gram_spectrum(X)
    if not len(values):
        return np.broadcast_to(offset, (len(X_new), len(offset)))
    root = np.sqrt(values)
    right = vectors if n >= d else X.T @ (vectors / root)  # (d, rank), orthonormal
    goal = right.T @ (X.T @ answers) / root[:, None]  # (rank, n_answers)
    penalties = _PENALTIES * values.mean()
    shrunk = values / (values + penalties[:, None])  # (n_penalties, rank)
    if len(values) <= n / _MANY_ROWS:
        errors = _generalised_error(shrunk, goal, answers)
    else:
        left = X @ (vectors / root) if n >= d else vectors  # (n, rank), orthonormal
        errors = np.array([_left_out_error(left, row, goal, answers) for row in shrunk])
    chosen = penalties[np.argmin(errors)]
    return np.asarray(X_new @ right @ ((root / (values + chosen))[:, None] * goal) + offset)


def _generalised_error(shrunk: Array, goal: Array, answers: Array) -> Array:
    """The same for each penalty with the mean leverage in place of each row's (generalised cross-validation), (n_penalties,)."""
    beyond = max(float(np.sum(answers**2) - np.sum(goal**2)), 0.0)
    errors = (1 - shrunk) ** 2 @ np.sum(goal**2, axis=1) + beyond
    return np.asarray(errors / (1 - (shrunk.sum(axis=1) + 1) / len(answers)) ** 2)


def _left_out_error(left: Array, shrunk: Array, goal: Array, answers: Array) -> float:
    """The squared error on rows left out, by their leverage."""
    leverage = left**2 @ shrunk + 1 / len(left)  # 1 / n for the mean
    residual = answers - left @ (shrunk[:, None] * goal)
    return float(np.sum((residual / np.maximum(1 - leverage, 1e-9)[:, None]) ** 2))
