"""The shape of reweighting: give every source row the weight that it has in the target, train on the weighted source."""

from __future__ import annotations

import warnings
from typing import ClassVar

import numpy as np

from sterna.base import CollapseWarning, TransferEstimator, require_weights
from sterna.domains._arrays import like, namespace
from sterna.domains._stack import Array, DomainData
from sterna.reweight._kernel import mean_and_variance


def effective_sample_size(weights: Array) -> float:
    """Kish's effective sample size (sum w)^2 / sum w^2: how many equally weighted rows are as precise as these.

    Parameters
    ----------
    weights : ndarray of shape (n_samples,)
        Not negative, not all zero.

    Returns
    -------
    float

    Examples
    --------
    >>> import numpy as np
    >>> effective_sample_size(np.array([1.0, 1.0, 0.0, 0.0]))
    2.0
    """
    return float(weights.sum() ** 2 / (weights**2).sum())


def least_size(n: int) -> float:
    """The effective sample size of `n` weights below which they are said to lie on few rows.

    Ten rows are the least that any model can be fitted to (half of them where there are not twenty); below one row in fifty
    the variance of every weighted mean is fifty-fold and outweighs the bias that the weights take away.

    Parameters
    ----------
    n : int

    Returns
    -------
    float
    """
    return max(min(10, n / 2), n / 50)


class Reweighter(TransferEstimator):
    """Base of the weighting methods: a subclass fills `_weights` and says in `_remedy` what to do about few large weights."""

    family = "reweight"
    assumes = ("covariate",)
    needs = frozenset({"source data", "target data", "sample weights"})

    weights_: Array
    _remedy: ClassVar[str] = ""

    def _weights(self, data: DomainData) -> Array:
        """The weight of every source row, not negative, of any scale; shape (n_source,)."""
        raise NotImplementedError

    def _fit_domains(self, data: DomainData) -> None:
        require_weights(self._base_estimator())
        weights = self._weights(data)
        mean = float(weights.mean())
        if np.isfinite(mean) and mean > 0:
            self.weights_ = weights / mean  # mean 1 leaves the base estimator's regularisation its meaning
            self._report(data)
        else:
            self.weights_ = like(np.ones(len(weights)), weights)
            self.health_.update(effective_sample_size=0.0, effective_share=0.0, max_weight=1.0)
            self._warn("found no source row that resembles the target and weighs all rows equally instead", self._remedy)
        self._fit_final(data.X_source, data, sample_weight=self.weights_)
        self._look_for_collapse(data)

    def _report(self, data: DomainData) -> None:
        """Fill `health_`, and warn of weights on few rows or on all alike."""
        n = len(self.weights_)
        size = effective_sample_size(self.weights_)
        self.health_.update(effective_sample_size=size, effective_share=size / n, max_weight=float(self.weights_.max()))
        if size < least_size(n):
            self._warn(f"puts nearly all weight on few rows (effective sample size {size:.1f} of {n})", self._remedy)
        if size / n > 0.999 and (shift := _largest_mean_shift(data)) > 0.3:
            problem = f"gives equal weights although a feature's mean differs by {shift:.1f} standard deviations"
            self._warn(problem, "try another reweighting strategy, or look for outliers and constant features")

    def _warn(self, problem: str, remedy: str) -> None:
        warnings.warn(f"{type(self).__name__} {problem}; {remedy}", CollapseWarning, stacklevel=2)


def _largest_mean_shift(data: DomainData) -> float:
    """The largest difference of means in standard deviations within domains, among features where chance is ruled out.

    A Gaussian whose mean moves by delta deviations has an effective share of exp(-delta^2): 0.91 at 0.3.
    """
    (mean_s, var_s), (mean_t, var_t) = mean_and_variance(data.X_source), mean_and_variance(data.X_target)
    xp = namespace(mean_s)
    error = xp.sqrt(var_s / data.X_source.shape[0] + var_t / data.X_target.shape[0])
    deviation = xp.sqrt((var_s + var_t) / 2)
    beyond_chance = (abs(mean_s - mean_t) > 5 * error) & (deviation > 0)
    shifts = abs(mean_s - mean_t)[beyond_chance] / deviation[beyond_chance]
    return float(xp.max(shifts)) if len(shifts) else 0.0
