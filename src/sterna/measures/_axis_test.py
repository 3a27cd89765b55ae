"""Whether the means of two domains differ along a principal axis: a permutation test."""

from __future__ import annotations

from typing import Any

import numpy as np

from sterna.domains._stack import Array
from sterna.measures._permutations import memberships, permutation_p_value
from sterna.measures._threads import single_threaded

#: The principal axes looked at hold together this share of the variance.
HELD = 0.95
N_PERMUTATIONS = 999


@single_threaded
def axis_p_value(source: Array, target: Array, rng: Any) -> float:
    """The p-value of "both domains have one distribution", by the largest difference of means along a principal axis.

    Where columns are correlated, distances are about the first few axes, and a discrepancy by distances does not see a difference
    along another one.

    Parameters
    ----------
    source : ndarray of shape (n_source, n_features)
    target : ndarray of shape (n_target, n_features)
    rng : RandomState

    Returns
    -------
    float

    Notes
    -----
    The axes are those of the rows of both domains together, so that they do not depend on which rows are the source's; the rows
    along each have variance 1, and the largest of the differences of means is compared with those after permutations (the maximum
    over several differences as in Westfall and Young 1993, so it needs no correction for their number).

    References
    ----------
    P. H. Westfall, S. S. Young (1993), Resampling-based multiple testing, Wiley.
    """
    X = np.vstack([source, target])
    places = places_along_axes(X - X.mean(axis=0))
    if places.shape[1] == 0:
        return 1.0
    sums = places.T @ memberships(len(source), len(X), N_PERMUTATIONS, rng)  # centred: the target's are their negatives
    return permutation_p_value(np.abs(sums).max(axis=0), 1e-9)


def places_along_axes(X: Array) -> Array:
    """The places of centred rows along their first principal axes, with variance 1 along each.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)

    Returns
    -------
    ndarray of shape (n_samples, n_axes)
        No axis where no row varies.
    """
    values, vectors = np.linalg.eigh(X.T @ X / len(X))
    values, vectors = values[::-1], vectors[:, ::-1]
    if values[0] <= 1e-12:
        return np.empty((len(X), 0))
    n_axes = 1 + int(np.searchsorted(np.cumsum(values) / values.sum(), HELD))
    return X @ vectors[:, :n_axes] / np.sqrt(np.maximum(values[:n_axes], 1e-12))
