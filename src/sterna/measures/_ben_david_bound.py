"""ben_david_bound: a bound of the error in the target, from its parts."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import MaxAbsScaler, StandardScaler
from sklearn.utils import check_random_state

from sterna.domains._stack import Array, is_labelled, vstack
from sterna.measures._checks import check_pair, sample_rows
from sterna.measures._facts import measure_facts
from sterna.measures._hdh_divergence import hdh_divergence
from sterna.measures._labelled import check_labelled
from sterna.measures._parameters import check_between, check_count
from sterna.measures._ranking import LEAST_LABELS
from sterna.measures._source_model import fold_numbers
from sterna.measures._threads import single_threaded


@dataclass(frozen=True)
class BenDavidBound:
    """The bound of the error in the target and its parts, as estimated.

    Attributes
    ----------
    value : float
        The bound: the sum of the parts that are known, half of the divergence among them.
    source_error : float
        Of a linear model of the source, held out.
    divergence : float
        As `hdh_divergence` gives it.
    joint_error : float or None
        Lambda, the error in the source plus that in the target of one linear model of both, held out; None where labels are
        too few to tell.
    sampling : float or None
        What few rows may hide; None where it was not asked for.
    n_labelled : int
        Labelled target rows.
    """

    value: float
    source_error: float
    divergence: float
    joint_error: float | None
    sampling: float | None
    n_labelled: int

    def __float__(self) -> float:
        return self.value

    @property
    def vacuous(self) -> bool:
        """Whether the bound is 1 or more, which every model keeps."""
        return self.value >= 1

    def __str__(self) -> str:
        parts = [f"source error {self.source_error:.2f}", f"half of the divergence {self.divergence / 2:.2f}"]
        parts += [] if self.joint_error is None else [f"joint error {self.joint_error:.2f}"]
        parts += [] if self.sampling is None else [f"sampling term {self.sampling:.2f}"]
        total = f"{self.value:.2f} ({' + '.join(parts)})"
        if self.joint_error is None:
            total += " and the joint error besides"
        told = f"A linear model's error in the target is at most {total} by estimate"
        if self.vacuous:
            told = f"The bound of a linear model's error in the target is vacuous, since no error exceeds 1: {total}"
        if self.joint_error is None:
            count = (
                f"{self.n_labelled or 'none'} of the target's rows {'has a label' if self.n_labelled == 1 else 'have labels'}"
            )
            told += f"; the joint error is not known, since {count} and it takes {LEAST_LABELS} or more"
        return f"{told}."


@measure_facts(
    direction="larger is farther",
    bounds=(0.0, np.inf),
    symmetric=False,
    needs_labels=True,
    takes="features and labels of both",
    reference="Ben-David, Blitzer, Crammer, Kulesza, Pereira and Vaughan 2010",
)
@single_threaded
def ben_david_bound(
    X_source: Any,
    y_source: Any,
    X_target: Any,
    y_target: Any = None,
    *,
    vc_dimension: int | None = None,
    confidence: float = 0.95,
    cv: int = 5,
    max_rows: int = 2000,
    random_state: Any = None,
) -> BenDavidBound:
    """Bound of a linear model's error in the target: source error + half of the H-delta-H divergence + joint error.

    When to use it: to see which part stands in the way. A large source error asks for another model, a large divergence for
    aligned features, a large joint error says that no linear model serves both domains, and no alignment helps. What it cannot
    tell: how large the error is; the bound is mostly far above it, and often vacuous (1 or more).

    Parameters
    ----------
    X_source : array-like or sparse matrix of shape (n_source, n_features)
    y_source : array-like of shape (n_source,)
        Two classes; each row has a label.
    X_target : array-like or sparse matrix of shape (n_target, n_features)
    y_target : array-like of shape (n_target,), default=None
        Of the source's classes; missing labels are NaN or None. Fewer than eight labels leave the joint error unknown.
    vc_dimension : int, default=None
        Adds the term for finite samples; of half-spaces it is n_features + 1. None leaves it out.
    confidence : float, default=0.95
        Of that term.
    cv : int, default=5
        Folds, at most the rows of the smallest domain.
    max_rows : int, default=2000
        The rows of each domain that are used at most, drawn at random.
    random_state : int, RandomState or None, default=None
        Draws rows and folds.

    Returns
    -------
    BenDavidBound

    Notes
    -----
    Theorem 2 of the paper: error_T(h) <= error_S(h) + d / 2 + lambda, with d the divergence of `hdh_divergence` and lambda =
    min_h error_S(h) + error_T(h); where d is that of two samples of m rows, 4 sqrt((2 v log(2 m) + log(2 / delta)) / m) is
    added, v the VC dimension and 1 - delta the confidence. Departures: the parts are estimates and so is the bound, which is
    no guarantee: the divergence is estimated from below, the joint error (of a logistic regression in which both domains
    weigh the same, in place of the best model) from above, the source error of models of one fold less without bias. m is the
    number of rows of the smaller domain. For more than two classes judge each against the rest. Cost: that of
    `hdh_divergence` and 2 `cv` fits.

    References
    ----------
    S. Ben-David, J. Blitzer, K. Crammer, A. Kulesza, F. Pereira, J. W. Vaughan (2010), A theory of learning from different
    domains, Machine Learning 79.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.measures import ben_david_bound
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(size=(400, 2)), rng.normal(size=(400, 2)) + [0.0, 1.0]
    >>> bound = ben_david_bound(Xs, Xs[:, 0] > 0, Xt, Xt[:, 0] > 0, random_state=0)
    >>> bound.source_error < 0.05, bound.joint_error < 0.05, 0.3 < bound.value < 0.5
    (True, True, True)
    """
    check_count("cv", cv, 2)
    check_count("max_rows", max_rows, 2)
    check_between("confidence", confidence, 0.95)
    if vc_dimension is not None:
        check_count("vc_dimension", vc_dimension, 1)
    X_source, X_target = check_pair(X_source, X_target)
    classes, codes = _source_classes(X_source.shape[0], y_source)
    known, known_codes = _target_classes(X_target.shape[0], y_target, classes)
    rng = check_random_state(random_state)
    chosen = [sample_rows(len(y), max_rows, rng) for y in (codes, known)]
    source = X_source[chosen[0]], codes[chosen[0]]
    target = X_target[known[chosen[1]]], known_codes[chosen[1]]
    (source_error,) = _held_out_errors([source], cv, rng)
    joint = None
    if len(known) >= LEAST_LABELS:  # a model or its complement has 1 at most
        joint = min(sum(_held_out_errors([source, target], cv, rng)), 1.0)
    divergence = hdh_divergence(X_source, X_target, cv=cv, max_rows=max_rows, random_state=rng)
    m = min(X_source.shape[0], X_target.shape[0], max_rows)
    sampling = None if vc_dimension is None else _sampling_term(m, vc_dimension, 1 - confidence)
    value = source_error + divergence / 2 + (joint or 0.0) + (sampling or 0.0)
    return BenDavidBound(value, source_error, divergence, joint, sampling, len(known))


def _source_classes(n_rows: int, y: Any) -> tuple[list[Any], Array]:
    """The two classes, and the number of each row's."""
    data = check_labelled("ben_david_bound (source)", np.zeros((n_rows, 1)), y)
    assert data.classes is not None
    if len(data.classes) != 2:
        raise ValueError(
            f"ben_david_bound: y_source holds {len(data.classes)} classes; the bound is for two, so judge one against the rest, "
            f"for instance y == {data.classes[0]!r}"
        )
    return data.classes.tolist(), data.y


def _target_classes(n_rows: int, y: Any, classes: list[Any]) -> tuple[Array, Array]:
    """The rows with labels, and the numbers of their classes."""
    if y is None:
        return np.arange(0), np.arange(0)
    y = np.asarray(y)
    if y.shape != (n_rows,):
        raise ValueError(
            f"ben_david_bound: y_target has the shape {y.shape}, but X_target has {n_rows} rows; give one label a row, NaN or "
            "None where it is missing"
        )
    known = np.flatnonzero(is_labelled(y))
    numbers = {name: number for number, name in enumerate(classes)}
    foreign = [label for label in y[known].tolist() if label not in numbers]
    if foreign:
        raise ValueError(
            f"ben_david_bound: y_target holds {foreign[0]!r}, but y_source holds {classes[0]!r} and {classes[1]!r}; give the same "
            "classes in both"
        )
    return known, np.array([numbers[label] for label in y[known].tolist()], dtype=int)


def _held_out_errors(parts: Sequence[tuple[Any, Array]], cv: int, rng: Any) -> list[float]:
    """The error rate in each domain of one linear model of all, in whose fit the domains weigh the same."""
    n_folds = min([cv, *(len(y) for _, y in parts)])
    folds = [fold_numbers(y, n_folds, True, rng) for _, y in parts]
    wrong = [np.empty(len(y)) for _, y in parts]
    for k in range(n_folds):
        kept = [fold != k for fold in folds]
        X = vstack([X[rows] for (X, _), rows in zip(parts, kept, strict=True)])
        y = np.concatenate([y[rows] for (_, y), rows in zip(parts, kept, strict=True)])
        sizes = [int(rows.sum()) for rows in kept]
        predict = _line(X, y, np.repeat(len(y) / (len(sizes) * np.array(sizes)), sizes))
        for (X_part, y_part), rows, errors in zip(parts, kept, wrong, strict=True):
            errors[~rows] = predict(X_part[~rows]) != y_part[~rows]
    return [float(errors.mean()) for errors in wrong]


def _line(X: Any, y: Array, weights: Array) -> Any:
    """The predictions of a logistic regression, or of the one class there is."""
    if len(np.unique(y)) < 2:
        return lambda rows: np.full(rows.shape[0], y[0])
    scaler = (MaxAbsScaler() if sparse.issparse(X) else StandardScaler()).fit(X)
    # the same strength as in the domain classifier of `domain_auc`
    model = LogisticRegression(C=1.0 if sparse.issparse(X) else 0.1, tol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # an unfinished fit is a model too
        model.fit(scaler.transform(X), y, sample_weight=weights)
    return lambda rows: model.predict(scaler.transform(rows))


def _sampling_term(m: int, vc_dimension: int, delta: float) -> float:
    """What theorem 2 adds for a divergence of two samples of m rows."""
    return float(4 * np.sqrt((2 * vc_dimension * np.log(2 * m) + np.log(2 / delta)) / m))
