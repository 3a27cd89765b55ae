"""cka: centred kernel alignment of two representations."""

from __future__ import annotations

from typing import Any

import numpy as np

from sterna.domains._stack import Array
from sterna.measures._facts import measure_facts
from sterna.measures._representation import check_representations

_ROUNDING = 1e-10  # an alignment of a representation with itself that is smaller, relative to its size, is none


@measure_facts(
    direction="larger is more alike",
    bounds=(-1.0, 1.0),
    symmetric=True,
    needs_labels=False,
    takes="representations",
    reference="Kornblith, Norouzi, Lee and Hinton 2019",
)
def cka(first: Any, second: Any, *, unbiased: bool = True) -> float:
    """Linear centred kernel alignment: how alike two layers, or one layer before and after transfer, see the same rows.

    When to use it: to find the layers that transfer changed, between networks of any widths. When it cannot tell: rotations and
    common scales, which it ignores by design; a few rows far out can rule it.

    Parameters
    ----------
    first, second : array-like of shape (n_samples, ...)
        Outputs for the same rows; further axes are flattened.
    unbiased : bool, default=True
        Whether products of a row with itself are left out. The biased form grows towards 1 where features outnumber rows.

    Returns
    -------
    float
        1: alike but for a rotation and a scale; about 0 (or a little less, unbiased): not alike; NaN where it is not defined: a
        representation with no difference between rows.

    Notes
    -----
    <K, L> / sqrt(<K, K> <L, L>) of the centred Gram matrices K and L; unbiased by U-centring (Song et al. 2012). Products of Gram
    matrices are taken from the features' cross-covariances where features are fewer than rows: time
    O(n d_1 d_2) or O(n^2 (d_1 + d_2)), in float64 throughout.

    References
    ----------
    S. Kornblith, M. Norouzi, H. Lee, G. Hinton (2019), Similarity of neural network representations revisited, ICML. L. Song, A.
    Smola, A. Gretton, J. Bedo, K. Borgwardt (2012), Feature selection via dependence maximization, JMLR 13.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.measures import cka
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 5))
    >>> round(cka(X, 3 * X[:, ::-1]), 6)
    1.0
    >>> abs(cka(X, rng.normal(size=(200, 50)))) < 0.1
    True
    """
    X, Y = check_representations("cka", first, second)
    product = _unbiased_product if unbiased else _product
    own = product(X, X), product(Y, Y)
    sizes = [np.sum(np.einsum("nd,nd->n", A, A)) ** 2 for A in (X, Y)]
    if any(value <= _ROUNDING * size for value, size in zip(own, sizes, strict=True)):
        return float("nan")
    return float(np.clip(product(X, Y) / np.sqrt(own[0] * own[1]), -1, 1))


def _product(X: Array, Y: Array) -> float:
    """<XX', YY'> of centred rows."""
    if X.shape[1] * Y.shape[1] <= len(X) ** 2:
        return float(np.sum((X.T @ Y) ** 2))
    return float(np.sum((X @ X.T) * (Y @ Y.T)))


def _unbiased_product(X: Array, Y: Array) -> float:
    """<K, L> of U-centred Gram matrices, times n (n - 3): the diagonals are left out (Song et al., equation 5)."""
    n = len(X)
    squares_x, squares_y = np.einsum("nd,nd->n", X, X), np.einsum("nd,nd->n", Y, Y)
    # rows are centred: the sums of K over a row are 0, and without the diagonal -K_ii
    inner = _product(X, Y) - squares_x @ squares_y
    ends = squares_x.sum() * squares_y.sum() / ((n - 1) * (n - 2))
    return float(inner + ends - 2 / (n - 2) * (squares_x @ squares_y))
