"""The page in a real browser: no sideways scrolling at any width, no message on the console."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sterna.report import to_html

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
]
WIDTHS = (1280, 390, 360)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the PATH")

# the frames are of the same origin as the page around them, so that it can measure them as they are, nothing put inside
MEASURE = """
addEventListener("load", () => {
  const out = [...document.querySelectorAll("iframe")].map(frame => {
    const inner = frame.contentDocument, root = inner.documentElement, width = frame.contentWindow.innerWidth;
    const hidden = e => e.closest(".scroll, pre, .unseen, svg, details:not([open])");
    const far = [...inner.body.querySelectorAll("*")].filter(e => !hidden(e) && e.getBoundingClientRect().right > width + 1);
    const style = getComputedStyle(inner.body);
    return {name: frame.name, width, ground: style.backgroundColor, ink: style.color, scroll: root.scrollWidth, height: root.scrollHeight,
            far: far.slice(0, 5).map(e => e.tagName + "." + e.className + ": " + e.textContent.trim().slice(0, 40)),
            broken: [...inner.querySelectorAll(".reasons dt .name")].filter(e => e.getClientRects().length > 1).map(e => e.textContent),
            plots: Math.min(...[...inner.querySelectorAll("table.forest td.plot")].filter(e => !hidden(e)).map(e => e.clientWidth), 9999)};
  });
  document.body.innerHTML = "";
  document.body.dataset.found = JSON.stringify(out);
});
"""


def run(page: Path, profile: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", *flags, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def console(result: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in result.stderr.splitlines() if "CONSOLE" in line]


def measure(pages: dict[str, str], widths, folder: Path, *flags: str):
    """Open every page at every width in one run of the browser; returns what was measured and the lines of the console."""
    frames = [
        f'<iframe name="{name} {width}" style="width:{width}px;height:800px;border:0" srcdoc="{html.escape(page)}"></iframe>'
        for name, page in pages.items()
        for width in widths
    ]
    outer = folder / "frames.html"
    outer.write_text(f"<!DOCTYPE html><meta charset=utf-8><body><script>{MEASURE}</script>{''.join(frames)}", encoding="utf-8")
    result = run(outer, folder / "profile", "--window-size=1400,900", "--dump-dom", *flags)
    text = re.search(r'data-found="(.*?)"', result.stdout)
    assert text, result.stderr
    return json.loads(html.unescape(text.group(1))), console(result)


@pytest.fixture(scope="module")
def found(tmp_path_factory, make):
    pages = {name: to_html(make(name)) for name in ("few_labels", "regression", "unsupervised", "everything", "bare")}
    return measure(pages, WIDTHS, tmp_path_factory.mktemp("browser"))


def test_no_sideways_scrolling(found):
    pages, _ = found
    assert len(pages) == 5 * len(WIDTHS)
    for page in pages:
        assert page["width"] == int(page["name"].split()[-1]), "the frame has the width that was asked for"
        assert page["height"] > 600
        assert page["scroll"] <= page["width"], f"{page['name']}: {page['scroll']} px wide; {page['far']}"
        assert not page["far"], page


def test_plots_keep_room(found):
    for page in found[0]:
        assert page["plots"] >= 300, f"a forest plot is only {page['plots']} px wide in {page['name']}"


def test_names_of_strategies_do_not_break_in_a_word(tmp_path, make):
    summary = make("few_labels")
    names = ["DistributionWeightedCombination", "GaussianProcessTransfer (kernel)", "TCA"]
    summary["strategies"] += [
        {"name": name, "reason": "it needs two sources or more, and there is one; " * 3} for name in names
    ]
    pages, _ = measure({"few_labels": to_html(summary)}, [1280, 1200, 720, 390], tmp_path)
    for page in pages:
        assert page["broken"] == [], page["name"]
        assert page["scroll"] <= page["width"], page["name"]


def test_console_is_silent(found, tmp_path, make):
    assert found[1] == []
    page = tmp_path / "report.html"
    page.write_text(to_html(make("everything")), encoding="utf-8")
    assert console(run(page, tmp_path / "profile", "--window-size=1280,900", "--dump-dom")) == []


@pytest.mark.parametrize(("preference", "dark"), [(0, True), (1, False)])
def test_dark_and_light(tmp_path, make, preference, dark):
    """The page follows the reader's preference; Blink's setting 0 is dark, 1 is light."""
    flag = f"--blink-settings=preferredColorScheme={preference}"
    ((page,), _) = measure({"few_labels": to_html(make("few_labels"))}, [800], tmp_path, flag)
    ground, ink = (sum(map(int, re.findall(r"\d+", page[key])[:3])) for key in ("ground", "ink"))
    assert (ground < 120, ink > 600) == (dark, dark)
    assert (ground > 700, ink < 120) == (not dark, not dark)
