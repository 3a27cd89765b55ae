"""The shape of feature alignment: represent both domains so that one model serves both."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted, validate_data

from sterna.base import CollapseWarning, TransferEstimator
from sterna.domains._stack import Array, DomainData

_LOOKED_AT = 1000  # target rows that are predicted to look for a collapse: a class of 1 % is then seen


class Aligner(TransferEstimator):
    """Base of the alignment methods: a subclass fills `_align`, `_map_source` and `_map_target`."""

    family = "align"
    assumes: ClassVar[tuple[str, ...]] = ("subspace",)
    accepts_sparse = False

    def _align(self, data: DomainData) -> None:
        """Learn the two maps from `data`; sets fitted attributes."""
        raise NotImplementedError

    def _fit_domains(self, data: DomainData) -> None:
        self._align(data)
        self._fit_final(self._map_source(data.X_source), data)
        self._look_for_collapse(data)

    def represent(self, X: Any) -> Array:
        """Represent target rows as the fitted base estimator sees them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_features_out)
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse=self._sparse_formats(), reset=False)
        return self._map_target(X) if self.adapted_ else X

    def _look_for_collapse(self, data: DomainData) -> None:
        """Predict up to 1000 target rows, spread evenly, and warn where they get one value or few classes."""
        n = data.X_target.shape[0]
        rows = np.unique(np.linspace(0, n - 1, min(n, _LOOKED_AT)).astype(int))
        predicted = self.estimator_.predict(self._map_target(data.X_target[rows]))
        known = np.concatenate([data.y_source, data.y_target]) if data.n_target_labelled else data.y_source
        if is_classifier(self):
            self._check_classes(predicted, known)
        elif len(rows) >= 10 and np.ptp(predicted) < 1e-9 * np.std(known):
            self._warn_collapse(f"all of {len(rows)} target rows get the prediction {np.ravel(predicted)[0]:.4g}")

    def _check_classes(self, predicted: Array, known: Array) -> None:
        """Warn where the predictions miss more than half of the classes that are common among the known labels."""
        classes, counts = np.unique(known, return_counts=True)
        common = int(np.sum(counts >= 0.5 * len(known) / len(classes)))  # at least half of an even share
        found = len(np.unique(predicted))
        self.health_["n_classes_predicted"] = found
        if common > 1 and found < max(2, common / 2) and len(predicted) >= 10 * len(classes):
            self._warn_collapse(f"only {found} of {len(classes)} classes are predicted for {len(predicted)} target rows")

    def _warn_collapse(self, what: str) -> None:
        name = type(self).__name__
        warnings.warn(
            f"{name} may have collapsed: {what}; compare with SourceOnly and TargetOnly, or label some target rows",
            CollapseWarning,
            stacklevel=2,
        )
