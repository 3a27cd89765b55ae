"""Paired differences over rows and repeated splits, with intervals that hold for all strategies at once."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

from sterna.domains._stack import Array

N_DRAWS = 20_000


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval.

    Attributes
    ----------
    mean, low, high : float
    """

    mean: float
    low: float
    high: float

    @property
    def word(self) -> str:
        """What it says of a difference where positive is better."""
        if self.low > 0:
            return "helps"
        return "hurts" if self.high < 0 else "no evidence"

    def to_dict(self) -> dict[str, float]:
        """Plain numbers: mean, low, high."""
        return asdict(self)


@dataclass(frozen=True)
class Comparisons:
    """Simultaneous intervals of several differences.

    Attributes
    ----------
    intervals : list of Interval
    standard_errors : ndarray of shape (n_comparisons,)
    critical_value : float
        Half the width of each interval in standard errors.
    """

    intervals: list[Interval]
    standard_errors: Array
    critical_value: float


def compare_paired(gains: Array, folds: Array, *, resolution: float = 0.0, confidence: float = 0.95) -> Comparisons:
    """Confidence intervals of mean paired differences, simultaneous over all comparisons.

    Parameters
    ----------
    gains : ndarray of shape (n_rows, n_repeats, n_comparisons)
        What a row adds to the score of a strategy minus what it adds to that of its control, in each repeat of the
        cross-validation; NaN where the row was not evaluated.
    folds : ndarray of int of shape (n_rows, n_repeats)
        The fold in which it was evaluated; rows of one fold and repeat share their models.
    resolution : float, default=0.0
        The least standard error: what one row can change in the mean.
    confidence : float, default=0.95
        The probability that all intervals hold together.

    Returns
    -------
    Comparisons

    Notes
    -----
    The mean is over rows, each with its mean over the repeats. Its variance is the sum of two parts, as in two-way clustering
    (Cameron, Gelbach and Miller 2011): the sampling of the rows, s^2 of the row means / n, which is the interval of
    cross-validation that Bayle et al. (2020) show to be exact for stable methods; and the split and the seed, the squared sums of the
    deviations from the row means over the rows that share a model, less the sum of their squares, which the first part holds already
    (at least 0). With a single repeat the two stand in the same numbers: the second part then is what the variance between folds is
    more than that between rows. What is estimated is the mean difference on new rows of models
    trained on parts of the labelled rows that are there: how other labelled rows would have done is not counted. Degrees of freedom by
    Satterthwaite. Correction: the quantile of max |t| under the correlation of the comparisons (single-step; Hothorn, Bretz and
    Westfall 2008), by 20,000 seeded draws.

    References
    ----------
    P. Bayle, A. Bayle, L. Janson, L. Mackey (2020), Cross-validation confidence intervals for test error, NeurIPS.
    A. C. Cameron, J. B. Gelbach, D. L. Miller (2011), Robust inference with multiway clustering, JBES 29.
    T. Hothorn, F. Bretz, P. Westfall (2008), Simultaneous inference in general parametric models, Biometrical Journal 50.
    """
    evaluated = np.all(np.any(~np.isnan(gains), axis=1), axis=1)  # (n_rows,)
    gains, folds = gains[evaluated], folds[evaluated]
    if not gains.shape[2]:
        return Comparisons([], np.empty(0), float("nan"))
    row_means = np.nanmean(gains, axis=1)  # (n_rows, n_comparisons)
    means = row_means.mean(axis=0)
    rows = _row_part(row_means)
    parts = [rows, _model_part(gains, folds, row_means) if gains.shape[1] > 1 else _fold_part(rows, folds[:, 0])]
    variances = np.array([(part**2).sum(axis=0) for part in parts])
    errors = np.maximum(np.sqrt(variances.sum(axis=0)), resolution)
    degrees = _degrees(variances, len(row_means), len(parts[1]))
    critical = critical_value(np.vstack(parts), errors, degrees, confidence)
    intervals = [
        Interval(float(mean), float(mean - critical * error), float(mean + critical * error))
        for mean, error in zip(means, errors, strict=True)
    ]
    return Comparisons(intervals, errors, critical)


def _row_part(row_means: Array) -> Array:
    """Each row's part of the mean, shape (n_rows, n_comparisons); the squares sum to s^2 / n."""
    n_rows = len(row_means)
    return (row_means - row_means.mean(axis=0)) / np.sqrt(n_rows * max(n_rows - 1, 1))


def _model_part(gains: Array, folds: Array, row_means: Array) -> Array:
    """Each model's part of the mean beyond that of its rows, shape (n_models, n_comparisons).

    Sums of its rows' deviations from their row means.
    """
    n_rows, n_repeats, n_comparisons = gains.shape
    counts = (~np.isnan(gains[:, :, 0])).sum(axis=1)  # (n_rows,) repeats in which a row was evaluated
    stretch = np.sqrt(counts / np.maximum(counts - 1, 1)) / (counts * n_rows)  # one mean was taken out of so many deviations
    deviations = np.nan_to_num(gains - row_means[:, None, :]) * stretch[:, None, None]
    n_folds = int(folds.max()) + 1
    sums = np.zeros((n_repeats * n_folds, n_comparisons))
    for repeat in range(n_repeats):
        np.add.at(sums, repeat * n_folds + folds[:, repeat], deviations[:, repeat])
    return _beyond(sums, (deviations**2).sum(axis=(0, 1)))


def _fold_part(row_part: Array, folds: Array) -> Array:
    """Each fold's part of the mean beyond that of its rows, shape (n_folds, n_comparisons), where there is one repeat only."""
    names, codes = np.unique(folds, return_inverse=True)
    n_folds, n_rows = len(names), len(row_part)
    sums = np.zeros((n_folds, row_part.shape[1]))
    np.add.at(sums, codes, row_part * np.sqrt((n_rows - 1) / n_rows * n_folds / max(n_folds - 1, 1)))
    return _beyond(sums, (row_part**2).sum(axis=0))


def _beyond(sums: Array, within: Array) -> Array:
    """Sums over clusters, shrunk until their squares sum to what is beyond the variance `within` of the single entries."""
    between = (sums**2).sum(axis=0)
    return sums * np.sqrt(np.maximum(1 - within / np.where(between > 0, between, 1.0), 0.0)) * (between > 0)


def _degrees(variances: Array, n_rows: int, n_models: int) -> float:
    """Satterthwaite's degrees of freedom, the least over the comparisons."""
    freedom = np.array([[max(n_rows - 1, 1)], [max(n_models // 2, 1)]])
    total = variances.sum(axis=0)
    safe = np.where(total > 0, total, 1.0)
    shares = np.where(total > 0, variances / safe, [[1.0], [0.0]])
    return float(np.min(1 / (shares**2 / freedom).sum(axis=0)))


def critical_value(parts: Array, errors: Array, degrees: float, confidence: float) -> float:
    """The quantile of the largest |t| among correlated comparisons.

    Parameters
    ----------
    parts : ndarray of shape (n_parts, n_comparisons)
        Independent parts of the means; parts' parts is their covariance.
    errors : ndarray of shape (n_comparisons,)
        Standard errors, at least the root of its diagonal.
    degrees : float
        Degrees of freedom.
    confidence : float

    Returns
    -------
    float
    """
    if parts.shape[1] == 1:
        return float(stats.t.ppf((1 + confidence) / 2, degrees))
    rng = np.random.default_rng(0)
    scale = np.where(errors > 0, errors, 1.0)  # of comparisons without any difference
    covariance = parts.T @ parts / np.outer(scale, scale)
    np.fill_diagonal(covariance, 1.0)
    values, vectors = np.linalg.eigh(covariance)
    draws = rng.standard_normal((N_DRAWS, len(values))) @ (vectors * np.sqrt(np.maximum(values, 0))).T
    draws /= np.sqrt(rng.chisquare(degrees, size=(N_DRAWS, 1)) / degrees)
    return float(np.quantile(np.abs(draws).max(axis=1), confidence))


def power_analysis(standard_error: float, critical: float, n_rows: int, smallest: float, power: float = 0.8) -> dict[str, Any]:
    """How many labelled target rows would show a difference.

    Parameters
    ----------
    standard_error : float
        Of the difference at `n_rows` labelled rows; it falls with the square root of their number.
    critical : float
        The critical value of the comparison.
    n_rows : int
    smallest : float
        The difference worth showing, in units of the metric.
    power : float, default=0.8
        The probability to show it.

    Returns
    -------
    dict
        `n_labels` (to show `smallest`), `detectable` (now) and `curve`: what is detectable at several numbers of labels.
    """
    reach = (critical + float(stats.norm.ppf(power))) * standard_error * np.sqrt(n_rows)
    n_labels = int(np.ceil((reach / smallest) ** 2))
    grid = sorted({n_rows, *(int(n_rows * factor) for factor in (0.5, 2, 4, 8)), n_labels} - {0})
    return {
        "n_labels": n_labels,
        "smallest_difference": float(smallest),
        "detectable": float(reach / np.sqrt(n_rows)),
        "curve": [{"n_labels": n, "detectable": float(reach / np.sqrt(n))} for n in grid],
    }
