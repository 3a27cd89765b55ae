"""Rounds of fitting and pseudo-labelling, and the contrasts between classes: shared by the methods that align classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import is_classifier

from sterna.align._mmd_projection import Contrasts
from sterna.base import TransferEstimator
from sterna.domains._arrays import to_host
from sterna.domains._stack import Array, DomainData

_UNSETTLED = 0.2  # share of pseudo-labels that may change in the last round, from the fifth on, without a warning
_ROUNDS = 5


def require_classifier(model: TransferEstimator) -> None:
    """Raise ValueError where the base estimator of `model` is a regressor."""
    if not is_classifier(model):
        name = type(model).__name__
        base = type(model.estimator).__name__
        raise ValueError(f"{name} aligns classes, but {base} is no classifier; give it a classifier, or use TCA")


def known_codes(data: DomainData, classes: Array, codes: Array | None = None) -> Array:
    """Classes of the target rows as 0..C-1: `codes` where the label is unknown (None: -1), the given label elsewhere."""
    result = np.full(len(data.X_target), -1) if codes is None else codes
    if data.n_target_labelled:
        result[data.labelled] = np.searchsorted(classes, data.y_target)
    return result


def pseudo_codes(model: Any, data: DomainData) -> Array:
    """Classes of the target rows as `model` predicts them, or as they are given."""
    predicted = to_host(model.estimator_.predict(model._map_target(data.X_target)))
    return known_codes(data, model.classes_, np.searchsorted(model.classes_, predicted))


def label_by_rounds(model: Any, data: DomainData, codes: Array, fit_round: Callable[[Array], None]) -> None:
    """Call `fit_round(codes)` and label the target anew, until nothing changes or `model.max_iter` rounds are done.

    Sets n_iter_, pseudo_labels_ and their health; warns where the labels do not settle or classes are missing.
    """
    for n_iter in range(1, model.max_iter + 1):  # noqa: B007
        fit_round(codes)
        previous, codes = codes, pseudo_codes(model, data)
        change = float(np.mean(previous != codes))
        if change == 0:
            break
    model.n_iter_, model.pseudo_labels_ = n_iter, model.classes_[codes]
    model.health_.update(n_iter=n_iter, converged=change == 0, pseudo_label_change=change)
    model._look_for_collapse(data)
    if change > _UNSETTLED and n_iter >= _ROUNDS:
        model._warn_collapse(f"the pseudo-labels do not settle, the last round changed {change:.0%} of them")


@dataclass(frozen=True)
class Groups:
    """Means of the rows of one domain, over all of them and by class."""

    mean: Array  # (k,)
    means: Array  # (n_classes, k), 0 for a class without rows
    counts: Array  # (n_classes,)
    n_rows: int


def class_means(Z: Array, codes: Array, n_classes: int) -> Groups:
    """The means of the rows of `Z` with each of the codes 0..n_classes-1; a negative code is an unknown class."""
    counts = np.bincount(codes[codes >= 0], minlength=n_classes)
    member = (codes == np.arange(n_classes)[:, None]).astype(Z.dtype)  # (C, n)
    means = (member @ Z).astype(np.float64) / np.maximum(counts, 1)[:, None]
    return Groups(Z.mean(axis=0, dtype=np.float64), means, counts, len(Z))


def class_contrasts(source: Groups, target: Groups, balance: float, paired: bool = False) -> Contrasts:
    """The difference of the domains' means, and those of the classes that both domains have.

    Their weights make M = (1 - balance) C M_0 + balance sum_c M_c.

    Parameters
    ----------
    source, target : Groups
    balance : float
        0 is used where the domains have no class in common.
    paired : bool
        Give pairs [mean, -mean] of twice the length instead of differences.

    Returns
    -------
    Contrasts
    """
    shared = (source.counts > 0) & (target.counts > 0)
    balance = balance if shared.any() else 0.0
    first, second = (np.vstack([domain.mean, domain.means[shared]]) for domain in (source, target))
    errors = 1 / source.counts[shared] + 1 / target.counts[shared]
    return Contrasts(
        differences=np.hstack([first, -second]) if paired else first - second,
        weights=np.array([(1 - balance) * np.sum(source.counts > 0), *np.full(shared.sum(), balance)]),
        errors=np.array([1 / source.n_rows + 1 / target.n_rows, *errors]),
    )
