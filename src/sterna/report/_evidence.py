"""The evidence for a verdict: the rows of a forest plot, best first, and the sentences around them."""

from __future__ import annotations

from typing import Any

from sterna.report._numbers import Scale
from sterna.report._plain import entries, pick
from sterna.report._words import WORDS, word_for

MOST_ROWS = 20
_KEYS = {"verdict": ("difference", "verdict"), "adaptation": ("adaptation_difference", "adaptation")}
_CONTROLS = {"verdict": "TargetOnly", "adaptation": "the best plain baseline"}


def evidence(summary: dict[str, Any], scale: Scale, question: str) -> dict[str, Any]:
    """Everything about one question, "verdict" or "adaptation"."""
    verdict = pick(summary, question, default={})
    control = pick(verdict, "control", default=_CONTROLS[question])
    zero = control if question == "verdict" else "best plain baseline"
    rows = sorted(_rows(summary, scale, question, control), key=lambda row: -row["mean"])
    shown = [row for i, row in enumerate(rows) if i < MOST_ROWS or row["best"] or row["baseline"] or len(rows) <= MOST_ROWS + 3]
    ids = {id(row) for row in shown}
    hidden = [row for row in rows if id(row) not in ids]
    return {
        "word": word_for(pick(verdict, "word")),
        "sentence": unbroken(pick(verdict, "sentence")),
        "strategy": pick(verdict, "strategy"),
        "difference": _difference_text(verdict, scale, control),
        "control": control,
        "zero": zero,
        "control_score": _score_of(summary, control, scale),
        "rows": [_control_row(zero, summary), *shown] if rows else [],
        "more": hidden,
        "more_words": _counts(hidden),
        "n": len(rows),
        "words": [word for word in WORDS.values() if any(row["word"] == word for row in rows)],
    }


def unbroken(text: str | None) -> str | None:
    """Keep a number and its per cent sign on one line."""
    return None if text is None else text.replace(" %", "\u00a0%")


def _rows(summary: dict[str, Any], scale: Scale, question: str, control: str) -> list[dict[str, Any]]:
    difference, word = _KEYS[question]
    rows = []
    for item in entries(summary, "strategies"):
        mean, low, high = scale.scaled(pick(item, difference))
        if mean is None or item.get("name") == control:
            continue
        rows.append(
            {
                "name": pick(item, "name", default="?"),
                "mean": mean,
                "low": mean if low is None else low,
                "high": mean if high is None else high,
                "text": scale.difference(pick(item, difference)),
                "word": word_for(pick(item, word)),
                "best": is_best(summary, item),
                "baseline": pick(item, "family") == "baselines",
                "control": False,
            }
        )
    return rows


def _control_row(control: str, summary: dict[str, Any]) -> dict[str, Any]:
    best = pick(summary, "best", "name") == control
    zero = {"mean": 0.0, "low": 0.0, "high": 0.0, "text": "0", "word": None}
    return {"name": control, **zero, "best": best, "baseline": True, "control": True}


def is_best(summary: dict[str, Any], item: dict[str, Any]) -> bool:
    """Say whether this strategy is the one handed over."""
    return item.get("name") is not None and item.get("name") == pick(summary, "best", "name")


def _difference_text(verdict: dict[str, Any], scale: Scale, control: str) -> str | None:
    if pick(verdict, "difference", "mean") is None:
        return None
    unit = f" {scale.points}" if scale.points else ""
    strategy = pick(verdict, "strategy")
    of = f"{strategy} against {control}" if strategy else f"against {control}"
    return f"{scale.difference(verdict['difference'])}{unit}, {of}"


def _score_of(summary: dict[str, Any], name: str, scale: Scale) -> str | None:
    items = [
        pick(summary, "baselines", name),
        *(row for row in entries(summary, "strategies") if row.get("name") == name),
    ]
    known = next((item for item in items if pick(item, "mean") is not None), None)
    return None if known is None else scale.estimate(known)


def _counts(rows: list[dict[str, Any]]) -> str:
    """Say how many of the rows have which word: 20 no evidence, 3 hurts."""
    texts = [row["word"].text if row["word"] else "no verdict" for row in rows]
    return ", ".join(f"{texts.count(text)} {text}" for text in dict.fromkeys(texts))
