"""The forest plot: one row a strategy, its interval against the zero line; rows are those of a table of real text."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from markupsafe import Markup

from sterna.report._numbers import number
from sterna.report._svg import Axis, axis, drawing, element, line, mark

_HEIGHT = 26


def forest_range(rows: Sequence[dict[str, Any]]) -> Axis:
    """Make one axis for all rows; a strategy far beyond the others does not squeeze them, its interval leaves the plot.

    Rows within six times the median reach, and the best, are always inside.
    """
    reach = {id(row): max(abs(row["low"]), abs(row["high"])) for row in rows}
    usual = 6 * median(reach.values()) if reach else 1.0
    limit = max([reach[id(row)] for row in rows if row["best"] or reach[id(row)] <= usual], default=1.0)
    ends = [max(-limit, min(limit, row[key])) for row in rows for key in ("low", "high")]
    return axis([0.0, *ends])


def leaves(rows: Sequence[dict[str, Any]], scale: Axis) -> bool:
    """Say whether any interval leaves the plot."""
    return any(row["low"] < scale.low or row["high"] > scale.high for row in rows)


def forest_row(row: dict[str, Any], scale: Axis) -> Markup:
    """Draw one interval, its mark, and the zero line that runs on from row to row."""
    parts = [line(scale.at(tick), 0, scale.at(tick), 100, "grid") for tick in scale.ticks if abs(tick) > 1e-12]
    parts.append(line(scale.at(0.0), 0, scale.at(0.0), 100, "zero"))
    if row["control"]:
        parts.append(mark("control", scale.at(0.0)))
    else:
        parts += _interval(row, scale)
    said = "zero by definition" if row["control"] else f"{row['text']}, {row['word'].text if row['word'] else 'no verdict'}"
    return drawing(f"{row['name']}: {said}", *parts, height=_HEIGHT)


def _interval(row: dict[str, Any], scale: Axis) -> list[Markup]:
    kind = row["word"].kind if row["word"] else "unproven"
    parts = [line(scale.at(row["low"]), 50, scale.at(row["high"]), 50, f"interval is-{kind}")]
    # an interval that leaves the plot ends in an arrowhead there
    for end, beyond, path in ((0, row["low"] < scale.low, "M6-4 1 0 6 4"), (100, row["high"] > scale.high, "M-6-4-1 0-6 4")):
        if beyond:
            parts.append(
                element("svg", element("path", d=path, class_=f"beyond is-{kind}"), x=f"{end}%", y="50%", overflow="visible")
            )
    if scale.low <= row["mean"] <= scale.high:
        parts.append(mark(kind, scale.at(row["mean"])))
    return parts


def forest_axis(scale: Axis) -> Markup:
    """Draw the ticks below the rows, with the two directions in words."""
    parts = []
    for tick in scale.ticks:
        x = scale.at(tick)
        parts.append(line(x, 0, x, 12, "zero" if abs(tick) < 1e-12 else "grid"))
        parts.append(element("text", number(tick, scale.decimals, sign=True), x=f"{x:.2f}%", y="20", text_anchor=_anchor(x)))
    if scale.low < 0:
        parts.append(element("text", "\u2190 worse", x="0%", y="38", class_="way"))
    parts.append(element("text", "better \u2192", x="100%", y="38", text_anchor="end", class_="way"))
    return drawing("Axis of differences: left of zero is worse, right of zero is better", *parts, height=44)


def _anchor(x: float) -> str:
    return "start" if x < 2 else "end" if x > 98 else "middle"
