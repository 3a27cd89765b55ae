"""proxy_a_distance: from the error of a linear classifier that tells the domains apart."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import MaxAbsScaler, StandardScaler

from sterna.domains._stack import vstack
from sterna.measures._domain_scores import N_FOLDS
from sterna.measures._facts import measure_facts
from sterna.measures._pairs import domain_folds, drawn_pair
from sterna.measures._threads import single_threaded


@measure_facts(
    direction="larger is farther",
    bounds=(0.0, 2.0),
    symmetric=True,
    needs_labels=False,
    takes="features",
    reference="Ben-David, Blitzer, Crammer and Pereira 2007",
)
@single_threaded
def proxy_a_distance(X_source: Any, X_target: Any, *, max_rows: int = 2000, random_state: Any = None) -> float:
    """Proxy A-distance 2 (1 - 2 error), with the cross-validated error of a linear classifier that tells the domains apart.

    0: a linear classifier cannot tell the domains apart; 2: it never errs. When to use it: to compare with published values,
    and for features that a linear model is to use. What it cannot see: differences of spread or of dependence, which no linear
    classifier sees (see `domain_auc`). What it cannot tell: whether the difference matters for the label.

    Parameters
    ----------
    X_source : array-like or sparse matrix of shape (n_source, n_features)
    X_target : array-like or sparse matrix of shape (n_target, n_features)
    max_rows : int, default=2000
        The rows of each domain that are used at most, drawn at random.
    random_state : int, RandomState or None, default=None
        Draws rows and folds.

    Returns
    -------
    float

    Notes
    -----
    The proxy of Ben-David et al. 2007, as written by Glorot et al.; lemma 2 of Ben-David et al. 2010 says why: with the error
    of the best classifier it is their divergence for linear classifiers. Departures: the classifier is a logistic regression on
    standardised columns (sparse ones divided by their largest value) in place of a support vector machine or a Huber loss; the
    error is held out by five folds; both domains weigh the same in fit and error, whatever their sizes; errors above 1/2 count
    as 1/2, so that the value stays within 0 to 2. It is an estimate from below of the A-distance of linear classifiers. Cost:
    five fits on at most 2 * max_rows rows.

    References
    ----------
    S. Ben-David, J. Blitzer, K. Crammer, F. Pereira (2007), Analysis of representations for domain adaptation, NIPS.
    S. Ben-David, J. Blitzer, K. Crammer, A. Kulesza, F. Pereira, J. W. Vaughan (2010), A theory of learning from different
    domains, Machine Learning 79.
    X. Glorot, A. Bordes, Y. Bengio (2011), Domain adaptation for large-scale sentiment classification, ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.measures import proxy_a_distance
    >>> rng = np.random.default_rng(0)
    >>> source = rng.normal(size=(200, 3))
    >>> proxy_a_distance(source, rng.normal(size=(200, 3)) + 9, random_state=0)
    2.0
    """
    source, target, rng = drawn_pair(X_source, X_target, max_rows, random_state)
    seed = rng.randint(2**31 - 1)
    errors = [_held_out_error(*of_source, *of_target) for of_source, of_target in domain_folds(source, target, N_FOLDS, seed)]
    return float(np.clip(2 * (1 - 2 * np.mean(errors)), 0.0, 2.0))


def _held_out_error(train_source: Any, test_source: Any, train_target: Any, test_target: Any) -> float:
    """The mean of the error rates in both domains on rows held out."""
    train = vstack([train_source, train_target])
    domain = np.repeat([0, 1], [train_source.shape[0], train_target.shape[0]])
    scaler = (MaxAbsScaler() if sparse.issparse(train) else StandardScaler()).fit(train)
    # the same strength as in the domain classifier of `domain_auc`
    model = LogisticRegression(C=1.0 if sparse.issparse(train) else 0.1, class_weight="balanced", tol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # an unfinished fit is a classifier too
        model.fit(scaler.transform(train), domain)
    as_target = [model.predict(scaler.transform(X)).mean() for X in (test_source, test_target)]
    return float((as_target[0] + 1 - as_target[1]) / 2)
