"""Checking two representations of the same rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from sterna.domains._stack import Array


def check_representations(measure: str, first: Any, second: Any) -> tuple[Array, Array]:
    """Both as centred float64 arrays of the same rows; more than two axes are flattened to rows and features.

    Parameters
    ----------
    measure : str
        Its name, for messages.
    first, second : array-like of shape (n_samples, ...)

    Returns
    -------
    first, second : ndarray of shape (n_samples, n_features)
    """
    found = []
    for name, given in (("first", first), ("second", second)):
        try:
            X = np.asarray(given.toarray() if sparse.issparse(given) else given, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{measure}: {name} holds values that are no numbers ({error}); give the outputs of layers"
            ) from error
        if X.ndim < 2:
            raise ValueError(f"{measure}: {name} has the shape {X.shape}; give (n_samples, n_features)")
        X = X.reshape(len(X), -1)
        if not np.isfinite(X).all():
            raise ValueError(f"{measure}: {name} holds NaN or infinite values; leave such rows out")
        found.append(np.where(np.ptp(X, axis=0) > 0, X - X.mean(axis=0), 0.0) if len(X) else X)  # no rounding of equal values
    if len(found[0]) != len(found[1]):
        raise ValueError(f"{measure}: first has {len(found[0])} rows, second {len(found[1])}; give both for the same rows")
    if len(found[0]) < 4:
        raise ValueError(f"{measure}: there are {len(found[0])} rows; give four or more")
    return found[0], found[1]
