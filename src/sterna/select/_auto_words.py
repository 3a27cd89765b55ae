"""What AutoTransfer says of its choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sterna.domains._stack import Array
from sterna.select._auto_race import LATE, Entrant


@dataclass(frozen=True)
class Choice:
    """What was handed over, and why.

    Attributes
    ----------
    method : {"labels", "label-free scores", "no difference", "too few rows"}
    plain : str
        The best plain model, as far as is known.
    transfers : bool
        Whether anything but plain models counts in what is handed over.
    reason : str
    """

    method: str
    plain: str
    transfers: bool
    reason: str

    @classmethod
    def by_labels(cls, plain: str, entrants: Sequence[Entrant], gain: Array, helps: bool, loss: str) -> Choice:
        """Chosen by the held-out loss on labelled target rows."""
        mean, error = float(gain.mean()), float(np.std(gain, ddof=1) / np.sqrt(len(gain)))
        where = (
            f"on {len(gain)} labelled target rows, each held out from the choice too, the mixture has a {loss} {abs(mean):.3g} "
            f"{'lower' if mean > 0 else 'higher'} (standard error {error:.2g}) than that of the best plain model"
        )
        transfers, late = _transfers(entrants), _cut(entrants)
        if not helps:
            what = f"{plain} is handed over, since the mixture errs more by over two standard errors"
        elif not transfers:
            judged = any(not entrant.plain and entrant.parts for entrant in entrants if not _is_late(entrant))
            why = "no transfer improves on" if judged else "nothing else was judged beside"
            what = f"plain models are handed over, which {why}"
        elif mean > 0:
            shown = "shown to help" if mean > 2 * error else "predicted, not shown, to help"
            what = f"the mixture is handed over, which is {shown}"
        else:
            what = (
                "the mixture is handed over, which is not shown to help: it gives way to the best plain model only where it errs more "
                "by over two standard errors"
            )
        return cls("labels", plain, transfers, f"{what}: {where}{late}")

    @classmethod
    def label_free(cls, plain: str, entrants: Sequence[Entrant], changed: bool) -> Choice:
        """Chosen by what happened to the columns, by the guard, and by scores that read no target label."""
        n_chosen, transfers = sum(entrant.weight > 0 for entrant in entrants), _transfers(entrants)
        what = f"the mean of {n_chosen} strategies is handed over" if transfers else f"{plain} is handed over"
        why = (
            "columns of the target lie elsewhere, or fit each other no more, so that they seem to be measured in another way"
            if changed
            else "target rows could be rows of the source, so that other rows were chosen, if anything"
        )
        guess = "that is a guess: label some target rows, and sterna compare proves what helps"
        return cls("label-free scores", plain, transfers, f"{what}: {why}{_cut(entrants)}; {guess}")

    @classmethod
    def no_difference(cls, plain: str) -> Choice:
        """Nothing to adapt to, as far as can be seen without labels."""
        reason = f"{plain} is handed over: without target labels no difference of the domains is seen, so that there is nothing to adapt to"
        return cls("no difference", plain, False, reason)

    @classmethod
    def too_few(cls, plain: str) -> Choice:
        """Nothing can be told from so few rows."""
        return cls(
            "too few rows", plain, False, f"{plain} is handed over: so few source rows tell nothing of which strategy helps"
        )


def _cut(entrants: Sequence[Entrant]) -> str:
    """A clause on the strategies that the budget left out."""
    late = sum(map(_is_late, entrants))
    return (
        f"; the budget left out {late} {'strategy' if late == 1 else 'strategies'}: give more to have them tried"
        if late
        else ""
    )


def _is_late(entrant: Entrant) -> bool:
    return entrant.reason.startswith(LATE)


def _transfers(entrants: Sequence[Entrant]) -> bool:
    return any(entrant.weight > 0 and not entrant.plain for entrant in entrants)


def result_rows(entrants: Sequence[Entrant], skipped: Mapping[str, str]) -> list[dict[str, Any]]:
    """One row a strategy, the chosen ones first, then by loss; plain types."""
    order = sorted(entrants, key=lambda e: (-e.weight, bool(e.reason), np.inf if e.loss is None else e.loss, e.name))
    rows = [
        {
            "strategy": e.name,
            "weight": e.weight,
            "loss": e.loss,
            "n_folds": len(e.parts),
            "seconds": e.seconds or None,
            "reason": e.reason,
        }
        | {"scores": dict(e.scores)}
        for e in order
    ]
    empty = {"weight": 0.0, "loss": None, "n_folds": 0, "seconds": None}
    return rows + [{"strategy": name, **empty, "reason": reason, "scores": {}} for name, reason in skipped.items()]


def explanation(choice: Choice, rows: Sequence[Mapping[str, Any]], kinds: Sequence[str], temperature: float, base: str) -> str:
    """The lines of `AutoTransfer.explain`."""
    lines = [f"{choice.reason[0].upper()}{choice.reason[1:]}."]
    if kinds:
        lines.append(f"Kind of shift: {', '.join(kinds)}. Base estimator: {base}.")
    lines += [f"  {row['strategy']}: weight {row['weight']:.2f}{_found(row)}" for row in rows if row["weight"] > 0]
    rejected = [row for row in rows if not row["weight"] and row["seconds"] is not None]
    if rejected:
        lines.append("Not chosen:")
        lines += [f"  {row['strategy']}: {row['reason'] or 'others are better'}{_found(row)}" for row in rejected]
    apart: dict[str, list[str]] = {}
    for row in rows:
        if row["seconds"] is None:
            apart.setdefault(row["reason"] or "nothing to choose", []).append(row["strategy"])
    if apart:
        lines += ["Not tried:", *(f"  {reason}: {', '.join(names)}" for reason, names in apart.items())]
    if round(temperature, 2) != 1:
        sure = "too sure" if temperature > 1 else "not sure enough"
        lines.append(f"Probabilities were {sure}: the temperature is {temperature:.2f}.")
    return "\n".join(lines)


def _found(row: Mapping[str, Any]) -> str:
    loss = "" if row["loss"] is None or row["reason"] else f", held-out loss {row['loss']:.3g}"
    return loss + "".join(f", {name} {value:.3g}" for name, value in row["scores"].items())
