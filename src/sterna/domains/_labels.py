"""Labels of any kind: one type for all domains, the task they imply, and masking."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sterna.domains._stack import Array, clean_labels, is_labelled


def common_labels(labels: dict[str, Array]) -> dict[str, Array]:
    """Give the labels of all domains one type; unknown ones become None (text), NaN (numbers).

    Parameters
    ----------
    labels : dict of str to ndarray of shape (n_samples,)
        The key is how messages call the domain.

    Returns
    -------
    dict of str to ndarray
        Integers stay integers where no domain has an unknown one.
    """
    known = {title: clean_labels(_as_objects(y)[is_labelled(y)]) for title, y in labels.items()}
    kinds = {title: "text" if y.dtype.kind in "OUS" else "numbers" for title, y in known.items() if len(y)}
    if not kinds:
        raise ValueError("no domain has a single label")
    if len(set(kinds.values())) > 1:
        text = next(title for title, kind in kinds.items() if kind == "text")
        number = next(title for title, kind in kinds.items() if kind == "numbers")
        raise ValueError(
            f"the labels of {text} are text ({known[text][0]!r}) but those of {number} are numbers ({known[number][0]!r}); "
            "write them the same way"
        )
    if "text" in kinds.values():
        return {title: _with_none(_as_objects(y)) for title, y in labels.items()}
    for title, y in known.items():
        if len(y) and not np.all(np.abs(y.astype(float)) <= 1e100):
            raise ValueError(
                f"the labels of {title} hold {y[~(np.abs(y.astype(float)) <= 1e100)][0]:g}; correct it or leave it empty"
            )
    whole = all(y.dtype.kind in "iub" or np.all(y == np.round(y)) for y in known.values() if len(y))
    if whole:
        return {title: _whole_numbers(y) for title, y in labels.items()}
    return {title: pd.to_numeric(pd.Series(y), errors="raise").to_numpy(dtype=float) for title, y in labels.items()}


def _with_none(y: Array) -> Array:
    filled = y.copy()
    filled[~is_labelled(y)] = None
    return filled


def _as_objects(y: Array) -> Array:
    return y if y.dtype == object else np.array(y.tolist(), dtype=object)


def _whole_numbers(y: Array) -> Array:
    """Integers where all are known, objects with None elsewhere."""
    shown = is_labelled(y)
    if shown.all():
        return y.astype(np.int64)
    whole = np.full(len(y), None, dtype=object)
    whole[shown] = [int(label) for label in y[shown]]
    return whole


def infer_task(known: Array) -> str:
    """Tell classification from regression by the labels.

    Text and booleans are classes; whole numbers are classes where there are at most 20 different ones, or each stands for 5 rows
    on average and there are at most 200; all other numbers are quantities.
    """
    known = clean_labels(known)
    if known.dtype.kind in "OUSb":
        return "classification"
    if not np.all(known == np.round(known)):
        return "regression"
    n_values = len(np.unique(known))
    return "classification" if n_values <= 20 and n_values < max(3, len(known) / 2) else "regression"


def mask_labels(y: Array, visible: Array, task: str) -> Array:
    """Hide the labels of rows that are not `visible`, in the way the stacked convention asks.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
    visible : ndarray of bool of shape (n_samples,)
    task : {"classification", "regression"}

    Returns
    -------
    ndarray of shape (n_samples,)
    """
    if task == "regression":
        known = np.full(len(y), np.nan)
        known[visible] = y[visible].astype(float)
        return known
    known = clean_labels(y[visible])
    if visible.all():
        return known
    if known.dtype.kind in "iu" and not np.any(known == -1):
        masked = np.full(len(y), -1, dtype=np.int64)
    else:
        masked = np.full(len(y), None, dtype=object)
    masked[visible] = known
    return masked
