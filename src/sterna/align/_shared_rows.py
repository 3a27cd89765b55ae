"""Rows measured in both domains: how they are given, and ridge regression between them, shared by this family."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.utils.validation import column_or_1d, validate_data

from sterna.align._base import Aligner
from sterna.domains._stack import Array, DomainData, clean_labels, domain_codes, take_apart

_PENALTIES = np.logspace(-12, 2, 57)  # in units of the largest squared singular value
_UNRELATED = 0.9  # left-out error of the map in standard deviations; the mean of the source alone has 1


class SharedRowsAligner(Aligner):
    """Base of the methods that map target rows to source rows by rows measured in both: `fit` takes `sample_id`.

    A subclass fills `_learn_map` and `_map_target`.

    Attributes
    ----------
    n_shared_ : int
        Samples measured in both domains.
    """

    needs = frozenset({"source data", "target data", "shared rows"})

    use_shared_labels: bool
    _shared: Shared

    _parameter_constraints = {**Aligner._parameter_constraints, "use_shared_labels": ["boolean"]}

    def fit(self, X: Any, y: Any, sample_domain: Any = None, sample_id: Any = None) -> Self:
        """Learn from stacked domains, some of whose rows are the same samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of all domains. A column that is NaN in all rows of the source, or of the target, is absent there.
        y : array-like of shape (n_samples,)
            Labels; NaN or None where unknown. Shared rows need none.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive integers or "source[:NAME]" for source rows, negative integers or "target[:NAME]" for target rows. None:
            no transfer, the plain base estimator is fitted.
        sample_id : array-like of shape (n_samples,), default=None
            What was measured in each row: a source row and a target row with the same id (number or text) are one sample.
            None or NaN, or an id that stands in one domain only: not shared. Repeats within a domain are averaged.

        Returns
        -------
        self
        """
        if sample_domain is None:
            return super().fit(X, y)
        name = type(self).__name__
        self._check_library(X)
        X = X if isinstance(X, pd.DataFrame) else np.asarray(X)
        if X.ndim == 2:
            source = domain_codes(sample_domain, len(X)) > 0
            self._in_source, self._in_target = _present(X[source], name), _present(X[~source], name)
            X = _filled(X, ~(self._in_source & self._in_target))
        self._shared = _shared_rows(validate_data(self, X), column_or_1d(y), sample_domain, sample_id, name)
        self.n_shared_ = len(self._shared.source)
        try:
            return super().fit(X, y, sample_domain)
        finally:
            del self._shared

    def _call(self, method: str, X: Any, sample_domain: Any, allow_source: bool) -> Array:
        if getattr(self, "adapted_", False):
            X = _filled(X if isinstance(X, pd.DataFrame) else np.asarray(X), ~(self._in_source & self._in_target))
        return super()._call(method, X, sample_domain, allow_source)

    def _learn_map(self, source: Array, target: Array) -> Array:
        """Learn the map from shared rows, both (n_shared, n_features), with 0 in absent columns.

        Returns its leave-one-out errors, source less mapped, in the columns of the source.
        """
        raise NotImplementedError

    def _fit_domains(self, data: DomainData) -> None:
        shared = self._shared
        errors = self._learn_map(shared.source, shared.target)
        measured = shared.source[:, self._in_source]
        self.health_.update(_difference_in_units(measured, shared.target[:, self._in_source], errors))
        if self.n_shared_ >= 10 and self.health_["difference_after"] > _UNRELATED:
            self._warn_collapse(
                f"the target's measurements of {self.n_shared_} shared samples say next to nothing about the source's; check sample_id"
            )
        X, trained = self._map_source(data.X_source), data
        if self.use_shared_labels and len(shared.y):
            trained = replace(data, y_source=np.concatenate([data.y_source, shared.y]))
            X = np.concatenate([X, (measured - errors)[shared.labelled]])
        self._fit_final(X, trained)
        self._look_for_collapse(data)

    def _map_source(self, X: Array) -> Array:
        return X[:, self._in_source]


# `sample_id` travels through pipelines and searches as `sample_domain` does (see `sterna.base`).
setattr(SharedRowsAligner, "_SharedRowsAligner__metadata_request__fit", {"sample_domain": True, "sample_id": True})  # noqa: B010


def _present(X: Any, name: str) -> Array:
    """Which columns a domain has: those with any value. A column with values in some rows only is refused."""
    missing = np.asarray(pd.isna(X))
    present = ~missing.all(axis=0)
    partly = np.flatnonzero(present & missing.any(axis=0))
    if len(partly):
        raise ValueError(
            f"{name}: column {partly[0]} is NaN in some rows of a domain; fill in missing values, for instance with "
            "SimpleImputer, and leave NaN only where a whole domain lacks the column"
        )
    return np.asarray(present)


def _filled(X: Any, columns: Array) -> Any:
    """A copy with 0 for NaN in these columns; `X` itself where there is nothing to do."""
    if X.ndim != 2 or X.shape[1] != len(columns) or not columns.any():
        return X
    if isinstance(X, pd.DataFrame):
        return X.fillna(dict.fromkeys(X.columns[columns], 0.0))
    return np.where(columns & np.asarray(pd.isna(X)), 0.0, X)


@dataclass(frozen=True)
class Shared:
    """The samples measured in both domains, repeats averaged."""

    source: Array  # (n_shared, n_features)
    target: Array  # (n_shared, n_features)
    labelled: Array  # (n_shared,): bool, labelled in the source and not in the target
    y: Array  # (n_labelled,): the labels of these, by the source


def _shared_rows(X: Array, y: Array, sample_domain: Any, sample_id: Any, name: str) -> Shared:
    """Find the shared samples, or refuse."""
    if sample_id is None:
        raise ValueError(
            f"{name} needs rows measured in both domains: pass sample_id, one id per row, equal for a source row and a target "
            "row of the same sample and None for rows without a partner"
        )
    ids = np.asarray(sample_id, dtype=object)
    if ids.shape != (len(X),):
        raise ValueError(f"sample_id has shape {ids.shape}, but X has {len(X)} rows; give one entry per row")
    source = domain_codes(sample_domain, len(X)) > 0
    numbers = pd.factorize(ids)[0]  # -1 where unknown
    both = np.intersect1d(numbers[source & (numbers >= 0)], numbers[~source & (numbers >= 0)])
    if len(both) < 3:
        raise ValueError(f"{name} needs at least 3 samples measured in both domains, but sample_id has {len(both)} ids in both")
    rows = [np.flatnonzero(side & np.isin(numbers, both)) for side in (source, ~source)]
    places = [np.searchsorted(both, numbers[side]) for side in rows]
    means = []
    for side, place in zip(rows, places, strict=True):
        total = np.zeros((len(both), X.shape[1]))
        np.add.at(total, place, X[side])
        means.append(total / np.bincount(place)[:, None])
    known = take_apart(np.arange(len(X))[:, None], y, sample_domain)  # which rows count as labelled
    in_source = np.isin(rows[0], known.X_source[:, 0])
    in_target = np.isin(rows[1], known.X_target_labelled[:, 0])
    chosen, first = np.unique(places[0][in_source], return_index=True)
    labels = clean_labels(y[rows[0][in_source][first]])
    wanted = ~np.isin(chosen, places[1][in_target])
    labelled = np.isin(np.arange(len(both)), chosen[wanted])
    return Shared(means[0], means[1], labelled, labels[wanted])


def ridge_by_leave_one_out(B: Array, D: Array) -> tuple[Array, Array, float, Array]:
    """Ridge regression of centred `D` on centred `B`, its penalty with the smallest leave-one-out error.

    Parameters
    ----------
    B : ndarray of shape (n_samples, n_inputs)
    D : ndarray of shape (n_samples, n_outputs)

    Returns
    -------
    directions : ndarray of shape (n_inputs, rank)
        The coefficients are `directions @ loadings`.
    loadings : ndarray of shape (rank, n_outputs)
    penalty : float
        In units of the largest squared singular value of `B`; infinite where the mean of `D` alone does better.
    errors : ndarray of shape (n_samples, n_outputs)
        Leave-one-out residuals.
    """
    n = len(B)
    B, D = B - B.mean(axis=0), D - D.mean(axis=0)
    U, s, Vt = np.linalg.svd(B, full_matrices=False)
    keep = s > max(B.shape) * np.finfo(np.float64).eps * max(s[0], np.finfo(np.float64).tiny)
    U, s, Vt = U[:, keep], s[keep], Vt[keep]
    projected = U.T @ D  # (rank, n_outputs)
    shrink = s**2 / (s**2 + np.append(_PENALTIES, np.inf)[:, None] * (s[:1] ** 2))  # (n_penalties + 1, rank)
    left = 1 - 1 / n - shrink @ U.T**2  # (n_penalties + 1, n): 1 less the leverage
    totals = np.full(len(shrink), np.inf)
    usable = left.min(axis=1) > 1e-8
    if D.shape[1] == 1:
        totals[usable] = np.sum(((D[:, 0] - shrink[usable] * projected[:, 0] @ U.T) / left[usable]) ** 2, axis=1)
    else:
        for i in np.flatnonzero(usable):
            totals[i] = np.sum(((D - U @ (shrink[i, :, None] * projected)) / left[i, :, None]) ** 2)
    best = len(totals) - 1 - int(np.argmin(totals[::-1]))  # the largest penalty of equals
    gains, penalty = shrink[best] / s, np.append(_PENALTIES, np.inf)[best]
    errors = (D - U @ (shrink[best, :, None] * projected)) / left[best, :, None]
    return Vt.T, gains[:, None] * projected, float(penalty), errors


def _difference_in_units(source: Array, target: Array, errors: Array) -> dict[str, Any]:
    """The health of a map between shared rows: differences before and after, in standard deviations of the source."""
    deviation = source.std(axis=0)
    unit = np.where(deviation > 10 * np.finfo(np.float64).eps * abs(source).max(axis=0), deviation, 1.0)
    before, after = (float(np.sqrt(np.mean((difference / unit) ** 2))) for difference in (source - target, errors))
    return {"n_shared_rows": len(source), "difference_before": before, "difference_after": after}
