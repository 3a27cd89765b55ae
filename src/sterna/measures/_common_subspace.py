"""A linear subspace of the features in which both domains agree, features and label together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import ttest_1samp, ttest_rel

from sterna.domains._stack import Array
from sterna.measures._given_label import same_given_label
from sterna.measures._source_model import Seen, errors, fold_numbers, losses
from sterna.measures._threads import single_threaded
from sterna.measures._views import Views, predict_classes, predict_numbers

#: Sizes of the subspace that are tried.
SIZES = (1, 2, 3, 5, 8, 12, 18, 25)


@dataclass(frozen=True)
class CommonSubspace:
    """The subspace as judged on rows that it was not found with; p-values of the predictions are times the number of sizes tried."""

    n_dimensions: int
    p_same: float | None  # of "rows of one label have the same places in it"
    p_better: float  # of "the source model there predicts the target no better than on all columns"
    p_informative: float  # of "it predicts the target no better than a constant"
    error: float  # of the source model there, on the target


@single_threaded
def common_subspace(
    source: Array, y_source: Array, target: Array, y_target: Array, n_classes: int | None, level: float, rng: Any
) -> CommonSubspace | None:
    """Find a subspace in which rows of one label lie alike, on half of the labelled rows, and judge it on the others.

    Parameters
    ----------
    source : ndarray of shape (n_source, n_features)
    y_source : ndarray of shape (n_source,)
        Class numbers, or values.
    target : ndarray of shape (n_target, n_features)
    y_target : ndarray of shape (n_target,)
    n_classes : int or None
        None for regression.
    level : float
    rng : RandomState

    Returns
    -------
    CommonSubspace or None
        None for one feature.

    Notes
    -----
    Means and covariances of each class differ between the domains by d_c and D_c, in coordinates in which the covariance within
    classes and domains is the identity. The subspace is that of the smallest eigenvectors of sum_c w_c (d_c d_c' + D_c^2 / (p + 1)),
    w_c = n_s n_t / (n_s + n_t): along a direction in which the domains agree, both parts have expectation 1 a class. That is
    stationary subspace analysis (von Bünau et al. 2009) within classes. Of the sizes at which rows of one label lie alike at
    `level`, the one is taken at which a model of the source predicts the target best; of no such size, the smallest.

    References
    ----------
    P. von Bünau, F. C. Meinecke, F. J. Király, K.-R. Müller (2009), Finding stationary subspaces in multivariate time series,
    Physical Review Letters 103.
    """
    if source.shape[1] < 2:
        return None
    classes = n_classes is not None
    group = [y_source, y_target] if classes else _thirds(y_source, y_target)
    first = [fold_numbers(g, 2, True, rng) == 0 for g in group]
    directions = _directions(source[first[0]], group[0][first[0]], target[first[1]], group[1][first[1]])
    judge, y = target[~first[1]], y_target[~first[1]]
    as_is = losses(_predicted(source, y_source, judge, n_classes), y, classes)
    sizes = [size for size in SIZES if size < source.shape[1]]
    tried = []
    for size in sizes:
        basis = directions[:, :size]
        p_same = same_given_label(source[~first[0]] @ basis, y_source[~first[0]], judge @ basis, y, classes, rng)
        seen = _predicted(source @ basis, y_source, judge @ basis, n_classes)
        tried.append((p_same is None or p_same <= level, float(losses(seen, y, classes).mean()), size, p_same, seen))
    _, _, size, p_same, seen = min(tried, key=lambda one: one[:3])
    wrong = errors(seen, y, classes)
    p_better, p_informative = _less(losses(seen, y, classes), as_is), _less(wrong, _constant_error(y_source, y, classes))
    times, error = len(sizes), float(wrong.mean())
    return CommonSubspace(size, p_same, min(1.0, times * p_better), min(1.0, times * p_informative), error)


def _less(one: Array, other: Array) -> float:
    if np.allclose(one, other):
        return 1.0
    if np.ptp(one - other) == 0:
        return float(ttest_1samp(one, other.mean(), alternative="less").pvalue)
    return float(ttest_rel(one, other, alternative="less").pvalue)


def _thirds(y_source: Array, y_target: Array) -> list[Array]:
    cuts = np.quantile(np.concatenate([y_source, y_target]), [1 / 3, 2 / 3])
    return [np.searchsorted(cuts, y) for y in (y_source, y_target)]


def _directions(source: Array, y_source: Array, target: Array, y_target: Array) -> Array:
    """Directions, shape (n_features, n_features), those in which the domains agree best first."""
    n_features = source.shape[1]
    common = [c for c in np.unique(y_source) if min(np.sum(y_source == c), np.sum(y_target == c)) >= 3]
    if not common:
        return np.eye(n_features)
    parts = [(source[y_source == c], target[y_target == c]) for c in common]
    within = np.vstack([X - X.mean(axis=0) for pair in parts for X in pair])
    covariance = within.T @ within / len(within)
    values, vectors = np.linalg.eigh(covariance + 1e-3 * max(np.trace(covariance), 1e-12) / n_features * np.eye(n_features))
    whiten = vectors / np.sqrt(values)
    total = np.zeros((n_features, n_features))
    for one, other in parts:
        one, other = one @ whiten, other @ whiten
        gap = other.mean(axis=0) - one.mean(axis=0)
        spread = np.cov(other.T, ddof=1) - np.cov(one.T, ddof=1)
        weight = len(one) * len(other) / (len(one) + len(other))
        total += weight * (np.outer(gap, gap) + spread @ spread / (n_features + 1))
    return whiten @ np.linalg.eigh(total)[1]


def _predicted(train: Array, y: Array, test: Array, n_classes: int | None) -> Seen:
    spread = np.where(train.std(axis=0) > 0, train.std(axis=0), 1.0)
    views = [Views((X - train.mean(axis=0)) / spread, (X - train.mean(axis=0)) / spread) for X in (train, test)]
    if n_classes is None:
        return Seen(predict_numbers(views[0], y, views[1])[:, None], test)
    return Seen(predict_classes(views[0], y, views[1], n_classes), test)


def _constant_error(y_source: Array, y: Array, classes: bool) -> Array:
    """The errors of the source's most frequent class, or of its median."""
    return (y != np.bincount(y_source).argmax()).astype(float) if classes else np.abs(y - np.median(y_source))
