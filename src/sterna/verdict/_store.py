"""Where finished cells are kept, so that a killed run goes on where it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sterna._version import __version__
from sterna.io import write_atomically


class CellStore:
    """Finished cells by key, in memory and, where there is a folder, on disk.

    Parameters
    ----------
    folder : Path or None
        The run's folder; None keeps cells in memory only.
    config : dict
        What the cells depend on. A folder that holds cells of another configuration is refused.
    overwrite : bool, default=False
        Start anew where the folder holds another run.
    """

    def __init__(self, folder: Path | None, config: dict[str, Any], overwrite: bool = False) -> None:
        self._cells: dict[str, dict[str, Any]] = {}
        self._folder = folder
        if folder is None:
            return
        known = folder / "config.json"
        there = _read_config(known)
        if folder.exists() and (
            not folder.is_dir() or (there is None and any(not path.name.startswith(".") for path in folder.iterdir()))
        ):
            raise FileExistsError(f"{folder} is not empty and not a sterna run; give another folder")
        if there is not None and not overwrite:
            _refuse_other(there, config, folder)
        else:
            for cell in (folder / "cells").glob("*.json"):
                cell.unlink()
            write_atomically(known, json.dumps(config, indent=1) + "\n")
        for path in sorted((folder / "cells").glob("*.json")):
            self._cells[path.stem] = json.loads(path.read_text())

    def __contains__(self, key: str) -> bool:
        return key in self._cells

    def __getitem__(self, key: str) -> dict[str, Any]:
        return self._cells[key]

    def __len__(self) -> int:
        return len(self._cells)

    def put(self, key: str, cell: dict[str, Any]) -> None:
        """Keep a finished cell."""
        text = json.dumps(cell)
        self._cells[key] = json.loads(text)  # as it will be read back
        if self._folder is not None:
            write_atomically(self._folder / "cells" / f"{key}.json", text)


def _read_config(path: Path) -> dict[str, Any] | None:
    """The configuration of the run whose file this is, or None where it is no run's."""
    try:
        config = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return config if isinstance(config, dict) and {"options", "domains", "versions"} <= config.keys() else None


def _refuse_other(known: dict[str, Any], config: dict[str, Any], folder: Path) -> None:
    now = json.loads(json.dumps(config))
    for part in sorted({*known, *now}):
        then, later = known.get(part) or {}, now.get(part) or {}
        for name in sorted({*then, *later}):
            if then.get(name) != later.get(name):
                raise FileExistsError(
                    f"{folder} holds a comparison with another {name} ({_short(then.get(name))}, now {_short(later.get(name))}); "
                    "give another folder, or overwrite it (--overwrite)"
                )


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."


def library_versions() -> dict[str, str]:
    """The versions that results depend on."""
    from importlib.metadata import version

    names = ("numpy", "scipy", "scikit-learn", "pandas", "POT", "joblib")
    return {"sterna": __version__} | {name: version(name) for name in names}
