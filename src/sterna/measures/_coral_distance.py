"""coral_distance: how far the covariances of two samples are apart."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import gen_batches

from sterna.domains._stack import Array
from sterna.measures._centred import BLOCK_ENTRIES, centred, covariance_rows, row_products
from sterna.measures._facts import measure_facts
from sterna.measures._pairs import centred_pair, drawn_pair
from sterna.measures._threads import single_threaded
from sterna.reweight._kernel import mean_and_variance


@measure_facts(
    direction="larger is farther",
    bounds=(0.0, np.inf),
    symmetric=True,
    needs_labels=False,
    takes="features",
    reference="Sun and Saenko 2016",
)
@single_threaded
def coral_distance(
    X_source: Any, X_target: Any, *, standardize: bool = True, max_rows: int = 5000, random_state: Any = None
) -> float:
    """Squared Frobenius distance of the covariances, ||C_source - C_target||^2 / (4 d^2), d the number of columns.

    When to use it: to see a difference of spread or of correlation, which CORAL can undo. What it cannot see: a difference of
    means, however large, and any difference beyond second moments; it is 0 for a pure shift.

    Parameters
    ----------
    X_source : array-like or sparse matrix of shape (n_source, n_features)
    X_target : array-like or sparse matrix of shape (n_target, n_features)
    standardize : bool, default=True
        Divide each column by the root of its mean variance within the two domains first, the same in both, so that no column
        hides the others. False: the covariances of the columns as they are, as in the paper.
    max_rows : int, default=5000
        The rows of each domain that are used at most, drawn at random.
    random_state : int, RandomState or None, default=None
        Draws rows.

    Returns
    -------
    float

    Notes
    -----
    Equation 1 of the paper; covariances have the divisor n - 1. The divisor 4 d^2 makes values of data with different numbers
    of columns incomparable: where columns do not correlate, the value falls as 1 / d. Sampling alone adds about (tr(C)^2 +
    ||C||^2) (1 / n_source + 1 / n_target) / (4 d^2). Where the rows of both are no more than the columns, the norm is taken
    from products of rows, ||C||^2 = ||X X^T||^2 / (n - 1)^2, otherwise from blocks of rows of C. Cost O(n d min(n, d)); memory
    of a copy of the rows and about 50 MB.

    References
    ----------
    B. Sun, K. Saenko (2016), Deep CORAL: correlation alignment for deep domain adaptation, ECCV workshops.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.measures import coral_distance
    >>> rng = np.random.default_rng(0)
    >>> source = rng.normal(size=(500, 2))
    >>> coral_distance(source, source + 5) < 1e-12
    True
    >>> coral_distance(source, source * [1, 3]) > 0.1
    True
    """
    source, target, _ = drawn_pair(X_source, X_target, max_rows, random_state)
    source, target = centred_pair(source, target)
    if standardize:
        source, target = _on_one_scale(source, target)
    d = source.shape[1]
    pair = centred(source), centred(target)
    squared = _by_columns(*pair) if source.shape[0] + target.shape[0] > d else _by_rows(*pair)
    return float(max(squared, 0.0) / (4 * d**2))


def _on_one_scale(X_source: Any, X_target: Any) -> tuple[Any, Any]:
    """Divide columns by the root of the mean variance within the domains; columns constant within both become 0."""
    (mean_s, var_s), (mean_t, var_t) = mean_and_variance(X_source), mean_and_variance(X_target)
    deviation = np.sqrt((var_s + var_t) / 2)
    constant = deviation <= 10 * np.finfo(np.float64).eps * np.maximum(np.abs(mean_s), np.abs(mean_t))
    factor = np.where(constant, 0.0, 1 / np.where(constant, 1.0, deviation))
    if sparse.issparse(X_source):
        scale = sparse.diags_array(factor)
        return (X_source @ scale).tocsr(), (X_target @ scale).tocsr()
    return X_source * factor, X_target * factor


def _by_columns(source: tuple[Any, Array], target: tuple[Any, Array]) -> float:
    """The squared norm by blocks of the two covariances."""
    if sparse.issparse(source[0]):
        source, target = (source[0].tocsc(), source[1]), (target[0].tocsc(), target[1])
    d = source[0].shape[1]
    blocks = gen_batches(d, max(1, BLOCK_ENTRIES // d))
    return float(sum(np.sum((covariance_rows(source, b) - covariance_rows(target, b)) ** 2) for b in blocks))


def _by_rows(source: tuple[Any, Array], target: tuple[Any, Array]) -> float:
    """The squared norm by products of rows: ||C_s||^2 + ||C_t||^2 - 2 <C_s, C_t>."""

    def inner(A: tuple[Any, Array], B: tuple[Any, Array]) -> float:
        total = sum(np.sum(block**2) for block in row_products(A, B))
        return float(total / ((A[0].shape[0] - 1) * (B[0].shape[0] - 1)))

    return inner(source, source) + inner(target, target) - 2 * inner(source, target)
