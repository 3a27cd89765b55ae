"""The trials of a search, one after the other, fold by fold."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from sterna.select._candidates import seeded
from sterna.select._search_scores import LabelFreeScore, LabelScore
from sterna.select._search_space import Space
from sterna.select._search_study import Outcome, Trials, report


class Clock:
    """Times folds, and says when there is no time for another one, and for fitting the best."""

    def __init__(self, budget: float | None, refit: bool) -> None:
        self._end = None if budget is None else time.perf_counter() + budget
        self._n_fits = 1 + refit
        self._longest = self.last = 0.0

    def is_over(self) -> bool:
        return self._end is not None and time.perf_counter() + self._n_fits * self._longest >= self._end

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *error: object) -> None:
        self.last = time.perf_counter() - self._start
        self._longest = max(self._longest, self.last)


@dataclass(frozen=True)
class Runner:
    """What runs trials until there are enough, the time is over, or all of the space was tried."""

    estimator: Any
    space: Space
    score: LabelScore | LabelFreeScore
    trials: Trials
    clock: Clock

    def run(self, n_trials: int, progress: bool) -> None:
        """Run trials; one for which the time is too short is left for a search that goes on."""
        trials = self.trials
        while trials.n_finished < n_trials and trials.n_different < self.space.n_points and not self.clock.is_over():
            trial = trials.ask(self.space)
            twin = trials.twin(trial)
            outcome = self._run(trial) if twin is None else trials.copy(trial, twin)
            if outcome is None:
                return
            if progress:
                _tell(trial.number + 1, n_trials, outcome, trials.best())

    def _run(self, trial: Any) -> Outcome | None:
        """Score a trial fold by fold; None where the time is over before its end."""
        params, folds = self.space.values(trial.params), list(trial.user_attrs.get("folds", []))
        n_folds = len(self.score.splits)
        while True:
            mean = float(np.mean([value for value, _ in folds])) if folds else -np.inf
            seconds = round(sum(seconds for _, seconds in folds), 6)
            if folds:
                report(trial, mean, len(folds))
            if len(folds) == n_folds:
                outcome = Outcome("complete", mean, "", seconds)
                break
            if folds and trial.should_prune():
                outcome = Outcome("pruned", mean, f"pruned after {len(folds)} of {n_folds} folds", seconds)
                break
            if self.clock.is_over():
                return None
            with self.clock:
                value, state, reason = self._try(params, len(folds))
            if state:
                outcome = Outcome(state, -np.inf, reason, round(seconds + self.clock.last, 6))
                break
            folds.append([value, self.clock.last])
            trial.set_user_attr("folds", folds)
        self.trials.finish(trial, outcome)
        return outcome

    def _try(self, params: dict[str, Any], k: int) -> tuple[float, str, str]:
        """The value of a fold, or -inf with the state of the trial and the reason."""
        try:
            value, void = self.score(self.model(params), k)
        except Exception as error:  # any strategy may fail with some parameters; the reason is kept
            return -np.inf, "failed", f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]
        if void is not None:
            return -np.inf, "void", void
        if not np.isfinite(value):
            return -np.inf, "failed", f"its score in fold {k} is {value}"
        return float(value), "", ""

    def model(self, params: dict[str, Any]) -> Any:
        """A fresh estimator with these parameters; every random state that is None is the seed."""
        return seeded(clone(self.estimator).set_params(**clone(params, safe=False)), self.trials.seed)


def _tell(number: int, of: int, outcome: Outcome, best: Any) -> None:
    so_far = "none" if best is None else f"{best.user_attrs['outcome']['value']:.4g}"
    shown = f"{outcome.value:.4g}" if outcome.state == "complete" else outcome.reason
    print(f"trial {number} of {of}: {shown}; best {so_far}", file=sys.stderr)
