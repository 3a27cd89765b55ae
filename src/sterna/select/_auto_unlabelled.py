"""The choice without target labels: what is tried follows from what happened to the columns, and is guarded, scored and averaged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sterna.domains._stack import Array
from sterna.select._auto_race import Clock, Entrant, run_all
from sterna.select._auto_weights import average_best, label_likeness, weigh
from sterna.select._auto_words import Choice
from sterna.select._checks import TOLERANCE
from sterna.select._contradiction import Groups, columns_changed, contradictions
from sterna.select._effective import effective_sample_size
from sterna.select._folds import folds
from sterna.select._guard import guard
from sterna.select._importance_weighted import importance_weights, prepared_rows
from sterna.select._search_scores import Fitted, source_score
from sterna.select._search_stack import Stack
from sterna.select._temperature import fit_temperature

#: One fold of so many is held out of the source.
N_FOLDS = 5
#: The families that map the columns of one domain to those of the other, or of both to new ones.
MAPS = ("align", "transport")
#: Weighted source rows count where they are worth so many held-out ones.
MIN_EFFECTIVE = 30.0


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

    @classmethod
    def of(cls, target: Array, source: Array, y_source: Array, classes: Array | None) -> Seen:
        """From what it says and the labels of the held-out source rows."""
        predicted, held = (x[:, 0] if classes is None else classes[x.argmax(axis=1)] for x in (target, source))
        return cls(target, predicted, source, source_score(y_source, held, classes is not None))


def choose_without_labels(
    stack: Stack, entrants: list[Entrant], classes: Array | None, clock: Clock, n_jobs: int | None, seed: int
) -> tuple[Choice, float]:
    """Weigh the strategies by scores that read no target label; parameters and results as in `choose_by_labels`."""
    source, plain = stack.source, plain_model(stack, entrants)
    y = stack.labels(source)
    held = folds(y, min(N_FOLDS, len(y)), classes is not None, [seed, 11])[0][1]
    test, rows = source[held], np.setdiff1d(np.arange(len(stack.y)), source[held])
    prepared = prepared_rows(stack.X, source, stack.target)
    weights = importance_weights(*prepared, random_state=seed)[held]
    changed = columns_changed(*prepared, seed)
    _leave_out(entrants, plain, changed, None if classes is not None else effective_sample_size(weights))

    def look(model: object) -> Seen:
        fitted = Fitted(stack.fit(model, rows), stack, test)
        return Seen.of(fitted.outputs_target(classes), fitted.outputs_source(classes), y[held], classes)

    tried = [entrant for entrant in entrants if not entrant.reason]
    seen = {entrant.name: found for entrant, found in run_all(tried, look, clock, n_jobs)}
    if plain not in seen:
        raise ValueError(f"{plain}, the plain model, {next(e.reason for e in entrants if e.name == plain)}")
    _void(entrants, seen, plain, y, stack.task)
    groups = [] if classes is None else [Groups.of(prepared[1], times * len(classes), seed) for times in (1, 2)]
    if classes is not None and not changed:
        passed = {entrant.name: seen[entrant.name].predicted for entrant in entrants if not entrant.reason}
        doubted = contradictions(passed, plain, groups[-1], seed)
        for entrant in entrants:
            if entrant.name in doubted:
                entrant.reason = f"void: {doubted[entrant.name]}"
    kept = {entrant.name: seen[entrant.name] for entrant in entrants if not entrant.reason}
    if classes is not None:
        views = [_scores(kept)]
        views += [
            {n: {f"agreement with {g.n_groups} groups": g.agreement(s.predicted)} for n, s in kept.items()} for g in groups
        ]
        for entrant in entrants:
            entrant.scores = {name: value for view in views for name, value in view.get(entrant.name, {}).items()}
        chosen = average_best(*views)
    elif changed:
        chosen = label_likeness({name: found.predicted for name, found in kept.items()}, y)
    else:
        chosen = dict.fromkeys(kept, 1 / len(kept))
    weigh(entrants, chosen)
    temperature = 1.0
    if classes is not None:
        mixed = np.sum([weight * seen[name].source for name, weight in chosen.items()], axis=0)
        temperature = fit_temperature(mixed, np.searchsorted(classes, y[held]), weights)
    return Choice.label_free(plain, entrants, changed), temperature


def plain_model(stack: Stack, entrants: list[Entrant]) -> str:
    """The plain model where labels are too few to choose by: of all labels there are, if the classes allow it."""
    names = {entrant.name for entrant in entrants if entrant.plain}
    wanted = ("Pooled", "SourceOnly", "TargetOnly") if len(stack.labelled) else ("SourceOnly",)
    return next(name for name in wanted if name in names)


def _leave_out(entrants: list[Entrant], plain: str, changed: bool, effective: float | None) -> None:
    """Write which strategies are for another kind of shift: weights of rows undo a choice of rows, maps a change of columns.

    Classes (`effective` is None) have scores that tell a bad map; values have none, so that only what suits is tried.
    """
    for entrant in entrants:
        strategy = entrant.model[-1]
        weighs = strategy.family == "reweight" and "covariate" in strategy.assumes
        if entrant.name == plain:
            continue
        if entrant.plain or "target labels" in strategy.needs:
            entrant.reason = "so few labels do not tell whether it helps"
        elif weighs and changed:
            entrant.reason = "columns changed, which no weights of rows undo"
        elif effective is not None and weighs and effective < MIN_EFFECTIVE:
            entrant.reason = f"its weights leave {effective:.0f} effective held-out source rows"
        elif effective is not None and strategy.family in MAPS and not changed:
            entrant.reason = "no column changed by itself; at most other rows were chosen"


def _void(entrants: list[Entrant], seen: dict[str, Seen], plain: str, y_source: Array, task: str) -> None:
    """Write why the scores of a strategy do not count; the plain model's always do."""
    usual = seen[plain].source_score
    for entrant in entrants:
        if entrant.name not in seen or entrant.name == plain:
            continue
        found = seen[entrant.name]
        reason = _no_probabilities(found) if task == "classification" else None
        reason = reason or guard(found.predicted, y_source, task, source_score=found.source_score, plain_source_score=usual)
        entrant.reason = "" if reason is None else f"void: {reason}"


def _no_probabilities(found: Seen) -> str | None:
    both = np.concatenate([found.target, found.source])
    if np.all(np.isfinite(both)) and np.all(both >= 0) and np.all(np.abs(both.sum(axis=1) - 1) <= TOLERANCE):
        return None
    return "its probabilities are not finite, or do not sum to one"


def _scores(kept: dict[str, Seen]) -> dict[str, dict[str, float]]:
    """The scores of probabilities alone which a collapse does not fool, by their facts; of a strategy without probabilities of its votes."""
    from sterna.discovery import all_scorers

    robust = {n: s for n, s in all_scorers().items() if s.needs == ("proba_target",) and not s.fooled_by_collapse}  # type: ignore[attr-defined]
    return {name: {n: float(s(found.target)) for n, s in robust.items()} for name, found in kept.items()}
