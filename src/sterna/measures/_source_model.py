"""What a model of the source predicts: on its own rows held out, and on the target's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import ttest_rel

from sterna.domains._stack import Array, vstack
from sterna.measures._domain_scores import N_FOLDS
from sterna.measures._threads import single_threaded
from sterna.measures._views import Viewer, predict_classes, predict_numbers


@dataclass(frozen=True)
class Seen:
    """Rows as the source model sees them: predictions (class probabilities or one value) and the few compact columns."""

    predicted: Array  # (n_samples, n_classes) or (n_samples, 1)
    columns: Array  # (n_samples, n_compact)

    def __getitem__(self, rows: Any) -> Seen:
        return Seen(self.predicted[rows], self.columns[rows])


@dataclass(frozen=True)
class SourceModel:
    """Predictions of models of the source, each row by one model that has not seen it.

    Every target row is predicted by the model of one fold only, never by their mean: so on domains that do not differ its
    predictions are distributed as the held-out ones of the source.
    """

    source: Seen
    target: Seen
    mapped: list[Seen]  # the target's rows as each map of its columns has them


@single_threaded
def source_model(
    X_source: Any, y_source: Array, X_target: Any, n_classes: int | None, random_state: Any, mapped: Sequence[Array] = ()
) -> SourceModel:
    """Cross-validate a model on the source, and predict the target with it.

    Parameters
    ----------
    X_source : array or csr_array of shape (n_source, n_features)
    y_source : ndarray of shape (n_source,)
        Class numbers, or values.
    X_target : array or csr_array of shape (n_target, n_features)
    n_classes : int or None
        None for regression.
    random_state : RandomState
    mapped : sequence of ndarray of shape (n_target, n_features), default=()
        The target's rows once more, otherwise scaled.

    Returns
    -------
    SourceModel
    """
    viewer = Viewer(vstack([X_source, X_target]), random_state.randint(2**31 - 1))
    shown = [viewer(X) for X in (X_source, X_target, *mapped)]
    n_folds = min(N_FOLDS, len(y_source))
    folds = [fold_numbers(y_source, n_folds, n_classes is not None, random_state)]
    folds += [random_state.permutation(np.arange(X_target.shape[0]) % n_folds)] * (len(shown) - 1)
    predicted = [np.empty((len(views), n_classes or 1)) for views in shown]
    for k in range(n_folds):
        train, y = shown[0][folds[0] != k], y_source[folds[0] != k]
        held_out = [np.flatnonzero(fold == k) for fold in folds]
        test = vstack_views([views[rows] for views, rows in zip(shown, held_out, strict=True)])
        values = predict_numbers(train, y, test)[:, None] if n_classes is None else predict_classes(train, y, test, n_classes)
        for result, rows, part in zip(
            predicted, held_out, np.split(values, np.cumsum([len(r) for r in held_out])), strict=False
        ):
            result[rows] = part
    seen = [Seen(values, views.compact) for values, views in zip(predicted, shown, strict=True)]
    return SourceModel(seen[0], seen[1], seen[2:])


def vstack_views(parts: list[Any]) -> Any:
    """Several `Views` as one."""
    return type(parts[0])(vstack([part.linear for part in parts]), vstack([part.compact for part in parts]))


def fold_numbers(y: Array, n_folds: int, stratify: bool, rng: Any) -> Array:
    """The fold that each row belongs to, shape (n_samples,); stratified, the rows of a class are dealt out in turn."""
    order = rng.permutation(len(y))
    if stratify:
        order = order[np.argsort(y[order], kind="stable")]
    folds = np.empty(len(y), dtype=int)
    folds[order] = np.arange(len(y)) % n_folds
    return folds


def losses(seen: Seen, y: Array, classes: bool) -> Array:
    """Log loss or absolute error of each row, shape (n_samples,)."""
    if not classes:
        return np.abs(y - seen.predicted[:, 0])
    return -np.log(np.clip(seen.predicted[np.arange(len(y)), y], 1e-6, None))


def errors(seen: Seen, y: Array, classes: bool) -> Array:
    """Whether each row is wrong, or its absolute error, shape (n_samples,)."""
    return (seen.predicted.argmax(axis=1) != y).astype(float) if classes else losses(seen, y, classes)


def paired_p_value(after: Array, before: Array, alternative: str) -> float:
    """Of a paired t-test of rows that lose `before` and `after`; where all change by the same, that is certain."""
    change = after - before
    if np.ptp(change) == 0:
        return float(change[0] >= 0 if alternative == "less" else change[0] <= 0)
    return float(ttest_rel(after, before, alternative=alternative).pvalue)


def with_shares(seen: Seen, old: Array, new: Array) -> Seen:
    """Class probabilities as they are where the class shares are `new` instead of `old` (Saerens, Latinne, Decaestecker 2002)."""
    odds = seen.predicted * np.where(old > 0, new / np.where(old > 0, old, 1.0), 0.0)
    return Seen(odds / odds.sum(axis=1, keepdims=True), seen.columns)


def estimated_shares(seen: Seen, old: Array, n_steps: int = 200) -> Array:
    """Class shares of unlabelled rows under label shift: expectation maximisation (Saerens et al. 2002, eq. 2.9)."""
    shares = old
    for _ in range(n_steps):
        shares = with_shares(seen, old, shares).predicted.mean(axis=0)
    return shares
