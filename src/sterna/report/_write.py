"""Writing the three files of a report, each whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sterna.report._html import to_html
from sterna.report._markdown import to_markdown
from sterna.report._plain import to_json


def write_report(summary: Mapping[str, Any], folder: str | os.PathLike[str]) -> dict[str, Path]:
    """Write `report.html`, `report.md` and `results.json` into a folder.

    Everything is rendered before the first file is touched, and each file replaces its predecessor in one step: a run that
    is interrupted leaves whole files, old or new.

    Parameters
    ----------
    summary : mapping
        The one summary dict.
    folder : path-like
        Made if it does not exist.

    Returns
    -------
    dict of str to Path
        The paths by format: "html", "markdown", "json".

    Examples
    --------
    >>> import tempfile
    >>> from sterna.report import write_report
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sorted(path.name for path in write_report({"title": "b from a"}, folder).values())
    ['report.html', 'report.md', 'results.json']
    """
    folder = Path(folder)
    texts = {
        "html": ("report.html", to_html(summary)),
        "markdown": ("report.md", to_markdown(summary)),
        "json": ("results.json", to_json(summary)),
    }
    folder.mkdir(parents=True, exist_ok=True)
    return {form: _replace(folder / name, text) for form, (name, text) in texts.items()}


def _replace(path: Path, text: str) -> Path:
    """Write beside the file, flush to the disk, then take its place."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(beside, "x", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    return path
