"""Bundled data: nothing is downloaded."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_diabetes, load_digits

from sterna.domains import Domains
from sterna.domains._stack import Array


def load_digits_by_stroke(n_labelled: int = 60, random_state: int = 0) -> Domains:
    """Handwritten digits: the source is everyday handwriting, the target the three tenths of the digits with the boldest strokes.

    Parameters
    ----------
    n_labelled : int, default=60
        How many rows of the target keep their label; all others stay unlabelled.
    random_state : int, default=0
        Seeds which.

    Returns
    -------
    Domains
        1271 source rows and 526 target rows, 64 pixels, 10 classes (UCI optical digits, by way of scikit-learn).

    Examples
    --------
    >>> from sterna.datasets import load_digits_by_stroke
    >>> load_digits_by_stroke()
    Domains(classification; source 'ordinary': 1271 rows; target 'bold': 526 rows, 60 labelled; 64 columns)
    """
    X, y = load_digits(return_X_y=True)
    bold = X.sum(axis=1) > np.quantile(X.sum(axis=1), 0.7)
    labels = _keep_some(y[bold], n_labelled, random_state)
    return Domains({"ordinary": (X[~bold], y[~bold])}, {"bold": (X[bold], labels)}, task="classification")


def load_diabetes_by_age(n_labelled: int = 60, random_state: int = 0) -> Domains:
    """Diabetes progression after one year: the source is patients under 55, the target those of 55 and older.

    Parameters
    ----------
    n_labelled : int, default=60
        How many rows of the target keep their label; all others stay unlabelled.
    random_state : int, default=0
        Seeds which.

    Returns
    -------
    Domains
        Regression on ten named measurements (Efron et al. 2004, by way of scikit-learn).

    Examples
    --------
    >>> from sterna.datasets import load_diabetes_by_age
    >>> load_diabetes_by_age()
    Domains(regression; source 'under 55': 287 rows; target '55 and older': 155 rows, 60 labelled; 10 columns)
    """
    table, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    older = (table["age"] >= 55).to_numpy()
    labels = _keep_some(y.to_numpy()[older], n_labelled, random_state)
    source = (table[~older].reset_index(drop=True), y.to_numpy()[~older])
    return Domains({"under 55": source}, {"55 and older": (table[older].reset_index(drop=True), labels)}, task="regression")


def _keep_some(y: Array, n_labelled: int, random_state: int) -> Array:
    """All but `n_labelled` labels become None."""
    if not 0 <= n_labelled <= len(y):
        raise ValueError(f"n_labelled is {n_labelled}; the target has {len(y)} rows, give 0 to {len(y)}")
    kept = np.random.default_rng(random_state).permutation(len(y))[:n_labelled]
    labels = np.full(len(y), None, dtype=object)
    labels[kept] = y[kept].tolist()
    return labels
