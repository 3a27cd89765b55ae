"""Information maximisation: confident predictions, spread over the classes."""

from __future__ import annotations

from typing import Any

from scipy.special import entr

from sterna.select._checks import check_proba
from sterna.select._facts import scorer_facts


@scorer_facts(
    tasks=("classification",),
    bounds=(0.0, float("inf")),
    reference="Shi and Sha 2012",
    fooled_by_collapse=False,
)
def information_maximisation(proba_target: Any) -> float:
    """Mutual information of rows and predicted classes: the entropy of the mean prediction minus the mean entropy.

    0: every row gets the same prediction; log(n_classes): all predictions are certain and the classes are even. When to use it:
    first of all scores that look at predictions alone; a collapsed model gets 0. When it misleads: where the classes of the
    target are far from even, and where a model is certain and wrong.

    Parameters
    ----------
    proba_target : array-like of shape (n_target, n_classes)
        Predicted probabilities of target rows.

    Returns
    -------
    float
        In nats, between 0 and log(n_classes); larger is better.

    Notes
    -----
    H(mean_i p_i) - mean_i H(p_i), the objective of the paper without its classifier. Cost O(n_target n_classes) in time and memory.

    References
    ----------
    Y. Shi, F. Sha (2012), Information-theoretical learning of discriminative clusters for unsupervised domain adaptation, ICML.

    Examples
    --------
    >>> from sterna.select import information_maximisation
    >>> round(information_maximisation([[1.0, 0.0], [0.0, 1.0]]), 4)
    0.6931
    >>> information_maximisation([[1.0, 0.0], [1.0, 0.0]])
    0.0
    """
    proba = check_proba("proba_target", proba_target)
    information = float(entr(proba.mean(axis=0)).sum() - entr(proba).sum(axis=1).mean())
    return max(information, 0.0)  # rounding may leave -1e-16
