"""The report: one summary dict becomes one offline HTML page, a Markdown text and a JSON file.

The summary is what every run writes (`results.json`); a renderer knows no strategy by name and computes no statistic. The
same summary gives the same bytes: no date, no random id, no request to anywhere.
"""

from __future__ import annotations

from sterna.report._html import to_html
from sterna.report._markdown import to_markdown
from sterna.report._plain import to_json
from sterna.report._write import write_report

__all__ = ["to_html", "to_json", "to_markdown", "write_report"]
