"""importance_weighted_validation: the weighted loss of held-out source rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from sterna.select._checks import check_losses
from sterna.select._facts import scorer_facts


@scorer_facts(
    tasks=("classification", "regression"),
    bounds=(float("-inf"), 0.0),
    reference="Sugiyama, Krauledat and Müller 2007",
    fooled_by_collapse=True,
)
def importance_weighted_validation(losses_source: Any, weights: Any) -> float:
    """Negative mean loss of held-out source rows, weighted to look like the target.

    When to use it: where P(y | x) is the same in both domains and the source covers the target; it is then an estimate of the loss
    on the target, for regression too. When it misleads: where weights rest on few rows (see `guard` and
    `effective_sample_size`), where P(y | x) differs, and for a strategy that treats source rows unlike target rows: it sees no
    prediction on the target, so that a model which collapsed there alone goes unnoticed.

    Parameters
    ----------
    losses_source : array-like of shape (n_held,)
        The loss of each held-out source row: 0 or 1, log loss or squared error.
    weights : array-like of shape (n_held,)
        Density ratios target / source, for instance by `importance_weights`, of any scale.

    Returns
    -------
    float
        The weighted loss, negated, so that larger is better.

    Notes
    -----
    -sum_i w_i l_i / sum_i w_i. Departure: the paper divides by n, which needs ratios of mean 1; ratios that are estimated or cut are
    of another mean, and divided by their sum the value does not depend on it, at a bias of order 1/n. Cost O(n_held).

    References
    ----------
    M. Sugiyama, M. Krauledat, K.-R. Müller (2007), Covariate shift adaptation by importance weighted cross validation, JMLR 8.

    Examples
    --------
    >>> from sterna.select import importance_weighted_validation
    >>> importance_weighted_validation([0, 1, 1, 0], [3.0, 1.0, 0.0, 0.0])
    -0.25
    """
    losses, weights = check_losses(losses_source, weights)
    return 0.0 - float(np.average(losses, weights=weights / weights.max()))
