"""Cross-validation over stacked domains, for scikit-learn's searches: what is tested is one domain's rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import BaseCrossValidator, KFold, StratifiedGroupKFold, StratifiedKFold
from sklearn.model_selection import GroupKFold as PlainGroupKFold
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import column_or_1d

from sterna.domains._stack import Array, clean_labels, domain_codes, known_rows
from sterna.measures._source_model import fold_numbers

Split = tuple[NDArray[np.intp], NDArray[np.intp]]


class _DomainSplitter(BaseCrossValidator):
    """Splits of a stack. The domains come as `sample_domain`, or as `groups`, which searches hand on without metadata routing."""

    __metadata_request__split = {"groups": None, "sample_domain": True}

    def split(self, X: Any, y: Any = None, groups: Any = None, sample_domain: Any = None) -> Iterator[Split]:
        """Yield the rows to train on and those to test on.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            A stack, as `Domains.stack` gives it.
        y : array-like of shape (n_samples,)
        groups : array-like of shape (n_samples,), default=None
            `sample_domain`, for searches without metadata routing: `search.fit(X, y, groups=sample_domain,
            sample_domain=sample_domain)`.
        sample_domain : array-like of shape (n_samples,), default=None

        Yields
        ------
        train, test : ndarray of int
        """
        given = groups if sample_domain is None else sample_domain
        name = type(self).__name__
        if given is None:
            raise ValueError(f"{name} got no domains; give the search groups=sample_domain besides sample_domain=sample_domain")
        if y is None:
            raise ValueError(f"{name} got no labels; give y")
        labels = column_or_1d(np.asarray(y))
        codes = domain_codes(given, len(labels))
        yield from self._splits(labels, codes, known_rows(labels, codes))

    def _splits(self, y: Array, codes: Array, known: Array) -> Iterator[Split]:
        raise NotImplementedError

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None, sample_domain: Any = None) -> int:
        """The number of splits; the arguments are those of `split`."""
        return sum(1 for _ in self.split(X, y, groups, sample_domain))


def _check_splits(splitter: TargetFold | SourceFold, n_units: int, what: str) -> None:
    """Refuse a number of folds that so many rows, or groups, cannot be split into."""
    name, n_splits = type(splitter).__name__, splitter.n_splits
    if isinstance(n_splits, bool) or not isinstance(n_splits, Integral):
        raise ValueError(f"{name}: n_splits is {n_splits!r}; give a whole number of 2 or more")
    if n_units < 2:
        raise ValueError(f"{name} splits {what}, of which the stack has {n_units}; give 2 or more")
    if not 2 <= n_splits <= n_units:
        raise ValueError(f"{name}: n_splits is {n_splits}, but there are {n_units} {what}; give 2 to {n_units}")


def _folds(y: Array, n_splits: int, groups: Array | None, random_state: Any) -> Iterator[Split]:
    """Folds of labelled rows: stratified for classes, whole groups together where there are any."""
    y = clean_labels(y)
    classes = not type_of_target(y).startswith("continuous")
    options = {"n_splits": n_splits, "shuffle": True, "random_state": random_state}
    if groups is not None:
        found: Any = StratifiedGroupKFold(**options) if classes else PlainGroupKFold(**options)
        yield from found.split(y, y, groups)
        return
    common = classes and np.unique(y, return_counts=True)[1].min() >= n_splits
    yield from (StratifiedKFold if common else KFold)(**options).split(y, y)


class TargetFold(_DomainSplitter):
    """K folds of the labelled target rows; all other rows, of sources and unlabelled ones, are always trained on.

    For searches over the parameters of a strategy: what is tested is what the model is for.

    Parameters
    ----------
    n_splits : int, default=5
        At most the number of labelled target rows, or of their groups. Classes are spread evenly where each has so many rows.
    groups : array-like of shape (n_samples,), default=None
        Rows of one group (a patient, a day) are tested together; labelled target rows of a tested group are never trained on.
    random_state : int, RandomState or None, default=None
        Shuffles the rows.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.select import TargetFold
    >>> sample_domain = np.repeat([1, -2], [3, 5])
    >>> y = np.array([0, 1, 1, 0, 1, 0, 1, -1])
    >>> for train, test in TargetFold(2, random_state=0).split(np.zeros((8, 1)), y, sample_domain):
    ...     print(train, test)
    [0 1 2 3 6 7] [4 5]
    [0 1 2 4 5 7] [3 6]
    """

    def __init__(self, n_splits: int = 5, *, groups: Any = None, random_state: Any = None) -> None:
        self.n_splits = n_splits
        self.groups = groups
        self.random_state = random_state

    def _splits(self, y: Array, codes: Array, known: Array) -> Iterator[Split]:
        labelled = np.flatnonzero((codes < 0) & known)
        groups = None if self.groups is None else _group_numbers(self.groups, len(y), labelled)
        if groups is None:
            _check_splits(self, len(labelled), "labelled target rows")
        else:
            _check_splits(self, len(np.unique(groups)), "groups of labelled target rows")
        every = np.arange(len(y))
        for _, test in _folds(y[labelled], self.n_splits, groups, self.random_state):
            yield np.setdiff1d(every, labelled[test]), labelled[test]


def _group_numbers(groups: Any, n_rows: int, labelled: Array) -> Array:
    """The number of the group of each labelled row, in the order of the groups, shape (n_labelled,)."""
    names = np.asarray(groups)
    if names.shape != (n_rows,):
        raise ValueError(
            f"TargetFold: groups has the shape {names.shape}, but the stack has {n_rows} rows; give one entry a row"
        )
    numbers = pd.factorize(names[labelled], sort=True)[0]
    if np.any(numbers < 0):
        row = labelled[numbers.argmin()]
        raise ValueError(f"TargetFold: groups holds {names[row]} for row {row}; give each labelled target row a group")
    return numbers


class LeaveOneSourceOut(_DomainSplitter):
    """Each source in turn is tested, as if it were the target; all other rows, those of the target too, are trained on.

    For choosing without target labels, with three sources or more. A strategy does not see the left-out rows in training, as it
    sees the target's: `leave_one_source_out` lets it. Not for metadata routing, under which `predict` is told the domains and
    refuses source rows.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.select import LeaveOneSourceOut
    >>> sample_domain, y = np.array([1, 2, 2, 3, -4]), np.array([0, 1, 0, 1, -1])
    >>> [test.tolist() for _, test in LeaveOneSourceOut().split(np.zeros((5, 1)), y, sample_domain)]
    [[0], [1, 2], [3]]
    """

    def _splits(self, y: Array, codes: Array, known: Array) -> Iterator[Split]:
        sources = np.unique(codes[codes > 0])
        if len(sources) < 2:
            raise ValueError(f"LeaveOneSourceOut needs two sources or more, got {len(sources)}; use SourceFold")
        every = np.arange(len(y))
        for source in sources:
            test = every[(codes == source) & known]
            if len(test):
                yield every[codes != source], test


class SourceFold(_DomainSplitter):
    """K folds of the source rows, with each source and class spread evenly over them; target rows are always trained on.

    For scores on held-out source rows, weighted or not. They tell how a model does on the source. Not for metadata routing, under
    which `predict` is told the domains and refuses source rows.

    Parameters
    ----------
    n_splits : int, default=5
    random_state : int, RandomState or None, default=None
        Shuffles the rows.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.select import SourceFold
    >>> sample_domain, y = np.array([1, 1, 2, 2, -3]), np.array([0, 0, 1, 1, -1])
    >>> sorted(test.tolist() for _, test in SourceFold(2, random_state=0).split(np.zeros((5, 1)), y, sample_domain))
    [[0, 3], [1, 2]]
    """

    def __init__(self, n_splits: int = 5, *, random_state: Any = None) -> None:
        self.n_splits = n_splits
        self.random_state = random_state

    def _splits(self, y: Array, codes: Array, known: Array) -> Iterator[Split]:
        rows = np.flatnonzero((codes > 0) & known)
        _check_splits(self, len(rows), "labelled source rows")
        labels = clean_labels(y[rows])
        if type_of_target(labels).startswith("continuous"):
            strata = codes[rows]
        else:
            classes = np.unique(labels, return_inverse=True)[1]
            strata = codes[rows].astype(np.int64) * (classes.max() + 1) + classes
        fold = fold_numbers(strata, self.n_splits, True, check_random_state(self.random_state))
        every = np.arange(len(y))
        for k in range(self.n_splits):
            yield np.setdiff1d(every, rows[fold == k]), rows[fold == k]
