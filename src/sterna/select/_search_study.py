"""The trials of a search, in memory or in a file, and how they are drawn; the only place that talks to Optuna."""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sterna.select._search_space import Space

#: The name of a study that was given none.
STUDY = "sterna"
_COLUMNS = ["number", "state", "value", "params", "seconds", "reason"]


@dataclass(frozen=True)
class Outcome:
    """How a trial ended: "complete", "pruned", "void" or "failed", its value and why it is not complete."""

    state: str
    value: float
    reason: str = ""
    seconds: float = 0.0


def require_optuna() -> Any:
    """Optuna, or one sentence on how to get it."""
    try:
        import optuna
    except ModuleNotFoundError:
        raise ModuleNotFoundError("TransferSearch needs optuna; install it with pip install 'sterna[search]'") from None
    return optuna


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna from writing about studies, and from warning of what it calls experimental."""
    optuna = require_optuna()
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


def storage_file(storage: Any) -> Path | None:
    """The file of the trials, which need not be there yet, or None."""
    if storage is None:
        return None
    path = Path(storage)
    if path.is_dir() or not path.parent.is_dir():
        raise ValueError(
            f"storage is {str(path)!r}, but a file cannot be there; give the path of a file in a folder that exists"
        )
    return path


class Trials:
    """The trials of one search.

    Each parameter of each trial is drawn with a seed of its own, so that a search that goes on draws what it would have drawn.

    Parameters
    ----------
    storage : Path or None
        As `storage_file` gives it.
    study_name : str or None
    pruner : "median", "halving", None or optuna pruner
    sampler : {"tpe", "random"}
    seed : int or None
        None: the seed of the search that the file holds, else a fresh one.
    """

    def __init__(self, storage: Path | None, study_name: str | None, pruner: Any, sampler: str, seed: int | None) -> None:
        optuna = require_optuna()
        self._where = storage
        self._sampler = sampler
        self._study = optuna.create_study(
            storage=None if storage is None else _journal(optuna, storage),
            study_name=study_name or STUDY,
            load_if_exists=True,
            direction="maximize",
            pruner=_pruner(optuna, pruner),
        )
        stored = self._study.user_attrs.get("search", {}).get("random_state")
        fresh = int(np.random.SeedSequence().generate_state(1)[0] % 2**31)
        self.seed: int = next(s for s in (seed, stored, fresh) if s is not None)

    def settle(self, config: dict[str, Any]) -> None:
        """Write down what is searched, or refuse where these are the trials of another search."""
        now = json.loads(json.dumps({"random_state": self.seed} | config))
        then = self._study.user_attrs.get("search")
        if then is None and self._study.get_trials(deepcopy=False):
            then = {}
        if then is None:
            self._study.set_user_attr("search", now)
            return
        for name in now:
            if then.get(name) != now[name]:
                raise ValueError(
                    f"storage {str(self._where)!r} holds a search with another {name.replace('_', ' ')} under the name "
                    f"{self._study.study_name!r}; give another storage or study_name"
                )

    def ask(self, space: Space) -> Any:
        """The trial that was begun and not finished, or a new one; its parameters are drawn."""
        from optuna.trial import Trial, TrialState

        begun = [t for t in self._study.get_trials(deepcopy=False) if not t.state.is_finished()]
        number = begun[0].number if begun else self.n_begun
        self._seed(number, 0)
        if begun and begun[0].state == TrialState.RUNNING:
            trial = Trial(self._study, begun[0]._trial_id)
        else:
            trial = self._study.ask()
        _ = trial.relative_params  # drawn here, by the first seed, and not with the first parameter that is missing
        for i, name in enumerate(space.distributions):
            self._seed(number, i + 1)
            space.suggest(trial, name)
        return trial

    def _seed(self, number: int, parameter: int) -> None:
        from optuna.samplers import RandomSampler, TPESampler

        seed = int(np.random.SeedSequence([self.seed, number, parameter]).generate_state(1)[0])
        random = self._sampler == "random"
        # the options are those of Optuna 4, whatever the defaults of the version at hand
        self._study.sampler = (
            RandomSampler(seed=seed) if random else TPESampler(seed=seed, multivariate=True, constant_liar=False)
        )

    def twin(self, trial: Any) -> Any:
        """The first finished trial with the same parameters, or None."""
        for other in self._study.get_trials(deepcopy=False):
            if other.state.is_finished() and other.number != trial.number and other.params == trial.params:
                return other
        return None

    def copy(self, trial: Any, twin: Any) -> Outcome:
        """Finish a trial as its twin was."""
        for step, value in twin.intermediate_values.items():
            report(trial, value, step)
        known = twin.user_attrs["outcome"]
        reason = f"the parameters of trial {twin.number}" + (f": {known['reason']}" if known["reason"] else "")
        outcome = Outcome(known["state"], known["value"], reason)
        self.finish(trial, outcome)
        return outcome

    def finish(self, trial: Any, outcome: Outcome) -> None:
        """Write down how a trial ended."""
        from optuna.trial import TrialState

        trial.set_user_attr("outcome", vars(outcome))
        if outcome.state == "pruned":
            self._study.tell(trial, state=TrialState.PRUNED)
        else:
            self._study.tell(trial, outcome.value)

    @property
    def n_begun(self) -> int:
        """The number of trials, whether finished or not."""
        return len(self._study.get_trials(deepcopy=False))

    @property
    def n_finished(self) -> int:
        """The number of trials that have ended."""
        return sum(t.state.is_finished() for t in self._study.get_trials(deepcopy=False))

    @property
    def n_different(self) -> int:
        """The number of different parameters among the finished trials."""
        finished = [t for t in self._study.get_trials(deepcopy=False) if t.state.is_finished()]
        return len({json.dumps(t.params, sort_keys=True) for t in finished})

    def best(self) -> Any:
        """The first of the complete trials with the largest value, or None."""
        complete = [
            t for t in self._study.get_trials(deepcopy=False) if t.user_attrs.get("outcome", {}).get("state") == "complete"
        ]
        return max(complete, key=lambda t: (t.user_attrs["outcome"]["value"], -t.number), default=None)

    def frame(self, space: Space) -> pd.DataFrame:
        """One row a trial: number, state, value, params, seconds, reason."""
        rows = []
        for t in self._study.get_trials(deepcopy=False):
            unfinished = {"state": "running", "value": np.nan, "seconds": np.nan, "reason": "begun and not finished"}
            outcome = t.user_attrs["outcome"] if t.state.is_finished() else unfinished
            rows += [outcome | {"number": t.number, "params": space.values(t.params)}]
        return pd.DataFrame(rows, columns=_COLUMNS)


def report(trial: Any, value: float, step: int) -> None:
    """Report an intermediate value, once."""
    if step not in trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values:
        trial.report(value, step)


def _pruner(optuna: Any, pruner: Any) -> Any:
    if pruner is None:
        return optuna.pruners.NopPruner()
    if pruner == "median":
        return optuna.pruners.MedianPruner()
    if pruner == "halving":  # there are few folds: half go on after one, two and four of them
        return optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2)
    if isinstance(pruner, optuna.pruners.BasePruner):
        return pruner
    raise ValueError(f"pruner is {pruner!r}; give 'median', 'halving', None or one of optuna.pruners")


def _journal(optuna: Any, path: Path) -> Any:
    """The file as Optuna's journal, without half a line that a killed run may have left at its end."""
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    if path.exists() and path.stat().st_size:
        _mend(path)
    return optuna.storages.JournalStorage(JournalFileBackend(str(path), lock_obj=JournalFileOpenLock(str(path))))


def _mend(path: Path) -> None:
    with path.open("rb+") as file:
        first = file.readline()
        half = first.startswith(b'{"op_code"') and not first.endswith(b"\n")
        if not half and not _is_record(first):
            raise ValueError(f"storage {str(path)!r} holds something else than trials; give the path of another file")
        end = 0 if half else len(first)
        for line in file:
            end += len(line) if line.endswith(b"\n") else 0
        file.truncate(end)


def _is_record(line: bytes) -> bool:
    try:
        record = json.loads(line)
    except ValueError:
        return False
    return isinstance(record, dict) and "op_code" in record
