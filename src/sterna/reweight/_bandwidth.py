"""A bandwidth by importance-weighted cross-validation of the base estimator: shared by the kernel methods of this family."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.sparse import hstack, issparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from sterna.base import CollapseWarning
from sterna.domains._arrays import is_foreign
from sterna.domains._stack import Array, DomainData
from sterna.reweight._base import Reweighter, least_size
from sterna.reweight._domain_classifier import DomainClassifierRatio
from sterna.reweight._iwcv import first_within_error, flattest_enough, held_out_losses
from sterna.reweight._kernel import median_distance, same_scale

_FACTORS = 2.0 ** (np.arange(-4, 5) / 2)  # the candidates, in units of the median distance
_ROWS = 1000  # of each domain that the candidates are tried on
_FOLDS = 5


class KernelReweighter(Reweighter):
    """Base of the kernel methods: a subclass fills `_kernel_weights`, for a `bandwidth` that is a number or its default."""

    bandwidth: float | str | None
    standardize: bool
    random_state: Any

    bandwidth_: float

    def _kernel_weights(self, data: DomainData) -> Array:
        """As `_weights`; sets bandwidth_."""
        raise NotImplementedError

    def _weights(self, data: DomainData) -> Array:
        if self.bandwidth != "iwcv":
            return self._kernel_weights(data)
        if is_foreign(data.X_source):
            raise TypeError(
                f'{type(self).__name__}(bandwidth="iwcv") takes numpy arrays; with tensors give it a number or None'
            )
        rng = check_random_state(self.random_state)
        seed = int(rng.randint(2**31 - 1))  # one for all candidates: they differ in their bandwidth alone
        best = self._with_bandwidth(self._chosen(data, seed, rng), seed)
        weights = best._kernel_weights(data)
        for name in [name for name in vars(best) if name.endswith("_") and name != "health_"]:
            setattr(self, name, getattr(best, name))
        self.health_.update(best.health_, bandwidth=best.bandwidth_)
        return weights

    def _with_bandwidth(self, bandwidth: float | None, seed: int) -> KernelReweighter:
        model = clone(self).set_params(bandwidth=bandwidth, random_state=seed)
        model.health_ = {}
        return model

    def _chosen(self, data: DomainData, seed: int, rng: np.random.RandomState) -> float | None:
        """The candidate nearest to the default within one standard error of the least loss; None where rows are too few."""
        data = _some_rows(data, rng)
        scaled = same_scale(data.X_source, data.X_target) if self.standardize else (data.X_source, data.X_target)
        bandwidths = _FACTORS * median_distance(*scaled, rng)
        default = self._with_bandwidth(None, seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            default._kernel_weights(data)
            bandwidths = bandwidths[np.argsort(abs(np.log(bandwidths / default.bandwidth_)), kind="stable")]
            candidates = [self._with_bandwidth(float(h), seed)._kernel_weights(data) for h in bandwidths]
        judge = judging_weights(data, rng)
        losses = held_out_losses(self._base_estimator(), data.X_source, data.y_source, candidates, judge, _FOLDS, rng)
        best = None if losses is None else first_within_error(losses)
        if losses is None or best is None:
            return None
        scores = sorted(zip(bandwidths.tolist(), losses.mean(axis=1).tolist(), strict=True))
        self.health_["iwcv_losses"] = dict(scores)
        return float(bandwidths[best])


def judging_weights(data: DomainData, rng: np.random.RandomState) -> Array:
    """The density ratio at the source rows by a classifier of the domains on the features and their squares; of mean 1.

    Squares make it see a shift of spread: with independent Gaussian features the log ratio is linear in both. The ratio is
    raised to the largest power, at most 1, that leaves enough rows to judge by.

    Parameters
    ----------
    data : DomainData
    rng : RandomState

    Returns
    -------
    ndarray of shape (n_source,)
    """
    n_source, n_target = data.X_source.shape[0], data.X_target.shape[0]
    if min(n_source, n_target) < 2:  # no classifier can be told from chance
        return np.ones(n_source)
    source, target = (_with_squares(X) for X in same_scale(data.X_source, data.X_target))
    judge = DomainClassifierRatio(random_state=rng)
    judge.health_ = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CollapseWarning)  # the power takes care of it
        log_ratio = np.log(judge._weights(replace(data, X_source=source, X_target=target)))
    size = min(2.5 * least_size(n_source), (n_source + 1) / 2)
    weights = np.exp(flattest_enough(log_ratio, size) * (log_ratio - log_ratio.max()))
    return weights / weights.mean()


def _with_squares(X: Any) -> Any:
    return hstack([X, X.multiply(X)], format="csr") if issparse(X) else np.hstack([X, X**2])


def _some_rows(data: DomainData, rng: np.random.RandomState) -> DomainData:
    """At most 1000 rows of each domain, without target labels: what candidates are compared by."""
    s, t = (np.sort(rng.permutation(X.shape[0])[:_ROWS]) for X in (data.X_source, data.X_target))
    return DomainData(
        X_source=data.X_source[s],
        y_source=data.y_source[s],
        source_ids=data.source_ids[s],
        X_target=data.X_target[t],
        y_target=data.y_target[:0],
        labelled=np.zeros(len(t), dtype=bool),
    )
