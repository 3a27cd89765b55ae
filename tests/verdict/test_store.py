"""Finished cells: whole or not at all, and never mixed with those of another run."""

from __future__ import annotations

import json

import pytest

from sterna import io
from sterna.verdict._store import CellStore, library_versions


def make_config(**options):
    return {"options": {"random_state": 0} | options, "domains": {"source 'a'": "12ab"}, "versions": library_versions()}


def content(folder):
    """Every file below a folder by its relative path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_cells_come_back(tmp_path):
    store = CellStore(tmp_path / "run", make_config())
    store.put("s000-CORAL", {"values": [0.1 + 0.2, 1.0], "error": None, "share": (1, 2)})
    again = CellStore(tmp_path / "run", make_config())
    assert "s000-CORAL" in again
    assert len(again) == 1
    assert again["s000-CORAL"] == store["s000-CORAL"] == {"values": [0.1 + 0.2, 1.0], "error": None, "share": [1, 2]}
    assert "s001-CORAL" not in again


def test_without_a_folder_cells_are_kept_in_memory():
    store = CellStore(None, make_config())
    store.put("s000-CORAL", {"values": [1.0]})
    assert store["s000-CORAL"] == {"values": [1.0]}


def test_a_write_that_fails_leaves_nothing(tmp_path, monkeypatch):
    store = CellStore(tmp_path / "run", make_config())
    store.put("s000-CORAL", {"values": [1.0]})
    before = content(tmp_path)

    def full(*args):
        raise OSError("No space left on device")

    monkeypatch.setattr(io.os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        store.put("s001-CORAL", {"values": [2.0]})
    with pytest.raises(OSError, match="No space"):
        io.write_atomically(tmp_path / "run" / "config.json", "half")
    assert content(tmp_path) == before


def test_a_cell_that_is_no_json_leaves_nothing(tmp_path):
    store = CellStore(tmp_path / "run", make_config())
    with pytest.raises(TypeError):
        store.put("s000-CORAL", {"values": object()})
    assert "s000-CORAL" not in store
    assert list(content(tmp_path)) == ["run/config.json"]


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (make_config(random_state=1), r"another random_state \(0, now 1\)"),
        (make_config(metric="roc_auc"), r"another metric \(null, now \"roc_auc\"\)"),
        (make_config() | {"domains": {"source 'a'": "34cd"}}, r"another source 'a' \(\"12ab\", now \"34cd\"\)"),
        (make_config() | {"versions": library_versions() | {"numpy": "0.9"}}, r"another numpy"),
    ],
)
def test_another_configuration_is_refused_and_named(tmp_path, other, named):
    CellStore(tmp_path / "run", make_config()).put("s000-CORAL", {"values": [1.0]})
    before = content(tmp_path)
    with pytest.raises(FileExistsError, match=named):
        CellStore(tmp_path / "run", other)
    assert content(tmp_path) == before


def test_overwriting_starts_anew(tmp_path):
    CellStore(tmp_path / "run", make_config()).put("s000-CORAL", {"values": [1.0]})
    store = CellStore(tmp_path / "run", make_config(random_state=1), overwrite=True)
    assert len(store) == 0
    assert json.loads((tmp_path / "run" / "config.json").read_text())["options"] == {"random_state": 1}
    assert len(CellStore(tmp_path / "run", make_config(random_state=1))) == 0


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["thesis.tex", "config.json", "cells.txt"])
def test_a_foreign_folder_is_refused_and_left_alone(tmp_path, name, overwrite):
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells" / "blood.json").write_text("{}")
    (tmp_path / name).write_text('{"model_type": "bert"}')
    before = content(tmp_path)
    with pytest.raises(FileExistsError, match="not empty and not a sterna run"):
        CellStore(tmp_path, make_config(), overwrite)
    assert content(tmp_path) == before


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(FileExistsError, match="give another folder"):
        CellStore(tmp_path / "run", make_config(), overwrite=True)
    assert (tmp_path / "run").read_text() == "mine"


def test_an_empty_folder_and_one_with_hidden_leftovers_are_taken(tmp_path):
    (tmp_path / ".config.json.x1").write_text("half")
    CellStore(tmp_path, make_config()).put("s000-CORAL", {"values": [1.0]})
    assert len(CellStore(tmp_path, make_config())) == 1


def test_leftovers_of_a_killed_write_are_no_cells(tmp_path):
    CellStore(tmp_path, make_config()).put("s000-CORAL", {"values": [1.0]})
    (tmp_path / "cells" / ".s001-CORAL.json.x1").write_text('{"val')
    assert len(CellStore(tmp_path, make_config())) == 1
