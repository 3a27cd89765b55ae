"""dev and devn: the weighted loss of held-out source rows, with less variance by a control variate."""

from __future__ import annotations

from typing import Any

import numpy as np

from sterna.domains._stack import Array
from sterna.select._checks import check_losses
from sterna.select._facts import scorer_facts

#: Weights that vary less than this, as a share of their mean, are all equal.
_EQUAL = 1e-9


@scorer_facts(
    tasks=("classification", "regression"),
    bounds=(float("-inf"), float("inf")),
    reference="You, Wang, Long and Jordan 2019",
    fooled_by_collapse=True,
)
def dev(losses_source: Any, weights: Any) -> float:
    """Deep embedded validation: negative weighted loss of held-out source rows, corrected by what the weights sum to.

    When to use it: as `importance_weighted_validation`, with raw density ratios whose mean is 1 in expectation and not by division;
    with weights divided by their mean there is nothing to correct, and both give the same. When it misleads: as that score, and
    where weights are cut or far from mean 1, which it takes for chance.

    Parameters
    ----------
    losses_source : array-like of shape (n_held,)
        The loss of each held-out source row: 0 or 1, log loss or squared error.
    weights : array-like of shape (n_held,)
        Density ratios target / source, not divided by their mean: `importance_weights(..., normalized=False)`. The paper takes them
        from a domain classifier on the features of the model.

    Returns
    -------
    float
        The risk, negated, so that larger is better; the risk may come out below 0.

    Notes
    -----
    Algorithm 1 of the paper: risk = mean(w l) + eta (mean(w) - 1) with eta = -Cov(w l, w) / Var(w). Where the weights do not vary
    eta is 0, as it is for one row. The risk is the value at w = 1 of the least-squares line of w l over w. Cost O(n_held).

    References
    ----------
    K. You, X. Wang, M. Long, M. I. Jordan (2019), Towards accurate model selection in deep unsupervised domain adaptation, ICML.

    Examples
    --------
    >>> from sterna.select import dev
    >>> dev([0.5, 0.5, 0.5], [0.2, 1.0, 3.0])  # a constant loss has no variance left
    -0.5
    """
    return 0.0 - _risk(*check_losses(losses_source, weights))


@scorer_facts(
    tasks=("classification", "regression"),
    bounds=(float("-inf"), 0.0),
    reference="Musgrave, Belongie and Lim 2022",
    fooled_by_collapse=True,
)
def devn(losses_source: Any, weights: Any) -> float:
    """`dev` with normalised weights: held-out source rows count between 0 and 2 each, so that no row decides.

    When to use it: as `importance_weighted_validation`, where a few of the density ratios are large. When it misleads: it leans to the
    loss on the source; with one huge weight it is nearly that, whatever the target is like.

    Parameters
    ----------
    losses_source : array-like of shape (n_held,)
        The loss of each held-out source row: 0 or 1, log loss or squared error.
    weights : array-like of shape (n_held,)
        Density ratios target / source, of any scale.

    Returns
    -------
    float
        The risk, negated, so that larger is better.

    Notes
    -----
    mean(v l) with v = 1 + (w - mean(w)) / max(w), that is mean(l) + Cov(w, l) / max(w), where importance weighting has mean(w) in
    place of max(w). The authors' code has two forms, weights divided by the largest or standardised, both then moved to mean 1, so
    that `dev` has nothing to correct; this is the first. Cost O(n_held).

    References
    ----------
    K. Musgrave, S. Belongie, S.-N. Lim (2022), Three new validators and a large-scale benchmark ranking for unsupervised domain
    adaptation, arXiv:2208.07360.

    Examples
    --------
    >>> from sterna.select import devn
    >>> devn([0.5, 0.5, 0.5], [0.2, 1.0, 3.0])
    -0.5
    """
    losses, checked = check_losses(losses_source, weights)
    shares = checked / checked.max()
    return 0.0 - float(np.mean((1 + shares - shares.mean()) * losses))


def _risk(losses: Array, weights: Array) -> float:
    shares = weights / weights.max()  # eta does not depend on the scale; squares of weights may overflow
    spread = shares - shares.mean()
    weighted = float(np.mean(weights * losses))
    if np.abs(spread).max() <= _EQUAL * shares.mean():
        return weighted
    eta = -float((shares * losses * spread).sum() / (spread**2).sum())
    return weighted + eta * (float(weights.mean()) - 1)
