"""No adaptation: the source model as it is."""

from __future__ import annotations

from typing import Any

from sterna.base import TransferEstimator
from sterna.domains._stack import DomainData


class SourceOnly(TransferEstimator):
    """Train on the source rows and nothing else.

    What happens when the old model is carried over unchanged. Without target labels it is the plain model to beat.

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

    Notes
    -----
    In a comparison the default preprocessing in front of it is fitted on the rows of both domains (no label is read): a column that
    hardly varies in the source would else be blown up in the target, and the baseline would look worse than it is.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.baselines import SourceOnly
    >>> X = np.array([[0.0], [1.0], [0.0], [1.0]])
    >>> SourceOnly().fit(X, [1, 0, 0, 1], sample_domain=[1, 1, -1, -1]).predict([[0.9]])
    array([0])
    """

    family = "baselines"
    reference = "folklore"
    needs = frozenset({"source data"})

    def __init__(self, estimator: Any = None) -> None:
        self.estimator = estimator

    def _fit_domains(self, data: DomainData) -> None:
        self._check_labels(data.y_source)
        self._fit_plain(data.X_source, data.y_source)
