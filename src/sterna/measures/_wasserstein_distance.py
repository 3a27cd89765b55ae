"""wasserstein_distance: the least work that carries one sample onto the other."""

from __future__ import annotations

from typing import Any

import numpy as np

from sterna.measures._facts import measure_facts
from sterna.measures._pairs import centred_pair, drawn_pair
from sterna.measures._powers import check_power, powered_distances, transport_work
from sterna.measures._threads import single_threaded

_PIVOTS = 10_000_000  # of the simplex; 3000 rows take some 100000


@measure_facts(
    direction="larger is farther",
    bounds=(0.0, np.inf),
    symmetric=True,
    needs_labels=False,
    takes="features",
    reference="Villani 2009",
)
@single_threaded
def wasserstein_distance(
    X_source: Any, X_target: Any, *, p: float = 2, max_rows: int = 1000, random_state: Any = None
) -> float:
    """Wasserstein distance W_p of two samples, by an exact transport plan.

    When to use it: for few columns, where it reads as how far rows have to move, in the units of the columns. What misleads:
    many columns. Two samples of one distribution then lie far apart, since their distance falls as n^(-1 / d), so compare
    values only between samples of one size; `sinkhorn_divergence` and `sliced_wasserstein_distance` suffer less. Standardise
    the columns first: a column on a large scale hides the others.

    Parameters
    ----------
    X_source : array-like or sparse matrix of shape (n_source, n_features)
    X_target : array-like or sparse matrix of shape (n_target, n_features)
    p : float, default=2
        The cost is ||x - y||^p and the value the p-th root of the least mean cost; 1 or more.
    max_rows : int, default=1000
        The rows of each domain that are used at most, drawn at random.
    random_state : int, RandomState or None, default=None
        Draws rows.

    Returns
    -------
    float

    Notes
    -----
    Definition 6.1 of the book. The value is not normalised; costs are divided by their largest only while the plan is sought,
    by the network simplex of Bonneel et al. in POT. 1000 rows of each domain take 0.2 seconds and 3000 take 3; memory of two
    matrices of n_source x n_target.

    References
    ----------
    C. Villani (2009), Optimal transport, old and new, Springer.
    N. Bonneel, M. van de Panne, S. Paris, W. Heidrich (2011), Displacement interpolation using Lagrangian mass transport,
    ACM Transactions on Graphics 30.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.measures import wasserstein_distance
    >>> rng = np.random.default_rng(0)
    >>> source = rng.normal(size=(100, 2))
    >>> round(wasserstein_distance(source, source + [3, 4]), 6)
    5.0
    """
    check_power(p, np.inf)
    source, target, _ = drawn_pair(X_source, X_target, max_rows, random_state)
    cost = powered_distances(*centred_pair(source, target), p)
    return transport_work(cost, _PIVOTS) ** (1 / p)
