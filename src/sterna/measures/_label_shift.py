"""label_shift: whether the labels are distributed differently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import ks_2samp
from sklearn.utils import check_random_state

from sterna.domains._labels import infer_task
from sterna.domains._stack import Array
from sterna.measures._checks import check_labels
from sterna.measures._facts import measure_facts
from sterna.measures._shares import shares_p_value, total_variation


@dataclass(frozen=True)
class LabelShift:
    """How the labels differ.

    `value` is the total variation distance of the class shares, or the Kolmogorov-Smirnov distance of numbers; both lie
    between 0 and 1. `source` and `target` hold the share of each class, or the mean, std, min and max of numbers.
    """

    value: float
    p_value: float
    test: str
    task: str
    source: dict[str, float]
    target: dict[str, float]

    def __float__(self) -> float:
        return self.value


@measure_facts(
    direction="larger is farther",
    bounds=(0.0, 1.0),
    symmetric=True,
    needs_labels=True,
    takes="labels",
    reference="Pearson 1900; Kolmogorov 1933",
)
def label_shift(y_source: Any, y_target: Any, *, task: str | None = None, random_state: Any = 0) -> LabelShift:
    """Difference of the labels of two domains, with a p-value.

    When to use it: the target has some labels. What it cannot tell: whether the features explain the difference
    (`measure` asks that).

    Parameters
    ----------
    y_source : array-like of shape (n_source,)
    y_target : array-like of shape (n_target,)
        Missing labels (NaN, None) are left out.
    task : {"classification", "regression"}, default=None
        None: inferred from the labels.
    random_state : int, RandomState or None, default=0
        Draws tables where counts are small.

    Returns
    -------
    LabelShift

    Notes
    -----
    Classes: chi-square test where all expected counts are 5 or more; else Fisher's exact test for two classes, and for more
    the chi-square statistic against 9999 random tables of the same margins. Numbers: two-sample Kolmogorov-Smirnov test.

    Examples
    --------
    >>> from sterna.measures import label_shift
    >>> shift = label_shift(["no"] * 50 + ["yes"] * 50, ["no"] * 10 + ["yes"] * 30)
    >>> shift.value, round(shift.p_value, 3), shift.target
    (0.25, 0.007, {'no': 0.25, 'yes': 0.75})
    """
    source, target = check_labels("y_source", y_source), check_labels("y_target", y_target)
    if (source.dtype.kind in "US") != (target.dtype.kind in "US"):
        raise ValueError(f"y_source holds {source[0]!r} but y_target holds {target[0]!r}; write labels the same way in both")
    if task not in (None, "classification", "regression"):
        raise ValueError(f"task is {task!r}; allowed are 'classification', 'regression' and None (inferred)")
    if (task or infer_task(np.concatenate([source, target]))) == "classification":
        return _of_classes(source, target, check_random_state(random_state))
    if source.dtype.kind in "US":
        raise ValueError(f"task is 'regression', but the labels are text (first: {source[0]!r}); give numbers")
    source, target = source.astype(float), target.astype(float)
    test = ks_2samp(source, target, method="auto")
    return LabelShift(
        float(test.statistic), float(test.pvalue), "Kolmogorov-Smirnov", "regression", _spread(source), _spread(target)
    )


def class_counts(source: Array, target: Array) -> tuple[Array, Array]:
    """The classes, shape (k,), and their counts in both domains, shape (2, k)."""
    classes = np.unique(np.concatenate([source, target]))
    return classes, np.stack([np.sum(labels[:, None] == classes, axis=0) for labels in (source, target)])


def _of_classes(source: Array, target: Array, rng: Any) -> LabelShift:
    classes, counts = class_counts(source, target)
    p_value, test = shares_p_value(counts, rng)
    shares = [dict(zip(map(str, classes.tolist()), (row / row.sum()).tolist(), strict=True)) for row in counts]
    return LabelShift(total_variation(counts), p_value, test, "classification", *shares)


def _spread(y: Array) -> dict[str, float]:
    return {"mean": float(y.mean()), "std": float(y.std()), "min": float(y.min()), "max": float(y.max())}
