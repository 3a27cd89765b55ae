"""The best strategies, judged once more where they are fitted on more rows: which is best may depend on how many there are."""

from __future__ import annotations

import time

import numpy as np
from joblib import Parallel, delayed

from sterna.domains._stack import Array
from sterna.select._auto_race import N_CHOSEN, Clock, Entrant, attempt, held_out, mean_loss
from sterna.select._search_stack import Stack

#: Less than so many times the rows are not worth another look, which may take this share of the time that is left.
WORTH, SHARE = 2.0, 0.5


def judge_on_more_rows(
    whole: Stack,
    stack: Stack,
    alive: list[Entrant],
    folds: list[tuple[Array, Array]],
    expected: Array,
    classes: Array | None,
    clock: Clock,
    n_jobs: int | None,
    seed: int,
) -> list[Entrant]:
    """Judge the plain models and the best others on the same labelled rows, fitted on as many rows as there is time for.

    A strategy that is too slow for that, or fails, keeps what it was judged by.

    Parameters
    ----------
    whole : Stack
    stack : Stack
        A sample of `whole`.
    alive : list of Entrant
        Judged on `stack`, best first; what they are judged by is written anew.
    folds : list of (train, test)
        Of the labelled target rows of `stack`.
    expected : ndarray of shape (n_labelled, n_classes or 1)
    classes : ndarray of shape (n_classes,) or None
    clock : Clock
    n_jobs : int or None
    seed : int
        With which `stack` was drawn.

    Returns
    -------
    list of Entrant
        All of `alive`, best first.

    Notes
    -----
    Fits are taken to cost time in proportion to their rows, to choose how many; the quickest strategy is first, and one of which the
    first fold took too long for the others is given up. That is successive halving with rows as the resource (Jamieson and Talwalkar 2016),
    in two rungs.
    """
    again = sorted((e for i, e in enumerate(alive) if e.plain or i < N_CHOSEN), key=lambda entrant: entrant.seconds)
    end = time.monotonic() + SHARE * clock.left
    fits = len(folds) * sum(entrant.seconds for entrant in again)
    times = min(SHARE * clock.left / max(fits, 1e-9), whole.largest_side / stack.largest_side)
    more = whole.sample(round(times * stack.largest_side), seed, len(stack.labelled))
    growth = len(more.y) / len(stack.y)
    if growth < WORTH:
        return alive
    tests = [more.labelled[test] for _, test in folds]

    def in_time(seconds: float) -> bool:
        return time.monotonic() + seconds <= end

    for entrant in again:
        if not in_time(growth * entrant.seconds):
            continue
        clock.tell(f"{entrant.name} on {len(more.y)} rows")
        runs = [attempt(held_out, entrant.model, more, tests[0], classes)]
        if runs[0][2] or not in_time(len(tests[1:]) * runs[0][1]):
            continue
        runs += Parallel(n_jobs=n_jobs)(delayed(attempt)(held_out, entrant.model, more, test, classes) for test in tests[1:])
        if any(fault for _, _, fault in runs):
            continue
        parts = [predicted for predicted, _, _ in runs]
        loss = mean_loss(np.concatenate(parts), expected[np.concatenate([test for _, test in folds])])
        if np.isfinite(loss):
            entrant.parts, entrant.loss, entrant.n_rows = parts, loss, len(more.y)
            entrant.seconds = max(seconds for _, seconds, _ in runs)
    return sorted(alive, key=lambda entrant: (entrant.loss, entrant.name))
