"""Directions of the features in which two domains agree, class by class, those that agree best first."""

from __future__ import annotations

import numpy as np

from sterna.domains._stack import Array

#: Directions in which rows of one class vary less than this share of the variance in the widest are left out.
SINGULAR = 1e-6


def agreeing_directions(source: Array, y_source: Array, target: Array, y_target: Array) -> Array:
    """A basis whose first k directions span the subspace of size k in which rows of one class agree best.

    Parameters
    ----------
    source : ndarray of shape (n_source, n_features)
    y_source : ndarray of int of shape (n_source,)
    target : ndarray of shape (n_target, n_features)
    y_target : ndarray of int of shape (n_target,)

    Returns
    -------
    ndarray of shape (n_features, rank)

    Notes
    -----
    Means and covariances of class c differ between the domains by d_c and D_c, in coordinates in which the covariance within
    classes and domains is the identity. A subspace with the orthonormal basis V has the cost
    sum_c w_c (||V'd_c||^2 + ||V'D_c V||^2 / (p + 1)), w_c = n_s n_t / (n_s + n_t), p the number of coordinates: a direction along
    which the domains agree adds 1 a class to each part of the whole. That is stationary subspace analysis (von Bünau et al. 2009)
    within classes. From the whole space on, the direction is taken away that lowers the cost most, of the eigenvectors of
    sum_c w_c (d_c d_c' + 2 D_c^2 / (p + 1)), its slope. How a direction varies together with those taken away does not count.

    References
    ----------
    P. von Bünau, F. C. Meinecke, F. J. Király, K.-R. Müller (2009), Finding stationary subspaces in multivariate time series,
    Physical Review Letters 103.
    """
    common = [c for c in np.unique(y_source) if min(np.sum(y_source == c), np.sum(y_target == c)) >= 3]
    if not common:
        return np.eye(source.shape[1])
    parts = [(source[y_source == c], target[y_target == c]) for c in common]
    whiten = _whitening(np.vstack([X - X.mean(axis=0) for pair in parts for X in pair]))
    gaps, spreads = [], []
    for one, other in parts:
        one, other = one @ whiten, other @ whiten
        root = np.sqrt(len(one) * len(other) / (len(one) + len(other)))
        gaps.append(root * (other.mean(axis=0) - one.mean(axis=0)))
        spreads.append(root * np.atleast_2d(np.cov(other.T, ddof=1) - np.cov(one.T, ddof=1)))
    return whiten @ least_different(np.array(gaps), np.array(spreads))


def least_different(gaps: Array, spreads: Array) -> Array:
    """The orthogonal basis whose first k columns have a small cost for every k, found by taking away one direction after another.

    Parameters
    ----------
    gaps : ndarray of shape (n_classes, n_features)
        Differences of means.
    spreads : ndarray of shape (n_classes, n_features, n_features)
        Differences of covariances.

    Returns
    -------
    ndarray of shape (n_features, n_features)
    """
    n_features = gaps.shape[1]
    basis, removed = np.eye(n_features), []
    while basis.shape[1] > 1:
        d, D = gaps @ basis, basis.T @ spreads @ basis
        directions = np.linalg.eigh(d.T @ d + 2 * np.sum(D @ D, axis=0) / (n_features + 1))[1]
        along = D @ directions
        saved = 2 * np.sum(along**2, axis=(0, 1)) - np.sum(np.sum(along * directions, axis=1) ** 2, axis=0)
        saved = np.sum((d @ directions) ** 2, axis=0) + saved / (n_features + 1)
        worst = int(np.argmax(saved))
        removed.append(basis @ directions[:, worst])
        basis = basis @ np.delete(directions, worst, axis=1)
    return np.column_stack([basis, *removed[::-1]])


def _whitening(X: Array) -> Array:
    """The map, shape (n_features, rank), to coordinates in which centred rows `X` have the identity as their covariance."""
    values, vectors = np.linalg.eigh(X.T @ X / len(X))
    kept = values > SINGULAR * values[-1]
    return vectors[:, kept] / np.sqrt(values[kept])
