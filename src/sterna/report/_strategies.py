"""The full table of strategies, the scores without labels, the learning curve, and what was left out."""

from __future__ import annotations

import re
from typing import Any

from sterna.report._evidence import is_best
from sterna.report._numbers import ABSENT, Scale, duration, number, significant, small_amount, thing
from sterna.report._plain import entries, pick, present
from sterna.report._words import word_for

MOST_CURVES = 4
CONTROL = "control"


def strategy_rows(summary: dict[str, Any], scale: Scale) -> list[dict[str, Any]]:
    """One row for every strategy that ran, best score first; without scores in the order given."""
    items = [item for item in entries(summary, "strategies") if pick(item, "reason") is None]
    sign = -1 if pick(summary, "metric", "greater_is_better", default=True) else 1
    items.sort(key=lambda item: (pick(item, "mean") is None, sign * pick(item, "mean", default=0.0)))
    return [_strategy_row(summary, item, scale) for item in _with_baselines(summary, items)]


def _with_baselines(summary: dict[str, Any], items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Baselines are always shown: those missing in the list come last with the score that is known of them."""
    listed = {item.get("name") for item in entries(summary, "strategies")}
    known = {name: item for name, item in pick(summary, "baselines", default={}).items() if name not in listed}
    missing = [{"name": name, "family": "baselines", **item} for name, item in known.items() if pick(item, "mean") is not None]
    return [*items, *missing]


def _strategy_row(summary: dict[str, Any], item: dict[str, Any], scale: Scale) -> dict[str, Any]:
    name = pick(item, "name", default="?")
    return {
        "name": name,
        "family": pick(item, "family", default=""),
        "baseline": pick(item, "family") == "baselines",
        "best": is_best(summary, item),
        "score": scale.estimate(item, bare=True) if pick(item, "mean") is not None else None,
        "difference": _difference(item, "difference", scale, name == pick(summary, "verdict", "control")),
        "verdict": word_for(pick(item, "verdict")),
        "adaptation_difference": _difference(
            item, "adaptation_difference", scale, name == pick(summary, "adaptation", "control")
        ),
        "adaptation": word_for(pick(item, "adaptation")),
        "seconds": None if pick(item, "seconds") is None else small_amount(item["seconds"]),
        "peak_mb": None if pick(item, "peak_mb") is None else small_amount(item["peak_mb"]),
        "health": [(spoken(key), thing(value)) for key, value in pick(item, "health", default={}).items()],
        "warnings": [str(text) for text in present(item, "warnings")],
    }


def _difference(item: dict[str, Any], key: str, scale: Scale, control: bool) -> str | None:
    if control:
        return CONTROL
    return None if pick(item, key, "mean") is None else scale.difference(item[key])


def spoken(key: str) -> str:
    """Turn the key of a diagnostic into words: n_components is the number of components."""
    return re.sub("^n_", "number of ", key).replace("_", " ")


def strategy_columns(rows: list[dict[str, Any]]) -> dict[str, bool]:
    """Say which optional columns have anything to show; a control without anything compared with it is nothing."""
    keys = ("score", "difference", "adaptation_difference", "seconds", "peak_mb", "health", "warnings")
    return {key: any(row[key] not in (None, CONTROL, []) for row in rows) for key in keys}


def label_free_view(summary: dict[str, Any]) -> dict[str, Any] | None:
    """Scores made without any label, one column a scorer; None where there are none."""
    items = [item for item in entries(summary, "strategies") if pick(item, "label_free")]
    if not items:
        return None
    scorers = list(dict.fromkeys(scorer for item in items for scorer in item["label_free"]))
    rows = [
        {
            "name": pick(item, "name", default="?"),
            "baseline": pick(item, "family") == "baselines",
            "best": is_best(summary, item),
            "values": [significant(item["label_free"].get(scorer)) for scorer in scorers],
        }
        for item in items
    ]
    return {"scorers": [scorer.replace("_", " ") for scorer in scorers], "rows": rows}


def left_out(summary: dict[str, Any]) -> list[dict[str, str]]:
    """List the strategies that did not run, and why."""
    items = entries(summary, "strategies")
    return [
        {"name": pick(item, "name", default="?"), "reason": item["reason"]}
        for item in items
        if pick(item, "reason") is not None
    ]


def curve_view(summary: dict[str, Any], scale: Scale) -> dict[str, Any] | None:
    """Choose the few curves that matter: the best, the controls, the other baselines."""
    steps = [step for step in entries(summary, "learning_curve") if pick(step, "budget") is not None]
    steps.sort(key=lambda step: step["budget"])
    names = list(dict.fromkeys(name for step in steps for name in pick(step, "strategies", default={})))
    if not names:
        return None
    wanted = [pick(summary, "best", "name"), pick(summary, "verdict", "control"), pick(summary, "adaptation", "control")]
    wanted += [pick(summary, "verdict", "strategy"), *pick(summary, "baselines", default={}), *names]
    chosen = [name for name in dict.fromkeys(wanted) if name in names][:MOST_CURVES]
    series = []
    for name in chosen:
        points = [scale.scaled(pick(step, "strategies", name)) for step in steps]
        series.append({"name": name, "points": [None if point[0] is None else point for point in points]})
    return {
        "budgets": [step["budget"] for step in steps],
        "series": [one for one in series if any(one["points"])],
        "rows": [_curve_row(step, chosen, scale) for step in steps],
        "n": len(names),
        "control": pick(summary, "verdict", "control", default="TargetOnly"),
    }


def _curve_row(step: dict[str, Any], chosen: list[str], scale: Scale) -> dict[str, Any]:
    cells = []
    for name in chosen:
        word = word_for(pick(step, "differences", name, "verdict"))
        cells.append({"score": scale.estimate(pick(step, "strategies", name), bare=True), "word": word})
    return {"budget": number(step["budget"], 0), "cells": cells}


def protocol_sentence(summary: dict[str, Any]) -> str:
    """Say in one sentence how the scores were made, from what is known of it."""
    protocol = pick(summary, "protocol", default={})
    splits, repeats = protocol.get("n_splits"), protocol.get("n_repeats")
    parts = []
    if splits:
        often = f", repeated {repeats} times" if repeats and repeats > 1 else ""
        labelled = any(pick(item, "n_labelled") for item in entries(summary, "domains") if pick(item, "role") == "target")
        parts.append(f"{splits} splits{' of the labelled target rows' if labelled else ''}{often}")
    if protocol.get("planned_splits"):
        parts.append(f"{thing(protocol.get('completed_splits'))} of {thing(protocol['planned_splits'])} splits completed")
    if protocol.get("n_cells"):
        parts.append(f"{number(protocol['n_cells'], 0)} runs of a strategy{' on a split' if splits else ''}")
    if "random_state" in protocol:
        parts.append(f"random_state {thing(protocol['random_state']) if protocol['random_state'] is not None else 'None'}")
    if protocol.get("seconds") is not None:
        parts.append(f"{duration(protocol['seconds'])} in all")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else ABSENT
