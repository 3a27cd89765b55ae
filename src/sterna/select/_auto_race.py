"""Successive halving of strategies over the folds of the labelled target rows."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from rich.console import Console

from sterna.base import unobserved
from sterna.domains._stack import Array, rows_of
from sterna.parameters._trust import outputs
from sterna.select._search_stack import Stack

#: From so many judged rows on the worse half may be left out.
MIN_JUDGED = 40
#: So few strategies are not halved any more.
FEW = 10
#: So many strategies are fitted once more in the end, as a rule ...
N_CHOSEN = 5
#: ... for which this share of the budget is left, late as it may be.
LAST_SHARE = 0.1
#: How reasons begin that the budget is to blame for.
LATE = ("the budget was spent", "too slow for the budget")


@dataclass
class Entrant:
    """A strategy in the selection, and what was found of it.

    Attributes
    ----------
    name : str
    model : estimator
        The unfitted pipeline.
    plain : bool
        Whether it is a plain baseline, which is never left out.
    seconds : float
        The longest fit.
    n_rows : int
        Those that it was judged on, the fold's among them, where that was not the sample of the race; else 0.
    parts : list of ndarray
        What it predicts for the rows of each fold it was run on, in the shape of `outputs`.
    loss : float or None
        Mean squared error of held-out predictions (the Brier score for classes).
    scores : dict of str to float
        Label-free scores.
    reason : str
        Why it is out; empty while it is in.
    weight : float
        In what is handed over.
    """

    name: str
    model: Any
    plain: bool = False
    seconds: float = 0.0
    n_rows: int = 0
    parts: list[Array] = field(default_factory=list)
    loss: float | None = None
    scores: dict[str, float] = field(default_factory=dict)
    reason: str = ""
    weight: float = 0.0


@dataclass(frozen=True)
class Clock:
    """A time budget in seconds (None is without end), and what is told of each strategy that was run."""

    budget: float | None
    tell: Callable[[str], None] = lambda name: None
    start: float = field(default_factory=time.monotonic)

    @property
    def end(self) -> float:
        """When it is over, by `time.monotonic`."""
        return np.inf if self.budget is None else self.start + self.budget

    @property
    def left(self) -> float:
        """The seconds that are left; for last fits a tenth of the budget is, late as it may be."""
        return np.inf if self.budget is None else max(self.end - time.monotonic(), LAST_SHARE * self.budget)


@contextmanager
def telling(shown: bool) -> Iterator[Callable[[str], None]]:
    """A line on the standard error that says which strategy was run last."""
    if not shown:
        yield lambda name: None
        return
    with Console(stderr=True).status("looking at the domains") as status:
        yield lambda name: status.update(f"choosing: tried {name}")


def attempt(work: Callable[..., Any], *arguments: Any) -> tuple[Any, float, str]:
    """What a strategy's work gives, in how many seconds, and why it failed."""
    start = time.perf_counter()
    with unobserved(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found, fault = work(*arguments), ""
        except Exception as error:  # any strategy may fail on any data; the reason is kept
            found, fault = None, f"failed: {' '.join(str(error).split())}"[:300]
    return found, time.perf_counter() - start, fault


def run_all(
    entrants: list[Entrant], work: Callable[..., Any], clock: Clock, n_jobs: int | None, n_later: float = 0
) -> list[tuple[Entrant, Any]]:
    """Run each entrant once, `work(model, ...)`; those that fail or take too long are out.

    Parameters
    ----------
    entrants : list of Entrant
        Plain ones are run whatever the time.
    work : callable
        Of an entrant's model.
    clock : Clock
    n_jobs : int or None
    n_later : float, default=0
        How many more runs of each must fit into the time that is left, beside a last fit of a few.

    Returns
    -------
    list of (Entrant, result)
        Of those that did not fail.
    """
    results = []
    parallel = Parallel(n_jobs=n_jobs, return_as="generator")
    for group in ([e for e in entrants if e.plain], [e for e in entrants if not e.plain]):
        runs = parallel(delayed(_unless_late)(work, entrant.model, _latest(entrant, clock)) for entrant in group)
        for entrant, (found, seconds, fault) in zip(group, runs, strict=True):
            clock.tell(entrant.name)
            entrant.seconds = max(entrant.seconds, seconds)
            entrant.reason = fault
            if not fault:
                results.append((entrant, found))
    _leave_out_slow([entrant for entrant, _ in results], clock, n_later)
    return [(entrant, found) for entrant, found in results if not entrant.reason]


def _latest(entrant: Entrant, clock: Clock) -> float:
    """When a strategy may be begun at the latest; a plain one always may."""
    return np.inf if entrant.plain else clock.end - 2 * entrant.seconds


def _unless_late(work: Callable[..., Any], model: Any, latest: float) -> tuple[Any, float, str]:
    if time.monotonic() > latest:
        return None, 0.0, LATE[0]
    return attempt(work, model)


def _leave_out_slow(entrants: list[Entrant], clock: Clock, n_later: float) -> None:
    """Leave out the slowest until what is to come fits into the time that is left."""
    kept = sorted(entrants, key=lambda entrant: (not entrant.plain, entrant.seconds))
    while kept and not kept[-1].plain:
        last = sorted(entrant.seconds for entrant in kept)[-N_CHOSEN:]
        if n_later * sum(entrant.seconds for entrant in kept) + sum(last) <= clock.left:
            break
        slowest = kept.pop()
        slowest.reason = f"{LATE[1]} of {clock.budget:g} s: one fit took {slowest.seconds:.1f} s"


def race(
    entrants: list[Entrant],
    folds: list[tuple[Array, Array]],
    expected: Array,
    work: Callable[[Any, int], Array],
    clock: Clock,
    n_jobs: int | None,
) -> list[Entrant]:
    """Judge strategies fold by fold; after each fold the worse half is left out, once enough rows are judged.

    Parameters
    ----------
    entrants : list of Entrant
    folds : list of (train, test)
        Of the labelled target rows.
    expected : ndarray of shape (n_labelled, n_classes or 1)
        The labels in the shape of `outputs`.
    work : callable of (model, fold number)
        Fits without the fold and predicts it.
    clock : Clock
    n_jobs : int or None

    Returns
    -------
    list of Entrant
        Those that are judged on all folds, best first.

    References
    ----------
    K. Jamieson, A. Talwalkar (2016), Non-stochastic best arm identification and hyperparameter optimization, AISTATS.
    """
    judged: list[Array] = []
    alive = entrants
    for k, (_, test) in enumerate(folds):
        judged.append(test)
        rows = np.concatenate(judged)
        later = _later_runs(len(alive), [len(test) for _, test in folds], k)
        results = run_all(alive, _of_fold(work, k), clock, n_jobs, n_later=later)
        for entrant, predicted in results:
            entrant.parts.append(predicted)
            entrant.loss = mean_loss(np.concatenate(entrant.parts), expected[rows])
            if not np.isfinite(entrant.loss):
                entrant.reason = "its predictions are not finite"
        alive = sorted((e for e, _ in results if not e.reason), key=lambda e: (e.loss, e.name))
        if k + 1 < len(folds) and len(rows) >= MIN_JUDGED:
            alive = _better_half(alive, len(rows))
    return alive


def held_out(model: Any, stack: Stack, test: Array, classes: Array | None) -> Array:
    """What a model fitted without some rows predicts for these, in the shape of `outputs`."""
    fitted = stack.fit(model, np.setdiff1d(np.arange(len(stack.y)), test))
    return outputs(fitted, rows_of(stack.X, test), classes)


def mean_loss(predicted: Array, expected: Array) -> float:
    """The mean squared error of predictions in the shape of `outputs`, for classes the Brier score."""
    return float(np.mean(np.sum((predicted - expected) ** 2, axis=1)))


def _later_runs(n_alive: int, sizes: list[int], k: int) -> float:
    """How often each of `n_alive` is run after fold k, on average, as the worse half is left out."""
    runs, kept = 0.0, n_alive
    for j in range(k + 1, len(sizes)):
        if sum(sizes[:j]) >= MIN_JUDGED:
            kept = min(kept, max(FEW, -(-kept // 2)))
        runs += kept / n_alive
    return runs


def _of_fold(work: Callable[[Any, int], Array], k: int) -> Callable[[Any], Array]:
    return lambda model: work(model, k)


def _better_half(alive: list[Entrant], n_rows: int) -> list[Entrant]:
    keep = max(FEW, -(-len(alive) // 2))
    for place, entrant in enumerate(alive):
        if place >= keep and not entrant.plain:
            entrant.reason = f"left out after {n_rows} labelled rows: loss {entrant.loss:.3g}, the best has {alive[0].loss:.3g}"
    return [entrant for entrant in alive if not entrant.reason]
