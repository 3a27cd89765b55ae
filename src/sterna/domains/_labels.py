"""Labels of any kind: one type for all domains, the task they imply, and masking."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sterna.domains._findings import LIMIT
from sterna.domains._kinds import refuse_decimal_commas
from sterna.domains._stack import Array, clean_labels, is_labelled


def common_labels(labels: dict[str, Array]) -> dict[str, Array]:
    """Give the labels of all domains one type; unknown ones become None (text, booleans, whole numbers), NaN (other numbers).

    Parameters
    ----------
    labels : dict of str to ndarray of shape (n_samples,)
        The key is how messages call the domain.

    Returns
    -------
    dict of str to ndarray
        Text is an object array. Booleans and integers stay what they are where the domain has no unknown one.
    """
    shown = {title: is_labelled(y) for title, y in labels.items()}
    known = {title: clean_labels(y[shown[title]], f"the labels of {title}") for title, y in labels.items()}
    if not any(map(len, known.values())):
        raise ValueError("no domain has a single label; name the label column, or give (X, y) with y for every source")
    if _all_text(known):
        for title, y in known.items():
            refuse_decimal_commas(f"the labels of {title} hold", dict.fromkeys(y.tolist()))
        return {title: _spread(y, shown[title], object, None) for title, y in known.items()}
    kinds = {y.dtype.kind for y in known.values() if len(y)}
    if kinds == {"b"}:
        return {title: _spread(y, shown[title], bool, None) for title, y in known.items()}
    for title, y in known.items():
        if len(y):
            _refuse_numbers(title, y)
    if all(y.dtype.kind != "f" or np.all((y % 1 == 0) & (np.abs(y) < 2**53)) for y in known.values()):
        return {title: _spread(y, shown[title], np.int64, None) for title, y in known.items()}
    return {title: _spread(y, shown[title], np.float64, np.nan) for title, y in known.items()}


def _all_text(known: dict[str, Array]) -> bool:
    """Say whether the labels are text; refuses text in one domain and numbers in another."""
    is_text = {title: y.dtype.kind in "US" for title, y in known.items() if len(y)}
    if len(set(is_text.values())) == 1:
        return next(iter(is_text.values()))
    text = next(title for title, own in is_text.items() if own)
    number = next(title for title, own in is_text.items() if not own)
    word = next((label for label in known[text].tolist() if not _is_number(label)), known[text].tolist()[0])
    raise ValueError(
        f"the labels of {text} are text ({word!r}) but those of {number} are numbers ({known[number].tolist()[0]!r}); "
        "write them the same way, and leave unknown ones empty"
    )


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _refuse_numbers(title: str, y: Array) -> None:
    if y.dtype.kind not in "fiub":
        raise ValueError(f"the labels of {title} have the dtype {y.dtype}; give text, numbers or booleans")
    if y.dtype.kind == "f":
        beyond = y[~(np.abs(y.astype(np.float64)) <= LIMIT)]
        if len(beyond):
            raise ValueError(f"the labels of {title} hold {beyond[0]:g}; correct it, or leave it empty")
    if y.dtype.kind == "u" and y.max() > np.iinfo(np.int64).max:
        raise ValueError(f"the labels of {title} hold {y.max()}, beyond 64-bit integers; write such labels as text")


def _spread(known: Array, shown: NDArray[np.bool_], dtype: type, missing: Any) -> Array:
    """All labels from the known ones; an object array where some are `missing` and no number can say so."""
    if shown.all():
        return known.astype(dtype)
    spread = np.full(len(shown), missing, dtype=np.float64 if dtype is np.float64 else object)
    spread[shown] = known.astype(dtype)
    return spread


def infer_task(known: Array) -> str:
    """Tell classification from regression by the labels.

    Text and booleans are classes. Whole numbers are classes where there are at most 20 different ones, or at most 200 that count
    up without a gap from 0 or 1 and stand for 5 rows each on average (ages and counts have gaps or start elsewhere); but more than
    two must be fewer than half as many as the rows. All other numbers are quantities.
    """
    known = clean_labels(known)
    if known.dtype.kind in "OUSb":
        return "classification"
    if not np.all(known == np.round(known)):
        return "regression"
    values = np.unique(known)
    numbered = values[0] in (0, 1) and values[-1] - values[0] == len(values) - 1
    few = len(values) <= 20 or (numbered and len(values) <= min(200, len(known) / 5))
    return "classification" if few and len(values) < max(3, len(known) / 2) else "regression"


def as_quantities(y: Array) -> NDArray[np.float64]:
    """Labels of a regression: float64, NaN where unknown."""
    shown = is_labelled(y)
    return _spread(y[shown], shown, np.float64, np.nan)


def mask_labels(y: Array, visible: NDArray[np.bool_], task: str, source: NDArray[np.bool_]) -> Array:
    """Hide the labels of rows that are not `visible`, in the way the stacked convention asks.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
    visible : ndarray of bool of shape (n_samples,)
    task : {"classification", "regression"}
    source : ndarray of bool of shape (n_samples,)
        Which rows are of a source.

    Returns
    -------
    ndarray of shape (n_samples,)
    """
    known = clean_labels(y[visible])
    if task == "regression":
        return _spread(known, visible, np.float64, np.nan)
    if known.dtype.kind == "i" and _minus_one_is_free(y, visible, source):
        masked = np.full(len(y), -1, dtype=np.int64)
    elif visible.all() and known.dtype.kind != "i":
        return known
    else:
        masked = np.full(len(y), None, dtype=object)
    masked[visible] = known
    return masked


def _minus_one_is_free(y: Array, visible: NDArray[np.bool_], source: NDArray[np.bool_]) -> bool:
    """Say whether -1 in integer labels reads as intended: as unlabelled where it is no class, as a class where a source has it."""
    is_class = y[visible] == -1
    return not np.any(is_class) or bool(visible.all() and np.any(is_class[source]))
