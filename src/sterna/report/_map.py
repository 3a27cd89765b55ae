"""The map of the domains: every source over the target, one panel a source, all on the same axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from sterna.report._svg import element

WIDTH, MARGIN = 400.0, 12.0
LOWEST, HIGHEST = 200.0, 340.0
MOST_POINTS, MOST_PANELS = 400, 9

Points = list[tuple[float, float]]


def domain_panels(places: Sequence[dict[str, Any]], targets: set[str]) -> list[dict[str, Any]]:
    """Draw the panels: for every source its points as dots and those of the target as diamonds.

    Returns dicts with `source`, `target` (names), `svg`.
    """
    points = {place["domain"]: _points(place) for place in places if place.get("domain") is not None}
    everywhere = [point for some in points.values() for point in some]
    if not everywhere:
        return []
    place = _Place(everywhere)
    target = next((name for name in points if name in targets), None)
    sources = [name for name in points if name != target] or [None]
    return [
        {"source": source, "target": target, "svg": _panel(source, target, points, place)} for source in sources[:MOST_PANELS]
    ]


class _Place:
    """Both axes in the same unit, centred, in a box as high as the points need."""

    def __init__(self, points: Points) -> None:
        xs, ys = [x for x, _ in points], [y for _, y in points]
        self.x, self.y = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
        wide, high = (max(xs) - min(xs)) or 1.0, (max(ys) - min(ys)) or 1.0
        self.height = min(HIGHEST, max(LOWEST, 2 * MARGIN + (WIDTH - 2 * MARGIN) * high / wide))
        self.unit = min((WIDTH - 2 * MARGIN) / wide, (self.height - 2 * MARGIN) / high)

    def at(self, point: tuple[float, float]) -> str:
        x = WIDTH / 2 + self.unit * (point[0] - self.x)
        y = self.height / 2 - self.unit * (point[1] - self.y)
        return f"{x:.1f} {y:.1f}"


def _points(place: dict[str, Any]) -> Points:
    pairs = zip(place.get("x") or [], place.get("y") or [], strict=False)
    finite = [(x, y) for x, y in pairs if x is not None and y is not None]
    stride = max(1, -(-len(finite) // MOST_POINTS))
    return finite[::stride]


def _panel(source: str | None, target: str | None, points: dict[str, Points], place: _Place) -> Markup:
    title = f"Map of {source or target}" if source is None or target is None else f"Map of {source} over {target}"
    parts = [
        element("title", title),
        element("desc", "Near points are similar rows; where the two clouds part, the domains differ."),
    ]
    if source is not None:
        parts.append(element("path", d="".join(f"M{place.at(point)}h0" for point in points[source]), class_="dots source"))
    if target is not None:
        shape = "m0-3.4 3.4 3.4-3.4 3.4-3.4-3.4z"
        parts.append(element("path", d="".join(f"M{place.at(point)}{shape}" for point in points[target]), class_="dots target"))
    return element("svg", *parts, viewBox=f"0 0 {WIDTH:.0f} {place.height:.0f}", role="img", class_="map")
