"""h_divergence: how far a class of classifiers tells the domains apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from sterna.domains._stack import vstack
from sterna.measures._classifier_two_sample_test import called_target, check_classifier
from sterna.measures._facts import measure_facts
from sterna.measures._pairs import dense_if_narrow, domain_folds, drawn_pair
from sterna.measures._parameters import check_count
from sterna.measures._threads import single_threaded


@measure_facts(
    direction="larger is farther",
    bounds=(0.0, 2.0),
    symmetric=True,
    needs_labels=False,
    takes="features",
    reference="Ben-David, Blitzer, Crammer, Kulesza, Pereira and Vaughan 2010",
)
@single_threaded
def h_divergence(
    X_source: Any, X_target: Any, *, classifier: Any = None, cv: int = 5, max_rows: int = 2000, random_state: Any = None
) -> float:
    """H-divergence 2 (1 - 2 error) of two samples, with the held-out error of a domain classifier of the class H.

    0: no classifier of the class tells the domains apart; 2: one never errs. When to use it: with a classifier of the class that
    is to solve the task, since only differences that this class sees can mislead it. What it cannot tell: whether the difference
    matters for the label; and it bounds no error alone (see `hdh_divergence` and `ben_david_bound`).

    Parameters
    ----------
    X_source : array-like or sparse matrix of shape (n_source, n_features)
    X_target : array-like or sparse matrix of shape (n_target, n_features)
    classifier : estimator, default=None
        Stands for the class H. Any classifier of scikit-learn's kind; clones are fitted on labels 0 (source) and 1 (target). Where
        the domains differ much in size, give it `predict_proba` or class weights. None is the classifier of `domain_auc`, a
        logistic regression and boosted trees.
    cv : int, default=5
        Folds, at most the rows of the smaller domain.
    max_rows : int, default=2000
        The rows of each domain that are used at most, drawn at random.
    random_state : int, RandomState or None, default=None
        Draws rows and folds.

    Returns
    -------
    float

    Notes
    -----
    Definition 1 of the paper, d_H = 2 sup_h |P_S(h = 1) - P_T(h = 1)|. Its lemma 2 gives it for a sample, where H holds the
    complement of each of its members, as 2 (1 - 2 e), with e the mean of the error rates in both domains of the best
    domain classifier. Departure: the error is that of rows held out, so the value is an estimate from below of the divergence of the
    two distributions, while the lemma's, of the rows that the classifier was chosen on, lies above it, and is 2 for any two
    samples once the class is rich. Errors above 1/2 count as 1/2. Called a target row is a row whose probability exceeds the
    share of target rows in training, so both domains weigh the same. `proxy_a_distance` is the same with a linear classifier;
    with all classifiers the divergence is twice the total variation distance. Cost: `cv` fits on at most 2 * max_rows rows.

    References
    ----------
    S. Ben-David, J. Blitzer, K. Crammer, A. Kulesza, F. Pereira, J. W. Vaughan (2010), A theory of learning from different
    domains, Machine Learning 79.
    D. Kifer, S. Ben-David, J. Gehrke (2004), Detecting change in data streams, VLDB.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sterna.measures import h_divergence
    >>> rng = np.random.default_rng(0)
    >>> source, target = rng.normal(size=(300, 2)), 5 * rng.normal(size=(300, 2))
    >>> h_divergence(source, target, random_state=0) > 1
    True
    >>> h_divergence(source, target, classifier=LogisticRegression(), random_state=0) < 0.3  # no line tells them apart
    True
    """
    check_classifier(classifier)
    check_count("cv", cv, 2)
    source, target, rng = drawn_pair(X_source, X_target, max_rows, random_state)
    source, target = dense_if_narrow(source, target)
    seed = rng.randint(2**31 - 1)
    errors = []
    for (train_s, test_s), (train_t, test_t) in domain_folds(source, target, cv, seed):
        domain = np.repeat([0, 1], [train_s.shape[0], train_t.shape[0]])
        called = called_target(classifier, vstack([train_s, train_t]), domain, vstack([test_s, test_t]), seed)
        n_source = test_s.shape[0]
        errors.append((called[:n_source].mean() + 1 - called[n_source:].mean()) / 2)
    return float(np.clip(2 * (1 - 2 * np.mean(errors)), 0.0, 2.0))
