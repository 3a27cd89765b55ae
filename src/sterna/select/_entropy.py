"""entropy: how sure the predictions are."""

from __future__ import annotations

from typing import Any

from scipy.special import entr

from sterna.select._checks import check_proba
from sterna.select._facts import scorer_facts


@scorer_facts(
    tasks=("classification",),
    bounds=(float("-inf"), 0.0),
    reference="Morerio, Cavazza and Murino 2018",
    fooled_by_collapse=True,
)
def entropy(proba_target: Any) -> float:
    """Negative mean entropy of the predictions on the target.

    0: all predictions are certain; -log(n_classes): all are flat. When to use it: among models of one kind that are all known
    to predict several classes. When it misleads: a model that is certain of one class everywhere gets the best value, and so does
    one that is certain and wrong; use it with `guard`, or use `information_maximisation`.

    Parameters
    ----------
    proba_target : array-like of shape (n_target, n_classes)
        Predicted probabilities of target rows.

    Returns
    -------
    float
        In nats, negated, so that larger is better.

    Notes
    -----
    -(1/n) sum_i H(p_i), the regulariser of Grandvalet and Bengio as a criterion. Cost O(n_target n_classes) in time and memory.

    References
    ----------
    Y. Grandvalet, Y. Bengio (2004), Semi-supervised learning by entropy minimization, NIPS.
    P. Morerio, J. Cavazza, V. Murino (2018), Minimal-entropy correlation alignment for unsupervised deep domain adaptation, ICLR.

    Examples
    --------
    >>> from sterna.select import entropy
    >>> round(entropy([[0.5, 0.5], [1.0, 0.0]]), 4)
    -0.3466
    """
    return 0.0 - float(entr(check_proba("proba_target", proba_target)).sum(axis=1).mean())
