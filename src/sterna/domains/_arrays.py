"""Arrays of another library than numpy (PyTorch's, on a GPU), which scikit-learn's array API dispatch lets pass.

Every function gives for numpy what numpy and scipy give; `xp` is the namespace of the array API standard.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import linalg
from scipy.spatial.distance import pdist
from sklearn.utils import gen_batches
from sklearn.utils._array_api import get_namespace

_ENTRIES = 4_000_000  # differences of rows held at once: 32 MB


def is_foreign(X: Any) -> bool:
    """Say whether `X` is an array of another library than numpy; tables, lists and sparse matrices are not."""
    return hasattr(X, "__dlpack__") and not isinstance(X, np.ndarray | np.generic)


def namespace(X: Any) -> Any:
    """The functions for `X` in the names of the array API standard."""
    return get_namespace(X)[0]


def device_of(X: Any) -> Any:
    """Where new arrays that meet `X` are to be made; None for numpy."""
    return X.device if is_foreign(X) else None


def to_host(values: Any) -> Any:
    """Labels, domains and the like as numpy; what is no tensor stays as it is."""
    return values.detach().cpu().numpy() if is_foreign(values) and hasattr(values, "cpu") else values


def like(values: Any, X: Any) -> Any:
    """A numpy array in the library and on the device of `X`; text, which only numpy holds, stays there."""
    if not is_foreign(X) or values.dtype.kind not in "biuf":
        return values
    # a copy, since tensors do without negative strides and warn of arrays that are read-only
    return namespace(X).asarray(np.array(values), device=X.device)


def same_place(X: Any, Y: Any) -> bool:
    """Say whether two arrays are of one library and on one device; all that is no array counts as numpy's."""
    if not (is_foreign(X) and is_foreign(Y)):
        return is_foreign(X) == is_foreign(Y)
    return type(X) is type(Y) and X.device == Y.device


def in_float64(X: Any) -> Any:
    """Tensors in float64, which numpy's arithmetic comes to by itself; all else as it is."""
    return namespace(X).astype(X, namespace(X).float64, copy=False) if is_foreign(X) else X


def column_means(X: Any) -> Any:
    """The mean of every column, in float64."""
    xp = namespace(X)
    return xp.sum(X, axis=0, dtype=xp.float64) / X.shape[0]


def column_variances(X: Any) -> Any:
    """The variance of every column, in float64."""
    return namespace(X).var(X, axis=0) if is_foreign(X) else X.var(axis=0, dtype=np.float64)


def eigh(A: Any) -> tuple[Any, Any]:
    """Eigenvalues, rising, and eigenvectors of a symmetric matrix."""
    return tuple(namespace(A).linalg.eigh(A)) if is_foreign(A) else linalg.eigh(A)


def largest_eigenvalue(A: Any) -> float:
    """The largest eigenvalue of a symmetric matrix."""
    if is_foreign(A):
        return float(namespace(A).linalg.eigvalsh(A)[-1])
    return float(linalg.eigh(A, eigvals_only=True, subset_by_index=[len(A) - 1] * 2)[0])


def left_singular(A: Any) -> tuple[Any, Any]:
    """Left singular vectors and singular values of a matrix, those of the smaller of its sides."""
    U, values, _ = namespace(A).linalg.svd(A, full_matrices=False) if is_foreign(A) else linalg.svd(A, full_matrices=False)
    return U, values


def median_distance_between(rows: Any) -> float:
    """The median distance between different rows; the median of those that are not 0 where most rows are alike, else 1."""
    distances = _distances(rows) if is_foreign(rows) else pdist(rows)
    median = _median(distances) if len(distances) else 0.0
    # more than half of the pairs are equal rows: take the others
    return median or (_median(distances[distances > 0]) if distances.any() else 1.0)


def _distances(rows: Any) -> Any:
    """As `pdist`, in some order: by differences, so that equal rows have a distance of 0."""
    xp, (n, d) = namespace(rows), rows.shape
    places = xp.arange(n, device=rows.device)
    parts = []
    for block in gen_batches(n, max(1, _ENTRIES // max(1, n * d))):
        squares = xp.sum((rows[block][:, None, :] - rows[None, :, :]) ** 2, axis=2)  # (n_block, n)
        parts.append(squares[places[block][:, None] < places[None, :]])
    return xp.sqrt(xp.concat(parts))


def _median(values: Any) -> float:
    if not is_foreign(values):
        return float(np.median(values))
    ordered, half = namespace(values).sort(values), len(values) // 2
    return float((ordered[half] + ordered[-half - 1]) / 2)
