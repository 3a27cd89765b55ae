"""The density ratio of two domains by a calibrated domain classifier, for the divergences that are means over it."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from sterna.domains._stack import Array
from sterna.measures._domain_scores import domain_scores
from sterna.measures._pairs import dense_if_narrow, drawn_pair

#: Hardly a penalty: it only keeps the curve finite where the scores separate the domains.
_C = 100.0


def log_density_ratio(X_source: Any, X_target: Any, max_rows: int, random_state: Any) -> tuple[Array, Array]:
    """Estimate log(p_target / p_source) for drawn rows of both domains, by a classifier that has not seen the row.

    Out-of-fold log odds are recalibrated by a logistic curve (Platt) with both domains weighing the same. A curve that falls
    tells that the domains cannot be told apart: then all values are 0.

    Parameters
    ----------
    X_source : array-like or sparse matrix of shape (n_source, n_features)
    X_target : array-like or sparse matrix of shape (n_target, n_features)
    max_rows : int
    random_state : int, RandomState or None

    Returns
    -------
    source : ndarray of shape (n_source_drawn,)
    target : ndarray of shape (n_target_drawn,)
    """
    source, target, rng = drawn_pair(X_source, X_target, max_rows, random_state)
    with np.errstate(invalid="ignore"):  # shares of the variance where sparse rows have none
        found = domain_scores(*dense_if_narrow(source, target), rng)
    scores = np.concatenate([found.source, found.target])
    domain = np.repeat([0, 1], [len(found.source), len(found.target)])
    scale = scores.std()
    values = np.zeros(len(scores))
    if scale > 0:
        curve = LogisticRegression(C=_C, class_weight="balanced").fit(scores[:, None] / scale, domain)
        if curve.coef_[0, 0] > 0:
            values = curve.decision_function(scores[:, None] / scale)
    return values[: len(found.source)], values[len(found.source) :]
