"""frechet_distance: between the Gaussians fitted to two samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from scipy.linalg import qr, svdvals

from sterna.domains._stack import Array
from sterna.measures._centred import centred, row_products
from sterna.measures._facts import measure_facts
from sterna.measures._pairs import centred_pair, drawn_pair
from sterna.measures._threads import single_threaded


@measure_facts(
    direction="larger is farther",
    bounds=(0.0, np.inf),
    symmetric=True,
    needs_labels=False,
    takes="features",
    reference="Dowson and Landau 1982",
)
@single_threaded
def frechet_distance(X_source: Any, X_target: Any, *, max_rows: int = 3000, random_state: Any = None) -> float:
    """Squared Fréchet distance between Gaussians with the means and covariances of the two samples.

    When to use it: on the features of a network, where means and covariances say most; for images it is known as FID. What it
    cannot see: anything beyond second moments. What misleads: few rows. Their noise makes any two samples look far, so compare
    values only between samples of one size. Standardise the columns first: a column on a large scale hides the others.

    Parameters
    ----------
    X_source : array-like or sparse matrix of shape (n_source, n_features)
    X_target : array-like or sparse matrix of shape (n_target, n_features)
    max_rows : int, default=3000
        The rows of each domain that are used at most, drawn at random.
    random_state : int, RandomState or None, default=None
        Draws rows.

    Returns
    -------
    float

    Notes
    -----
    ||m_s - m_t||^2 + tr(C_s + C_t - 2 (C_s C_t)^(1/2)), as in Dowson and Landau and equation 6 of Heusel et al., squared as
    there; covariances have the divisor n - 1. It is the squared Wasserstein distance between the two Gaussians. With C = F^T F
    the trace of the root is the sum of the singular values of F_s F_t^T, where F is the centred rows, or their triangular QR
    factor where rows are more than columns: so no root is taken of a singular or non-symmetric matrix, none is shifted by a
    small multiple of the identity, and fewer rows than columns need no matrix of columns by columns. Cost O(n d min(n, d) +
    min(n, d)^3): about ten seconds for 3000 rows each of 4000 columns.

    References
    ----------
    D. C. Dowson, B. V. Landau (1982), The Fréchet distance between multivariate normal distributions, Journal of
    Multivariate Analysis 12.
    M. Heusel, H. Ramsauer, T. Unterthiner, B. Nessler, S. Hochreiter (2017), GANs trained by a two time-scale update rule
    converge to a local Nash equilibrium, NIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.measures import frechet_distance
    >>> rng = np.random.default_rng(0)
    >>> source = rng.normal(size=(500, 2))
    >>> round(frechet_distance(source, source + [3, 4]), 6)
    25.0
    """
    source, target, _ = drawn_pair(X_source, X_target, max_rows, random_state)
    if sparse.issparse(source) and source.shape[1] <= max(source.shape[0], target.shape[0]):
        source, target = source.toarray(), target.toarray()
    source, target = centred_pair(source, target)
    gap = np.asarray(source.mean(axis=0) - target.mean(axis=0)).ravel()
    pair = centred(source), centred(target)
    spread = sum(_trace(part) for part in pair)
    return float(gap @ gap + max(0.0, spread - 2 * svdvals(_products_of_factors(*pair)).sum()))


def _trace(part: tuple[Any, Array]) -> float:
    """Of the covariance."""
    X, mean = part
    values = X.data if sparse.issparse(X) else X
    return float((np.sum(values**2) - X.shape[0] * mean @ mean) / (X.shape[0] - 1))


def _products_of_factors(source: tuple[Any, Array], target: tuple[Any, Array]) -> Array:
    """F_s F_t^T, of at most min(n, d) rows and columns each."""
    if sparse.issparse(source[0]):
        n_source, n_target = source[0].shape[0], target[0].shape[0]
        return np.vstack(list(row_products(source, target))) / np.sqrt((n_source - 1) * (n_target - 1))
    factors = []
    for X, _ in (source, target):
        n, d = X.shape
        factors.append((qr(X, mode="r")[0][:d] if n > d else X) / np.sqrt(n - 1))
    return factors[0] @ factors[1].T
