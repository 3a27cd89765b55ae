"""atc: target accuracy predicted by a threshold of confidence that is learned on the source."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import entr

from sterna.domains._stack import Array
from sterna.select._checks import check_proba, check_source
from sterna.select._facts import scorer_facts


@scorer_facts(
    tasks=("classification",),
    bounds=(0.0, 1.0),
    reference="Garg, Balakrishnan, Lipton, Neyshabur and Sedghi 2022",
    fooled_by_collapse=True,
)
def atc(proba_target: Any, proba_source: Any, y_source: Any, classes: Any, *, confidence: str = "max probability") -> float:
    """Average thresholded confidence: the share of target rows that are surer than a threshold learned on the source.

    An estimate of the accuracy on the target. When to use it: where a model's confidence means the same in both domains; it then
    needs no calibration. When it misleads: a model that became certain on the target without being right, a collapsed one among
    them, gets 1; use it with `guard`.

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
    confidence : {"max probability", "negative entropy"}, default="max probability"

    Returns
    -------
    float
        Predicted accuracy; larger is better.

    Notes
    -----
    As in the paper, the threshold is such that the share of held-out source rows below it is their error. Departure: rows at
    the threshold, of which there are many where a forest votes, count by the share that makes the source come out exactly. Where no
    source row is wrong the threshold is the least confidence among them. Cost O(n log n).

    References
    ----------
    S. Garg, S. Balakrishnan, Z. C. Lipton, B. Neyshabur, H. Sedghi (2022), Leveraging unlabeled data to predict out-of-distribution
    performance, ICLR.

    Examples
    --------
    >>> from sterna.select import atc
    >>> source = [[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.7, 0.3]]
    >>> atc([[0.95, 0.05], [0.55, 0.45]], source, ["no", "yes", "no", "no"], ["no", "yes"])
    0.5
    """
    if confidence not in _CONFIDENCES:
        raise ValueError(f"confidence is {confidence!r}; give one of {', '.join(map(repr, _CONFIDENCES))}")
    target = check_proba("proba_target", proba_target)
    source, codes = check_source(proba_source, y_source, classes, target)
    n_wrong = int(np.sum(source.argmax(axis=1) != codes))
    if n_wrong == len(codes):
        return 0.0
    on_source, on_target = (_CONFIDENCES[confidence](proba) for proba in (source, target))
    threshold = np.partition(on_source, n_wrong)[n_wrong]
    below, up_to = int(np.sum(on_source < threshold)), int(np.sum(on_source <= threshold))
    share = (up_to - n_wrong) / (up_to - below)
    return float(np.mean(on_target > threshold) + share * np.mean(on_target == threshold))


def _max_probability(proba: Array) -> Array:
    return proba.max(axis=1)


def _negative_entropy(proba: Array) -> Array:
    return -entr(np.sort(proba, axis=1)).sum(axis=1)  # sorted: equal rows but for the order of classes get equal sums


_CONFIDENCES = {"max probability": _max_probability, "negative entropy": _negative_entropy}
