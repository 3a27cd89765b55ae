"""The guard of every label-free score: a collapsed model must not win."""

from __future__ import annotations

import numpy as np

from sterna.domains._stack import Array


def collapse_reason(prediction: Array, y_source: Array, task: str) -> str | None:
    """Say why predictions on the target look collapsed, or None.

    Parameters
    ----------
    prediction : ndarray of shape (n_target,)
    y_source : ndarray of shape (n_source,)
    task : {"classification", "regression"}

    Returns
    -------
    str or None
        Classification: fewer than half of the classes that make up 2 % or more of the source are predicted at all, or one class
        takes over 95 % of the rows though it is under 80 % of the source. Regression: the predictions spread under 2 % as far as
        the source labels, or lie outside the range of the source labels, widened by its length, for half of the rows.
    """
    if task == "regression":
        return _collapsed_values(prediction, y_source)
    classes, counts = np.unique(y_source, return_counts=True)
    common = classes[counts >= 0.02 * len(y_source)]
    predicted, shares = np.unique(prediction, return_counts=True)
    missing = int(np.sum(~np.isin(common, predicted)))
    if missing > len(common) / 2:
        return f"predicts {len(common) - missing} of {len(common)} classes only"
    top = predicted.tolist()[shares.argmax()]
    source_share = float(counts[classes == top].sum() / len(y_source))
    if shares.max() > 0.95 * len(prediction) and source_share < 0.8:
        return f"predicts {top!r} for {100 * shares.max() / len(prediction):.0f} % of the target, against {100 * source_share:.0f} % in the source"
    return None


def _collapsed_values(prediction: Array, y_source: Array) -> str | None:
    spread = float(np.std(y_source))
    if np.std(prediction) < 0.02 * spread:
        return "predicts almost the same value everywhere"
    low, high = float(np.min(y_source)), float(np.max(y_source))
    outside = (prediction < low - (high - low)) | (prediction > high + (high - low))
    if np.mean(outside) > 0.5:
        return f"{100 * np.mean(outside):.0f} % of its predictions lie far outside the range of the source labels"
    return None
