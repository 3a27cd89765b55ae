"""The result of a comparison."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from sterna.io import save, write_atomically
from sterna.report import to_html, to_markdown, write_report
from sterna.verdict._words import Verdict


@dataclass
class Comparison:
    """What `compare` found.

    Attributes
    ----------
    verdict : Verdict
        Does using the source help? Against the target's own labels alone.
    adaptation : Verdict
        Does adapting help? Against the best plain baseline.
    best_estimator_ : TransferPipeline
        The model handed over, fitted on all domains and all known labels; predicts raw target rows.
    best : str
        Its name.
    summary : dict
        Everything, in plain JSON types (`results.json`).
    """

    verdict: Verdict
    adaptation: Verdict
    best: str
    best_estimator_: Any = field(repr=False)
    summary: dict[str, Any] = field(repr=False)

    def table(self) -> pd.DataFrame:
        """One row a strategy, best first; those left out come last with their reason.

        Returns
        -------
        DataFrame
            score, low, high; difference against target only (positive is better) with bounds and verdict; the same against the best
            plain baseline; seconds, peak_mb, reason. Indexed by name.
        """
        rows = []
        for entry in self.summary["strategies"]:
            row = {"strategy": entry["name"], "family": entry["family"], self.summary["metric"]["name"]: entry["mean"]}
            row |= {"low": entry["low"], "high": entry["high"]}
            for question, key in (("verdict", "difference"), ("adaptation", "adaptation_difference")):
                gap = entry[key] or {}
                row |= {f"{key}": gap.get("mean"), f"{key}_low": gap.get("low"), f"{key}_high": gap.get("high")}
                row[question] = entry[question]
            row |= entry["label_free"] or {}
            rows.append(row | {"seconds": entry["seconds"], "peak_mb": entry["peak_mb"], "reason": entry["reason"]})
        table = pd.DataFrame(rows).set_index("strategy")
        return table.dropna(axis="columns", how="all")

    def to_html(self, path: str | Path | None = None) -> str:
        """The report as one offline page; also written to `path` where given."""
        page = to_html(self.summary)
        if path is not None:
            write_atomically(Path(path), page)
        return page

    def to_markdown(self) -> str:
        """The report as Markdown."""
        return to_markdown(self.summary)

    def save(self, folder: str | Path) -> Path:
        """Write the report, `results.json` and the model to a folder; returns the page's path."""
        folder = Path(folder)
        save(self.best_estimator_, folder / "model.skops")
        write_report(self.summary, folder)
        return folder / "report.html"
