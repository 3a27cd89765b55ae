"""The situation of the domains, as the field names it, and the strategies it allows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sterna.domains import Domains
from sterna.domains._stack import Array

#: Strategies for a common subspace, or a map of the columns, are for another scale too.
ASSUMED = {"scale": "subspace"}


@dataclass(frozen=True)
class Situation:
    """What is known of the target, in the words of Pan and Yang (2010), and a sentence that says so plainly.

    `name` is "inductive" (some target labels are known) or "transductive" (none is, but the source is labelled);
    `label_space` is "same", "partial" (some classes in common) or "different" (none); `feature_space` is "same".
    """

    name: str
    label_space: str
    feature_space: str
    sentence: str

    def summary(self) -> dict[str, str]:
        """The situation as plain types."""
        return asdict(self)


def situation(domains: Domains) -> Situation:
    """Name the situation.

    Parameters
    ----------
    domains : Domains

    Returns
    -------
    Situation
    """
    n_rows, n_labelled = len(domains.target.y), int(domains.target.labelled.sum())
    name = "inductive" if n_labelled else "transductive"
    known = f"{n_labelled} of {n_rows} target rows are labelled" if n_labelled else "no target row is labelled, the source is"
    space, about = _label_space(domains)
    n_columns = len(domains.columns)
    left_out = {finding.column for finding in domains.findings if finding.code == "missing-column"}
    columns = f"the same {n_columns} feature {'column' if n_columns == 1 else 'columns'}"
    aside = f" ({len(left_out)} that not every domain has left out)" if left_out else ""
    sentence = f"{name.capitalize()} transfer: {known}; {columns} in every domain{aside}; {about}."
    return Situation(name, space, "same", sentence)


def _label_space(domains: Domains) -> tuple[str, str]:
    if domains.task == "regression":
        return "same", "the label is a number"
    source = np.concatenate([domain.known for domain in domains.sources])
    target = domains.target.known
    if not len(target):
        return "same", "the target's classes are taken to be those of the source"
    seen, new = set(source.tolist()), set(target.tolist()) - set(source.tolist())
    absent, unsure = _absent(source, target)
    if not new and not absent:
        about = (
            "the same classes"
            if not unsure
            else f"the same classes, as far as {len(target)} labels show ({_listed(unsure)} not seen in the target yet)"
        )
        return "same", about
    if not seen & set(target.tolist()):
        return "different", f"no class in common: the target has {_listed(new)}, the source {_listed(seen)}"
    parts = [f"{_listed(new)} in the target only"] if new else []
    parts += [f"{_listed(absent)} in the source only"] if absent else []
    return "partial", f"some classes in common, {' and '.join(parts)}"


def _absent(source: Array, target: Array) -> tuple[set[Any], set[Any]]:
    """Source classes that the target has not, and those that its few labels might have missed by chance (1 in 20)."""
    classes, counts = np.unique(source, return_counts=True)
    lacking = ~np.isin(classes, target)
    by_chance = (1 - counts / counts.sum()) ** len(target) > 0.05
    return set(classes[lacking & ~by_chance].tolist()), set(classes[lacking & by_chance].tolist())


def _listed(classes: Iterable[Any]) -> str:
    names = sorted((repr(label) for label in classes), key=str)
    more = f" and {len(names) - 3} more" if len(names) > 4 else ""
    return ", ".join(names[:3] if more else names) + more


def allowed_strategies(domains: Domains) -> dict[str, str | None]:
    """Every strategy by name, with the reason why the situation forbids it, or None.

    Read from the facts of the strategies; what the base estimator must be able to do (sample weights) is not looked at.

    Parameters
    ----------
    domains : Domains

    Returns
    -------
    dict of str to str or None
    """
    from sterna.discovery import all_strategies

    space = situation(domains).label_space
    return {name: reason_against(strategy, domains, space) for name, strategy in all_strategies(deep=False).items()}


def reason_against(strategy: Any, domains: Domains, label_space: str) -> str | None:
    """Why the facts of a strategy forbid it in this situation, or None.

    Parameters
    ----------
    strategy : strategy, class or instance
    domains : Domains
    label_space : {"same", "partial", "different"}
        As `situation` names it.

    Returns
    -------
    str or None
    """
    if domains.task not in strategy.tasks:
        return f"is for {' and '.join(strategy.tasks)} only"
    if "target labels" in strategy.needs and not domains.target.labelled.any():
        return "needs target labels"
    if "several sources" in strategy.needs and len(domains.sources) < 2:
        return "needs two or more sources"
    if "shared rows" in strategy.needs:
        return "needs rows measured in both domains"
    # a model of the target alone does not mind what the source's classes are
    if label_space == "different" and strategy.label_space == "same" and "source data" in strategy.needs:
        return "needs classes in common"
    if label_space != "different" and strategy.label_space == "different":
        return "is for domains with different classes"
    return None


def suited_strategies(allowed: dict[str, str | None], kinds: Iterable[str]) -> dict[str, list[str]]:
    """For each of these kinds of shift the allowed strategies that assume it; a kind without any is left out."""
    from sterna.discovery import all_strategies

    assumes = {name: strategy.assumes for name, strategy in all_strategies(deep=False).items() if allowed.get(name, "") is None}
    suited = {kind: [name for name, assumed in assumes.items() if ASSUMED.get(kind, kind) in assumed] for kind in kinds}
    return {kind: names for kind, names in suited.items() if names}
