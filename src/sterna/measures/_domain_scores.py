"""A domain classifier's out-of-fold scores, from which the area under the curve and the density ratio are taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import logit
from scipy.stats import norm, rankdata
from sklearn.linear_model import LogisticRegression

from sterna.domains._stack import Array, vstack
from sterna.measures._pairs import fold_of_rows
from sterna.measures._threads import single_threaded
from sterna.measures._views import Viewer, predict_classes

N_FOLDS = 5


@dataclass(frozen=True)
class DomainScores:
    """Log odds of being a target row, for each row by a classifier that has not seen it, and the fold of each row."""

    source: Array  # (n_source,)
    target: Array  # (n_target,)
    source_fold: Array  # (n_source,)
    target_fold: Array  # (n_target,)

    def auc(self) -> float:
        """The mean over folds of the area under the curve."""
        folds = np.unique(self.source_fold)
        return float(np.mean([_area(self.source[self.source_fold == k], self.target[self.target_fold == k]) for k in folds]))

    def interval(self, confidence: float) -> tuple[float, float]:
        """The interval of `auc()`, see `auc_interval`."""
        return auc_interval(self.auc(), len(self.source), len(self.target), confidence)

    def density_ratio(self) -> tuple[Array, Array]:
        """Estimate p_target(x) / p_source(x) for the source rows, shape (n_source,), and the target rows, shape (n_target,).

        The scores are recalibrated by a logistic curve (Platt) with both domains weighing the same; a curve that falls tells
        that the domains cannot be told apart, and the ratio is 1.
        """
        scores = np.concatenate([self.source, self.target])
        domain = np.repeat([0, 1], [len(self.source), len(self.target)])
        scale = scores.std()
        if scale == 0:
            return np.ones(len(self.source)), np.ones(len(self.target))
        curve = LogisticRegression(class_weight="balanced").fit(scores[:, None] / scale, domain)
        slope = max(0.0, curve.coef_[0, 0])
        odds = np.exp(slope * scores / scale + curve.intercept_[0]) if slope else np.ones(len(scores))
        return odds[: len(self.source)], odds[len(self.source) :]


@single_threaded
def domain_scores(X_source: Any, X_target: Any, random_state: Any, align: bool = False) -> DomainScores:
    """Cross-validate a domain classifier.

    Parameters
    ----------
    X_source : array or csr_array of shape (n_source, n_features)
    X_target : array or csr_array of shape (n_target, n_features)
    random_state : RandomState
    align : bool, default=False
        In each fold first give the columns of the target the means and spreads of the source, as learned from the training
        part. Dense rows only.

    Returns
    -------
    DomainScores
    """
    viewer = Viewer(vstack([X_source, X_target]), random_state.randint(2**31 - 1))
    n_folds = min(N_FOLDS, X_source.shape[0], X_target.shape[0])
    folds = fold_of_rows(X_source, X_target, n_folds, random_state.randint(2**31 - 1))
    scores = [np.empty(X.shape[0]) for X in (X_source, X_target)]
    for k in range(n_folds):
        train_s, train_t = (X[fold != k] for X, fold in zip((X_source, X_target), folds, strict=True))
        test_s, test_t = (X[fold == k] for X, fold in zip((X_source, X_target), folds, strict=True))
        if align:
            train_t, test_t = aligned(train_t, train_t, train_s), aligned(test_t, train_t, train_s)
        train, domain = viewer(vstack([train_s, train_t])), np.repeat([0, 1], [train_s.shape[0], train_t.shape[0]])
        proba = predict_classes(train, domain, viewer(vstack([test_s, test_t])), 2)[:, 1]
        log_odds = logit(np.clip(proba, 1e-6, 1 - 1e-6))
        scores[0][folds[0] == k], scores[1][folds[1] == k] = np.split(log_odds, [test_s.shape[0]])
    return DomainScores(scores[0], scores[1], folds[0], folds[1])


def aligned(X: Array, like: Array, to: Array) -> Array:
    """Rows `X`, which are distributed as `like`, with the mean and spread of each column of `to`."""
    spread = like.std(axis=0)
    # a column that does not vary keeps its distance from the mean
    ratio = np.where(spread > 0, to.std(axis=0) / np.where(spread > 0, spread, 1.0), 1.0)
    return (X - like.mean(axis=0)) * ratio + to.mean(axis=0)


def _area(low: Array, high: Array) -> float:
    """The share of pairs in which the one of `high` is larger, ties counting half (Mann and Whitney)."""
    ranks = rankdata(np.concatenate([low, high]))[len(low) :]
    return float((ranks.sum() - len(high) * (len(high) + 1) / 2) / (len(low) * len(high)))


def auc_interval(auc: float, n_source: int, n_target: int, confidence: float) -> tuple[float, float]:
    """A score interval of a cross-validated area under the curve.

    Newcombe's method 5: all areas A with |auc - A| <= z sqrt(2 V(A)), where V is Hanley and McNeil's variance. It is exact in
    variance at A = 1/2 and, unlike DeLong's, not empty at A = 1. The factor 2 is for cross-validation: where the domains do
    not differ, the score of fold k is w_k' d_k, with d_k the difference of the fold's means and w_k proportional to the sum
    of the other folds' d; each product d_j' d_k so enters twice, and the variance is twice that of independent folds.

    Parameters
    ----------
    auc : float
    n_source, n_target : int
    confidence : float

    Returns
    -------
    low, high
    """
    z = norm.ppf(0.5 + confidence / 2)
    pairs, half = n_source * n_target, (n_source + n_target) / 2 - 1

    def gap(area: float) -> float:
        variance = area * (1 - area) * (1 + half * (1 - area) / (2 - area) + half * area / (1 + area)) / pairs
        return abs(auc - area) - z * np.sqrt(2 * variance)

    # the variance is 0 at 0 and 1, where the gap would have a root that is no bound
    low = brentq(gap, 0.0, min(auc, 1 - 1e-9)) if auc > 0 else 0.0
    high = brentq(gap, max(auc, 1e-9), 1.0) if auc < 1 else 1.0
    return float(low), float(high)
