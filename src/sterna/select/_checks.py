"""Checking the evidence that a scorer is given, in one sentence each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sterna.domains._stack import Array

#: Rows of probabilities sum to 1 within this.
TOLERANCE = 1e-3


def check_proba(name: str, proba: Any) -> Array:
    """Probabilities as a float64 array of shape (n_samples, n_classes), one row and one class or more; rows sum to 1."""
    values = _numbers(name, proba, 2, "(n_samples, n_classes)")
    if not values.size:
        raise ValueError(f"{name} has {values.shape[0]} rows and {values.shape[1]} columns; give one of each or more")
    if values.min() < -TOLERANCE:
        raise ValueError(f"{name} holds {values.min():.4g}; probabilities lie between 0 and 1: give predict_proba's output")
    values = np.maximum(values, 0.0)
    sums = values.sum(axis=1)
    worst = int(np.abs(sums - 1).argmax())
    if abs(sums[worst] - 1) > TOLERANCE:
        raise ValueError(f"row {worst} of {name} sums to {sums[worst]:.4g}, not 1; give probabilities, not scores or logits")
    return values / sums[:, None]


def check_source(proba_source: Any, y_source: Any, classes: Any, proba_target: Array) -> tuple[Array, NDArray[np.intp]]:
    """Source probabilities, and the column of each source label; `proba_target` is checked already."""
    proba = check_proba("proba_source", proba_source)
    if proba.shape[1] != proba_target.shape[1]:
        raise ValueError(
            f"proba_source has {proba.shape[1]} columns but proba_target has {proba_target.shape[1]}; give the same classes of both"
        )
    codes = check_labels(y_source, classes, proba.shape[1])
    if len(codes) != len(proba):
        raise ValueError(f"y_source has {len(codes)} labels but proba_source has {len(proba)} rows; give one label a row")
    return proba, codes


def check_labels(y_source: Any, classes: Any, n_classes: int) -> NDArray[np.intp]:
    """The column of each label, shape (n_held,)."""
    labels, names = (np.asarray(values) for values in (y_source, classes))
    for name, values in (("y_source", labels), ("classes", names)):
        if values.ndim != 1:
            raise ValueError(f"{name} has the shape {values.shape}; give one dimension")
    columns = {label: k for k, label in enumerate(names.tolist())}
    if len(columns) != len(names) or len(names) != n_classes:
        raise ValueError(
            f"classes names {len(columns)} different labels in {len(names)} entries, but the probabilities have {n_classes} columns; "
            "name each column once"
        )
    found = labels.tolist()
    unknown = [label for label in found if label not in columns]
    if unknown:
        raise ValueError(f"y_source holds {unknown[0]!r}, which is not among classes; give labels of the columns only")
    return np.array([columns[label] for label in found], dtype=np.intp)


def check_losses(losses_source: Any, weights: Any) -> tuple[Array, Array]:
    """Losses and weights as float64 arrays of one length, one row or more, none negative."""
    losses, checked = _numbers("losses_source", losses_source, 1, "(n_held,)"), check_weights(weights)
    if len(losses) != len(checked):
        raise ValueError(f"losses_source has {len(losses)} rows but weights has {len(checked)}; give one weight a row")
    if losses.min() < 0:
        raise ValueError(f"losses_source holds {losses.min():.4g}; give losses, which are 0 at best, not scores")
    return losses, checked


def check_weights(weights: Any) -> Array:
    """Weights as a float64 array of shape (n_held,), one row or more, none negative, not all 0."""
    values = _numbers("weights", weights, 1, "(n_held,)")
    if not len(values):
        raise ValueError("weights has no row; give one weight for each held-out source row")
    if values.min() < 0:
        raise ValueError(f"weights holds {values.min():.4g}; density ratios are 0 or more")
    if not values.any():
        raise ValueError("weights are all 0: no held-out source row looks like the target; use a score that takes no weights")
    return values


def check_features(features_target: Any, n_rows: int | None = None) -> Any:
    """Features as a float64 array or csr matrix of shape (n_target, d), two rows and one column or more."""
    if sparse.issparse(features_target):
        X: Any = sparse.csr_array(features_target, dtype=np.float64)
        _finite("features_target", X.data)
    else:
        X = _numbers("features_target", features_target, 2, "(n_target, d)")
    if X.shape[0] < 2 or X.shape[1] < 1:
        raise ValueError(
            f"features_target has {X.shape[0]} rows and {X.shape[1]} columns; this score needs two rows and a column or more"
        )
    if n_rows is not None and X.shape[0] != n_rows:
        raise ValueError(f"features_target has {X.shape[0]} rows but proba_target has {n_rows}; give the same target rows")
    return X


def _numbers(name: str, values: Any, n_dimensions: int, shape: str) -> Array:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} holds values that are no numbers ({error}); give floats of shape {shape}") from error
    if array.ndim != n_dimensions:
        raise ValueError(f"{name} has the shape {array.shape}; give {shape}")
    _finite(name, array)
    return array


def _finite(name: str, values: Array) -> None:
    if not np.all(np.isfinite(values)):
        raise ValueError(f"{name} holds NaN or infinite values; leave such rows out, or look for what made them")
