"""Bars and pairs: one number a row from zero, or two numbers a row joined by a line."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from sterna.report._svg import Axis, drawing, element, line, mark, per


def bar_row(name: str, value: float | None, text: str, scale: Axis, *, strong: bool) -> Markup:
    """Draw a bar from zero: filled where `strong`, an outline where not."""
    parts = [line(scale.at(tick), 0, scale.at(tick), 100, "grid") for tick in scale.ticks]
    if value is not None:
        width = max(0.4, scale.at(value) - scale.at(0.0))
        parts.append(
            element(
                "rect", x=per(scale.at(0.0)), y="30%", width=per(width), height="40%", class_="bar" if strong else "bar weak"
            )
        )
    return drawing(f"{name}: {text}", *parts, height=20)


def pair_row(row: dict[str, Any], scale: Axis) -> Markup:
    """Draw two values as a circle (first) and a diamond (second) joined by a line."""
    parts = [line(scale.at(tick), 0, scale.at(tick), 100, "grid") for tick in scale.ticks]
    first, second = row["first"], row["second"]
    if first is not None and second is not None:
        parts.append(line(scale.at(first), 50, scale.at(second), 50, "interval is-none"))
    if first is not None:
        parts.append(mark("none", scale.at(first)))
    if second is not None:
        parts.append(mark("control", scale.at(second)))
    return drawing(f"{row['name']}: {row['text']}", *parts, height=20)


def percent_axis(scale: Axis) -> Markup:
    """Draw the ticks of an axis of percentages."""
    parts = []
    for tick in scale.ticks:
        x = scale.at(tick)
        anchor = "start" if x < 4 else "end" if x > 96 else "middle"
        parts.append(element("text", f"{tick:.{scale.decimals}f}\u202f%", x=per(x), y="14", text_anchor=anchor))
    return drawing("Axis in per cent", *parts, height=20)
