"""Powers of distances between rows, the costs of transport."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances

from sterna.domains._stack import Array
from sterna.measures._parameters import check_number


def powered_distances(X: Any, Y: Any, p: float) -> Array:
    """||x - y||^p of all pairs of rows, dense or sparse, shape (len(X), len(Y))."""
    squared: Array = euclidean_distances(X, Y, squared=True)
    return squared if p == 2 else squared ** (p / 2)


def transport_work(cost: Array, n_pivots: int, caller: str = "") -> float:
    """The least mean cost of transport between rows of equal mass, by a simplex of at most `n_pivots` steps."""
    import ot  # here, since it imports every array library that is installed

    unit = float(cost.max()) or 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the log tells it too
        work, log = ot.emd2(ot.unif(len(cost)), ot.unif(cost.shape[1]), cost / unit, numItermax=n_pivots, log=True)
    if log["warning"] is not None:
        raise RuntimeError(f"{caller}no best transport plan was found ({log['warning']}); lower max_rows")
    return unit * max(float(work), 0.0)


def check_power(p: Any, most: float) -> None:
    """The power of a distance, from 1 to `most`."""
    free = most == np.inf
    allowed = "of 1 or more" if free else f"from 1 to {most}"
    check_number("p", p, 1, None if free else most, "left" if free else "both", f"give a number {allowed}, 2 as a rule")
