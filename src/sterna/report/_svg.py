"""A few lines that write SVG: elements, marks, ticks. Positions are percentages, so that a plot is fluid and its text is not."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from markupsafe import Markup, escape

# paths in a box of 12 by 12 around the origin
_SHAPES = {
    "helps": "M0-5.2 5 4.2H-5z",
    "hurts": "M0 5.2 5-4.2H-5z",
    "none": "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "unproven": "M-3.8-3.8h7.6v7.6h-7.6z",
    "control": "M0-4.8 4.8 0 0 4.8-4.8 0z",
}


def element(name: str, *children: str, **attributes: str | float | None) -> Markup:
    """Write one element; attribute values and plain strings are escaped, a trailing underscore is dropped."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_text(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = "".join(escape(child) for child in children)
    return Markup(f"<{name}{written}>{inside}</{name}>" if children else f"<{name}{written}/>")  # escaped above


def drawing(title: str, *children: str, height: int, class_: str = "plot", description: str | None = None) -> Markup:
    """Frame a plot that is as wide as its place and `height` pixels high, with a title and a description to be read aloud."""
    spoken = [element("title", title), *([element("desc", description)] if description else [])]
    return element("svg", *spoken, *children, role="img", class_=class_, width="100%", height=height)


def group(children: Iterable[str], **attributes: str | float | None) -> Markup:
    """Wrap elements in a group."""
    return element("g", *children, **attributes)


def mark(kind: str, x: float, y: float = 50.0) -> Markup:
    """Draw the shape of a verdict word at (x %, y %)."""
    shape = element("path", d=_SHAPES.get(kind, _SHAPES["unproven"]), class_=f"mark is-{kind}")
    return element("svg", shape, x=per(x), y=per(y), overflow="visible")


def badge(kind: str) -> Markup:
    """Draw the shape of a verdict word beside that word."""
    shape = element("path", d=_SHAPES.get(kind, _SHAPES["unproven"]), class_=f"mark is-{kind}")
    return element("svg", shape, viewBox="-6 -6 12 12", class_="badge", aria_hidden="true", focusable="false")


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """Draw a line between two points given in per cent."""
    return element("line", x1=per(x1), y1=per(y1), x2=per(x2), y2=per(y2), class_=class_)


def per(value: float) -> str:
    """Write a coordinate in per cent."""
    return _text(value) + "%"


def _text(value: str | float) -> str:
    if isinstance(value, str):
        return value
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


class Axis(NamedTuple):
    """A linear axis in the units shown, drawn from 0 % to 100 %."""

    low: float
    high: float
    ticks: tuple[float, ...]
    decimals: int

    def at(self, value: float) -> float:
        """Give the position of a value in per cent, held within the axis."""
        return min(100.0, max(0.0, 100 * (value - self.low) / (self.high - self.low)))


def axis(values: Iterable[float], *, pad: float = 0.04, n_ticks: int = 5) -> Axis:
    """Make an axis around all values, with ticks at steps of 1, 2 or 5."""
    values = list(values) or [0.0]
    low, high = min(values), max(values)
    if high <= low:
        high = low + (abs(low) or 1.0)
    low, high = low - pad * (high - low), high + pad * (high - low)
    step = nice_step((high - low) / n_ticks)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return Axis(low, high, tuple(i * step for i in range(first, last + 1)), decimals)


def nice_step(step: float) -> float:
    """Round up to 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= step * (1 - 1e-9))
