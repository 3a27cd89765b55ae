"""How far to trust the source: folds of the labelled target rows, predictions as numbers, and weights of least loss."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import nnls
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, is_classifier
from sklearn.dummy import DummyClassifier
from sklearn.utils.metaestimators import available_if

from sterna.domains._stack import Array, rows_of

_FOLD_ROWS = 2000  # more rows are split once
_MOST_ROWS = 25_000  # more rows hardly change a choice between few candidates


def target_folds(y: Array, *, values: bool, most: int = 10) -> list[tuple[Array, Array]]:
    """Row numbers to train and to test on: `most` folds up to 100 rows, five up to 2000, beyond that one split of 25,000 rows.

    Rows are sorted by label and dealt out in turn, so that every fold has every class, or the whole range of a number, and the
    folds need no seed. Classes count in the order of their first rows, so that their names do not matter. A single row has no fold.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
    values : bool
        Whether labels are numbers, not classes.
    most : int, default=10

    Returns
    -------
    list of (train, test), each an ndarray of int
    """
    if not values:
        _, first, codes = np.unique(y, return_index=True, return_inverse=True)
        y = first[codes]
    order = np.argsort(y, kind="stable")
    order = order[:: -(-len(order) // _MOST_ROWS)]
    n_folds = min(most if len(order) <= 100 else 5, len(order))
    if n_folds < 2:
        return []
    turn = np.arange(len(order)) % n_folds
    splits = [(np.sort(order[turn != k]), np.sort(order[turn == k])) for k in range(n_folds)]
    return splits[:1] if len(order) > _FOLD_ROWS else splits


def fit_or_constant(estimator: Any, X: Any, y: Array) -> Any:
    """Fit a clone's worth of `estimator`; a classifier for labels of one class is that class."""
    if is_classifier(estimator) and np.all(y == y[0]):
        return DummyClassifier(strategy="prior").fit(X, y)
    return estimator.fit(X, y)


def truth(y: Array, classes: Array | None) -> Array:
    """Labels as numbers: indicators of shape (n_samples, n_classes), or values of shape (n_samples, 1)."""
    if classes is None:
        return y.astype(np.float64)[:, None]
    return (y[:, None] == classes).astype(np.float64)


def outputs(model: Any, X: Any, classes: Array | None) -> Array:
    """Predictions in the shape of `truth`: probabilities where the model has them, else indicators; 0 for classes it lacks."""
    if classes is None:
        return np.asarray(model.predict(X), dtype=np.float64).reshape(X.shape[0], 1)
    if not hasattr(model, "predict_proba"):
        return truth(model.predict(X), classes)
    return in_columns(model.predict_proba(X), model.classes_, classes)


def in_columns(proba: Array, known: Array, classes: Array) -> Array:
    """Probabilities of the classes `known` in the columns of `classes`, both sorted; 0 for the others."""
    whole = np.zeros((len(proba), len(classes)))
    whole[:, np.searchsorted(classes, known)] = proba
    return whole


def loss(prediction: Array, expected: Array) -> float:
    """Mean over rows of the squared error, which is the Brier score for probabilities."""
    return float(np.mean(np.sum((prediction - expected) ** 2, axis=1)))


def held_out(fresh: Any, X: Any, y: Array, classes: Array | None) -> tuple[Array, Array]:
    """Predictions of labelled rows by models that have not seen them: the rows, and `outputs` for them.

    Parameters
    ----------
    fresh : callable
        Gives an unfitted estimator.
    X : array or sparse matrix of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
    classes : ndarray of shape (n_classes,) or None

    Returns
    -------
    rows : ndarray of int, predictions : ndarray of shape (n_rows, n_classes or 1)
    """
    rows, parts = [np.empty(0, dtype=int)], [np.empty((0, 1 if classes is None else len(classes)))]
    for train, test in target_folds(y, values=classes is None):
        model = fit_or_constant(fresh(), rows_of(X, train), y[train])
        rows.append(test)
        parts.append(outputs(model, rows_of(X, test), classes))
    return np.concatenate(rows), np.concatenate(parts)


def convex_weights(predictions: list[Array], expected: Array, spread: float = 0.0) -> Array:
    """Weights >= 0 of sum 1 whose combination of predictions has the least squared error, shape (n_predictions,).

    min_w ||Y - sum_k w_k P_k||^2 + spread sum_k w_k ||P_k - sum_j w_j P_j||^2, solved by non-negative least squares on the
    triangular factor of its matrix, with the sum as a heavy row. The second term is that of Q-aggregation.

    Parameters
    ----------
    predictions : list of ndarray, each of the shape of `expected`
    expected : ndarray of shape (n_rows, n_outputs)
    spread : float, default=0.0
        In [0, 1).

    Returns
    -------
    ndarray of shape (n_predictions,)
    """
    columns = np.column_stack([p.ravel() for p in predictions]) - expected.reshape(-1, 1)  # errors: sum w = 1 takes Y inside
    gram = columns.T @ columns
    unit = float(np.trace(gram)) / len(gram) or 1.0
    gram /= unit
    # on the simplex: (1 - spread) w'Gw + spread sum_k w_k G_kk
    heavy = 1e4
    matrix = (1 - spread) * gram + 1e-9 * np.eye(len(gram)) + heavy
    upper = cholesky(matrix)
    right = solve_triangular(upper, heavy - spread / 2 * np.diag(gram), trans="T")
    weights = nnls(upper, right)[0]
    return weights / weights.sum()


def _has_proba(self: Blend) -> bool:
    return self.classes_ is not None and (self.votes or all(hasattr(model, "predict_proba") for model in self.models))


class Blend(BaseEstimator):
    """Fitted models combined with weights: probabilities (votes, where a model has none) or values are averaged.

    With `votes` it has probabilities even where a model has none.
    """

    def __init__(self, models: list[Any], weights: Array, classes: Array | None, votes: bool = False) -> None:
        self.models = models
        self.weights = weights
        self.classes = classes
        self.votes = votes
        self.classes_ = classes

    def _combined(self, X: Any) -> Array:
        used = zip(self.models, self.weights, strict=True)
        return sum(weight * outputs(model, X, self.classes_) for model, weight in used if weight > 0)

    def predict(self, X: Any) -> Array:
        combined = self._combined(X)
        return combined[:, 0] if self.classes_ is None else self.classes_[combined.argmax(axis=1)]

    @available_if(_has_proba)
    def predict_proba(self, X: Any) -> Array:
        return self._combined(X)


class BlendClassifier(ClassifierMixin, Blend):
    """Blend of classifiers."""


class BlendRegressor(RegressorMixin, Blend):
    """Blend of regressors."""


def blend(models: list[Any], weights: Array, classes: Array | None, votes: bool = False) -> Blend:
    """A `Blend` for the task."""
    return (BlendRegressor if classes is None else BlendClassifier)(models, weights, classes, votes)
