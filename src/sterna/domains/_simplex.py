"""Least squares over shares: non-negative numbers of sum 1."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh
from scipy.optimize import nnls

from sterna.domains._stack import Array


def nearest_shares(design: Array, goal: Array, heavy: float) -> Array:
    """Shares q >= 0 of sum 1 with the least ||design q - goal||^2, by non-negative least squares.

    Parameters
    ----------
    design : ndarray of shape (n_rows, n_shares)
    goal : ndarray of shape (n_rows,)
    heavy : float
        The size of a further row that holds the sum at 1; large beside the columns of `design`.

    Returns
    -------
    ndarray of shape (n_shares,)
    """
    shares = nnls(np.vstack([design, np.full(design.shape[1], heavy)]), np.append(goal, heavy))[0]
    return shares / shares.sum()


def nearest_mixture(G: Array, g: Array) -> Array:
    """The minimum of q'Gq - 2 g'q over q >= 0 with the sum 1.

    Parameters
    ----------
    G : ndarray of shape (n_classes, n_classes)
        Positive semidefinite.
    g : ndarray of shape (n_classes,)

    Returns
    -------
    ndarray of shape (n_classes,)
    """
    values, vectors = eigh(G)
    root = np.sqrt(np.maximum(values, 1e-12 * values[-1]))
    design, goal = (vectors * root).T, vectors.T @ g / root
    return nearest_shares(design, goal, heavy=1e4 * root[-1])
