"""From finished cells to two answers: does the source help, and does adapting help?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sterna.domains._stack import Array
from sterna.select._candidates import FLOOR
from sterna.verdict._cells import CHOICE, Cell, Plan
from sterna.verdict._metrics import Metric
from sterna.verdict._statistics import Comparisons, Interval, compare_paired
from sterna.verdict._store import CellStore

MIN_SPLITS = 3


@dataclass
class Outcome:
    """What one strategy did; `gains` of shape (n_labelled, n_repeats) is what each row adds to its score, larger is better."""

    name: str
    family: str
    gains: Array | None = None
    mean: Interval | None = None
    difference: Interval | None = None
    adaptation: Interval | None = None
    cells: list[dict[str, Any]] = field(default_factory=list)
    reason: str | None = None


@dataclass
class Analysis:
    """Every outcome by name and the two comparisons.

    Attributes
    ----------
    outcomes : dict of str to Outcome
    choices : list of str
        The best plain baseline of each split, chosen within its adaptation part.
    against_target, against_plain : Comparisons or None
        Differences against the control, and against the plain baseline of `choices`.
    n_splits : int
        Complete ones.
    control, naive : str
        The strategy that carries nothing over, and the plainest way of carrying over.
    plain : list of str
        The plain models.
    subject : str
        What is carried over: "source", or "pretrained network" where there is no source.
    """

    outcomes: dict[str, Outcome]
    choices: list[str]
    against_target: Comparisons | None
    against_plain: Comparisons | None
    n_splits: int
    control: str
    naive: str
    plain: list[str]
    subject: str


def analyse(
    plan: Plan,
    store: CellStore,
    dropped: dict[str, str],
    *,
    confidence: float,
    budget: int | None = None,
    splits: int | None = None,
) -> Analysis:
    """Compare all strategies over the complete splits.

    Parameters
    ----------
    plan : Plan
    store : CellStore
    dropped : dict of str to reason
        Strategies that were not run to the end.
    confidence : float
    budget : int, default=None
        Cells with this many target labels; None: with all.
    splits : int, default=None
        Look at the first so many only.

    Returns
    -------
    Analysis
    """
    outcomes = {name: Outcome(name, strategy.family, reason=dropped.get(name)) for name, strategy in plan.strategies.items()}
    complete = _complete_splits(plan, store, [name for name in outcomes if name not in dropped], budget, splits)
    board = Board(plan, complete)
    for outcome in outcomes.values():
        _collect(outcome, store, board, budget)
    scored = {name: outcome.gains for name, outcome in outcomes.items() if outcome.gains is not None}
    choices = [store[Cell(CHOICE, j).key]["choice"] for j in complete] if budget is None else []
    subject = "source" if plan.domains.sources else "pretrained network"
    analysis = Analysis(outcomes, choices, None, None, len(complete), plan.control, plan.naive, plan.plain, subject)
    control = plan.control
    if len(complete) < MIN_SPLITS or (control in outcomes and control not in scored):
        few = f"{len(complete)} splits are complete, {MIN_SPLITS} are needed"
        why = few if len(complete) < MIN_SPLITS else f"{control} {outcomes[control].reason}"
        for outcome in outcomes.values():
            outcome.reason = outcome.reason or f"not compared: {why}"
        return analysis
    for name, gains in scored.items():
        outcomes[name].mean = _natural(board.compare([gains], confidence).intervals[0], plan.metric)
    if control in scored:
        compared = [name for name in scored if name not in (control, FLOOR)]
        analysis.against_target = board.compare([scored[name] - scored[control] for name in compared], confidence)
        for name, interval in zip(compared, analysis.against_target.intervals, strict=True):
            outcomes[name].difference = interval
    adapted = [name for name in scored if outcomes[name].family != "baselines" and name not in (control, *plan.plain)]
    if budget is None and all(choice in scored for choice in choices):
        plain = board.chosen(scored, choices)
        analysis.against_plain = board.compare([scored[name] - plain for name in adapted], confidence)
        for name, interval in zip(adapted, analysis.against_plain.intervals, strict=True):
            outcomes[name].adaptation = interval
    return analysis


def _natural(interval: Interval, metric: Metric) -> Interval:
    """The interval of a score in its own units and within its bounds."""
    ends = sorted((metric.sign * interval.low, metric.sign * interval.high))
    low, high = (float(np.clip(end, *metric.bounds)) for end in ends)
    return Interval(metric.sign * interval.mean, low, high)


class Board:
    """The labelled target rows against the repeats: where the value of each row in each repeat stands.

    Parameters
    ----------
    plan : Plan
    complete : list of int
        The splits to read.
    """

    def __init__(self, plan: Plan, complete: list[int]) -> None:
        self.metric, self.complete = plan.metric, complete
        self.splits = [plan.splits[j] for j in complete]
        self.place = np.cumsum(plan.domains.target.labelled) - 1  # row of the target -> row of the board
        n_rows = int(plan.domains.target.labelled.sum())
        self.shape = (n_rows, 1 + max((split.repeat for split in self.splits), default=0))
        self.folds = np.zeros(self.shape, dtype=int)
        for split in self.splits:
            self.folds[self.place[split.evaluate], split.repeat] = split.fold

    def fill(self, values: list[list[float]]) -> Array:
        """The values of each split's evaluation rows on the board, shape (n_labelled, n_repeats), NaN elsewhere."""
        board = np.full(self.shape, np.nan)
        for split, column in zip(self.splits, values, strict=True):
            board[self.place[split.evaluate], split.repeat] = column
        return board

    def chosen(self, gains: dict[str, Array], choices: list[str]) -> Array:
        """The gains of the strategy that was chosen in each split."""
        board = np.full(self.shape, np.nan)
        for split, choice in zip(self.splits, choices, strict=True):
            rows = self.place[split.evaluate]
            board[rows, split.repeat] = gains[choice][rows, split.repeat]
        return board

    def compare(self, gains: list[Array], confidence: float) -> Comparisons:
        """Simultaneous intervals of the means of several boards."""
        stacked = np.stack(gains, axis=2) if gains else np.empty((*self.shape, 0))
        resolution = 1 / self.shape[0] if self.metric.counts_rows else 0.0
        return compare_paired(stacked, self.folds, resolution=resolution, confidence=confidence)


def _complete_splits(plan: Plan, store: CellStore, names: list[str], budget: int | None, limit: int | None) -> list[int]:
    every = range(len(plan.splits))[:limit]
    wanted = names if budget is not None else [*names, CHOICE]
    return [j for j in every if all(Cell(name, j, None if name == CHOICE else budget).key in store for name in wanted)]


def _collect(outcome: Outcome, store: CellStore, board: Board, budget: int | None) -> None:
    """Gather a strategy's cells. One failure takes the strategy out, with its reason."""
    keys = [Cell(outcome.name, j, budget).key for j in board.complete]
    if outcome.reason is not None or not keys:
        return
    outcome.cells = [store[key] for key in keys]
    failed = [cell["error"] for cell in outcome.cells if cell["error"]]
    if failed:
        outcome.reason = f"failed in {len(failed)} of {len(keys)} splits: {failed[0]}"
        return
    outcome.gains = board.metric.gains(board.fill([cell["values"] for cell in outcome.cells]))


def most_chosen(analysis: Analysis) -> str:
    """The plain baseline that was chosen most often."""
    return Counter(analysis.choices).most_common(1)[0][0] if analysis.choices else analysis.plain[0]
