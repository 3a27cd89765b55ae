"""guard: why a score without labels must not count."""

from __future__ import annotations

from typing import Any

import numpy as np

from sterna.select._checks import check_weights
from sterna.select._collapse import collapse_reason
from sterna.select._effective import effective_sample_size


def guard(
    prediction: Any,
    y_source: Any,
    task: str,
    *,
    source_score: float | None = None,
    plain_source_score: float | None = None,
    margin: float = 0.1,
    weights: Any = None,
    min_effective: float = 30.0,
) -> str | None:
    """Say why the label-free scores of a model are void, or None.

    When to use it: on every candidate before its scores are compared; of the scorers those with `fooled_by_collapse` are worth nothing
    without it. When it cannot tell: a model that is certain and wrong in the right proportions passes.

    Parameters
    ----------
    prediction : array-like of shape (n_target,)
        Predicted labels or values of target rows.
    y_source : array-like of shape (n_source,)
        Labels or values of source rows.
    task : {"classification", "regression"}
    source_score : float, default=None
        Accuracy, or R squared, on held-out source rows.
    plain_source_score : float, default=None
        The same of the plain source model on the same rows. None of both, or of either: not looked at.
    margin : float, default=0.1
        How far the one may lie below the other. A strategy that fits the target may well lose a little on the source.
    weights : array-like of shape (n_held,), default=None
        Importance weights of the held-out source rows; give them for scorers that need "weights" only.
    min_effective : float, default=30.0
        The effective number of held-out rows below which weighted scores are void; weights that leave half of the rows or more
        are not at fault. From 30 rows an accuracy is known to about 0.09.

    Returns
    -------
    str or None
        One reason, the first of: predictions that are not finite, collapse (`collapse_reason`), lost source accuracy, low effective
        sample size.

    Examples
    --------
    >>> from sterna.select import guard
    >>> guard(["cat"] * 50, ["cat", "dog"] * 25, "classification")
    "predicts 'cat' for 100 % of the target, against 50 % in the source"
    >>> guard(["cat", "dog"] * 25, ["cat", "dog"] * 25, "classification", source_score=0.6, plain_source_score=0.9)
    'scores 0.60 on held-out source rows, against 0.90 of the plain source model'
    """
    if task not in ("classification", "regression"):
        raise ValueError(f"task is {task!r}; give 'classification' or 'regression'")
    predicted, known = np.asarray(prediction), np.asarray(y_source)
    for name, values in (("prediction", predicted), ("y_source", known)):
        if values.ndim != 1 or not len(values):
            raise ValueError(f"{name} has the shape {values.shape}; give one value a row, and one row or more")
    if predicted.dtype.kind == "f" and not np.all(np.isfinite(predicted)):
        return f"{np.mean(~np.isfinite(predicted)):.0%} of its predictions are not finite".replace("%", " %")
    return (
        collapse_reason(predicted, known, task)
        or _lost_on_source(source_score, plain_source_score, margin)
        or _few_effective(weights, min_effective)
    )


def _lost_on_source(score: float | None, plain: float | None, margin: float) -> str | None:
    if score is None or plain is None:
        return None
    if not np.isfinite(plain):
        raise ValueError(f"plain_source_score is {plain}; give a finite score, or None where there is no plain model")
    if not np.isfinite(score):
        return f"its score on held-out source rows is {score}"
    if score < plain - margin:
        return f"scores {score:.2f} on held-out source rows, against {plain:.2f} of the plain source model"
    return None


def _few_effective(weights: Any, min_effective: float) -> str | None:
    if weights is None:
        return None
    n, effective = len(check_weights(weights)), effective_sample_size(weights)
    if effective < min(min_effective, n / 2):
        return f"its weights leave {effective:.1f} effective rows of {n} held-out source rows"
    return None
