"""Without target labels: label-free scores of every strategy, guarded, and how many labels would settle the question."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from sterna.domains._stack import Array, evenly_spread, rows_of
from sterna.select import collapse_reason, combine_scores, information_maximisation
from sterna.select._folds import folds
from sterna.verdict._cells import Meter, Plan, health_of
from sterna.verdict._metrics import Metric, Truth, find_metric

N_FOLDS = 5
MAX_KEPT = 2000


@dataclass(frozen=True)
class SourceCell:
    """A strategy and the fold of the source that is held out."""

    strategy: str
    split: int

    @property
    def key(self) -> str:
        """Its file's stem."""
        return f"u{self.split:03d}-{self.strategy}"


def run_source_cell(plan: Plan, cell: SourceCell, *, weights: Array) -> dict[str, Any]:
    """Fit without one fold of the source; score that fold by importance weighting, and the target's predictions by themselves.

    Parameters
    ----------
    plan : Plan
    cell : SourceCell
    weights : ndarray of shape (n_source,)
        Density ratios of all source rows.

    Returns
    -------
    dict
        label_free, collapsed, prediction (of up to 2000 target rows), seconds, peak_mb, health, warnings, error.
    """
    meter = Meter()
    result: dict[str, Any] = {"label_free": {}, "collapsed": None, "prediction": None, "error": None, "health": {}}
    with meter.running(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result |= _score_fold(plan, cell, weights)
        except Exception as error:  # any strategy may fail on any data; the reason goes into the report
            result["error"] = f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]
    result["warnings"] = sorted({f"{w.category.__name__}: {' '.join(str(w.message).split())}"[:300] for w in caught})
    return result | {"seconds": meter.seconds, "peak_mb": meter.peak_mb}


def _score_fold(plan: Plan, cell: SourceCell, weights: Array) -> dict[str, Any]:
    X, y, sample_domain = plan.rows(cell.strategy).stack()
    source = np.flatnonzero(sample_domain > 0)
    target = np.flatnonzero(sample_domain < 0)
    labels = np.array(y[source].tolist())
    train, test = folds(labels, N_FOLDS, plan.domains.task == "classification", [plan.random_state, 11])[cell.split]
    kept = np.concatenate([source[train], target])
    model = plan.model(cell.strategy, plan.seed(cell.split))
    model.fit(rows_of(X, kept), y[kept], sample_domain=sample_domain[kept])
    rows = rows_of(X, np.concatenate([source[test], target]))
    prepared = model[:-1].transform(rows) if len(model.steps) > 1 else rows
    X_test, X_target = prepared[: len(test)], prepared[len(test) :]
    strategy = model[-1]
    as_source = {"sample_domain": sample_domain[source[test]], "allow_source": True} if len(model.steps) > 1 else {}
    prediction = strategy.predict(X_target)
    scores = {"importance_weighted": _weighted_score(plan, strategy, X_test, labels[test], as_source, weights[test])}
    if plan.domains.task == "classification" and hasattr(strategy, "predict_proba"):
        scores["information_maximisation"] = information_maximisation(strategy.predict_proba(X_target))
    if not np.all(np.isfinite([*scores.values()])):
        raise ValueError("its predictions are not finite, so that they cannot be scored")
    return {
        "label_free": scores,
        "collapsed": collapse_reason(prediction, labels, plan.domains.task),
        "prediction": _thinned(prediction, plan.domains.classes),
        "health": health_of(strategy),
    }


def source_metric(plan: Plan) -> Metric:
    """The metric for held-out source rows: the plan's, or the default of the task where that needs probabilities."""
    return find_metric(None, plan.domains.task) if plan.metric.needs_probabilities else plan.metric


def _weighted_score(plan: Plan, strategy: Any, X: Any, y: Array, as_source: dict[str, Any], weights: Array) -> float:
    """The metric on held-out source rows (those that are predicted as source rows are), weighted towards the target."""
    prediction = strategy.predict(X, **as_source)
    metric = source_metric(plan)
    labels, counts = np.unique(y, return_counts=True)
    shares = dict(zip(labels.tolist(), (counts / len(y)).tolist(), strict=True)) if metric.task == "classification" else {}
    return metric.score(metric.values(strategy, X, Truth(y, shares), prediction), sample_weight=weights)


def _thinned(prediction: Array, classes: Array | None) -> list[Any]:
    """Predictions of up to 2000 evenly spaced rows: class numbers, or values."""
    shown = prediction[evenly_spread(len(prediction), MAX_KEPT)]
    return [int(code) for code in np.searchsorted(classes, shown)] if classes is not None else [float(value) for value in shown]


def rank_label_free(scores: dict[str, dict[str, float]], void: dict[str, str], greater_is_better: bool) -> list[str]:
    """Names from best to worst by their mean rank over the scores; those whose scores are void come last.

    Parameters
    ----------
    scores : dict of strategy to dict of score name to value
        "importance_weighted" is in the direction of the metric, all others are better when larger.
    void : dict of strategy to reason
    greater_is_better : bool
        Of the metric.

    Returns
    -------
    list of str
    """
    sign = {"importance_weighted": 1.0 if greater_is_better else -1.0}
    upward = {name: {kind: sign.get(kind, 1.0) * value for kind, value in values.items()} for name, values in scores.items()}
    return combine_scores(upward, void).order


def labels_to_settle(
    first: Array,
    second: Array,
    task: str,
    *,
    smallest: float,
    confidence: float,
    n_comparisons: int,
    noise: float,
    power: float = 0.8,
) -> int:
    """How many target labels would show which of two models is better, from how far their predictions differ.

    Parameters
    ----------
    first, second : ndarray of shape (n_rows,)
        Predictions of the same target rows.
    task : {"classification", "regression"}
    smallest : float
        The difference worth showing: in accuracy, or as a share of the mean squared error.
    confidence : float
    n_comparisons : int
        Corrected for by Bonferroni.
    noise : float
        Regression: the standard deviation of the errors, from the source.
    power : float, default=0.8

    Returns
    -------
    int

    Notes
    -----
    Classification: with disagreement q the paired difference of accuracy has variance at most q - smallest^2 a row, and cannot exceed
    q. Regression: the paired difference of squared errors is 2 e D - D^2 with D the difference of the predictions, of
    variance 4 noise^2 E[D^2] + Var[D^2]. Then n = (z_a + z_b)^2 variance / difference^2.
    """
    reach = stats.norm.ppf(1 - (1 - confidence) / (2 * max(1, n_comparisons))) + stats.norm.ppf(power)
    if task == "classification":
        disagreement = float(np.mean(first != second))
        target = min(smallest, max(disagreement, 1e-12))
        variance = max(disagreement - target**2, 0.0)
    else:
        gap = (first - second) ** 2
        target = smallest * noise**2
        variance = 4 * noise**2 * float(np.mean(gap)) + float(np.var(gap))
    return max(20, int(np.ceil(reach**2 * variance / target**2)))
