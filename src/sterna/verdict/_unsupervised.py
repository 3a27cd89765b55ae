"""A comparison without target labels: ranked by label-free scores, and never more than unproven."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from sterna.discovery import all_strategies, deep_strategies
from sterna.domains._stack import Array, evenly_spread, rows_of
from sterna.select._candidates import FLOOR
from sterna.select._contradiction import Groups, columns_changed, contradictions
from sterna.select._importance_weighted import importance_weights, prepared_rows
from sterna.verdict._cells import CONTROL, Plan, fit_all
from sterna.verdict._comparison import Comparison
from sterna.verdict._label_free import (
    MAX_KEPT,
    N_FOLDS,
    SourceCell,
    labels_to_settle,
    rank_label_free,
    run_source_cell,
    source_metric,
)
from sterna.verdict._run import Execution, run_rounds
from sterna.verdict._store import CellStore
from sterna.verdict._summary import merge_health, merge_warnings, preprocessing_sentence
from sterna.verdict._words import Verdict, amount

#: The plain model to beat where no target label is known.
PLAIN = "SourceOnly"
#: The difference worth showing: 0.05 of accuracy, or a tenth of the mean squared error.
SMALLEST = {"classification": 0.05, "regression": 0.1}


def compare_unsupervised(
    plan: Plan,
    store: CellStore,
    common: dict[str, Any],
    about: dict[str, Any],
    execution: Execution,
) -> Comparison:
    """Rank strategies without target labels.

    Parameters
    ----------
    plan : Plan
        Without splits of the target.
    store : CellStore
    common, about : dict
        The parts of the summary that are known already.
    execution : Execution

    Returns
    -------
    Comparison
        Its verdicts are "unproven".
    """
    names = [name for name in plan.strategies if name not in (CONTROL, FLOOR)]
    rounds = [[SourceCell(name, j) for name in names] for j in range(N_FOLDS)]
    prepared = _prepared(plan)
    weights = importance_weights(*prepared, random_state=plan.random_state)
    work = functools.partial(run_source_cell, plan, weights=weights)
    run = run_rounds(rounds, work, store, execution, essential=frozenset({PLAIN}))
    cells = {name: [store[key] for j in range(N_FOLDS) if (key := SourceCell(name, j).key) in store] for name in names}
    ranking = _rank(plan, cells, run.dropped, *prepared)
    power = _power(plan, ranking, execution.confidence)
    verdicts = _verdicts(plan, ranking, power)
    protocol = about | {
        "n_splits": N_FOLDS,
        "n_repeats": 1,
        "n_cells": len(store),
        "preprocessing": preprocessing_sentence(plan.domains.kind, encoded=plan.raw is not None or plan.encoder is not None),
        "seconds": round(sum(cell["seconds"] for found in cells.values() for cell in found), 2),
        "completed_splits": min((len(found) for found in ranking.cells.values()), default=0),
        "planned_splits": N_FOLDS,
        "stopped": run.stopped,
    }
    summary = common | {
        "verdict": verdicts[0].to_dict(),
        "adaptation": verdicts[1].to_dict(),
        "best": {"name": ranking.best, "mean": None, "low": None, "high": None, "reason": _reason(ranking)},
        "baselines": {},
        "strategies": _entries(plan, ranking, execution.skipped),
        "confidence": execution.confidence,
        "n_comparisons": len(ranking.order),
        "correction": "Without target labels there is no difference to put an interval around.",
        "protocol": protocol,
        "power": power,
        "learning_curve": None,
        "confusion": None,
    }
    return Comparison(*verdicts, ranking.best, fit_all(plan, ranking.best), summary)


@dataclass(frozen=True)
class Ranking:
    """Strategies by their label-free scores.

    Attributes
    ----------
    cells : dict of str to list of dict
        The results by folds of those that are ranked.
    scores : dict of str to dict of str to float
        Means over folds.
    void : dict of str to reason
        Whose scores do not count.
    order : list of str
        Best first, the void ones last.
    best : str
        The plain model where nothing else is left.
    reasons : dict of str to reason
        Why the others are not ranked.
    """

    cells: dict[str, list[dict[str, Any]]]
    scores: dict[str, dict[str, float]]
    void: dict[str, str]
    order: list[str]
    best: str
    reasons: dict[str, str]


def _rank(plan: Plan, cells: dict[str, Any], dropped: dict[str, str], X_source: Any, X_target: Any) -> Ranking:
    """Rank what was run; `dropped` says why some were given up."""
    reasons = dropped | {n: _failure(found) for n, found in cells.items() if n not in dropped and _failure(found)}
    ranked = {name: found for name, found in cells.items() if name not in reasons}
    scores = {name: _mean_scores(found) for name, found in ranked.items()}
    void = {n: next(c["collapsed"] for c in found if c["collapsed"]) for n, found in ranked.items() if _has_collapsed(found)}
    void |= _contradictions(plan, {n: found for n, found in ranked.items() if n not in void}, X_source, X_target)
    order = rank_label_free(scores, void, source_metric(plan).greater_is_better)
    plain = PLAIN if PLAIN in plan.strategies else CONTROL  # where the classes differ, the source model does not apply
    best = order[0] if order and order[0] not in void else plain
    return Ranking(ranked, scores, void, order, best, reasons)


def _prepared(plan: Plan) -> tuple[Any, Any]:
    """All source rows and all target rows as strategies see them."""
    X, _, sample_domain = plan.domains.stack(labelled_rows=[])
    X = X if plan.encoder is None else clone(plan.encoder).fit(X).transform(X)
    return prepared_rows(X, np.flatnonzero(sample_domain > 0), np.flatnonzero(sample_domain < 0))


def _contradictions(plan: Plan, ranked: dict[str, list[dict[str, Any]]], X_source: Any, X_target: Any) -> dict[str, str]:
    """Which classifiers contradict the source's model too often to be believed."""
    classes = plan.domains.classes
    if classes is None or PLAIN not in ranked or columns_changed(X_source, X_target, plan.random_state):
        return {}
    shown = rows_of(X_target, evenly_spread(X_target.shape[0], MAX_KEPT))
    predicted = {name: _predictions(found) for name, found in ranked.items()}
    return contradictions(predicted, PLAIN, Groups.of(shown, 2 * len(classes), plan.random_state), plan.random_state)


def _failure(cells: list[dict[str, Any]]) -> str:
    failed = [cell["error"] for cell in cells if cell["error"]]
    if failed:
        return f"failed in {len(failed)} of {len(cells)} folds: {failed[0]}"
    return "" if cells else "was not run"


def _has_collapsed(cells: list[dict[str, Any]]) -> bool:
    return 2 * sum(cell["collapsed"] is not None for cell in cells) > len(cells)


def _mean_scores(cells: list[dict[str, Any]]) -> dict[str, float]:
    kinds = {kind for cell in cells for kind in cell["label_free"]}
    return {
        kind: float(np.mean([cell["label_free"][kind] for cell in cells if kind in cell["label_free"]]))
        for kind in sorted(kinds)
    }


def _predictions(cells: list[dict[str, Any]]) -> Array:
    return np.array(cells[0]["prediction"])


def _power(plan: Plan, ranking: Ranking, confidence: float) -> dict[str, Any] | None:
    """How many labels would settle whether the best strategy beats the source model (or the runner-up does, where it is best)."""
    best, ranked = ranking.best, ranking.cells
    others = [name for name in ranked if name != best]
    if best not in ranked or not others:
        return None
    rival = PLAIN if best != PLAIN and PLAIN in ranked else others[0]
    task = plan.domains.task
    error = np.mean([cell["label_free"]["importance_weighted"] for cell in ranked[rival]]) if task == "regression" else 0.0
    if task == "regression" and not error > 0:
        return None  # a source without noise tells nothing of the target's
    n_labels = labels_to_settle(
        _predictions(ranked[best]),
        _predictions(ranked[rival]),
        task,
        smallest=SMALLEST[task],
        confidence=confidence,
        n_comparisons=len(ranked) - 1,
        noise=float(error),
    )
    worth = "5 points of accuracy" if task == "classification" else "a tenth of the mean squared error"
    sentence = f"About {n_labels} labelled target rows would settle whether {best} beats {rival} by {worth} (80 % power)."
    return {"sentence": sentence, "n_labels": n_labels, "smallest_difference": SMALLEST[task], "curve": []}


def _verdicts(plan: Plan, ranking: Ranking, power: dict[str, Any] | None) -> tuple[Verdict, Verdict]:
    best, few = ranking.best, int(plan.domains.target.labelled.sum())
    why = "the target has no labels" if not few else f"{few} target labels are too few to split"
    settle = f" {power['sentence']}" if power else ""
    source = f"Unproven: {why}, so nothing can be compared with training on the target alone.{settle}"
    estimate, metric = ranking.scores.get(best, {}).get("importance_weighted"), source_metric(plan)
    level = "" if estimate is None else f" (estimated {metric.name} {amount(estimate, metric)})"
    adapting = (
        f"Unproven: by scores that need no target label, {best} is the most promising{level}; they are guesses, not proof."
    )
    return Verdict("unproven", source, CONTROL), Verdict("unproven", adapting, PLAIN, best)


def _reason(ranking: Ranking) -> str:
    best, order, void = ranking.best, ranking.order, ranking.void
    if order and best == order[0] and best not in void:
        return f"{best}: it has the best mean rank over the label-free scores among the strategies whose scores are not void; unproven."
    if best == CONTROL:
        return f"{best}: no strategy that uses the source applies here; unproven."
    return f"{best}: the scores of every ranked strategy are void ({len(void)}), so the plain source model is handed over; unproven."


def _entries(plan: Plan, ranking: Ranking, skipped: dict[str, str]) -> list[dict[str, Any]]:
    """One a strategy: those that are ranked, then those that are not."""
    families = {name: cls.family for name, cls in all_strategies(deep=False).items()} | deep_strategies()
    families |= {name: strategy.family for name, strategy in plan.strategies.items()}
    found = [_entry(n, families[n], ranking.cells[n], ranking.scores[n], ranking.void.get(n)) for n in ranking.order]
    return found + [_entry(n, families.get(n, ""), [], None, reason) for n, reason in (ranking.reasons | skipped).items()]


def _entry(
    name: str, family: str, cells: list[dict[str, Any]], scores: dict[str, float] | None, reason: str | None
) -> dict[str, Any]:
    empty = dict.fromkeys(("mean", "low", "high", "difference", "adaptation_difference"))
    warnings = merge_warnings([cell["warnings"] for cell in cells])
    if scores is not None and reason is not None:
        warnings, reason = [f"void: {reason}", *warnings], None
    return {
        "name": name,
        "family": family,
        **empty,
        "verdict": "unproven" if scores is not None else None,
        "adaptation": "unproven" if scores is not None else None,
        "seconds": float(np.median([cell["seconds"] for cell in cells])) if cells else None,
        "peak_mb": float(np.max([cell["peak_mb"] for cell in cells])) if cells else None,
        "health": merge_health([cell["health"] for cell in cells]),
        "warnings": warnings,
        "label_free": scores,
        "reason": reason,
    }
