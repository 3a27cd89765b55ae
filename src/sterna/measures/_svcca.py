"""svcca: singular vector canonical correlation analysis of two representations."""

from __future__ import annotations

from typing import Any

import numpy as np

from sterna.domains._stack import Array
from sterna.measures._facts import measure_facts
from sterna.measures._parameters import check_number
from sterna.measures._representation import check_representations


@measure_facts(
    direction="larger is more alike",
    bounds=(0.0, 1.0),
    symmetric=True,
    needs_labels=False,
    takes="representations",
    reference="Raghu, Gilmer, Yosinski and Sohl-Dickstein 2017",
)
def svcca(first: Any, second: Any, *, variance_kept: float = 0.99) -> float:
    """Mean canonical correlation of the leading directions of two layers' outputs for the same rows.

    When to use it: where any invertible linear map between layers should count as alike. When it cannot tell: with hardly more
    rows than directions every two layers correlate; give ten rows a direction.

    Parameters
    ----------
    first, second : array-like of shape (n_samples, ...)
        Outputs for the same rows; further axes are flattened.
    variance_kept : float, default=0.99
        By the directions that are kept of each, the paper's value.

    Returns
    -------
    float
        Over the directions of the smaller subspace; NaN where a representation has no difference between rows.

    Notes
    -----
    Singular vectors of the centred outputs, then the singular values of their product. Time O(n d min(n, d)).

    References
    ----------
    M. Raghu, J. Gilmer, J. Yosinski, J. Sohl-Dickstein (2017), SVCCA: singular vector canonical correlation analysis for deep
    learning dynamics and interpretability, NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.measures import svcca
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 5))
    >>> round(svcca(X, X @ rng.normal(size=(5, 5))), 3) > 0.75
    True
    """
    check_number("svcca: variance_kept", variance_kept, 0, 1, "right", "give a share above 0, 1 at most")
    X, Y = check_representations("svcca", first, second)
    left, right = _leading(X, variance_kept), _leading(Y, variance_kept)
    if left is None or right is None:
        return float("nan")
    return float(np.clip(np.linalg.svd(left.T @ right, compute_uv=False), 0, 1).mean())


def _leading(X: Array, variance_kept: float) -> Array | None:
    """Orthonormal directions of the rows' space that hold the share of the variance, (n_samples, k); None where there is none."""
    U, s, _ = np.linalg.svd(X, full_matrices=False)
    if not len(s) or s[0] <= 0:
        return None
    U, s = U[:, s > 1e-10 * s[0]], s[s > 1e-10 * s[0]]
    shares = np.cumsum(s**2) / np.sum(s**2)
    return np.asarray(U[:, : int(np.searchsorted(shares, variance_kept - 1e-12)) + 1])
