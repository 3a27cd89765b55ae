"""energy_distance: mean distances across the domains against mean distances within them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils import gen_batches

from sterna.domains._stack import Array, vstack
from sterna.measures._facts import measure_facts
from sterna.measures._pairs import centred_pair, drawn_pair
from sterna.measures._parameters import check_count
from sterna.measures._permutations import memberships, permutation_p_value
from sterna.measures._threads import single_threaded

_BLOCK_ENTRIES = 2_000_000  # distances at a time: 16 MB


@dataclass(frozen=True)
class EnergyDistance:
    """The distance, `value`; the same as a share of its largest value, `coefficient`; the p-value, None if not asked for."""

    value: float
    coefficient: float
    p_value: float | None

    def __float__(self) -> float:
        return self.value


@measure_facts(
    direction="larger is farther",
    bounds=(0.0, np.inf),
    symmetric=True,
    needs_labels=False,
    takes="features",
    reference="Székely and Rizzo 2013",
)
@single_threaded
def energy_distance(
    X_source: Any, X_target: Any, *, n_permutations: int = 500, max_rows: int = 1000, random_state: Any = None
) -> EnergyDistance:
    """Energy distance 2 E|x - y| - E|x - x'| - E|y - y'| of two samples, with a permutation p-value.

    0 only where both samples are the same. When to use it: as a test that has no bandwidth to choose, on few rows above all.
    When it cannot see: a difference in few of many columns, and differences of dependence, which it sees far less than
    differences of means. Standardise the columns first: a column on a large scale hides the others.

    Parameters
    ----------
    X_source : array-like or sparse matrix of shape (n_source, n_features)
    X_target : array-like or sparse matrix of shape (n_target, n_features)
    n_permutations : int, default=500
        0 leaves the p-value out.
    max_rows : int, default=1000
        The rows of each domain that are used at most, drawn at random.
    random_state : int, RandomState or None, default=None
        Draws rows and permutations.

    Returns
    -------
    EnergyDistance

    Notes
    -----
    The two-sample statistic of the paper without its factor n_source n_target / (n_source + n_target), and not its root: so the
    value is in the units of the columns. Its root is a metric, in one dimension `scipy.stats.energy_distance`. Expectations are
    means over all pairs, a row with itself among them, so that the value is never negative, but is larger by about (1 /
    n_source + 1 / n_target) E|x - x'|: compare it between samples of one size, or read the p-value. `coefficient` is the value
    over 2 E|x - y|, from 0 to 1, whatever the units. The p-value (1 + #{permuted >= observed}) / (1 + n_permutations) is exact.
    With n the rows of both domains the cost is O(n^2 (d + n_permutations)); memory is 16 MB and two arrays of n (n_permutations
    + 1) numbers.

    References
    ----------
    G. J. Székely, M. L. Rizzo (2013), Energy statistics: a class of statistics based on distances, Journal of Statistical
    Planning and Inference 143.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.measures import energy_distance
    >>> rng = np.random.default_rng(0)
    >>> energy_distance(rng.normal(size=(100, 2)), rng.normal(size=(100, 2)) + 1, random_state=0).p_value < 0.01
    True
    """
    check_count("n_permutations", n_permutations, 0)
    source, target, rng = drawn_pair(X_source, X_target, max_rows, random_state)
    n_source, n = source.shape[0], source.shape[0] + target.shape[0]
    in_source = memberships(n_source, n, n_permutations, rng)
    within, across, within_target = _pair_sums(vstack(centred_pair(source, target)), in_source)
    n_target = n - n_source
    twice_across = 2 * across / (n_source * n_target)
    values = np.maximum(twice_across - within / n_source**2 - within_target / n_target**2, 0.0)
    p_value = permutation_p_value(values, 1e-12 * twice_across[0]) if n_permutations else None
    coefficient = float(values[0] / twice_across[0]) if twice_across[0] else 0.0
    return EnergyDistance(float(values[0]), coefficient, p_value)


def _pair_sums(X: Any, in_source: Array) -> tuple[Array, Array, Array]:
    """Sums of the distances over pairs within the source, across, and within the target, each of shape (n_columns,)."""
    within, across, within_target = np.zeros((3, in_source.shape[1]))
    for rows in gen_batches(X.shape[0], max(1, _BLOCK_ENTRIES // X.shape[0])):
        distances = euclidean_distances(X[rows], X)  # (n_block, n)
        distances[np.arange(len(distances)), np.arange(rows.start, rows.stop)] = 0.0
        to_source = distances @ in_source  # (n_block, n_columns)
        to_target = distances.sum(axis=1)[:, None] - to_source
        within += np.einsum("ib,ib->b", in_source[rows], to_source)
        across += np.einsum("ib,ib->b", in_source[rows], to_target)
        within_target += np.einsum("ib,ib->b", 1 - in_source[rows], to_target)
    return within, across, within_target
