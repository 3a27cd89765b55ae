"""How the models inside the measures see rows, and the two models whose predictions are averaged."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, StandardScaler

from sterna.domains._hashes import row_hashes
from sterna.domains._stack import Array

#: Trees see at most so many columns: the first principal components of wider data.
N_COMPACT = 30


@dataclass(frozen=True)
class Views:
    """Two representations of the same rows.

    `linear`, of shape (n_samples, n_features), holds all columns and may be sparse; `compact`, of shape
    (n_samples, n_compact), has at most `N_COMPACT` dense columns.
    """

    linear: Any
    compact: Array

    def __getitem__(self, rows: Any) -> Views:
        return Views(self.linear[rows], self.compact[rows])

    def __len__(self) -> int:
        return self.compact.shape[0]


class Viewer:
    """Learns the scales and the few components from stacked rows of both domains, then shows any rows so."""

    def __init__(self, X: Any, random_state: int) -> None:
        self._scaler = (MaxAbsScaler() if sparse.issparse(X) else StandardScaler()).fit(X)
        self._reduce: Any = None
        if X.shape[1] <= N_COMPACT and not sparse.issparse(X):
            return
        # random directions are drawn by row: rows in an order that does not tell which domain came first
        scaled = self._scaler.transform(X[np.argsort(row_hashes(X))])
        if sparse.issparse(X):
            n_components = max(1, min(N_COMPACT, min(X.shape) - 1))
            svd = TruncatedSVD(n_components, random_state=random_state)
            self._reduce = make_pipeline(svd, StandardScaler()).fit(scaled) if X.shape[1] > 1 else None
        else:
            pca = PCA(min(N_COMPACT, X.shape[0] - 1), svd_solver="randomized", random_state=random_state)
            with np.errstate(invalid="ignore"):  # shares of the variance where there is none
                self._reduce = pca.fit(scaled)

    def __call__(self, X: Any) -> Views:
        linear = self._scaler.transform(X)
        if self._reduce is not None:
            return Views(linear, self._reduce.transform(linear))
        return Views(linear, linear.toarray() if sparse.issparse(linear) else linear)


def predict_classes(train: Views, y: Array, test: Views, n_classes: int) -> Array:
    """Class probabilities of `test`: the mean of a logistic regression and boosted trees fitted on `train`.

    Parameters
    ----------
    train : Views of n_train rows
    y : ndarray of int of shape (n_train,)
        Class numbers below `n_classes`; not every class need occur.
    test : Views of n_test rows
    n_classes : int

    Returns
    -------
    ndarray of shape (n_test, n_classes)
    """
    proba = np.zeros((len(test), n_classes))
    seen = np.unique(y)
    if len(seen) == 1:
        proba[:, seen] = 1.0
        return proba
    # an unfinished fit is a classifier too, and all that is asked is how well it does on rows held out
    logistic = LogisticRegression(C=1.0 if sparse.issparse(train.linear) else 0.1, tol=1e-3, max_iter=100)
    n_rounds = 25 if len(seen) <= 3 else 15  # each round grows a tree a class
    trees = HistGradientBoostingClassifier(
        learning_rate=0.15, max_iter=n_rounds, max_leaf_nodes=8, early_stopping=False, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", message="The number of unique classes", category=UserWarning)
        linear = logistic.fit(train.linear, y).predict_proba(test.linear)
        proba[:, seen] = (linear + trees.fit(train.compact, y).predict_proba(test.compact)) / 2
    return proba


def predict_numbers(train: Views, y: Array, test: Views) -> Array:
    """Values of `test`: the mean of a ridge regression (penalty by leave-one-out) and boosted trees fitted on `train`."""
    rows, unseen = (train.compact, test.compact) if sparse.issparse(train.linear) else (train.linear, test.linear)
    ridge = RidgeCV(alphas=np.logspace(-2, 4, 13)).fit(rows, y)
    trees = HistGradientBoostingRegressor(max_iter=50, max_leaf_nodes=8, early_stopping=False, random_state=0)
    return (ridge.predict(unseen) + trees.fit(train.compact, y).predict(test.compact)) / 2
