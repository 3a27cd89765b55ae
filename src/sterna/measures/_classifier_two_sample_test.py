"""classifier_two_sample_test: whether a classifier tells held-out rows of two domains apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import hypergeom
from sklearn.base import clone

from sterna.domains._stack import Array, vstack
from sterna.measures._facts import measure_facts
from sterna.measures._pairs import dense_if_narrow, drawn_pair, own_order
from sterna.measures._parameters import check_between
from sterna.measures._threads import single_threaded
from sterna.measures._views import Viewer, predict_classes


@dataclass(frozen=True)
class ClassifierTest:
    """The accuracy on held-out rows; the same on a scale where chance is 0, `value`; the p-value of "one distribution"."""

    value: float
    accuracy: float
    p_value: float

    def __float__(self) -> float:
        return self.value


@measure_facts(
    direction="larger is farther",
    bounds=(-1.0, 1.0),
    symmetric=True,
    needs_labels=False,
    takes="features",
    reference="Lopez-Paz and Oquab 2017",
)
@single_threaded
def classifier_two_sample_test(
    X_source: Any,
    X_target: Any,
    *,
    classifier: Any = None,
    test_fraction: float = 0.5,
    max_rows: int = 2000,
    random_state: Any = None,
) -> ClassifierTest:
    """Accuracy of a classifier that tells the domains apart, on rows held out, with an exact p-value.

    `value` is 2 accuracy - 1: 0 at chance, 1 where it never errs. When to use it: as a test with a classifier of one's own, for
    instance one that knows the structure of the data. What it cannot see: what the classifier cannot, and half of the rows.
    What it cannot tell: whether the difference matters for the label.

    Parameters
    ----------
    X_source : array-like or sparse matrix of shape (n_source, n_features)
    X_target : array-like or sparse matrix of shape (n_target, n_features)
    classifier : estimator, default=None
        Any classifier of scikit-learn's kind; a clone is fitted on labels 0 (source) and 1 (target). Where the domains differ
        much in size, give it `predict_proba` or class weights. None is the classifier of `domain_auc`.
    test_fraction : float, default=0.5
        The share of the rows of each domain that is held out, at least one.
    max_rows : int, default=2000
        The rows of each domain that are used at most, drawn at random.
    random_state : int, RandomState or None, default=None
        Draws rows and the half held out.

    Returns
    -------
    ClassifierTest

    Notes
    -----
    Section 3 of the paper. Departures: sizes may differ, and the accuracy is the mean of the accuracies in both domains. A row
    is called a target row where its probability exceeds the share of target rows in training (by `predict`, where there are no
    probabilities). The paper's p-value is that of N(1/2, 1/(4 n)), for equal sizes and many rows; here it is that of all
    permutations of the domains of the rows held out, the classifier fixed, which the hypergeometric law gives without drawing
    any (Fisher's exact test, one-sided): exact for all sizes, and somewhat large for few rows, where accuracies tie. One split
    is used: accuracies of several folds depend on one another, and their mean has no known law. Rows are taken as independent.
    Cost: one fit on half of the rows.

    References
    ----------
    D. Lopez-Paz, M. Oquab (2017), Revisiting classifier two-sample tests, ICLR.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.measures import classifier_two_sample_test
    >>> rng = np.random.default_rng(0)
    >>> test = classifier_two_sample_test(rng.normal(size=(200, 3)), 3 * rng.normal(size=(200, 3)), random_state=0)
    >>> test.accuracy > 0.7, test.p_value < 0.001
    (True, True)
    """
    check_between("test_fraction", test_fraction, 0.5)
    check_classifier(classifier)
    source, target, rng = drawn_pair(X_source, X_target, max_rows, random_state)
    source, target = dense_if_narrow(source, target)
    seed = rng.randint(2**31 - 1)
    test, train = zip(*(_split(X, test_fraction, seed) for X in (source, target)), strict=True)
    domain = np.repeat([0, 1], [train[0].shape[0], train[1].shape[0]])
    called = called_target(classifier, vstack(train), domain, vstack(test), seed)
    n_source, n_target = test[0].shape[0], test[1].shape[0]
    hits = int(called[n_source:].sum())
    accuracy = float((1 - called[:n_source].mean() + hits / n_target) / 2)
    p_value = hypergeom.sf(hits - 1, n_source + n_target, int(called.sum()), n_target)
    return ClassifierTest(2 * accuracy - 1, accuracy, float(min(p_value, 1.0)))


def check_classifier(classifier: Any) -> None:
    """An estimator, or None."""
    if classifier is not None and not (hasattr(classifier, "fit") and hasattr(classifier, "predict")):
        raise ValueError(f"classifier is {classifier!r}; give an estimator with fit and predict, or None")


def _split(X: Any, test_fraction: float, seed: int) -> tuple[Any, Any]:
    """Rows held out and rows to train on, one of each or more."""
    n_test = int(np.clip(round(test_fraction * X.shape[0]), 1, X.shape[0] - 1))
    order = own_order(X.shape[0], seed)
    return X[order[:n_test]], X[order[n_test:]]


def called_target(classifier: Any, train: Any, domain: Array, test: Any, seed: int) -> Array:
    """Which rows of `test` a classifier fitted on `train` takes for target rows, shape (n_test,)."""
    if classifier is None:
        with np.errstate(invalid="ignore"):  # shares of the variance where sparse rows have none
            view = Viewer(train, seed)
        proba = predict_classes(view(train), domain, view(test), 2)
    else:
        model = clone(classifier).fit(train, domain)
        if not hasattr(model, "predict_proba"):
            return np.asarray(model.predict(test)) == 1
        proba = model.predict_proba(test)
    return np.asarray(proba[:, 1] > domain.mean() + 1e-9)
