"""average_confidence and doc: target accuracy predicted from how sure the model is."""

from __future__ import annotations

from typing import Any

import numpy as np

from sterna.select._checks import check_proba, check_source
from sterna.select._facts import scorer_facts


@scorer_facts(
    tasks=("classification",),
    bounds=(0.0, 1.0),
    reference="Hendrycks and Gimpel 2017",
    fooled_by_collapse=True,
)
def average_confidence(proba_target: Any) -> float:
    """Mean of the largest probability of each target row.

    An estimate of the accuracy on the target of a model that is calibrated there. When to use it: as the plain score that `atc` and
    `doc` have to beat. When it misleads: hardly any model is calibrated on a target it was not trained on, and a collapsed one
    gets 1; use it with `guard`.

    Parameters
    ----------
    proba_target : array-like of shape (n_target, n_classes)
        Predicted probabilities of target rows.

    Returns
    -------
    float
        Predicted accuracy; larger is better.

    Notes
    -----
    (1/n) sum_i max_k p_ik. Cost O(n_target n_classes).

    References
    ----------
    D. Hendrycks, K. Gimpel (2017), A baseline for detecting misclassified and out-of-distribution examples in neural networks, ICLR.

    Examples
    --------
    >>> from sterna.select import average_confidence
    >>> average_confidence([[0.5, 0.5], [1.0, 0.0]])
    0.75
    """
    return float(check_proba("proba_target", proba_target).max(axis=1).mean())


@scorer_facts(
    tasks=("classification",),
    bounds=(-1.0, 2.0),
    reference="Guillory, Shankar, Ebrahimi, Darrell and Schmidt 2021",
    fooled_by_collapse=True,
)
def doc(proba_target: Any, proba_source: Any, y_source: Any, classes: Any) -> float:
    """Difference of confidences: source accuracy, less what the mean confidence falls by on the target.

    An estimate of the accuracy on the target. When to use it: where a model is over- or underconfident by the same amount in both
    domains. When it misleads: as `average_confidence`; a model that is certain of one class on the target gets the best value.

    Parameters
    ----------
    proba_target : array-like of shape (n_target, n_classes)
        Predicted probabilities of target rows.
    proba_source : array-like of shape (n_held, n_classes)
        Predicted probabilities of held-out source rows.
    y_source : array-like of shape (n_held,)
        Their labels.
    classes : array-like of shape (n_classes,)
        The labels of the columns.

    Returns
    -------
    float
        Predicted accuracy; larger is better. It is not cut to [0, 1], so that models stay in order.

    Notes
    -----
    accuracy_S - (mean max p_S - mean max p_T). Departure: the paper fits a regression of the fall in accuracy on this difference
    over many shifted sets; here, with one target, its slope is 1. Cost O(n n_classes).

    References
    ----------
    D. Guillory, V. Shankar, S. Ebrahimi, T. Darrell, L. Schmidt (2021), Predicting with confidence on unseen distributions, ICCV.

    Examples
    --------
    >>> from sterna.select import doc
    >>> round(doc([[0.7, 0.3]], [[0.9, 0.1], [0.1, 0.9]], ["no", "yes"], ["no", "yes"]), 3)
    0.8
    """
    target = check_proba("proba_target", proba_target)
    source, codes = check_source(proba_source, y_source, classes, target)
    accuracy = float(np.mean(source.argmax(axis=1) == codes))
    return accuracy - float(source.max(axis=1).mean()) + float(target.max(axis=1).mean())
