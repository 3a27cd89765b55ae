"""mixval: whether predictions hold between target rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from sterna.domains._stack import Array
from sterna.measures._checks import sample_rows
from sterna.measures._parameters import check_count, check_number
from sterna.select._checks import check_features, check_proba
from sterna.select._facts import scorer_facts


@scorer_facts(
    tasks=("classification",),
    bounds=(0.0, 1.0),
    reference="Hu, Liang, Liew, Xue, Bai and Wang 2023",
    fooled_by_collapse=False,
)
def mixval(
    features_target: Any,
    predict_proba: Callable[[Any], Any],
    *,
    share: float = 0.55,
    n_rounds: int = 3,
    max_rows: int = 5000,
    random_state: Any = None,
) -> float:
    """Share of mixtures of two target rows that get the class predicted for the row with the larger share.

    1: predictions hold between rows of one predicted class, and change half way between rows of two. When to use it: where a
    mixture of two rows is a plausible row (numbers, features of a network); it sees boundaries that cut through groups. When it
    misleads: for columns that are codes of categories, and for a model whose boundaries lie in gaps but name the groups wrongly.

    Parameters
    ----------
    features_target : array-like or sparse matrix of shape (n_target, d)
        Rows that `predict_proba` takes.
    predict_proba : callable
        Takes rows such as features_target and gives probabilities of shape (n_rows, n_classes).
    share : float, default=0.55
        Of the first row in a mixture, above 0.5; the paper's default.
    n_rounds : int, default=3
        The partners that each row is mixed with.
    max_rows : int, default=5000
        The target rows that are used at most, drawn at random.
    random_state : int, RandomState or None, default=None
        Draws rows and partners.

    Returns
    -------
    float
        Larger is better. A model that predicts one class for all rows gets 0.5.

    Notes
    -----
    The mean of two shares: of the pairs with one predicted class, and of those with two, which count 0 where there are none (so that
    a collapsed model does not win); of pairs with one class, likewise, 1. Departures: the authors' code mixes each row with one other
    of its batch and gives both shares apart. Here partners are drawn, never the row itself. Cost: n_rounds + 1 calls of predict_proba.

    References
    ----------
    D. Hu, J. Liang, J. H. Liew, C. Xue, S. Bai, X. Wang (2023), Mixed samples as probes for unsupervised model selection in domain
    adaptation, NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.select import mixval
    >>> rows = np.repeat([[-1.0], [1.0]], 10, axis=0)
    >>> mixval(rows, lambda X: np.hstack([X < 0, X >= 0]), random_state=0)
    1.0
    """
    check_number("share", share, 0.5, 1, "neither", "give a number above 0.5 and below 1")
    check_count("n_rounds", n_rounds, 1)
    check_count("max_rows", max_rows, 2)
    if not callable(predict_proba):
        raise TypeError(f"predict_proba is a {type(predict_proba).__name__}; give a callable, for instance model.predict_proba")
    rng = check_random_state(random_state)
    X = check_features(features_target)
    X = X[sample_rows(X.shape[0], max_rows, rng)]
    predicted = _predicted(predict_proba, X)
    alike, kept = [], []
    for _ in range(n_rounds):
        partner = _partners(len(predicted), rng)
        mixed = _predicted(predict_proba, share * X + (1 - share) * X[partner])
        alike += [predicted == predicted[partner]]
        kept += [predicted == mixed]
    within = np.concatenate(alike)
    holds = np.concatenate(kept)
    return (_mean_or(holds[within], 1.0) + _mean_or(holds[~within], 0.0)) / 2


def _predicted(predict_proba: Callable[[Any], Any], X: Any) -> Array:
    proba = check_proba("what predict_proba gives", predict_proba(X))
    if len(proba) != X.shape[0]:
        raise ValueError(f"predict_proba gives {len(proba)} rows for {X.shape[0]}; give a callable that gives a row for each")
    return proba.argmax(axis=1)


def _partners(n: int, rng: Any) -> Array:
    """Another row for each row, each row once: the next one in a random circle."""
    circle = rng.permutation(n)
    partner = np.empty(n, dtype=np.intp)
    partner[circle] = np.roll(circle, 1)
    return partner


def _mean_or(values: Array, otherwise: float) -> float:
    return float(values.mean()) if len(values) else otherwise
