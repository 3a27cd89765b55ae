"""The pair of half-spaces whose disagreement differs most between two samples, sought by gradient from several starts."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from sterna.domains._stack import Array

_MAX_ITER = 60
_PENALTY = 10.0  # in rows, as the strength of the domain classifier of `domain_auc`
_WIDE = 3.0  # standard deviations: beyond nearly all rows


def best_pair(source: Array, target: Array, direction: Array) -> Array:
    """Two half-spaces {x : w x + c > 0} whose disagreement is as different in both samples as could be made.

    Parameters
    ----------
    source : ndarray of shape (n_source, n_columns)
        Standardised columns.
    target : ndarray of shape (n_target, n_columns)
    direction : ndarray of shape (n_columns,)
        In which the means differ, for the starts.

    Returns
    -------
    ndarray of shape (2, n_columns + 1)
        w and c of each half-space, such that the product of the signs is larger in the target.
    """
    parts = [with_ones(X) for X in (source, target)]
    found = _starts(source, target, direction)
    found += [_climb(pair, *parts) for pair in found]
    return max(found, key=lambda pair: agreement_gap(pair, *parts))


def with_ones(X: Array) -> Array:
    """The rows with a last column of ones, shape (n_rows, n_columns + 1)."""
    return np.column_stack([X, np.ones(len(X))])


def agreement_gap(pair: Array, source: Array, target: Array) -> float:
    """Mean product of the signs of both half-spaces in the target less that in the source: twice P_S(h != h') - P_T(h != h')."""
    means = [float(np.prod(np.where(X @ pair.T > 0, 1.0, -1.0), axis=1).mean()) for X in (source, target)]
    return means[1] - means[0]


def _starts(source: Array, target: Array, direction: Array) -> list[Array]:
    """A half-space alone, slabs across the directions in which the spreads differ most, and a cross for dependence."""
    gap = np.cov(target.T, ddof=0).reshape(source.shape[1], -1) - np.cov(source.T, ddof=0).reshape(source.shape[1], -1)
    values, vectors = np.linalg.eigh(gap)
    low, high = vectors[:, 0], vectors[:, -1]  # the smaller and the larger spread in the target
    nothing = np.zeros_like(direction)
    middle = (source.mean(axis=0) + target.mean(axis=0)) / 2
    lines = [np.append(direction, -direction @ middle), np.append(nothing, _WIDE)]
    slabs = [low, high] if len(values) > 1 else [high]
    pairs = [lines] + [[np.append(e, -e @ middle - 1), np.append(e, -e @ middle + 1)] for e in slabs]
    if len(values) > 1:
        pairs.append([np.append(e, -e @ middle) for e in (high + low, high - low)])
    starts = [np.array(pair) for pair in pairs]
    parts = [with_ones(X) for X in (source, target)]
    # turning one half-space round changes the sign of the gap
    return [pair * [[1.0], [-1.0]] if agreement_gap(pair, *parts) < 0 else pair for pair in starts]


def _climb(pair: Array, source: Array, target: Array) -> Array:
    """Raise the gap with tanh in place of the sign and a penalty on the weights."""
    penalty = np.full(pair.shape, _PENALTY / (len(source) + len(target)))
    penalty[:, -1] = 0.0

    def descent(flat: Array) -> tuple[float, Array]:
        weights = flat.reshape(pair.shape)
        value, gradient = np.sum(penalty * weights**2) / 2, penalty * weights
        for X, sign in ((source, 1), (target, -1)):
            soft = np.tanh(X @ weights.T)  # (n_rows, 2)
            value += sign * np.mean(soft[:, 0] * soft[:, 1])
            gradient = gradient + sign * ((1 - soft**2) * soft[:, ::-1]).T @ X / len(X)
        return float(value), gradient.ravel()

    found = minimize(descent, pair.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": _MAX_ITER})
    return np.asarray(found.x).reshape(pair.shape)
