"""Quantile matching: give every source feature the target's distribution."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval

from sterna.align._base import Aligner
from sterna.align._scale import float_dtype
from sterna.domains._stack import Array, DomainData

_FEW = 5  # target rows below which quantiles mean nothing


class QuantileMatching(Aligner):
    """Quantile matching: map each source feature by a rising curve so that its quantiles become those of the target.

    When to use it: each feature is distorted by itself, not only in offset and unit (saturation, a logarithm, another
    calibration curve), and the mix of cases is about the same. When it cannot help: the class shares or the cases differ, so
    that the distributions should; the correlations between features differ (see `CORAL`, `OTMapping`).

    Parameters
    ----------
    estimator : estimator, default=None
        The base estimator; None is `LogisticRegression(max_iter=1000)`. For regression give a regressor, for instance
        `Ridge()`.
    n_quantiles : int, default=100
        Points of each curve, at most the rows of the smaller domain: percentiles, as is customary. With as many points as rows
        the sorted source values become the sorted target values.

    Attributes
    ----------
    source_quantiles_ : ndarray of shape (n_sources, n_quantiles, n_features)
        By source, in the order of `source_codes_`.
    target_quantiles_ : ndarray of shape (n_quantiles, n_features)
    source_codes_ : ndarray of int of shape (n_sources,)
    estimator_ : estimator
    classes_ : ndarray of shape (n_classes,)
        Classifiers only.
    health_ : dict
        `n_quantiles`; `largest_shift`: over features and sources, the largest mean distance between the quantiles of source
        and target (the Wasserstein distance) in units of the target's mean absolute deviation.

    Notes
    -----
    x -> F_t^-1(F_s(x)), with both functions linear between quantiles at evenly spread levels. A value that many source rows
    share goes to the middle of the target values at its levels, so that equal values stay equal. Beyond the source's range
    the line through the ends of the curve goes on. Target rows stay as they are, so that rows never seen need no map. Every
    source has its own curves; source rows that are predicted on request take the curves of all sources' quantiles averaged.
    Time O(d n log n), memory a copy of the rows.

    References
    ----------
    B. M. Bolstad, R. A. Irizarry, M. Astrand, T. P. Speed (2003), A comparison of normalization methods for high density
    oligonucleotide array data based on variance and bias, Bioinformatics 19(2).

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.align import QuantileMatching
    >>> rng = np.random.default_rng(0)
    >>> Xs = rng.normal(size=(300, 1)); ys = (Xs[:, 0] > 1).astype(int)
    >>> Xt = np.exp(rng.normal(size=(300, 1)))
    >>> X, y = np.vstack([Xs, Xt]), np.r_[ys, np.full(300, -1)]
    >>> model = QuantileMatching().fit(X, y, sample_domain=np.repeat([1, -2], 300))
    >>> model.predict([[1.5], [4.0]])
    array([0, 1])
    """

    reference = "Bolstad, Irizarry, Astrand and Speed 2003"
    assumes = ("covariate",)

    _parameter_constraints = {
        **Aligner._parameter_constraints,
        "n_quantiles": [Interval(Integral, 2, None, closed="left")],
    }

    def __init__(self, estimator: Any = None, *, n_quantiles: int = 100) -> None:
        self.estimator = estimator
        self.n_quantiles = n_quantiles

    def _align(self, data: DomainData) -> None:
        self.source_codes_, sizes = np.unique(data.source_ids, return_counts=True)
        n_target = len(data.X_target)
        if n_target < _FEW:
            raise ValueError(f"QuantileMatching needs at least {_FEW} target rows to know their distribution, got {n_target}")
        levels = np.linspace(0, 1, max(2, min(self.n_quantiles, n_target, *sizes)))
        self.source_quantiles_ = np.array(
            [_quantiles(data.X_source[data.source_ids == code], levels) for code in self.source_codes_]
        )
        self.target_quantiles_ = _quantiles(data.X_target, levels)
        spread = np.mean(abs(self.target_quantiles_ - self.target_quantiles_.mean(axis=0)), axis=0)
        distances = np.mean(abs(self.source_quantiles_ - self.target_quantiles_), axis=1)  # (n_sources, n_features)
        varies = spread > 0
        self.health_["n_quantiles"] = len(levels)
        self.health_["largest_shift"] = float(np.max(distances[:, varies] / spread[varies], initial=0))

    def _fit_domains(self, data: DomainData) -> None:
        self._align(data)
        X = np.empty_like(data.X_source, dtype=float_dtype(data.X_source))
        for code, quantiles in zip(self.source_codes_, self.source_quantiles_, strict=True):
            rows = data.source_ids == code
            X[rows] = _mapped(data.X_source[rows], quantiles, self.target_quantiles_)
        self._fit_final(X, data)
        self._look_for_collapse(data)

    def _map_source(self, X: Array) -> Array:
        return _mapped(X, self.source_quantiles_.mean(axis=0), self.target_quantiles_)


def _quantiles(X: Array, levels: Array) -> Array:
    """Quantiles of each feature, shape (n_levels, n_features), rising though rounded."""
    return np.maximum.accumulate(np.quantile(X.astype(np.float64), levels, axis=0), axis=0)


def _mapped(X: Array, source: Array, target: Array) -> Array:
    """Rows with each feature on its curve, shape (n_samples, n_features)."""
    result = np.empty(X.shape, dtype=float_dtype(X))
    for j in range(X.shape[1]):
        result[:, j] = _on_curve(X[:, j].astype(np.float64), source[:, j], target[:, j])
    return result


def _on_curve(x: Array, source: Array, target: Array) -> Array:
    """The curve through the points (source, target), with one point, the middle, where source values are equal."""
    knots, first, counts = np.unique(source, return_index=True, return_counts=True)
    heights = (target[first] + target[first + counts - 1]) / 2
    if len(knots) == 1:  # nothing but an offset is known
        return x - knots[0] + heights[0]
    slope = (heights[-1] - heights[0]) / (knots[-1] - knots[0])
    beyond = np.minimum(x - knots[0], 0) + np.maximum(x - knots[-1], 0)
    return np.interp(x, knots, heights) + slope * beyond
