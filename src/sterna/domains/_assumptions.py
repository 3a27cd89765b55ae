"""What the rows say against an adapted model: class shares that differ, rows far from all others, a trusted source model.

No target label is read, and some rows of a domain are looked at, so that the cost does not grow with them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import pairwise_distances_chunked

from sterna.domains._arrays import is_foreign
from sterna.domains._simplex import nearest_shares
from sterna.domains._stack import Array, DomainData, evenly_spread, rows_of

_LOOKED_AT = 2000
_TRIED = 1000  # source rows that a model is tried on
_FEW_NEAR = 0.05  # of the target rows: a model of the source is not fitted for fewer
# A row is far out where its mean deviation from the median, over features in units of their mean deviation, is so many times the
# median row's. Normal rows of one feature pass 10 times once in 10^11.
_FAR = 10.0
_FEW = 0.2  # more rows than that are a part of the domain
_MORE = 0.01  # the share of rows that one domain has far out and the other has not
_MOVED = 0.15  # the total variation between class shares, which is about what chance gives to 100 rows of 10 classes
_EXPLAINED = 0.75  # of the squared distance between the domains' means


@dataclass(frozen=True)
class ClassShares:
    """How far other class shares explain that the domains' means differ.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
    source, target : ndarray of shape (n_classes,)
        Shares among the source rows, and those of the target that explain its mean best.
    explained : float
        The part of the squared distance between the means, less what chance gives, that these shares explain.
    """

    classes: Array
    source: Array
    target: Array
    explained: float

    @property
    def moved(self) -> float:
        """The total variation distance between the shares, 0 to 1."""
        return float(np.abs(self.source - self.target).sum() / 2)

    @property
    def is_label_shift(self) -> bool:
        """Whether the shares differ and are nearly all that does."""
        return self.explained > _EXPLAINED and self.moved > _MOVED


def class_shares(data: DomainData) -> ClassShares | None:
    """Fit the target's mean by a mixture of the source's class means.

    Under label shift, P(x | y) being the same, the means are m_t = sum_c pi_c m_c. Features count in units of their standard
    deviation within classes. The distances are corrected for the errors of the means, as if features were independent.

    Parameters
    ----------
    data : DomainData
        With class labels.

    Returns
    -------
    ClassShares or None
        None where nothing can be said: fewer than two features a class, a class of one row, means that do not differ beyond
        chance, or tensors.
    """
    if is_foreign(data.X_source):
        return None
    rows = np.argsort(data.y_source, kind="stable")[evenly_spread(len(data.y_source), _LOOKED_AT)]
    classes, codes, counts = np.unique(data.y_source[rows], return_inverse=True, return_counts=True)
    X, target = _dense(data.X_source, rows), _dense(data.X_target, evenly_spread(data.X_target.shape[0], _LOOKED_AT))
    if len(classes) < 2 or counts.min() < 2 or X.shape[1] < 2 * len(classes) or len(target) < 10:
        return None
    members = np.eye(len(classes))[codes]  # (n, n_classes)
    means = members.T @ X / counts[:, None]
    within = np.sqrt(np.mean((X - means[codes]) ** 2, axis=0) * len(X) / max(1, len(X) - len(classes)))
    used = within > 1e-9 * np.abs(X).max(axis=0, initial=0)
    means, mean, within = means[:, used], target[:, used].mean(axis=0), within[used]
    if not used.any():
        return None
    noise = float(np.sum(target[:, used].var(axis=0) / within**2)) / len(target)
    means, mean = means / within, mean / within
    source = counts / counts.sum()

    def distance(shares: Array) -> float:
        return float(np.sum((mean - shares @ means) ** 2) - noise - used.sum() * np.sum(shares**2 / counts))

    before = distance(source)
    if before <= noise + used.sum() * np.sum(source**2 / counts):  # what is expected of domains that are alike
        return None
    shares = nearest_shares(means.T, mean, heavy=1e3 * float(np.sqrt(np.sum(means**2))))
    return ClassShares(classes, source, shares, 1 - max(0.0, distance(shares)) / before)


def far_rows(data: DomainData) -> tuple[float, float]:
    """The shares of source rows and of target rows that lie far from all others of their domain; zeros for sparse rows and tensors."""
    if not isinstance(data.X_source, np.ndarray):
        return 0.0, 0.0
    return _far_share(data.X_source), _far_share(data.X_target)


def differ_in_far_rows(shares: tuple[float, float]) -> bool:
    """Whether one domain has many more rows far out than the other."""
    return abs(shares[0] - shares[1]) > _MORE


def _far_share(X: Array) -> float:
    rows = _dense(X, evenly_spread(len(X), _LOOKED_AT))
    if len(rows) < 10:
        return 0.0
    deviations = np.abs(rows - np.median(rows, axis=0))
    scale = deviations.mean(axis=0)
    distances = (deviations[:, scale > 0] / scale[scale > 0]).mean(axis=1) if np.any(scale > 0) else np.zeros(len(rows))
    share = float(np.mean(distances > _FAR * np.median(distances))) if np.median(distances) > 0 else 0.0
    return share if share <= _FEW else 0.0


def _dense(X: Any, rows: Array) -> Array:
    found = rows_of(X, rows)
    return np.asarray(found if isinstance(found, np.ndarray) else found.toarray(), dtype=np.float64)


def contradiction(base: Any, data: DomainData, rows: Array, predicted: Array) -> float | None:
    """Estimate the accuracy lost where predictions contradict a model of the source that can be trusted.

    That model learns from two thirds of some source rows; its confidence is calibrated on the third (isotonic regression, with
    one success and one failure added). It is trusted on target rows that are as near to a source row as source rows are to each
    other, but for the farthest twentieth. With p its probability of being right, a row on which the prediction differs costs
    p - (1 - p) at least.

    Parameters
    ----------
    base : classifier
        Not fitted.
    data : DomainData
    rows : ndarray of int of shape (n_rows,)
        Target rows.
    predicted : ndarray of shape (n_rows,)
        What a strategy predicts for them.

    Returns
    -------
    float or None
        A share of rows, 0 or more; None for tensors, a base without confidence, fewer than 20 source rows, or where fewer than
        one target row in twenty lies among the source's.
    """
    if is_foreign(data.X_source) or len(data.y_source) < 20 or data.X_source.shape[1] < 2:
        return None
    looked_at = np.argsort(data.y_source, kind="stable")[evenly_spread(len(data.y_source), _TRIED)]
    near = _among(_dense(data.X_source, looked_at), _dense(data.X_target, rows))
    left_out = np.arange(len(looked_at)) % 3 == 1
    learned, held = looked_at[~left_out], looked_at[left_out]
    if np.mean(near) < _FEW_NEAR or len(np.unique(data.y_source[learned])) < 2:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the strategy's own fit has told what there is to tell
        model = base.fit(rows_of(data.X_source, learned), data.y_source[learned])
    found = _confident(model, rows_of(data.X_source, held))
    of_target = _confident(model, rows_of(data.X_target, rows))
    if found is None or of_target is None:
        return None
    right = (found[0] == data.y_source[held]).astype(float)
    calibrated = IsotonicRegression(out_of_bounds="clip").fit(found[1], right).predict(of_target[1])
    probability = (len(held) * calibrated + 1) / (len(held) + 2)
    contradicted = (of_target[0] != predicted) & near
    return max(0.0, float(np.mean(contradicted * (2 * probability - 1))))


def _among(X: Array, target: Array) -> Array:
    """Which target rows are as near to one of the source as those are to each other, but for the farthest twentieth."""
    scale = X.std(axis=0)
    scale[scale == 0] = 1
    X, target = X / scale, target / scale
    # the second smallest: the smallest is a row's distance to itself
    between = _reduced(X, None, lambda distances, start: np.partition(distances, 1, axis=1)[:, 1])
    return _reduced(target, X, lambda distances, start: distances.min(axis=1)) <= np.quantile(between, 0.95)


def _reduced(A: Array, B: Array | None, reduce: Callable[[Array, int], Array]) -> Array:
    """One number a row of the distances of A's rows from B's (None: from A's), some megabytes of them at a time."""
    return np.concatenate(list(pairwise_distances_chunked(A, B, reduce_func=reduce, working_memory=2)))


def _confident(model: Any, X: Any) -> tuple[Array, Array] | None:
    """The predictions of a classifier and a number that rises with its confidence in them."""
    if hasattr(model, "predict_proba"):
        values = model.predict_proba(X)
    elif hasattr(model, "decision_function"):
        values = model.decision_function(X)
        values = np.column_stack([-values, values]) if values.ndim == 1 else values
    else:
        return None
    return model.classes_[values.argmax(axis=1)], values.max(axis=1)
