"""Checking features with labels, for the measures of transferability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils.multiclass import type_of_target

from sterna.domains._stack import Array, is_labelled


@dataclass(frozen=True)
class Labelled:
    """Rows with labels.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features)
        Finite; float32 or float64.
    y : ndarray of shape (n_samples,)
        Numbers of classes, or values.
    classes : ndarray of shape (n_classes,) or None
        None: the labels are values.
    """

    X: Array
    y: Array
    classes: Array | None

    @property
    def counts(self) -> Array:
        """The rows of each class, shape (n_classes,)."""
        assert self.classes is not None
        return np.bincount(self.y, minlength=len(self.classes))

    def class_sums(self) -> Array:
        """The sum of each class's rows, in float64, shape (n_classes, n_features)."""
        assert self.classes is not None
        members = sparse.csr_array(
            (np.ones(len(self.y)), (self.y, np.arange(len(self.y)))), shape=(len(self.classes), len(self.y))
        )
        return np.asarray(members @ self.X, dtype=np.float64)


def check_labelled(measure: str, features: Any, y: Any, *, classes_only: bool = True, least: int = 2) -> Labelled:
    """Features and labels as arrays, or one sentence on what is wrong.

    Parameters
    ----------
    measure : str
        Its name, for messages.
    features : array-like of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)
    classes_only : bool, default=True
        Whether labels that are numbers with a fraction are refused; else they are taken as values.
    least : int, default=2
        The rows that are needed.

    Returns
    -------
    Labelled
    """
    X = _dense(measure, features)
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.shape != (len(X),):
        raise ValueError(f"{measure}: y has the shape {y.shape}, but features has {len(X)} rows; give one label a row")
    if len(X) < least:
        raise ValueError(f"{measure}: features has {len(X)} rows; give {least} or more")
    unknown = np.flatnonzero(~is_labelled(y))
    if len(unknown):
        raise ValueError(f"{measure}: y has no label in row {unknown[0]}; give the labelled rows only")
    if y.dtype == object:
        y = np.array(y.tolist())
    if y.dtype.kind == "f" and type_of_target(y) == "continuous":
        if classes_only:
            raise ValueError(f"{measure}: y holds {y[0]}, a value and not a class; use logme or linear_probe for regression")
        return Labelled(X, y.astype(np.float64), None)
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"{measure}: y holds one class only, {classes[0]!r}; give rows of two classes or more")
    return Labelled(X, codes, classes)


def _dense(measure: str, features: Any) -> Array:
    X = features.toarray() if sparse.issparse(features) else features
    try:
        X = np.asarray(X)
        X = X if X.dtype in (np.float32, np.float64) else X.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{measure}: features holds values that are no numbers ({error}); give an encoder's output") from error
    if X.ndim != 2 or not X.shape[1]:
        raise ValueError(f"{measure}: features has the shape {X.shape}; give (n_samples, n_features)")
    if not np.isfinite(X).all():
        row = int(np.flatnonzero(~np.isfinite(X).all(axis=1))[0])
        raise ValueError(f"{measure}: features holds NaN or infinite values in row {row}; leave such rows out, or impute them")
    return X


def check_probabilities(measure: str, proba: Any, y: Any) -> Labelled:
    """Probabilities of source classes with target labels; rows must sum to 1."""
    found = check_labelled(measure, proba, y)
    sums = found.X.sum(axis=1)
    wrong = np.flatnonzero((np.abs(sums - 1) > 1e-3) | (found.X < 0).any(axis=1))
    if len(wrong):
        raise ValueError(
            f"{measure}: row {wrong[0]} of the probabilities sums to {sums[wrong[0]]:.4g} or holds a negative one; give the outputs "
            "of predict_proba"
        )
    return found
