"""Domain standardisation: every domain in units of itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array, diags_array, issparse
from sklearn.utils.sparsefuncs import mean_variance_axis

from sterna.align._base import Aligner
from sterna.align._scale import float_dtype, scaled
from sterna.domains._stack import Array, DomainData


class DomainStandardization(Aligner):
    """Standardise every domain by itself: its own means to 0, its own standard deviations to 1.

    When to use it: each domain measures the same features with an offset and a unit of its own (sites, instruments, speakers),
    and the mix of cases is about the same. When it cannot help: the class shares or the cases differ, so that the means
    should; the correlations between features differ (see `CORAL`).

    Parameters
    ----------
    estimator : estimator, default=None
        The base estimator; None is `LogisticRegression(max_iter=1000)`. For regression give a regressor, for instance
        `Ridge()`.

    Attributes
    ----------
    source_mean_, source_scale_ : ndarray of shape (n_sources, n_features)
        By source, in the order of `source_codes_`.
    source_codes_ : ndarray of int of shape (n_sources,)
    target_mean_, target_scale_ : ndarray of shape (n_features,)
    estimator_ : estimator
    classes_ : ndarray of shape (n_classes,)
        Classifiers only.
    health_ : dict
        `mean_shift`: the root mean square, over features and sources, of the difference between the means of source and target
        in units of the target's deviation; `largest_scale_ratio`: the largest ratio between the two deviations, either way.

    Notes
    -----
    x -> (x - mean) / deviation with the statistics of the row's own domain; all target rows count, labelled or not, and new
    target rows take the statistics of the fit. Sparse rows are only scaled, and stay sparse. A feature that is constant within
    a domain is divided by its largest deviation in any domain. Every source is standardised by itself; source rows that are
    predicted on request take the mean over the sources of these statistics if there are several. Statistics of few rows are
    noisy: with ten target rows the means are off by a third of a deviation. Time and memory O(n d).

    References
    ----------
    B. Sun, J. Feng, K. Saenko (2016), Return of frustratingly easy domain adaptation, AAAI (the normalisation before CORAL);
    Y. Li, N. Wang, J. Shi, J. Liu, X. Hou (2016), Revisiting batch normalization for practical domain adaptation,
    arXiv:1603.04779 (the same in the layers of a network).

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.align import DomainStandardization
    >>> X = np.array([[1.0], [2.0], [3.0], [4.0], [100.0], [200.0], [300.0], [400.0]])
    >>> y, sample_domain = [0, 0, 1, 1, -1, -1, -1, -1], np.repeat([1, -2], 4)
    >>> DomainStandardization().fit(X, y, sample_domain=sample_domain).predict([[120.0], [390.0]])
    array([0, 1])
    """

    compared_by_default = True
    reference = "Sun, Feng and Saenko 2016"
    assumes = ("covariate",)
    accepts_sparse = True

    def __init__(self, estimator: Any = None) -> None:
        self.estimator = estimator

    def _align(self, data: DomainData) -> None:
        self.source_codes_ = np.unique(data.source_ids)
        found = [_moments(data.X_source[data.source_ids == code]) for code in self.source_codes_]
        means, scales = (np.array(values) for values in zip(*found, _moments(data.X_target), strict=True))
        largest = scales.max(axis=0)
        scales = np.where(scales > 0, scales, np.where(largest > 0, largest, 1.0))
        self.source_mean_, self.source_scale_ = means[:-1], scales[:-1]
        self.target_mean_, self.target_scale_ = means[-1], scales[-1]
        shifts = (self.source_mean_ - self.target_mean_) / self.target_scale_
        ratios = self.source_scale_ / self.target_scale_
        self.health_["mean_shift"] = float(np.sqrt(np.mean(shifts**2)))
        self.health_["largest_scale_ratio"] = float(np.max(np.maximum(ratios, 1 / ratios)))

    def _fit_domains(self, data: DomainData) -> None:
        self._align(data)
        position = np.searchsorted(self.source_codes_, data.source_ids)  # (n_source,)
        self._fit_final(self._by_source(data.X_source, position), data)
        self._look_for_collapse(data)

    def _by_source(self, X: Any, position: Array) -> Any:
        """Each row by the statistics of its own source; shape (n_samples, n_features)."""
        if len(self.source_codes_) == 1:
            return self._map_source(X)
        if issparse(X):
            parts = [diags_array((position == i).astype(float_dtype(X))) @ scaled(X, m, s) for i, (m, s) in self._statistics()]
            return csr_array(sum(parts[1:], start=parts[0]))
        result = np.empty(X.shape, dtype=float_dtype(X))
        for i, (mean, scale) in self._statistics():
            result[position == i] = scaled(X[position == i], mean, scale)
        return result

    def _statistics(self) -> list[tuple[int, tuple[Array, Array]]]:
        return list(enumerate(zip(self.source_mean_, self.source_scale_, strict=True)))

    def _map_source(self, X: Any) -> Any:
        return scaled(X, self.source_mean_.mean(axis=0), self.source_scale_.mean(axis=0))

    def _map_target(self, X: Any) -> Any:
        return scaled(X, self.target_mean_, self.target_scale_)


def _moments(X: Any) -> tuple[Array, Array]:
    """Mean and standard deviation of each feature; a deviation of rounding size is given as 0."""
    if issparse(X):
        mean, variance = mean_variance_axis(X.astype(np.float64), axis=0)
        size = abs(mean)
    else:
        mean, variance = X.mean(axis=0, dtype=np.float64), X.var(axis=0, dtype=np.float64)
        size = abs(X).max(axis=0)
    deviation = np.sqrt(variance)
    # rows are summed one after the other, so that the mean of equal values is off by up to eps a row
    rounding = max(10 * np.finfo(float_dtype(X)).eps, X.shape[0] * np.finfo(np.float64).eps)
    return mean, np.where(deviation > rounding * size, deviation, 0.0)
