"""The learning curve: score against the number of target labels, a few strategies, bands for their intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from sterna.report._numbers import number
from sterna.report._svg import Axis, axis, drawing, element, line, per

_TOP, _BOTTOM, _HEIGHT = 4.0, 88.0, 300
_SHAPES = (
    "M0-4.6 4.6 0 0 4.6-4.6 0z",
    "M-3.6 0a3.6 3.6 0 1 0 7.2 0a3.6 3.6 0 1 0-7.2 0z",
    "M-3.4-3.4h6.8v6.8h-6.8z",
    "M0-4.4 4.2 3.4H-4.2z",
)


def curve_plot(budgets: Sequence[float], series: Sequence[dict[str, Any]], unit: str) -> Markup:
    """Draw the curves; a series is a dict with `name` and `points`, one (mean, low, high) or None a budget."""
    heights = axis([value for one in series for point in one["points"] if point for value in point if value is not None])
    places = _places(budgets)
    parts = _frame(budgets, places, heights, unit)
    parts += [_band(one["points"], places, heights, index) for index, one in enumerate(series) if index < 2]
    for index, one in reversed(list(enumerate(series))):
        parts += _curve(one["points"], places, heights, index)
    names = ", ".join(one["name"] for one in series)
    return drawing(
        "Learning curve: score by number of labelled target rows",
        *parts,
        height=_HEIGHT,
        class_="plot curve",
        description=f"Curves of {names}; the numbers are in the table below.",
    )


def key_mark(index: int) -> Markup:
    """Draw the line and mark of a series for the key."""
    stroke = element("line", x1=0, y1=6, x2=26, y2=6, class_=f"stroke series-{index}")
    shape = element("svg", element("path", d=_SHAPES[index % 4], class_=f"dot series-{index}"), x=13, y=6, overflow="visible")
    return element("svg", stroke, shape, width=26, height=12, class_="key-mark", aria_hidden="true", focusable="false")


def _places(budgets: Sequence[float]) -> list[float]:
    """Positions in per cent, on a logarithmic axis where budgets span a factor of eight."""
    logarithmic = min(budgets) > 0 and max(budgets) >= 8 * min(budgets)
    values = [math.log(budget) if logarithmic else float(budget) for budget in budgets]
    low, span = min(values), (max(values) - min(values)) or 1.0
    return [50.0 if len(set(values)) == 1 else 9 + 86 * (value - low) / span for value in values]


def _height(value: float, heights: Axis) -> float:
    return _BOTTOM - (_BOTTOM - _TOP) * heights.at(value) / 100


def _frame(budgets: Sequence[float], places: Sequence[float], heights: Axis, unit: str) -> list[Markup]:
    parts = [line(0, _BOTTOM, 100, _BOTTOM, "zero")]
    for tick in heights.ticks:
        y = _height(tick, heights)
        parts.append(line(0, y, 100, y, "grid"))
        text = number(tick, heights.decimals) + (f"\u202f{unit}" if unit else "")
        parts.append(element("text", text, x="0%", y=per(y), dy="-4"))
    last = -100.0
    for budget, x in zip(budgets, places, strict=True):
        if x - last >= 6:  # labels that would run into one another are left out
            parts.append(element("text", number(budget, 0), x=per(x), y=per(94), text_anchor="middle"))
            last = x
    parts.append(element("text", "labelled target rows", x="100%", y=per(99.4), text_anchor="end", class_="way"))
    return parts


def _stretched(*shapes: Markup) -> Markup:
    """Lines and areas cannot be given in per cent: they are drawn in a box of 100 by 100 that is stretched."""
    return element("svg", *shapes, viewBox="0 0 100 100", preserveAspectRatio="none", width="100%", height="100%")


def _band(points: Sequence[Any], places: Sequence[float], heights: Axis, index: int) -> Markup:
    known = [(x, *point) for x, point in zip(places, points, strict=True) if point and None not in point]
    edge = [(x, _height(high, heights)) for x, _, _, high in known]
    edge += [(x, _height(low, heights)) for x, _, low, _ in reversed(known)]
    return _stretched(element("polygon", points=" ".join(f"{x:.2f},{y:.2f}" for x, y in edge), class_=f"band series-{index}"))


def _curve(points: Sequence[Any], places: Sequence[float], heights: Axis, index: int) -> list[Markup]:
    known = [(x, _height(point[0], heights)) for x, point in zip(places, points, strict=True) if point and point[0] is not None]
    path = " ".join(f"{x:.2f},{y:.2f}" for x, y in known)
    stroke = element("polyline", points=path, class_=f"stroke series-{index}", vector_effect="non-scaling-stroke")
    dots = [
        element(
            "svg", element("path", d=_SHAPES[index % 4], class_=f"dot series-{index}"), x=per(x), y=per(y), overflow="visible"
        )
        for x, y in known
    ]
    return [_stretched(stroke), *dots]
