"""The floor: what is reached without looking at the features."""

from __future__ import annotations

from typing import Any

from sklearn.base import is_regressor
from sklearn.dummy import DummyClassifier, DummyRegressor

from sterna.base import TransferEstimator
from sterna.domains._stack import DomainData


class Constant(TransferEstimator):
    """Predict the most frequent class, or the mean, of the labelled target rows (of the source where there are none).

    When to use it: never; every comparison shows it so that a score can be read. A strategy under it has collapsed.

    Parameters
    ----------
    estimator : estimator, default=None
        Tells the task only: classification for a classifier or None, regression for a regressor.

    Attributes
    ----------
    estimator_ : DummyClassifier or DummyRegressor
    classes_ : ndarray of shape (n_classes,)
        Classifiers only.
    health_ : dict

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.baselines import Constant
    >>> X = np.arange(6.0).reshape(-1, 1)
    >>> Constant().fit(X, [0, 0, 0, 1, 1, 1], sample_domain=[1, 1, 1, -1, -1, -1]).predict([[9.0]])
    array([1])
    """

    family = "baselines"
    reference = "folklore"
    needs = frozenset()

    def __init__(self, estimator: Any = None) -> None:
        self.estimator = estimator

    def _base_estimator(self) -> Any:
        regression = self.estimator is not None and is_regressor(self.estimator)
        return DummyRegressor() if regression else DummyClassifier(strategy="prior")

    def _fit_domains(self, data: DomainData) -> None:
        known = data.n_target_labelled > 0
        X, y = (data.X_target_labelled, data.y_target) if known else (data.X_source, data.y_source)
        self._check_labels(y)
        self._fit_plain(X, y)
