"""Penalised logistic regression around a given point: one convex problem, its penalty, and the units it is solved in."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedKFold

from sterna.domains._stack import Array
from sterna.parameters._scale import moments

_GRID = np.logspace(-4, 3, 15)  # of the penalty over the number of rows
_CV_ROWS = 2000  # more rows say little more about the penalty


@dataclass(frozen=True)
class Linear:
    """Scores X @ coef.T + intercept: one row of `coef` for two classes (scores of the second), else one row a class."""

    coef: Array  # (n_rows, n_features)
    intercept: Array  # (n_rows,)

    def log_proba(self, X: Any, offset: Array | float = 0.0) -> Array:
        """Log probabilities of rows X - offset, shape (n_samples, n_classes)."""
        scores = X @ self.coef.T + (self.intercept - self.coef @ np.broadcast_to(offset, self.coef.shape[1]))
        if scores.shape[1] == 1:
            scores = np.hstack([np.zeros_like(scores), scores])
        return log_softmax(scores, axis=1)

    def log_loss(self, X: Any, codes: Array, offset: Array | float = 0.0) -> float:
        """Mean negative log likelihood."""
        return -float(self.log_proba(X, offset)[np.arange(len(codes)), codes].mean())


class Units:
    """Centre and scale of features. Dense rows are centred; of sparse ones the offset is carried along, they stay sparse."""

    def __init__(self, center: Array, scale: Array) -> None:
        self.center, self.scale = center, scale

    def apply(self, X: Any) -> tuple[Any, Array | float]:
        """Rows in these units and what is still to be subtracted from each."""
        if hasattr(X, "tocsr"):
            return X.astype(np.float64).multiply(1 / self.scale).tocsr(), self.center / self.scale
        return (X - self.center) / self.scale, 0.0

    def to_units(self, model: Linear) -> Linear:
        """The same scores, as a function of rows in these units."""
        return Linear(model.coef * self.scale, model.intercept + model.coef @ self.center)

    def to_raw(self, model: Linear) -> Linear:
        """The same scores, as a function of raw rows."""
        coef = model.coef / self.scale
        return Linear(coef, model.intercept - coef @ self.center)


def units_of(X: Any, scale: Array) -> Units:
    """Units centred on the mean of X."""
    return Units(moments(X)[0], scale)


def fit_around(
    prior: Linear, X: Any, offset: Array | float, codes: Array, penalty: float, *, hold_intercept: bool, start: Any = None
) -> tuple[Linear, Any]:
    """Minimise sum log loss + penalty / 2 * ||W - W_prior||^2, by L-BFGS in the differences from the prior.

    Parameters
    ----------
    prior : Linear
    X : array or csr matrix of shape (n_samples, n_features)
    offset : ndarray of shape (n_features,) or 0.0
        Subtracted from each row.
    codes : ndarray of int of shape (n_samples,)
    penalty : float
    hold_intercept : bool
        Whether the penalty also holds for the intercepts.
    start : ndarray, default=None
        Where to start: `x` of an earlier result.

    Returns
    -------
    Linear, and scipy's OptimizeResult
    """
    n, (n_rows, d) = len(codes), prior.coef.shape
    held = np.ones((n_rows, d + 1))
    held[:, d] = hold_intercept
    shift = np.broadcast_to(offset, d)
    own = (np.arange(n), codes)

    def at(flat: Array) -> Linear:
        step = flat.reshape(n_rows, d + 1)
        return Linear(prior.coef + step[:, :d], prior.intercept + step[:, d])

    def objective(flat: Array) -> tuple[float, Array]:
        log_proba = at(flat).log_proba(X, offset)
        surplus = np.exp(log_proba)  # (n, n_classes): probability minus indicator, the gradient in the scores
        surplus[own] -= 1
        surplus = surplus[:, -n_rows:]
        total = surplus.sum(axis=0)
        gradient = np.column_stack([(X.T @ surplus).T - np.outer(total, shift), total]).ravel()
        pull = penalty * held.ravel() * flat
        return (-log_proba[own].sum() + 0.5 * pull @ flat) / n, (gradient + pull) / n

    flat = np.zeros(n_rows * (d + 1)) if start is None else start
    options = {"maxiter": 1000, "maxfun": 2000, "gtol": 1e-6, "ftol": 1e-13}
    result = minimize(objective, flat, jac=True, method="L-BFGS-B", options=options)
    return at(result.x), result


def choose_penalty(prior: Linear, X: Any, offset: Array | float, codes: Array, *, hold_intercept: bool) -> tuple[float, float]:
    """The penalty of least cross-validated log loss and that loss; 1.0 and NaN where some class has a single row.

    Stratified in five folds, or as many as the rarest class has rows; of equals the largest penalty; on at most 2000 rows.
    """
    counts = np.bincount(codes)
    n_folds = int(min(5, counts[counts > 0].min()))
    if n_folds < 2:
        return 1.0, np.nan
    rows = np.argsort(codes, kind="stable")[:: -(-len(codes) // _CV_ROWS)]
    X, codes = X[rows], codes[rows]
    grid = len(codes) * _GRID[::-1]  # from the prior downwards, each fit starting from the last
    losses = np.zeros(len(grid))
    for train, test in StratifiedKFold(n_folds).split(np.zeros(len(codes)), codes):
        start = None
        for k, penalty in enumerate(grid):
            model, result = fit_around(
                prior, X[train], offset, codes[train], penalty, hold_intercept=hold_intercept, start=start
            )
            start = result.x
            losses[k] += model.log_loss(X[test], codes[test], offset) * len(test) / len(codes)
    best = int(np.argmin(losses))
    return float(grid[best]), float(losses[best])


def warn_unless_converged(result: Any, what: str) -> None:
    """Warn where the iterations ran out (a failed line search is the end of float precision, not a failure)."""
    if result.status == 1:
        warnings.warn(f"{what} stopped after {result.nit} iterations; raise its penalty", ConvergenceWarning)
