"""No transfer at all: what the target's own labels reach."""

from __future__ import annotations

from typing import Any

from sklearn.base import is_classifier
from sklearn.dummy import DummyClassifier

from sterna.base import TransferEstimator
from sterna.domains._stack import DomainData


class TargetOnly(TransferEstimator):
    """Train on the labelled target rows and nothing else.

    The control of every verdict: a strategy that does not beat it has not transferred anything of use.

    Parameters
    ----------
    estimator : estimator, default=None
        The base estimator; None is `LogisticRegression(max_iter=1000)`.

    Attributes
    ----------
    estimator_ : estimator
    classes_ : ndarray of shape (n_classes,)
        Classifiers only.
    health_ : dict
        `one_class` is there where the labels are all the same and the prediction is that class.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.baselines import TargetOnly
    >>> X = np.array([[0.0], [1.0], [0.0], [1.0]])
    >>> TargetOnly().fit(X, [1, 0, 0, 1], sample_domain=[1, 1, -1, -1]).predict([[0.9]])
    array([1])
    """

    family = "baselines"
    reference = "folklore"
    trains_on = "target"
    needs = frozenset({"target data", "target labels"})

    def __init__(self, estimator: Any = None) -> None:
        self.estimator = estimator

    def _fit_domains(self, data: DomainData) -> None:
        self._check_labels(data.y_target)
        if is_classifier(self) and len(self.classes_) == 1:
            self.health_["one_class"] = True
            self.adapted_ = False
            self.estimator_ = DummyClassifier().fit(data.X_target_labelled, data.y_target)
            return
        self._fit_plain(data.X_target_labelled, data.y_target)
