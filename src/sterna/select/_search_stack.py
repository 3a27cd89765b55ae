"""What a search reads: a stack whose unknown labels are gone, and the folds of its rows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import joblib
import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import is_classifier
from sklearn.utils.validation import column_or_1d

from sterna.domains._hashes import row_hashes
from sterna.domains._stack import Array, clean_labels, domain_codes, known_rows, rows_of
from sterna.select._splitters import Split

N_FOLDS = 5


@dataclass(frozen=True)
class Stack:
    """Stacked domains.

    Attributes
    ----------
    X : array, sparse matrix or DataFrame of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
        None (classes) or NaN (values) where unknown.
    codes : ndarray of int of shape (n_samples,)
        As `domain_codes` gives them.
    known : ndarray of bool of shape (n_samples,)
    classes : bool
        Whether the labels are classes.
    """

    X: Any
    y: Array
    codes: Array
    known: Array
    classes: bool

    @property
    def task(self) -> str:
        """The task, in the words of the facts."""
        return "classification" if self.classes else "regression"

    @property
    def source(self) -> Array:
        """The numbers of the labelled source rows."""
        return np.flatnonzero((self.codes > 0) & self.known)

    @property
    def labelled(self) -> Array:
        """The numbers of the labelled target rows."""
        return np.flatnonzero((self.codes < 0) & self.known)

    @property
    def target(self) -> Array:
        """The numbers of all target rows."""
        return np.flatnonzero(self.codes < 0)

    @property
    def sides(self) -> tuple[Array, Array, Array]:
        """The numbers of the labelled source rows, of the labelled target rows, and of the other target rows."""
        return self.source, self.labelled, np.flatnonzero((self.codes < 0) & ~self.known)

    @property
    def largest_side(self) -> int:
        """The rows of the largest of `sides`."""
        return max(map(len, self.sides))

    @property
    def is_table(self) -> bool:
        """Whether the rows are numbers or columns, not files, texts or pictures."""
        if isinstance(self.X, np.ndarray):
            return self.X.ndim == 2 and self.X.dtype.kind in "biuf"
        return isinstance(self.X, pd.DataFrame) or sparse.issparse(self.X)

    def labels(self, rows: Array) -> Array:
        """Known labels in their natural type."""
        return clean_labels(self.y[rows])

    def fit(self, model: Any, rows: Array | None = None) -> Any:
        """Fit a model on some rows, or all."""
        rows = np.arange(len(self.y)) if rows is None else rows
        return model.fit(rows_of(self.X, rows), self.y[rows], sample_domain=self.codes[rows])

    def sample(self, most: int, seed: int, most_labelled: int | None = None) -> Stack:
        """At most so many source rows, labelled target rows and unlabelled ones; each class of each domain in its share, and one row or more.

        With one seed the smaller sample is part of the larger. `most_labelled` is that number for labelled target rows, where it differs.
        """
        limits = (most, most if most_labelled is None else most_labelled, most)
        if all(len(side) <= limit for side, limit in zip(self.sides, limits, strict=True)):
            return self
        groups = pd.MultiIndex.from_arrays([self.codes, self.y if self.classes else self.known])
        codes, rng = pd.factorize(groups)[0], np.random.default_rng(seed)
        shares = [_share(side, codes[side], limit, rng) for side, limit in zip(self.sides, limits, strict=True)]
        rows = np.sort(np.concatenate(shares))
        return Stack(rows_of(self.X, rows), self.y[rows], self.codes[rows], self.known[rows], self.classes)

    def fingerprint(self) -> str:
        """A hash of all that is read."""
        hashes = row_hashes(self.X).tolist() if self.is_table else joblib.hash(self.X)
        columns = list(map(str, self.X.columns)) if isinstance(self.X, pd.DataFrame) else None
        labels = [None if not known else label for known, label in zip(self.known.tolist(), self.y.tolist(), strict=True)]
        return hashlib.sha256(repr([columns, hashes, labels, self.codes.tolist()]).encode()).hexdigest()


def _share(rows: Array, groups: Array, most: int, rng: np.random.Generator) -> Array:
    """At most `most` of the rows at random, of each group in its share, rounded up where there are places."""
    order = rng.permutation(len(rows))
    place = pd.Series(groups[order]).groupby(groups[order]).transform(lambda group: np.arange(len(group)) / len(group))
    return rows[order[np.argsort(place.to_numpy(), kind="stable")[:most]]]


def read_stack(X: Any, y: Any, sample_domain: Any, estimator: Any) -> Stack:
    """Check a stack, and put None or NaN where no label is known."""
    if sample_domain is None:
        raise ValueError("TransferSearch got no domains; give sample_domain, as Domains.stack gives it")
    if sparse.issparse(X):
        X = sparse.csr_array(X)
    elif not hasattr(X, "shape"):
        X = np.asarray(X)
    labels = column_or_1d(np.asarray(y))
    if len(labels) != X.shape[0]:
        raise ValueError(f"y has {len(labels)} labels but X has {X.shape[0]} rows; give one entry per row, None where unknown")
    codes = domain_codes(sample_domain, len(labels))
    known = known_rows(labels, codes)
    classes = bool(is_classifier(estimator))
    found = clean_labels(labels[known])
    if not classes and found.dtype.kind not in "biuf":
        raise ValueError(f"y holds {found[:1].tolist()[0]!r}, but {type(estimator).__name__} is for regression; give numbers")
    return Stack(X, with_gaps(found, known, classes), codes, known, classes)


def with_gaps(labels: Array, known: Array, classes: bool) -> Array:
    """The known labels in their places, None (classes) or NaN (values) elsewhere, shape (n_samples,)."""
    y = np.full(len(known), None, dtype=object) if classes else np.full(len(known), np.nan)
    y[known] = labels.tolist()
    return y


def find_splits(cv: Any, stack: Stack, rows: Array, what: str, default: Callable[..., Any], seed: int) -> list[Split]:
    """The folds: by default up to 5, or as given, of which only certain rows may be tested.

    Parameters
    ----------
    cv : int, splitter, iterable of (train, test), or None
    stack : Stack
    rows : ndarray of int
        Those that may be tested.
    what : str
        How messages call them.
    default : class
        The splitter for a number of folds.
    seed : int

    Returns
    -------
    list of (train, test)
    """
    if cv is None or isinstance(cv, Integral):
        n_splits = min(N_FOLDS, len(rows)) if cv is None else int(cv)
        cv = default(n_splits, random_state=seed)
    if isinstance(cv, str) or not (hasattr(cv, "split") or isinstance(cv, Iterable)):
        raise TypeError(f"cv is {cv!r}; give a number of folds, a splitter such as {default.__name__}, or pairs of rows")
    pairs = cv.split(stack.X, stack.y, groups=stack.codes) if hasattr(cv, "split") else cv
    splits = [(np.asarray(train, dtype=np.intp), np.asarray(test, dtype=np.intp)) for train, test in pairs]
    if not splits:
        raise ValueError("cv gives no fold; give one or more")
    for k, (train, test) in enumerate(splits):
        wrong = np.setdiff1d(test, rows)
        if len(wrong):
            raise ValueError(
                f"cv tests row {wrong[0]} in fold {k}, but this scoring tests {what} alone; give {default.__name__}"
            )
        both = np.intersect1d(train, test)
        if len(both) or not len(test) or not len(train):
            fault = f"row {both[0]} is trained on and tested" if len(both) else "no row is trained on, or none tested"
            raise ValueError(f"in fold {k} of cv {fault}; give folds that are apart and not empty")
    return splits
