"""The Markdown is read back by a Markdown parser: names stay text, tables stay rectangular."""

from __future__ import annotations

import pytest
from markdown_it import MarkdownIt

from sterna.report import to_markdown
from sterna.report._markdown import escaped


def parsed(text):
    return MarkdownIt("commonmark").enable("table").parse(text)


def plain_text(text):
    """The text of one inline run as a reader sees it; fails where it holds anything but text."""
    (inline,) = [token for token in MarkdownIt("commonmark").enable("table").parse(text) if token.type == "inline"]
    assert {child.type for child in inline.children} <= {"text", "text_special"}, inline.children
    return "".join(child.content for child in inline.children)


NAMES = [
    "a_b",
    "_a_",
    "__init__",
    "*a*",
    "a|b",
    "`a`",
    "[a](b)",
    "![a](b)",
    "<b>",
    "&amp;",
    "1. one",
    "1) one",
    "- x",
    "+ x",
    "> x",
]
NAMES += [
    "# h",
    "=====",
    "~~a~~",
    "a\\",
    "\\*",
    "$x$",
    "https://a.b",
    "www.a.b",
    "@you",
    "a\nb",
    "{{ 7*7 }}",
    "&#64;",
    "---",
    "2024",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_mean_themselves(name):
    assert plain_text(escaped(name)) == " ".join(name.split())
    assert plain_text(f"Before {escaped(name)} after") == f"Before {' '.join(name.split())} after"
    (item,) = [token for token in parsed(f"- {escaped(name)}") if token.type == "inline"]
    assert item.level == 3, "one list and no other block within it"


@pytest.mark.parametrize("name", NAMES)
def test_nothing_for_a_web_site_to_turn_into_a_link(name):
    """Links and mentions that a site finds by itself, outside the standard, are kept from it as well."""
    text = escaped(name)
    assert "://" not in text
    assert "www." not in text
    assert "@" not in text


def test_tables_are_rectangular(summary):
    tokens = parsed(to_markdown(summary))
    widths, current = [], None
    for token in tokens:
        if token.type == "table_open":
            widths.append(set())
        if token.type == "tr_open":
            current = 0
        if token.type in ("td_open", "th_open"):
            current += 1
        if token.type == "tr_close":
            widths[-1].add(current)
    assert all(len(counts) == 1 for counts in widths)
    n_lines = sum(line.startswith("|") for line in to_markdown(summary).splitlines())
    n_rows = sum(token.type == "tr_open" for token in tokens)
    assert n_lines == n_rows + len(widths), "every line of a table is a row of it, or its rule"


def test_no_html_and_no_links(summary):
    for token in parsed(to_markdown(summary)):
        assert token.type != "html_block"
        assert {child.type for child in token.children or ()} <= {"text", "text_special", "strong_open", "strong_close"}


def test_order_and_content(make):
    text = to_markdown(make("few_labels"))
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings == [
        "## What was compared",
        "## 1. Does the source help?",
        "## 2. Does adapting help?",
        "## 3. By which strategy?",
        "## How the domains differ",
        "## What was left out",
        "## How to use the model",
        "## How to reproduce it",
    ]
    for needed in (
        "**CORAL** (chosen) | helps | +6.4 (",
        "| TrAdaBoost | hurts |",
        "JDOT, **warning**",
        "```python",
        "sterna compare",
    ):
        assert needed in text


def test_situations(make):
    regression = to_markdown(make("regression"))
    assert "positive is better" in regression
    assert "**Stopped early.**" in regression
    unsupervised = to_markdown(make("unsupervised"))
    assert "| importance weighted | deep embedded |" in unsupervised
    assert "About 140 labelled target rows" in unsupervised
    assert "There is no difference to show" in unsupervised


def test_code_is_fenced_past_its_own_fences(make, nasty):
    codes = [token.content for token in parsed(to_markdown(make("everything"))) if token.type == "fence"]
    assert any("```" in code and "x" * 400 in code for code in codes)


def test_same_text(summary):
    assert to_markdown(summary) == to_markdown(summary)
