"""What can be said of the strategies without target labels: each fitted without a fold of the source, guarded, and scored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sterna.domains._stack import Array
from sterna.parameters._trust import truth
from sterna.select._auto_race import Clock, Entrant, run_all
from sterna.select._auto_weights import average_best, weigh
from sterna.select._auto_words import Choice
from sterna.select._folds import folds
from sterna.select._guard import guard
from sterna.select._importance_weighted import stack_weights
from sterna.select._importance_weighted_validation import importance_weighted_validation
from sterna.select._search_scores import Fitted
from sterna.select._search_stack import Stack
from sterna.select._temperature import fit_temperature

#: One fold of so many is held out of the source.
N_FOLDS = 5


@dataclass(frozen=True)
class Seen:
    """What a strategy says that was fitted without a fold of the source.

    Attributes
    ----------
    target : ndarray of shape (n_target, n_outputs)
        Of the target, in the shape of `outputs`.
    predicted : ndarray of shape (n_target,)
    source : ndarray of shape (n_held, n_outputs)
        Of the held-out source rows.
    source_score : float or None
        Accuracy or R squared on these.
    """

    target: Array
    predicted: Array
    source: Array
    source_score: float | None


def choose_without_labels(
    stack: Stack, entrants: list[Entrant], classes: Array | None, clock: Clock, n_jobs: int | None, seed: int
) -> tuple[Choice, float]:
    """Weigh the strategies by scores that read no target label; parameters and results as in `choose_by_labels`."""
    source, plain = stack.source, plain_model(stack, entrants)
    y = stack.labels(source)
    held = folds(y, min(N_FOLDS, len(y)), classes is not None, [seed, 11])[0][1]
    test, rows = source[held], np.setdiff1d(np.arange(len(stack.y)), source[held])

    def look(model: object) -> Seen:
        fitted = Fitted(stack.fit(model, rows), stack, test)
        return Seen(
            fitted.outputs_target(classes), fitted.predict_target(), fitted.outputs_source(classes), fitted.source_score()
        )

    seen = {entrant.name: found for entrant, found in run_all(entrants, look, clock, n_jobs, n_later=1)}
    if plain not in seen:
        raise ValueError(f"{plain}, the plain model, {next(e.reason for e in entrants if e.name == plain)}")
    _void(entrants, seen, plain, y, stack.task)
    kept = {entrant.name: seen[entrant.name] for entrant in entrants if not entrant.reason}
    weights = stack_weights(stack.X, source, stack.target, random_state=seed)[held]
    scores = _scores(kept, y[held], weights, classes)
    for entrant in entrants:
        entrant.scores = scores.get(entrant.name, {})
    chosen = average_best(scores)
    weigh(entrants, chosen)
    mixed = np.sum([weight * seen[name].source for name, weight in chosen.items()], axis=0)
    temperature = 1.0 if classes is None else fit_temperature(mixed, np.searchsorted(classes, y[held]), weights)
    return Choice.label_free(plain, entrants), temperature


def plain_model(stack: Stack, entrants: list[Entrant]) -> str:
    """The plain model where labels are too few to choose by: of all labels there are, if the classes allow it."""
    names = {entrant.name for entrant in entrants if entrant.plain}
    wanted = ("Pooled", "SourceOnly", "TargetOnly") if len(stack.labelled) else ("SourceOnly",)
    return next(name for name in wanted if name in names)


def _void(entrants: list[Entrant], seen: dict[str, Seen], plain: str, y_source: Array, task: str) -> None:
    """Write why the scores of a strategy do not count; the plain model's always do."""
    usual = seen[plain].source_score
    for entrant in entrants:
        if entrant.name not in seen or entrant.name == plain:
            continue
        found = seen[entrant.name]
        reason = guard(found.predicted, y_source, task, source_score=found.source_score, plain_source_score=usual)
        entrant.reason = "" if reason is None else f"void: {reason}"


def _scores(kept: dict[str, Seen], y_held: Array, weights: Array, classes: Array | None) -> dict[str, dict[str, float]]:
    """Label-free scores of each strategy.

    Classes: those of probabilities alone which a collapse does not fool, by their facts; of a strategy without probabilities they are those
    of its votes. Values: the importance-weighted loss of held-out source rows, and the agreement with the mean of all strategies.
    """
    from sterna.discovery import all_scorers

    if classes is not None:
        robust = {n: s for n, s in all_scorers().items() if s.needs == ("proba_target",) and not s.fooled_by_collapse}  # type: ignore[attr-defined]
        return {name: {n: float(s(found.target)) for n, s in robust.items()} for name, found in kept.items()}
    middle, expected = np.mean([found.target for found in kept.values()], axis=0), truth(y_held, None)
    return {
        name: {
            "importance_weighted_validation": importance_weighted_validation(
                np.sum((found.source - expected) ** 2, axis=1), weights
            ),
            "agreement": -float(np.mean((found.target - middle) ** 2)),
        }
        for name, found in kept.items()
    }
