"""mano: the norm of the matrix of normalised logits."""

from __future__ import annotations

from typing import Any

import numpy as np

from sterna.domains._stack import Array
from sterna.measures._parameters import check_number
from sterna.select._checks import check_proba
from sterna.select._facts import scorer_facts

#: Probabilities below this count as this.
_SMALLEST = 1e-12


@scorer_facts(
    tasks=("classification",),
    bounds=(0.0, 1.0),
    reference="Xie, Odonnat, Feofanov, Deng, Zhang and An 2024",
    fooled_by_collapse=True,
)
def mano(proba_target: Any, *, order: int = 4, threshold: float = 5.0) -> float:
    """Matrix norm of the target's logits, normalised against overconfidence.

    Between 1 / n_classes (flat) and n_classes^(-1 / order) (certain). When to use it: to compare the same model on several
    targets, for which it was made, or models of one kind. When it misleads: it does not see which class is predicted, so that a
    model that is certain of one class everywhere gets the best value; use it with `guard`.

    Parameters
    ----------
    proba_target : array-like of shape (n_target, n_classes)
        Predicted probabilities of target rows.
    order : int, default=4
        Of the norm.
    threshold : float, default=5.0
        Where the mean of -log p over all entries is above it, predictions are taken as they are.

    Returns
    -------
    float
        Larger is better.

    Notes
    -----
    S = (1 / (n K) sum_ik s_ik^order)^(1 / order) with s = v(q_i) / sum_k v(q_ik). The paper's "softrun": v = exp where
    Phi = -(1 / (n K)) sum_ik log p_ik is above the threshold, and v(q) = 1 + q + q^2 / 2 otherwise. Departure: logits are known
    up to a constant a row, and this v falls for q < -1, so that with log p for q the least likely class would come out on top. Here
    q = log p - min_k log p >= 0, where v rises, so that order is kept and surer rows give more. Models on both sides
    of the threshold are normalised differently; for one scale give `threshold=inf` (always the polynomial) or 0 (never).
    Probabilities are cut at 1e-12. Cost O(n n_classes) in time and memory.

    References
    ----------
    R. Xie, A. Odonnat, V. Feofanov, W. Deng, J. Zhang, B. An (2024), MaNo: exploiting matrix norm for unsupervised accuracy
    estimation under distribution shifts, NeurIPS.

    Examples
    --------
    >>> from sterna.select import mano
    >>> mano([[0.5, 0.5], [0.5, 0.5]]), round(mano([[0.99, 0.01], [0.02, 0.98]]), 3)
    (0.5, 0.785)
    """
    check_number("order", order, 1, None, "left", "give 1 or more")
    check_number("threshold", threshold, None, None, "both", "give a number")
    proba = check_proba("proba_target", proba_target)
    return float(np.mean(_softrun(proba, threshold) ** order) ** (1 / order))


def _softrun(proba: Array, threshold: float) -> Array:
    """Predictions as they are, or less sure ones by the second-order polynomial."""
    logits = np.log(np.maximum(proba, _SMALLEST))
    if -logits.mean() > threshold:
        return proba
    logits -= logits.min(axis=1, keepdims=True)
    values = 1 + logits + logits**2 / 2
    return values / values.sum(axis=1, keepdims=True)
