"""Plots read back: the value that a mark stands for is recovered from the positions of the ticks' labels."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from sterna.report import to_html
from sterna.report._bars import bar_row, pair_row
from sterna.report._confusion import MOST_CLASSES, confusion_view
from sterna.report._curve import curve_plot
from sterna.report._forest import forest_axis, forest_range, forest_row, leaves
from sterna.report._map import MOST_POINTS, domain_panels
from sterna.report._svg import axis, drawing, element, nice_step
from sterna.report._words import WORDS


def value_of(text):
    return float(text.replace("\u2212", "-").replace("\u202f", "").rstrip("%"))


def ruler(svg, place="x"):
    """Fit value = a * position + b to the labels of the ticks."""
    labels = [(float(t.get(place).rstrip("%")), t.text) for t in ET.fromstring(svg).iter("text") if t.get("class") != "way"]
    places, values = zip(*((p, value_of(t)) for p, t in labels), strict=True)
    slope, offset = np.polyfit(places, values, 1)
    return lambda position: slope * position + offset


def row(mean, half=1.0, best=False, name="a", word="helps"):
    text = f"{mean:+.1f}"
    base = {"name": name, "mean": mean, "low": mean - half, "high": mean + half, "best": best, "text": text}
    return {**base, "word": WORDS[word], "control": False}


def test_forest_positions():
    rows = [row(3.1, 2.3), row(-4.6, 1.0), row(0.2, 0.1)]
    scale = forest_range(rows)
    read = ruler(forest_axis(scale))
    for one in rows:
        root = ET.fromstring(forest_row(one, scale))
        (interval,) = [e for e in root.iter("line") if "interval" in e.get("class")]
        ends = [read(float(interval.get(key).rstrip("%"))) for key in ("x1", "x2")]
        assert ends == pytest.approx([one["low"], one["high"]], abs=0.01)
        (mark,) = root.findall("svg")
        assert read(float(mark.get("x").rstrip("%"))) == pytest.approx(one["mean"], abs=0.01)
        (zero,) = [e for e in root.iter("line") if e.get("class") == "zero"]
        assert read(float(zero.get("x1").rstrip("%"))) == pytest.approx(0.0, abs=0.01)


def test_forest_is_not_squeezed_by_one_disaster():
    rows = [row(0.5 * i, 1.0) for i in range(-4, 5)]
    usual = forest_range(rows)
    disaster = row(-80.0, 10.0, name="diverged")
    scale = forest_range([*rows, disaster])
    assert (scale.low, scale.high) == (usual.low, usual.high)
    assert leaves([disaster], scale)
    assert not leaves(rows, scale)
    drawn = ET.fromstring(forest_row(disaster, scale))
    assert [e.get("class") for e in drawn.iter("path")] == ["beyond is-helps"], "an arrowhead and no mark"


def test_the_best_never_leaves_the_forest():
    rows = [*(row(0.1 * i, 0.1) for i in range(6)), row(50.0, 1.0, best=True)]
    scale = forest_range(rows)
    assert not leaves(rows[-1:], scale)


@pytest.mark.parametrize("rows", [[], [row(0.0, 0.0)], [row(1e-9, 1e-10)], [row(1e12, 1e11)]])
def test_forest_of_fragile_sizes(rows):
    scale = forest_range(rows)
    for one in rows:
        assert "nan" not in forest_row(one, scale)
    assert ET.fromstring(forest_axis(scale)) is not None


def test_ticks_are_round_and_inside():
    for low, high in [(0, 1), (-3.7, 12.2), (0.001, 0.0017), (-5e6, 7e6), (2, 2)]:
        scale = axis([low, high])
        assert 3 <= len(scale.ticks) <= 11
        assert all(scale.low <= tick <= scale.high for tick in scale.ticks)
        step = scale.ticks[1] - scale.ticks[0]
        digit = step / 10 ** np.floor(np.log10(step) + 1e-9)
        assert min(abs(digit - d) for d in (1, 2, 5, 10)) < 1e-6
    assert nice_step(0.3) == pytest.approx(0.5)


def test_curve_positions():
    budgets = [10, 20, 40, 80, 160]
    points = [(60.0 + i**2, 55.0, 80.0) for i in range(5)]
    svg = curve_plot(budgets, [{"name": "a", "points": points}], "%")
    root = ET.fromstring(svg)
    labels = [t for t in root.iter("text") if t.get("class") != "way"]
    heights = [(float(t.get("y").rstrip("%")), value_of(t.text)) for t in labels if t.text.endswith("%")]
    slope, offset = np.polyfit(*zip(*heights, strict=True), 1)
    dots = [e for e in root.findall("svg") if any("dot" in p.get("class") for p in e.iter("path"))]
    values = [slope * float(dot.get("y").rstrip("%")) + offset for dot in dots]
    assert values == pytest.approx([mean for mean, _, _ in points], abs=0.02)
    places = [float(dot.get("x").rstrip("%")) for dot in dots]
    assert np.diff(places) == pytest.approx(np.full(4, np.diff(places)[0]), abs=0.02), (
        "doubling is one step on a logarithmic axis"
    )


def test_curve_with_gaps_and_one_budget():
    gaps = [None, (1.0, None, None), (2.0, 1.0, 3.0)]
    svg = curve_plot([0, 5, 9], [{"name": "a", "points": gaps}, {"name": "b", "points": [None] * 3}], "")
    assert "nan" not in svg
    assert ET.fromstring(curve_plot([10], [{"name": "a", "points": [(1.0, 0.5, 1.5)]}], "")) is not None


def test_bars_and_pairs():
    scale = axis([0.0, 0.5], pad=0.0)
    (bar,) = ET.fromstring(bar_row("c", 0.25, "0.25", scale, strong=True)).iter("rect")
    assert (bar.get("x"), bar.get("width"), bar.get("class")) == ("0%", "50%", "bar")
    (bar,) = ET.fromstring(bar_row("c", 0.5, "0.5", scale, strong=False)).iter("rect")
    assert (bar.get("width"), bar.get("class")) == ("100%", "bar weak")
    assert not list(ET.fromstring(bar_row("c", None, "none", scale, strong=False)).iter("rect"))
    pair = ET.fromstring(pair_row({"name": "c", "first": 0.1, "second": 0.4, "text": ""}, scale))
    assert [mark.get("x") for mark in pair.findall("svg")] == ["20%", "80%"]
    assert len(ET.fromstring(pair_row({"name": "c", "first": 0.1, "second": None, "text": ""}, scale)).findall("svg")) == 1


def test_map_keeps_distances():
    """Both axes have the same unit: distances in the picture are proportional to those in the data."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(60, 2)) * [5, 1]
    places = [{"domain": "s", "x": points[:30, 0].tolist(), "y": points[:30, 1].tolist()}]
    places.append({"domain": "t", "x": points[30:, 0].tolist(), "y": points[30:, 1].tolist()})
    (panel,) = domain_panels(places, {"t"})
    root = ET.fromstring(panel["svg"])
    drawn = []
    for path in root.iter("path"):
        drawn += [[float(x), float(y)] for x, y in re.findall(r"M([\d.-]+) ([\d.-]+)", path.get("d"))]
    drawn = np.array(drawn)
    assert drawn.shape == (60, 2)
    width, height = map(float, root.get("viewBox").split()[2:])
    assert drawn.min() >= 0
    assert np.all(drawn.max(axis=0) <= [width, height])
    wanted, got = (np.linalg.norm(p[:, None] - p[None], axis=2) for p in (points, drawn))
    far = wanted > 1
    ratio = got[far] / wanted[far]
    assert ratio.std() / ratio.mean() < 0.01


def test_map_of_fragile_domains():
    assert domain_panels([], set()) == []
    assert domain_panels([{"domain": "a", "x": [None], "y": [1.0]}], {"a"}) == []
    (alone,) = domain_panels([{"domain": "a", "x": [1.0, 1.0], "y": [2.0, 2.0]}], {"a"})
    assert (alone["source"], alone["target"]) == (None, "a")
    many = [{"domain": f"d{i}", "x": list(range(5000)), "y": [0.0] * 5000} for i in range(3)]
    panels = domain_panels(many, {"d2"})
    assert [panel["source"] for panel in panels] == ["d0", "d1"]
    assert panels[0]["svg"].count("M") <= 2 * MOST_POINTS


def test_confusion_loses_no_row():
    rng = np.random.default_rng(3)
    matrix = rng.poisson(1.0, size=(60, 60)) + 40 * np.eye(60, dtype=int)
    matrix[7, 9] = matrix[50, 2] = 300
    classes = [f"c{i}" for i in range(60)]
    view = confusion_view({"confusion": {"classes": classes, "models": {"a": matrix.tolist()}}})
    assert view["n_shown"] == MOST_CLASSES
    assert {"c7", "c9", "c50", "c2"} <= set(view["classes"])
    rows = view["models"][0]["rows"]
    assert sum(int(row["total"]) for row in rows) == matrix.sum()
    for one in rows[:-1]:
        i = classes.index(one["name"])
        assert int(one["total"]) == matrix[i].sum()
        j = view["classes"].index(one["name"])
        assert one["cells"][j]["count"] == f"{matrix[i, i]} of {matrix[i].sum()}"


def test_attributes_and_text_are_escaped():
    svg = drawing("<t>&", element("text", "</svg><script>", x='1"'), height=5)
    root = ET.fromstring(svg)
    assert root[0].text == "<t>&"
    assert root[1].text == "</svg><script>"
    assert root[1].get("x") == '1"'


def test_zero_line_of_the_page_is_one_line(make):
    """All rows of a forest plot share one axis, those in the fold too."""
    page = to_html(make("everything"))
    section = page.split('id="source"')[1].split('id="adapting"')[0]
    assert len(set(re.findall(r'<line x1="([\d.]+)%" y1="0%" x2="[\d.]+%" y2="100%" class="zero"', section))) == 1
