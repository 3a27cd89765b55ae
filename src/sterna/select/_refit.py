"""What the scores that refit a strategy share: stacks without target labels, and held-out rows of the source."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import is_classifier
from sklearn.metrics import check_scoring
from sklearn.utils.validation import column_or_1d

from sterna.base import CollapseWarning, NegativeTransferWarning
from sterna.domains._stack import Array, DomainData, take_apart


def apart(X: Any, y: Any, sample_domain: Any) -> DomainData:
    """Take a stack apart, whatever kind of rows it has."""
    if sparse.issparse(X):
        X = sparse.csr_array(X)
    elif not hasattr(X, "shape"):
        X = np.asarray(X)
    data = take_apart(X, column_or_1d(np.asarray(y)), sample_domain)
    if not len(data.y_source):
        raise ValueError("the stack has no labelled source row (positive sample_domain); this score is taken on them")
    return data


def without_labels(y_known: Array, n_unknown: int, strategy: Any) -> Array:
    """Known labels followed by `n_unknown` rows without: NaN for regression, None for classes of any type."""
    if not is_classifier(strategy):
        return np.concatenate([y_known.astype(np.float64), np.full(n_unknown, np.nan)])
    y = np.full(len(y_known) + n_unknown, None, dtype=object)
    y[: len(y_known)] = y_known.tolist()
    return y


def require_classes(y: Array, strategy: Any, what: str) -> None:
    """Refuse to fit a classifier on rows of one class."""
    if is_classifier(strategy) and len(np.unique(y)) < 2:
        raise ValueError(f"{what} all have the class {y[0].item()!r}; give two source rows or more of two classes")


def held_out_score(model: Any, scoring: Any, X: Any, y: Array, what: str) -> float:
    """The score of a fitted model on source rows that it has not seen; None is accuracy or R squared."""
    if scoring is None and not is_classifier(model) and len(y) < 2:
        raise ValueError(
            f"{what} has 1 labelled row, which has no R squared; give a scoring, for instance 'neg_mean_squared_error'"
        )
    return float(check_scoring(model, scoring)(model, X, y))


@contextlib.contextmanager
def unwarned() -> Iterator[None]:
    """Leave out what strategies say of their own results: a refitted model is judged by its score."""
    with warnings.catch_warnings():
        for category in (CollapseWarning, NegativeTransferWarning):
            warnings.simplefilter("ignore", category)
        yield
