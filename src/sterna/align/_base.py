"""The shape of feature alignment: represent both domains so that one model serves both."""

from __future__ import annotations

from typing import Any, ClassVar

from sklearn.utils.validation import check_is_fitted

from sterna.base import TransferEstimator
from sterna.domains._stack import Array, DomainData


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
        X = self._validated(X, "represent")
        return self._map_target(X) if self.adapted_ else X
