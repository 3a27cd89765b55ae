"""Verdicts in words."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sterna.select._candidates import FLOOR
from sterna.verdict._analysis import Analysis, most_chosen
from sterna.verdict._cells import CONTROL
from sterna.verdict._metrics import Metric
from sterna.verdict._statistics import Interval


@dataclass(frozen=True)
class Verdict:
    """An answer.

    Attributes
    ----------
    word : {"helps", "no evidence", "hurts", "unproven"}
    sentence : str
    control : str
        What was compared with.
    strategy : str or None
        The strategy that the word rests on.
    difference : Interval or None
        Its difference to the control; positive is better.
    """

    word: str
    sentence: str
    control: str
    strategy: str | None = None
    difference: Interval | None = None

    def __str__(self) -> str:
        return self.word

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)


def amount(value: float, metric: Metric) -> str:
    """A score as people write it: shares of rows in per cent.

    Parameters
    ----------
    value : float
    metric : Metric

    Returns
    -------
    str
    """
    return f"{100 * value:.1f} %" if metric.counts_rows else f"{value:.4g}"


def gap(value: float, metric: Metric, sign: str = "") -> str:
    """A difference as people write it: shares of rows in points; `sign` "+" shows the sign of gains too."""
    return f"{_points(value):{sign}.1f} points" if metric.counts_rows else f"{value:{sign}.4g}"


def _points(share: float) -> float:
    """A share in points, rounded to a tenth; never -0.0."""
    return round(100 * share, 1) or 0.0


def spelled_gap(difference: dict[str, float] | None, metric: Metric) -> str:
    """A difference with its interval, short: "+5.3 [-1.5, +12.2]", in points for shares of rows.

    Parameters
    ----------
    difference : dict with mean, low and high, or None
    metric : Metric

    Returns
    -------
    str
        Empty for None.
    """
    if difference is None:
        return ""
    form = ".1f" if metric.counts_rows else ".4g"
    values = [difference[key] for key in ("mean", "low", "high")]
    mean, low, high = (f"{_points(value) if metric.counts_rows else value:+{form}}" for value in values)
    return f"{mean} [{low}, {high}]"


def spelled(interval: Interval, metric: Metric, confidence: float) -> str:
    """A difference with its interval, in words."""
    if metric.counts_rows:
        bounds = f"{_points(interval.low):+.1f} to {_points(interval.high):+.1f}"
    else:
        bounds = f"{interval.low:+.4g} to {interval.high:+.4g}"
    return f"{gap(interval.mean, metric, '+')} {metric.name}, {100 * confidence:g} % interval {bounds}"


def source_verdict(analysis: Analysis, metric: Metric, confidence: float, detectable: float | None) -> Verdict:
    """Does what is carried over help? `helps`: a strategy beats the control. `hurts`: none does, and the naive transfer loses to it.

    Parameters
    ----------
    analysis : Analysis
    metric : Metric
    confidence : float
    detectable : float or None
        The smallest difference that these labels could have shown.

    Returns
    -------
    Verdict
    """
    differences = {n: o.difference for n, o in analysis.outcomes.items() if o.difference is not None}
    control, subject, naive = analysis.control, analysis.subject, analysis.naive
    own = "the target's own labels alone" if control == CONTROL else "the same network trained from scratch"
    if control not in analysis.outcomes:
        sentence = f"Whether the {subject} helps was not asked: name {control} too, which trains the same network from scratch."
        return Verdict("unproven", sentence, control)
    if not differences:
        why = analysis.outcomes[control].reason or f"none that uses the {subject} applies here"
        return Verdict("unproven", f"No strategy could be compared with {own}: {why}.", control)
    helping = {name: interval for name, interval in differences.items() if interval.low > 0}
    if helping:
        name = max(helping, key=lambda name: helping[name].mean)
        sentence = f"Using the {subject} helps: {name} beats {own} by {spelled(helping[name], metric, confidence)}."
        return Verdict("helps", sentence, control, name, helping[name])
    if naive in differences and differences[naive].high < 0:
        loss = spelled(differences[naive], metric, confidence)
        naively = "adding the source to the target's own labels" if control == CONTROL else f"{naive} in place of {control}"
        sentence = (
            f"Using the {subject} hurts (negative transfer): no strategy gains, and {naively} changes the score by {loss}. "
            "Train on the target alone."
        )
        return Verdict("hurts", sentence, control, naive, differences[naive])
    name = max(differences, key=lambda name: differences[name].mean)
    limit = (
        "" if detectable is None else f" These labels could have shown a difference of about {gap(detectable, metric)} or more."
    )
    sentence = f"There is no evidence that the {subject} helps: the best, {name}, differs by {spelled(differences[name], metric, confidence)}.{limit}"
    return Verdict("no evidence", sentence, control, name, differences[name])


def adaptation_verdict(analysis: Analysis, metric: Metric, confidence: float) -> Verdict:
    """Does adapting help? `helps`: a strategy beats the best plain baseline. `hurts`: all lose to it."""
    control = most_chosen(analysis)
    differences = {n: o.adaptation for n, o in analysis.outcomes.items() if o.adaptation is not None}
    if not differences:
        return Verdict("unproven", "No adaptation strategy could be compared with the plain baselines.", control)
    helping = {name: interval for name, interval in differences.items() if interval.low > 0}
    name = max(helping or differences, key=lambda name: differences[name].mean)
    hurting = all(interval.high < 0 for interval in differences.values())
    word, best = "helps" if helping else "hurts" if hurting else "no evidence", spelled(differences[name], metric, confidence)
    if word == "helps":
        sentence = f"Adapting helps: {name} beats the best plain baseline (mostly {control}) by {best}."
    elif word == "hurts":
        sentence = (
            f"Adapting hurts: even the best strategy, {name}, loses to the best plain baseline (mostly {control}): {best}."
        )
    else:
        sentence = f"There is no evidence that adapting helps: the best, {name}, differs from the best plain baseline (mostly {control}) by {best}."
    return Verdict(word, sentence, control, name, differences[name])


def best_strategy(analysis: Analysis, verdict: Verdict, adaptation: Verdict) -> tuple[str, str]:
    """The model handed over, and why: only what is shown to help displaces a plain baseline.

    Returns
    -------
    name, reason
    """
    if adaptation.word == "helps" and adaptation.strategy is not None:
        return adaptation.strategy, "it is the best of the strategies that beat the best plain baseline"
    candidates = dict.fromkeys([analysis.control, *analysis.plain])
    plain = [n for n in candidates if n != FLOOR and n in analysis.outcomes and analysis.outcomes[n].gains is not None]
    plain.sort(key=lambda name: (-_gain(analysis, name), name != analysis.control))
    if not plain:
        return analysis.plain[0], "nothing could be compared"
    if verdict.word != "helps" or verdict.strategy is None:
        reason = (
            "no strategy is shown to do better than the plain baselines, and it is the best of those here that read the columns"
        )
        if FLOOR in analysis.outcomes and _gain(analysis, FLOOR) >= _gain(analysis, plain[0]):
            reason += f"; {FLOOR}, which says the same for every row, does no worse: these columns and labels tell little"
        return plain[0], reason
    simple = [name for name in plain if (shown := analysis.outcomes[name].difference) is not None and shown.low > 0]
    if simple:
        return simple[0], "it helps, and no adaptation strategy is shown to beat the best plain baseline"
    return verdict.strategy, "it is the best of the strategies that are shown to help"


def _gain(analysis: Analysis, name: str) -> float:
    """The mean over the rows that were evaluated, larger is better."""
    gains = analysis.outcomes[name].gains
    if gains is None:
        return -np.inf
    evaluated = gains[~np.isnan(gains).all(axis=1)]
    return float(np.nanmean(evaluated, axis=1).mean()) if len(evaluated) else -np.inf
