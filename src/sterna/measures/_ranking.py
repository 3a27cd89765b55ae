"""Ranking: candidates in order, with intervals that say when the order is not resolved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from sterna.domains._stack import Array

LEAST_LABELS = 8  # fewer labelled target rows rank nothing


@dataclass(frozen=True)
class Ranked:
    """One candidate.

    Attributes
    ----------
    name : str
    value, low, high : float
        Its score and the 95 % interval.
    behind : tuple of three floats or None
        How far it is behind the first, and the interval of that, which holds for all pairs together; None for the first.
    other : dict of str to float
        What further measures say; not ranked by.
    """

    name: str
    value: float
    low: float
    high: float
    behind: tuple[float, float, float] | None
    other: dict[str, float]


@dataclass(frozen=True)
class Ranking:
    """Candidates from best to worst.

    Attributes
    ----------
    score : str
        What the values are.
    candidates : list of Ranked
    n_rows : int
        Labelled target rows that were used.
    """

    score: str
    candidates: list[Ranked]
    n_rows: int

    @property
    def resolved(self) -> bool:
        """Whether the first is better than the second beyond chance."""
        return len(self.candidates) > 1 and self.candidates[1].behind is not None and self.candidates[1].behind[1] > 0

    @property
    def sentence(self) -> str:
        """What the ranking says, in one sentence."""
        first = self.candidates[0].name
        if len(self.candidates) == 1:
            return f"{first} is the only candidate."
        if self.n_rows < LEAST_LABELS:
            told = "is nearest to the target" if self.resolved else "is not told from the next by nearness"
            return f"{first} {told}; with eight labelled target rows or more the sources are judged by their models instead."
        tied = [c.name for c in self.candidates[1:] if c.behind is not None and c.behind[1] <= 0]
        if not tied:
            return f"{first} is better than {'the other' if len(self.candidates) == 2 else 'all others'} on these {self.n_rows} labelled rows."
        return (
            f"The ranking is not resolved: on {self.n_rows} labelled rows {first} cannot be told from {', '.join(tied)}; label more "
            "target rows, or take the cheapest of these."
        )

    def to_frame(self) -> pd.DataFrame:
        """One row a candidate."""
        rows = []
        for candidate in self.candidates:
            behind = candidate.behind or (np.nan, np.nan, np.nan)
            row = {"name": candidate.name, "value": candidate.value, "low": candidate.low, "high": candidate.high}
            row |= {"behind": behind[0], "behind_low": behind[1], "behind_high": behind[2]}
            rows.append(row | candidate.other)
        return pd.DataFrame(rows)

    def summary(self) -> dict[str, Any]:
        """All of it as plain values, for a file."""
        found = [
            {"name": c.name, "value": c.value, "interval": [c.low, c.high], "behind": c.behind, "other": c.other}
            for c in self.candidates
        ]
        return {
            "score": self.score,
            "n_rows": self.n_rows,
            "resolved": self.resolved,
            "sentence": self.sentence,
            "candidates": found,
        }


def ranking(score: str, scores: Mapping[str, Array], other: Mapping[str, dict[str, float]]) -> Ranking:
    """Candidates by mean score; `scores`: one number a row, rows in the same order."""
    order = sorted(scores, key=lambda name: -scores[name].mean())
    n = len(scores[order[0]])
    n_pairs = max(1, comb(len(order), 2))

    def spread(values: Array, level: float) -> float:
        return float(student.ppf(1 - (1 - level) / 2, n - 1) * values.std(ddof=1) / np.sqrt(n))

    candidates = []
    for name in order:
        own, gap = scores[name], scores[order[0]] - scores[name]
        half, apart = spread(own, 0.95), spread(gap, 1 - 0.05 / n_pairs)
        behind = None if name == order[0] else (float(gap.mean()), float(gap.mean() - apart), float(gap.mean() + apart))
        candidates.append(
            Ranked(name, float(own.mean()), float(own.mean() - half), float(own.mean() + half), behind, other[name])
        )
    return Ranking(score, candidates, n)
