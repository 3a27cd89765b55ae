"""Running cells: in parallel, in rounds of one split, within a time budget, each kept as soon as it is done."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sterna.verdict._store import CellStore


@dataclass(frozen=True)
class Execution:
    """How a comparison is run and judged.

    Attributes
    ----------
    skipped : dict of str to reason
        Strategies that do not apply.
    n_jobs : int
    time_budget : float or None
        Seconds. In the first round the essential strategies come first and no other is begun past half of it; then the slowest are dropped
        until the rest fits; no round starts past the budget.
    confidence : float
    progress : bool
    """

    skipped: dict[str, str]
    n_jobs: int
    time_budget: float | None
    confidence: float
    progress: bool


@dataclass
class Progression:
    """What a run did: which strategies it dropped for want of time, and why it stopped early."""

    dropped: dict[str, str] = field(default_factory=dict)
    stopped: str | None = None


def run_rounds(
    rounds: list[list[Any]],
    work: Callable[[Any], dict[str, Any]],
    store: CellStore,
    execution: Execution,
    essential: frozenset[str] = frozenset(),
) -> Progression:
    """Run the cells of each round that are not kept yet.

    Parameters
    ----------
    rounds : list of lists of cells
        A round is one split: its cells are comparable with each other, so that a run may stop between rounds. A cell has `key` and
        `strategy`.
    work : function of a cell
    store : CellStore
    execution : Execution
    essential : frozenset of str
        Strategies that are never dropped.

    Returns
    -------
    Progression
    """
    done = Progression()
    n_jobs, time_budget = execution.n_jobs, execution.time_budget
    start = time.monotonic()
    n_cells = sum(len(cells) for cells in rounds)
    if time_budget is None:
        rounds = [[cell for cells in rounds for cell in cells]]  # no process waits for the others at the end of a split
    with _bar(execution.progress, n_cells) as advance, Parallel(n_jobs=n_jobs, return_as="generator_unordered") as parallel:
        for number, cells in enumerate(rounds):
            spent = time.monotonic() - start
            if time_budget is not None and number and spent > time_budget:
                done.stopped = f"the time budget of {time_budget:g} s ended after {number} of {len(rounds)} splits"
                break
            if time_budget is not None and number == 1:
                left = (time_budget - spent) * effective_n_jobs(n_jobs) / (len(rounds) - 1)
                done.dropped |= _too_slow(rounds[0], store, left, essential, time_budget)
            kept = [cell for cell in cells if cell.strategy not in done.dropped]
            todo = sorted((cell for cell in kept if cell.key not in store), key=lambda cell: cell.strategy not in essential)
            advance(len(cells) - len(todo))
            half = np.inf if time_budget is None or number else start + time_budget / 2
            begun = (delayed(_unless_late)(work, cell, np.inf if cell.strategy in essential else half) for cell in todo)
            for cell, result in parallel(begun):
                if result is None:
                    done.dropped[cell.strategy] = (
                        f"left out to keep the time budget of {time_budget:g} s: the others took half of it"
                    )
                else:
                    store.put(cell.key, result)
                advance(1)
    return done


def _unless_late(work: Callable[[Any], dict[str, Any]], cell: Any, latest: float) -> tuple[Any, dict[str, Any] | None]:
    """The cell and its result, or None where it would be begun after `latest`."""
    if multiprocessing.current_process().name != "MainProcess":
        transport_with_numpy_only()
    return cell, None if time.monotonic() > latest else work(cell)


def transport_with_numpy_only() -> None:
    """Keep POT from importing every array library that is installed, in a process that is ours.

    PyTorch, JAX and TensorFlow take seconds and some 500 MB, which joblib holds for a leak: it would start a new process after
    each transport plan.
    """
    for library in ("PYTORCH", "JAX", "CUPY", "TENSORFLOW"):
        os.environ.setdefault(f"POT_BACKEND_DISABLE_{library}", "1")


def _too_slow(cells: list[Any], store: CellStore, left: float, essential: frozenset[str], budget: float) -> dict[str, str]:
    """Drop the slowest strategies until one round takes at most `left` seconds of work."""
    seconds: dict[str, float] = {}
    for cell in (cell for cell in cells if cell.key in store):
        seconds[cell.strategy] = seconds.get(cell.strategy, 0.0) + store[cell.key].get("seconds", 0.0)
    total = sum(seconds.values())
    dropped = {}
    for name in sorted(seconds, key=lambda name: -seconds[name]):
        if total <= left:
            break
        if name not in essential:
            total -= seconds[name]
            dropped[name] = f"left out to keep the time budget of {budget:g} s: one split took it {seconds[name]:.1f} s"
    return dropped


@contextmanager
def _bar(shown: bool, total: int) -> Iterator[Callable[[int], None]]:
    if not shown:
        yield lambda n: None
        return
    columns = (TextColumn("comparing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("comparing", total=total)
        yield lambda n: bar.advance(task, n)
