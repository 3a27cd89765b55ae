from __future__ import annotations

import os
import stat
import sys

import pytest

from sterna.report import to_html, to_json, to_markdown, write_report

NAMES = ["report.html", "report.md", "results.json"]


def test_writes_three_files(tmp_path, make):
    summary = make("few_labels")
    paths = write_report(summary, tmp_path / "a" / "b")
    assert [path.name for path in paths.values()] == NAMES
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == NAMES, "nothing else is left"
    assert paths["html"].read_bytes() == to_html(summary).encode()
    assert paths["markdown"].read_bytes() == to_markdown(summary).encode()
    assert paths["json"].read_bytes() == to_json(summary).encode()


def test_writing_again_replaces(tmp_path, make):
    write_report(make("regression"), tmp_path)
    before = {name: (tmp_path / name).stat().st_ino for name in NAMES}
    write_report(make("few_labels"), str(tmp_path))
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == to_html(make("few_labels"))
    assert all((tmp_path / name).stat().st_ino != before[name] for name in NAMES), (
        "a new file took the place, none was written into"
    )


def test_a_summary_that_cannot_be_rendered_leaves_the_old_report(tmp_path, make):
    write_report(make("few_labels"), tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in NAMES}
    with pytest.raises(TypeError, match="plain JSON types"):
        write_report({**make("regression"), "extra": object()}, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failing_disk_leaves_the_old_report(tmp_path, make, monkeypatch, step):
    write_report(make("few_labels"), tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in NAMES}

    def fail(*args):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="no space left"):
        write_report(make("regression"), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no permission bits")
def test_readable_like_any_other_file(tmp_path):
    (tmp_path / "other").write_text("x")
    paths = write_report({}, tmp_path)
    expected = stat.S_IMODE((tmp_path / "other").stat().st_mode)
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths.values()} == {expected}
