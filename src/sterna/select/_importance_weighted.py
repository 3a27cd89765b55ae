"""Importance-weighted validation: held-out source rows, weighted to look like the target."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from sterna.domains._stack import Array, vstack

#: Ratios above this are cut: one row must not decide a score.
MAX_WEIGHT = 20.0


def importance_weights(X_source: Any, X_target: Any, *, random_state: int = 0) -> Array:
    """Density ratios target / source of the source rows, from the out-of-fold probabilities of a domain classifier.

    Parameters
    ----------
    X_source, X_target : array or sparse matrix of shape (n_samples, n_features)
    random_state : int, default=0

    Returns
    -------
    ndarray of shape (n_source,)
        Mean 1; ratios are cut at 20 before that. All equal where a domain has a single row.

    References
    ----------
    M. Sugiyama, M. Krauledat, K.-R. Mueller (2007), Covariate shift adaptation by importance weighted cross validation, JMLR 8.
    """
    n_source, n_target = X_source.shape[0], X_target.shape[0]
    if min(n_source, n_target) < 2:
        return np.ones(n_source)  # one row says nothing of a density
    domain = np.repeat([0, 1], [n_source, n_target])
    classifier = make_pipeline(MaxAbsScaler(), LogisticRegression(class_weight="balanced", max_iter=1000))
    folds = StratifiedKFold(min(5, n_source, n_target), shuffle=True, random_state=random_state)
    proba = cross_val_predict(classifier, vstack([X_source, X_target]), domain, cv=folds, method="predict_proba")
    odds = proba[:n_source, 1] / np.maximum(proba[:n_source, 0], 1e-12)
    weights = np.minimum(odds, MAX_WEIGHT)
    return weights / weights.mean()
