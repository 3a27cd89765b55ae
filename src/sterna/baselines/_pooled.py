"""The naive transfer: source and target in one heap."""

from __future__ import annotations

from typing import Any

from sterna.base import TransferEstimator
from sterna.domains._stack import DomainData


class Pooled(TransferEstimator):
    """Train on the source rows and the labelled target rows together, all with the same weight.

    When it helps: the domains hardly differ. When it hurts: the source contradicts the target and outnumbers it.

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

    References
    ----------
    The baseline "All" of H. Daume III (2007), Frustratingly easy domain adaptation, ACL.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.baselines import Pooled
    >>> X = np.array([[0.0], [1.0], [0.0], [1.0]])
    >>> Pooled().fit(X, [0, 1, 0, 1], sample_domain=[1, 1, -1, -1]).predict([[0.9]])
    array([1])
    """

    family = "baselines"
    reference = "Daume III 2007, baseline 'All'"
    needs = frozenset({"source data", "target data", "target labels"})

    def __init__(self, estimator: Any = None) -> None:
        self.estimator = estimator

    def _fit_domains(self, data: DomainData) -> None:
        self._fit_final(data.X_source, data)
