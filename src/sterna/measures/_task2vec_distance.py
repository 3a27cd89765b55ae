"""task2vec_distance: how far two tasks are apart by their embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np

from sterna.domains._stack import Array
from sterna.measures._facts import measure_facts
from sterna.measures._parameters import check_number


@measure_facts(
    direction="larger is farther",
    bounds=(-1.0, 1.0),
    symmetric=True,
    needs_labels=True,
    takes="embeddings",
    reference="Achille, Lam, Tewari, Ravichandran, Maji, Fowlkes, Soatto and Perona 2019",
)
def task2vec_distance(first: Any, second: Any, *, trivial: Any = None, alpha: float = 0.15) -> float:
    """Normalised cosine distance of two embeddings by `task2vec`.

    0: the same proportions in all filters; 1: no filter in common. When to use it: to find the source task nearest to a new
    one. What it cannot tell: how much transfer from it helps. Values by different networks do not compare.

    Parameters
    ----------
    first : array-like of shape (n_filters,)
        With `trivial`, the task to transfer from.
    second : array-like of shape (n_filters,)
    trivial : array-like of shape (n_filters,), default=None
        The embedding of a task from which nothing is learned. Gives the asymmetric distance, from -alpha to 1, which prefers complex
        tasks to transfer from.
    alpha : float, default=0.15
        The weight of the distance to `trivial`, from 0 to 1; 0.15 is the paper's for a ResNet-34.

    Returns
    -------
    float

    Notes
    -----
    d(a, b) = 1 - cos(a / (a + b), b / (a + b)), entry by entry, so that filters count alike whatever the size of their
    Fisher information; asymmetric: d(a, b) - alpha d(a, trivial) (section 3 of the paper). Entries that are 0 in both are left out; an
    embedding of zeros alone is at distance 1 from others, 0 from another such. The paper's trivial embedding comes from the
    prior of its variational estimate, which `task2vec` does not have: give one of your own. Cost O(n_filters).

    References
    ----------
    A. Achille, M. Lam, R. Tewari, A. Ravichandran, S. Maji, C. Fowlkes, S. Soatto, P. Perona (2019), Task2Vec: task embedding for
    meta-learning, ICCV.

    Examples
    --------
    >>> from sterna.measures import task2vec_distance
    >>> round(task2vec_distance([1.0, 2.0, 0.0], [1.0, 2.0, 0.0]), 6), round(task2vec_distance([1.0, 0.0], [0.0, 3.0]), 6)
    (0.0, 1.0)
    """
    check_number("alpha", alpha, 0, 1, "both", "give a number from 0 to 1, 0.15 as a rule")
    first = _embedding("first", first)
    distance = _cosine_distance(first, _embedding("second", second, first))
    return distance if trivial is None else distance - alpha * _cosine_distance(first, _embedding("trivial", trivial, first))


def _cosine_distance(first: Array, second: Array) -> float:
    used = first + second > 0
    if not used.any():
        return 0.0
    a, b = (part[used] / (first + second)[used] for part in (first, second))
    norms = np.linalg.norm(a) * np.linalg.norm(b)
    return float(np.clip(1 - a @ b / norms, 0.0, 1.0)) if norms else 1.0


def _embedding(name: str, values: Any, like: Array | None = None) -> Array:
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"task2vec_distance: {name} holds values that are no numbers ({error})") from error
    if found.ndim != 1 or not len(found):
        raise ValueError(f"task2vec_distance: {name} has the shape {found.shape}; give an embedding by task2vec, (n_filters,)")
    if not np.all(np.isfinite(found) & (found >= 0)):
        raise ValueError(f"task2vec_distance: {name} holds NaN, infinite or negative values; give an embedding by task2vec")
    if like is not None and len(found) != len(like):
        raise ValueError(
            f"task2vec_distance: first has {len(like)} filters but {name} has {len(found)}; embed both by the same network"
        )
    return found
