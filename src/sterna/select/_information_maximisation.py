"""Information maximisation: confident predictions, spread over the classes."""

from __future__ import annotations

import numpy as np

from sterna.domains._stack import Array


def information_maximisation(proba: Array) -> float:
    """Mutual information of rows and predicted classes: the entropy of the mean prediction minus the mean entropy.

    Parameters
    ----------
    proba : ndarray of shape (n_samples, n_classes)
        Predicted probabilities of target rows.

    Returns
    -------
    float
        In nats, between 0 and log(n_classes); larger is better.

    References
    ----------
    Y. Shi, F. Sha (2012), Information-theoretical learning of discriminative clusters for unsupervised domain adaptation, ICML.
    """
    return _entropy(proba.mean(axis=0)) - float(np.mean([_entropy(row) for row in proba]))


def _entropy(shares: Array) -> float:
    positive = shares[shares > 0]
    return float(-np.sum(positive * np.log(positive)))
