"""What target labels say of the strategies: a race over their folds, a mixture by held-out loss, and whether it beats the plain models."""

from __future__ import annotations

from typing import Any

import numpy as np

from sterna.domains._stack import Array
from sterna.parameters._trust import truth
from sterna.select._auto_more_rows import judge_on_more_rows
from sterna.select._auto_race import Clock, Entrant, held_out, race
from sterna.select._auto_weights import held_out_gain, mixture_weights, predicted_to_help, weigh
from sterna.select._auto_words import Choice
from sterna.select._folds import folds
from sterna.select._search_stack import Stack
from sterna.select._temperature import fit_temperature

N_FOLDS = 5


def choose_by_labels(
    stack: Stack, entrants: list[Entrant], classes: Array | None, clock: Clock, n_jobs: int | None, seed: int, whole: Stack
) -> tuple[Choice, float]:
    """Weigh the strategies by their loss on labelled target rows that they have not seen.

    Parameters
    ----------
    stack : Stack
    entrants : list of Entrant
        Their weights, losses and reasons are written.
    classes : ndarray of shape (n_classes,) or None
    clock : Clock
    n_jobs : int or None
    seed : int
    whole : Stack
        All rows, of which `stack` is a sample drawn with `seed`.

    Returns
    -------
    Choice
    temperature : float
    """
    rows, values = stack.labelled, classes is None
    y = stack.labels(rows)
    parts = folds(y, min(N_FOLDS, len(rows) // 2), not values, [seed, 5])
    expected = truth(y, classes)

    def of_fold(model: Any, k: int) -> Array:
        return held_out(model, stack, rows[parts[k][1]], classes)

    alive = race(entrants, parts, expected, of_fold, clock, n_jobs)
    if whole is not stack:
        alive = judge_on_more_rows(whole, stack, alive, parts, expected, classes, clock, n_jobs, seed)
    plain = [i for i, entrant in enumerate(alive) if entrant.plain]
    if not plain:
        raise ValueError(
            f"no plain model can be fitted on {len(rows)} labelled target rows: {entrants[0].name} {entrants[0].reason}"
        )
    order = np.argsort(np.concatenate([test for _, test in parts]))
    predictions = np.array([np.concatenate(entrant.parts)[order] for entrant in alive])
    gain = held_out_gain(predictions, plain, expected, [test for _, test in parts], values=values)
    weights = mixture_weights(predictions - expected, values=values)
    helps = predicted_to_help(gain)
    if not helps:
        weights = (np.arange(len(alive)) == plain[0]).astype(float)  # they are sorted by loss
    weigh(entrants, dict(zip([entrant.name for entrant in alive], weights.tolist(), strict=True)))
    mixed = np.tensordot(weights, predictions, 1)
    temperature = 1.0 if values else fit_temperature(mixed, expected.argmax(axis=1))
    return Choice.by_labels(
        alive[plain[0]].name, entrants, gain, helps, "squared error" if values else "Brier score"
    ), temperature
