"""What is found of a strategy without target labels: fitted without a fold of the source, scored, and guarded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sterna.domains._stack import Array
from sterna.parameters._trust import truth
from sterna.select._guard import guard
from sterna.select._importance_weighted_validation import importance_weighted_validation
from sterna.select._search_scores import Fitted
from sterna.select._search_stack import Stack

#: The share of the source that is held out is one of so many.
N_FOLDS = 5


@dataclass
class Seen:
    """What a strategy fitted without a fold of the source says.

    Attributes
    ----------
    target : ndarray of shape (n_target, n_outputs)
        Of the target, in the shape of `outputs`.
    predicted : ndarray of shape (n_target,)
    source : ndarray of shape (n_held, n_outputs)
        Of the held-out source rows.
    source_score : float or None
        Accuracy or R squared on these.
    scores : dict of str to float
    """

    target: Array
    predicted: Array
    source: Array
    source_score: float | None
    scores: dict[str, float] = field(default_factory=dict)


def look(stack: Stack, model: Any, train: Array, test: Array, classes: Array | None) -> Seen:
    """Fit a strategy on the rows `train` of a stack, and predict the target and the source rows `test`."""
    fitted = Fitted(stack.fit(model, train), stack, test)
    return Seen(fitted.outputs_target(classes), fitted.predict_target(), fitted.outputs_source(classes), fitted.source_score())


def score(
    seen: dict[str, Seen], y_held: Array, weights: Array, classes: Array | None, scorers: dict[str, Callable[..., float]]
) -> None:
    """Write the label-free scores of each strategy into `seen`.

    Classes: the scores of probabilities alone that a collapse does not fool, by their facts; of a strategy without probabilities they are
    those of its votes. Values: the importance-weighted loss of held-out source rows, and how near it is to the mean of all strategies.

    Parameters
    ----------
    seen : dict of str to Seen
        Of those that are not void.
    y_held : ndarray of shape (n_held,)
    weights : ndarray of shape (n_held,)
    classes : ndarray of shape (n_classes,) or None
    scorers : dict of str to function
        All scorers.
    """
    if classes is not None:
        robust = {n: s for n, s in scorers.items() if s.needs == ("proba_target",) and not s.fooled_by_collapse}  # type: ignore[attr-defined]
        for found in seen.values():
            found.scores = {name: float(scorer(found.target)) for name, scorer in robust.items()}
        return
    middle = np.mean([found.target for found in seen.values()], axis=0)
    for found in seen.values():
        losses = np.sum((found.source - truth(y_held, None)) ** 2, axis=1)
        found.scores = {
            "importance_weighted_validation": importance_weighted_validation(losses, weights),
            "agreement": -float(np.mean((found.target - middle) ** 2)),
        }


def void_reasons(seen: dict[str, Seen], y_source: Array, task: str, plain: str) -> dict[str, str]:
    """Why the scores of a strategy do not count, by `guard`; the plain source model's always do."""
    usual = seen[plain].source_score if plain in seen else None
    void = {}
    for name, found in seen.items():
        reason = guard(found.predicted, y_source, task, source_score=found.source_score, plain_source_score=usual)
        if reason is not None and name != plain:
            void[name] = reason
    return void
