"""mcc: how much the predictions confuse classes with one another."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import entr

from sterna.domains._stack import Array
from sterna.measures._parameters import check_positive
from sterna.measures._threads import single_threaded
from sterna.select._checks import check_proba
from sterna.select._facts import scorer_facts


@scorer_facts(
    tasks=("classification",),
    bounds=(-1.0, 0.0),
    reference="Jin, Wang, Long and Wang 2020",
    fooled_by_collapse=False,
)
@single_threaded
def mcc(proba_target: Any, *, temperature: float = 2.5) -> float:
    """Negative minimum class confusion: the share of each class's probability that goes to other classes in the same rows.

    0: no row is shared by two classes; a model that predicts one class everywhere gets -(n_classes - 1) / n_classes. When to use it:
    to see which model separates the classes best; the classes need not be even. When it misleads: a class without any
    probability counts as wholly confused, so a target that lacks classes lowers the value.

    Parameters
    ----------
    proba_target : array-like of shape (n_target, n_classes)
        Predicted probabilities of target rows.
    temperature : float, default=2.5
        Above 1 it flattens probabilities that are too sure; the paper's default.

    Returns
    -------
    float
        The loss, negated, so that larger is better.

    Notes
    -----
    The paper's loss with the whole target as one batch: Y = softmax(logits / temperature), that is p^(1 / temperature)
    made to sum to 1; rows weigh 1 + exp(-entropy); C = Y' W Y with rows made to sum to 1; the mean over classes of what lies off
    the diagonal. A class without probability, where C would be 0 / 0, counts 1: the limit for a class whose probability
    vanishes in all rows alike. Cost O(n n_classes^2) in time, O(n n_classes) in memory.

    References
    ----------
    Y. Jin, X. Wang, M. Long, J. Wang (2020), Minimum class confusion for versatile domain adaptation, ECCV.

    Examples
    --------
    >>> from sterna.select import mcc
    >>> mcc([[1.0, 0.0], [0.0, 1.0]]), mcc([[0.5, 0.5], [0.5, 0.5]])
    (0.0, -0.5)
    """
    check_positive("temperature", temperature)
    proba = check_proba("proba_target", proba_target)
    flat = (proba / proba.max(axis=1, keepdims=True)) ** (1 / temperature)
    flat /= flat.sum(axis=1, keepdims=True)
    certainty = 1 + np.exp(-entr(flat).sum(axis=1))
    return min(0.0, _agreement(flat.T @ (certainty[:, None] * flat)) - 1)


def _agreement(correlation: Array) -> float:
    """The mean share of the diagonal in its row; a row of zeros has none."""
    totals = correlation.sum(axis=1)
    return float(np.mean(np.diag(correlation) / np.where(totals > 0, totals, 1.0)))
