"""reverse_validation: label the target, train back from it, and judge on source labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.dummy import DummyClassifier
from sklearn.utils import check_random_state

from sterna.domains._stack import Array, DomainData, rows_of, vstack
from sterna.measures._parameters import check_count
from sterna.measures._source_model import fold_numbers
from sterna.select._refit import apart, held_out_score, require_classes, unwarned, without_labels


def reverse_validation(
    strategy: Any, X: Any, y: Any, sample_domain: Any, *, scoring: Any = None, n_folds: int = 3, random_state: Any = None
) -> float:
    """Label the target by the strategy, carry these labels back to the source by it, and score them on held-out source rows.

    When to use it: where the source and the target are of some size and the strategy is cheap: it is fitted 2 n_folds times. A
    collapsed model scores low: the way back then knows one class. When it misleads: a strategy that exchanges two classes
    on the way there and on the way back is not found out, and one that can only go one way is undervalued.

    Parameters
    ----------
    strategy : estimator
        An unfitted strategy, or a pipeline of them that takes `sample_domain`; it is cloned.
    X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
        A stack, as `Domains.stack` gives it.
    y : array-like of shape (n_samples,)
        Labels of target rows are not read.
    sample_domain : array-like of shape (n_samples,)
        Positive integers or "source[:NAME]" for source rows, negative ones or "target[:NAME]" for target rows.
    scoring : str or callable, default=None
        As in scikit-learn: a name or a function of estimator, X and y, larger being better; None is accuracy or R squared.
    n_folds : int, default=3
        Of the source rows; fewer where there are fewer rows.
    random_state : int, RandomState or None, default=None
        Deals the folds. Seeds of the strategy are its own.

    Returns
    -------
    float
        The mean over folds; larger is better.

    Notes
    -----
    For each fold: the strategy is fitted on the other source rows and the target; it predicts the target; a fresh one is fitted with
    the target as its source, by these predictions, and the other source rows as its target, without labels; its predictions of the
    fold are scored. Departures: folds in place of one split of nine to one, and all target rows in place of nine tenths. Where
    one class is predicted for the whole target the way back is that class for every row. Several sources are several targets on
    the way back.

    References
    ----------
    E. Zhong, W. Fan, Q. Yang, O. Verscheure, J. Ren (2010), Cross validation framework to choose amongst models and datasets for
    transfer learning, ECML PKDD.
    Y. Ganin et al. (2016), Domain-adversarial training of neural networks, JMLR 17.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.baselines import SourceOnly
    >>> from sterna.select import reverse_validation
    >>> X = np.r_[np.linspace(-1, 1, 30), np.linspace(-1, 1, 30) + 0.1][:, None]
    >>> y = np.r_[np.repeat([0, 1], 15), np.full(30, -1)]
    >>> reverse_validation(SourceOnly(), X, y, np.repeat([1, -1], 30), random_state=0) > 0.8
    True
    """
    data = apart(X, y, sample_domain)
    if not data.X_target.shape[0]:
        raise ValueError("the stack has no target row (negative sample_domain); reverse_validation labels them by the strategy")
    check_count("n_folds", n_folds, 2)
    n_folds = min(n_folds, len(data.y_source))
    if n_folds < 2:
        raise ValueError("reverse_validation holds out labelled source rows, of which there is 1; label 2 or more")
    fold = fold_numbers(data.y_source, n_folds, True, check_random_state(random_state))
    with unwarned():
        return float(np.mean([_score_fold(strategy, data, fold == k, scoring) for k in range(n_folds)]))


def _score_fold(strategy: Any, data: DomainData, held_out: Array, scoring: Any) -> float:
    kept = np.flatnonzero(~held_out)
    require_classes(data.y_source[kept], strategy, "the labelled source rows that are not held out in a fold")
    X_kept, ids = rows_of(data.X_source, kept), data.source_ids[kept]
    stack = vstack([X_kept, data.X_target])
    n_target = data.X_target.shape[0]
    there = clone(strategy).fit(
        stack, without_labels(data.y_source[kept], n_target, strategy), sample_domain=np.r_[ids, np.full(n_target, -1)]
    )
    predicted = there.predict(data.X_target)
    back = _fit_back(strategy, vstack([data.X_target, X_kept]), predicted, ids)
    rows = np.flatnonzero(held_out)
    return held_out_score(back, scoring, rows_of(data.X_source, rows), data.y_source[rows], "a fold of the source")


def _fit_back(strategy: Any, stack: Any, predicted: Array, ids: Array) -> Any:
    """The strategy from the target to the sources, or the one class that was predicted."""
    if is_classifier(strategy) and np.all(predicted == predicted[0]):
        return DummyClassifier(strategy="constant", constant=predicted[0]).fit(stack[: len(predicted)], predicted)
    y = without_labels(predicted, len(ids), strategy)
    return clone(strategy).fit(stack, y, sample_domain=np.r_[np.ones(len(predicted), dtype=np.int64), -ids])
