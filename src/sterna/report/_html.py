"""One offline HTML page: a Jinja template over the view, with the plots inlined as SVG and the style as CSS."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from sterna.report._bars import bar_row, pair_row, percent_axis
from sterna.report._curve import curve_plot, key_mark
from sterna.report._forest import forest_axis, forest_range, forest_row, leaves
from sterna.report._map import domain_panels
from sterna.report._numbers import shortened
from sterna.report._svg import Axis, axis, badge
from sterna.report._view import view_of


def to_html(summary: Mapping[str, Any]) -> str:
    """Render the summary as one HTML page that needs no other file, no network and no JavaScript.

    Parameters
    ----------
    summary : mapping
        The one summary dict. Whatever is missing or null in it is left out of the page.

    Returns
    -------
    str
        The same bytes for the same summary.

    Examples
    --------
    >>> from sterna.report import to_html
    >>> page = to_html({"title": "b from <a>"})
    >>> "b from &lt;a&gt;" in page
    True
    """
    return _template().render(view=view_of(summary))


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("sterna.report"),
        autoescape=True,  # names can be anything
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.globals.update(
        badge=badge,
        bar_row=bar_row,
        curve_plot=curve_plot,
        domain_panels=domain_panels,
        forest_axis=forest_axis,
        forest_range=forest_range,
        forest_row=forest_row,
        key_mark=key_mark,
        leaves=leaves,
        pair_range=pair_range,
        pair_row=pair_row,
        percent_axis=percent_axis,
        share_range=share_range,
        shortened=shortened,
    )
    return environment.get_template("report.html.jinja")


def share_range(rows: list[dict[str, Any]]) -> Axis:
    """Make the axis of bars, from zero to the largest value."""
    return axis([0.0, *(row["value"] for row in rows if row["value"] is not None)], pad=0.0)


def pair_range(rows: list[dict[str, Any]]) -> Axis:
    """Make the axis of pairs, from zero to the largest value with room for its mark."""
    values = [row[key] for row in rows for key in ("first", "second") if row[key] is not None]
    return axis([0.0, *values], pad=0.03)
