"""A fitted strategy that takes all rows for source rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.metaestimators import available_if

from sterna.domains._stack import Array


def _has_proba(self: AsSource) -> bool:
    return hasattr(self.pipeline, "predict_proba")


class AsSource(BaseEstimator):
    """A fitted pipeline whose strategy represents the rows to predict as it does its source rows."""

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline

    @property
    def classes_(self) -> Array:
        """The labels of the columns of `predict_proba`."""
        return self.pipeline.classes_

    def predict(self, X: Any) -> Array:
        """Predict labels of source rows, shape (n_samples,)."""
        return self._call("predict", X)

    @available_if(_has_proba)
    def predict_proba(self, X: Any) -> Array:
        """Predict class probabilities of source rows, shape (n_samples, n_classes)."""
        return self._call("predict_proba", X)

    def _call(self, method: str, X: Any) -> Array:
        rows = self.pipeline[:-1].transform(X)
        return getattr(self.pipeline[-1], method)(rows, sample_domain=np.ones(rows.shape[0], dtype=int), allow_source=True)
