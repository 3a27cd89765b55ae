"""The rows that `measure` looks at: enough to see a shift, few enough to be quick."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sterna.domains import Domains, TablePreprocessor
from sterna.domains._stack import Array, rows_of, vstack
from sterna.measures._checks import sample_rows

#: The rows of all sources together, and of the target, that models are fitted on at most.
MAX_ROWS = 2000


@dataclass(frozen=True)
class Sample:
    """Preprocessed rows of both sides and the labels that are known.

    Labels are class numbers (int) or values (float); `labelled` tells which target rows `y_target` belongs to.
    """

    X_source: Any  # (n_source, n_columns)
    y_source: Array  # (n_source,)
    source_ids: Array  # (n_source,) number of the source domain
    X_target: Any  # (n_target, n_columns)
    y_target: Array  # (n_labelled,)
    labelled: Array  # (n_labelled,) row numbers
    classes: Array | None
    #: The class numbers that the source can teach.
    taught: Array | None

    @property
    def n_classes(self) -> int | None:
        """None for regression."""
        return None if self.classes is None else len(self.classes)


def draw(domains: Domains, rng: Any, max_rows: int = MAX_ROWS) -> Sample:
    """Draw rows of all domains and preprocess them.

    Of a larger target, labelled rows make up to half of the sample, however few they are of all rows: the tests of the label
    need them.
    """
    sizes = [len(domain.y) for domain in domains.sources]
    chosen = sample_rows(sum(sizes), max_rows, rng)
    ids = np.repeat(np.arange(len(sizes)), sizes)[chosen]
    starts = np.cumsum([0, *sizes])
    parts = [rows_of(d.X, chosen[ids == i] - starts[i]) for i, d in enumerate(domains.sources) if np.any(ids == i)]
    y_source = np.concatenate([domain.y for domain in domains.sources])[chosen]
    rows = _target_rows(domains.target.labelled, max_rows, rng)
    stack = vstack([*parts, rows_of(domains.target.X, rows)])
    X = TablePreprocessor().fit(stack).transform(stack)
    labelled = np.flatnonzero(domains.target.labelled[rows])
    y_target = domains.target.y[rows][labelled]
    return Sample(
        X[: len(chosen)],
        _numbers(y_source, domains.classes),
        ids,
        X[len(chosen) :],
        _numbers(y_target, domains.classes),
        labelled,
        domains.classes,
        None if domains.classes is None else np.unique(_numbers(y_source, domains.classes)),
    )


def _target_rows(labelled: Array, max_rows: int, rng: Any) -> Array:
    if len(labelled) <= max_rows:
        return np.arange(len(labelled))
    known, unknown = np.flatnonzero(labelled), np.flatnonzero(~labelled)
    n_known = min(len(known), max(max_rows // 2, round(max_rows * len(known) / len(labelled))))
    n_known = max(n_known, max_rows - len(unknown))
    shown = known[sample_rows(len(known), n_known, rng)]
    others = unknown[sample_rows(len(unknown), max_rows - len(shown), rng)]
    return np.sort(np.concatenate([shown, others]))


def _numbers(y: Array, classes: Array | None) -> Array:
    if classes is None:
        return y.astype(float)
    return np.searchsorted(classes, np.array(y.tolist(), dtype=classes.dtype) if len(y) else y.astype(classes.dtype)).astype(
        int
    )
