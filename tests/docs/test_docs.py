"""What the pages say is run: Python blocks and sessions in order, commands of the shell, links to files, and the build."""

from __future__ import annotations

import doctest
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import sterna
from sterna.cli import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(python|pycon|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^]]*\]\(([^)#:]+)(?:#[^)]*)?\)")


def blocks(page, *languages):
    """The code of a page, each block with the line it starts in."""
    text = page.read_text(encoding="utf-8")
    return [(text[: m.start(2)].count("\n"), m[1], m[2]) for m in BLOCK.finditer(text) if m[1] in languages]


def run_session(code, names, page, line):
    """Run a session as doctest does, with the names of the blocks before."""
    test = doctest.DocTestParser().get_doctest(code, {}, page.name, str(page), line)
    test.globs = names  # not a copy: what a session defines is there for the next block
    said = []
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
    doctest.DocTestRunner(optionflags=flags, verbose=False).run(test, out=said.append, clear_globs=False)
    assert not said, "".join(said)


def having(*languages):
    """A parameter: every page with blocks in one of these languages."""
    return pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, *languages)], ids=lambda page: page.stem)


@having("python", "pycon")
def test_python_runs(page, quick_compare, readers_arrays, tmp_path, monkeypatch):
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    names = {"__name__": page.stem} | (readers_arrays if page.stem == "README" else {})
    for line, language, code in blocks(page, "python", "pycon"):
        if language == "python":
            exec(compile("\n" * line + code, str(page), "exec"), names)
        else:
            run_session(code, names, page, line)


def commands(page):
    """The commands of a page's shell blocks, continued lines joined."""
    joined = [code.replace("\\\n", " ") for _, _, code in blocks(page, "sh")]
    return [shlex.split(line) for code in joined for line in code.splitlines() if line.strip()]


@having("sh")
def test_commands_run(page, quick_compare, hospitals, tmp_path, monkeypatch):
    """In a folder with the files that the README names, and those of the quick start in files/."""
    shutil.copytree(hospitals, tmp_path / "files")
    shutil.copytree(hospitals, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    for command in commands(page):
        assert command[0] == "sterna"
        result = CliRunner().invoke(app, command[1:])
        assert result.exit_code == 0, f"{shlex.join(command)}\n{result.output}"
    assert len((tmp_path / "predictions.csv").read_text().splitlines()) == 21
    # a run's folder holds what the quick start says
    written = {path.name for path in (tmp_path / "runs" / "c").iterdir()}
    assert written == {"report.html", "report.md", "results.json", "model.skops", "cells", "config.json"}
    assert all(f"`{name}" in (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8") for name in written)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), f"{page.name} links to {link}"


def test_readme_names_every_family():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for family in {cls.family for cls in sterna.all_strategies().values()}:
        assert f"`{family}`" in text


def test_data_page_explains_every_finding():
    codes = re.findall(r'"([a-z-]+)"', sterna.domains.Finding.__doc__)
    text = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    assert len(codes) >= 10
    for code in codes:
        assert f"\n`{code}`\n: " in text, f"docs/data.md does not explain {code}"


def test_verdict_page_explains_every_word():
    words = re.search(r"word : \{(.*)\}", sterna.verdict.Verdict.__doc__)[1]
    text = (ROOT / "docs" / "verdict.md").read_text(encoding="utf-8")
    for word in re.findall(r'"(.*?)"', words):
        assert f"\n`{word}`\n: " in text


@pytest.fixture(scope="module")
def hook():
    return runpy.run_path(str(ROOT / "docs" / "_plain_docstrings.py"))


def test_prose_is_escaped_and_code_is_not(hook):
    prose = "The largest |t| of `a_` * b, classes_ and ||A^T C A||_F."
    assert hook["escape"](prose) == r"The largest \|t\| of `a_` \* b, classes\_ and \|\|A^T C A\|\|_F."
    lines = [">>> x = a * b_", "", "a_, b_ : ndarray of shape (n_features_in_,)", "* a point", "C. Chelba (2006)"]
    assert hook["plain_lines"](lines) == [
        ">>> x = a * b_",
        "",
        r"a_, b_ : ndarray of shape (n_features_in\_,)",
        "* a point",
        r"C\. Chelba (2006)",
    ]


def test_references_become_paragraphs(hook):
    lines = [
        "References",
        "----------",
        "A. One (2001), A long",
        "    title, KDD.",
        "B. Two (2002), Other, ACL.",
        "",
        "Examples",
        "--------",
    ]
    assert hook["split_references"](lines) == [
        "References",
        "----------",
        "A. One (2001), A long",
        "title, KDD.",
        "",
        "B. Two (2002), Other, ACL.",
        "",
        "Examples",
        "--------",
    ]


def test_site_builds_without_a_warning(tmp_path):
    """In a copy, so that no other build's files are read; the generated pages name every strategy, measure and command."""
    pytest.importorskip("sphinx")
    for folder in ("docs", "examples"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("_build", "_generated"))
    shutil.copy(ROOT / "CONTRIBUTING.md", tmp_path)
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going", "docs", "docs/_build"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    site = tmp_path / "docs" / "_build"
    strategies, measures, cli = ((site / f"{name}.html").read_text() for name in ("strategies", "measures", "cli"))
    for name, cls in sterna.all_strategies().items():
        assert f'href="_generated/families/{cls.family}.html#sterna.{cls.family}.{name}"' in strategies
    for name in sterna.all_measures():
        assert f"sterna.measures.{name}" in measures
    for name in ("compare", "measure", "fit", "predict", "list", "report", "demo"):
        assert f'id="sterna-{name}"' in cli
    pages = [page.read_text() for page in site.rglob("*.html")]
    asked = {url for page in pages for url in re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(https?://[^"]+)"', page)}
    assert not asked, "the site must need no network"
