"""The units in which differences of coefficients are measured."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.sparsefuncs import mean_variance_axis

from sterna.domains._stack import Array


def moments(X: Any) -> tuple[Array, Array]:
    """Mean and variance of each column in float64, dense or sparse (csr); two of shape (n_features,)."""
    if hasattr(X, "tocsr"):
        mean, variance = mean_variance_axis(X.astype(np.float64), axis=0)
        return mean, variance
    return X.mean(axis=0, dtype=np.float64), X.var(axis=0, dtype=np.float64)


def common_scale(*domains: Any) -> Array:
    """The root of the mean within-domain variance, 1 for columns constant in every domain, shape (n_features,)."""
    means, variances = zip(*[moments(X) for X in domains if X.shape[0]], strict=True)
    variance = np.mean(variances, axis=0)
    constant = variance <= (1e-10 * np.abs(means).max(axis=0)) ** 2  # rounding only
    return np.where(constant, 1.0, np.sqrt(np.where(constant, 1.0, variance)))
