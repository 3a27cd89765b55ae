"""Temperature scaling: probabilities made as sure as they are right."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar

from sterna.domains._stack import Array

_TINY = 1e-6  # a probability of 0 is taken for this
_WIDEST = 3.0  # of the logarithm of the temperature


def fit_temperature(proba: Array, codes: Array, weights: Array | None = None) -> float:
    """The temperature of least log loss on rows that the model has not seen.

    Parameters
    ----------
    proba : ndarray of shape (n_rows, n_classes)
    codes : ndarray of int of shape (n_rows,)
        The columns of the labels.
    weights : ndarray of shape (n_rows,), default=None
        Importance weights of the rows, where they are of the source.

    Returns
    -------
    float
        Over 1: the model was too sure; 1 for no rows.

    Notes
    -----
    T minimises -sum_i w_i log softmax(log p_i / T)_{y_i} + (log T)^2 / 2, with sum_i w_i the effective number of rows: the second term, a
    standard normal prior on log T, keeps few rows from an extreme. Weighted source rows as in Park et al. (2020).

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun, K. Weinberger (2017), On calibration of modern neural networks, ICML.
    S. Park, O. Bastani, J. Weimer, I. Lee (2020), Calibrated prediction with covariate shift via unsupervised domain adaptation, AISTATS.
    """
    if not len(codes):
        return 1.0
    weights = np.ones(len(codes)) if weights is None else weights
    weights = weights * weights.sum() / np.sum(weights**2)
    rows = np.arange(len(codes))

    def loss(log_temperature: float) -> float:
        scaled = at_temperature(proba, float(np.exp(log_temperature)))[rows, codes]
        return float(-np.sum(weights * np.log(np.maximum(scaled, 1e-300))) + log_temperature**2 / 2)

    return float(np.exp(minimize_scalar(loss, bounds=(-_WIDEST, _WIDEST), method="bounded").x))


def at_temperature(proba: Array, temperature: float) -> Array:
    """Probabilities p^(1/T), rows summing to 1 again, shape (n_rows, n_classes); the order of the classes stays."""
    logits = np.log(np.maximum(proba, _TINY)) / temperature
    scaled = np.exp(logits - logits.max(axis=1, keepdims=True))
    return scaled / scaled.sum(axis=1, keepdims=True)
