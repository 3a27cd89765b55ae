"""Small pairs of domains, and comparisons that take a second."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse

import sterna


def make_pair(task="classification", kind="dense", seed=0, n_source=60, n_target=40, n_labelled=None, n_sources=1, shift=0.3):
    """Domains with the same linear rule and a shift of the features; the target keeps `n_labelled` labels."""
    rng = np.random.default_rng(seed)
    sizes = [n_source] * n_sources + [n_target]
    parts = [rng.normal(size=(n, 3)) + (shift if i == n_sources else 0.1 * i) for i, n in enumerate(sizes)]
    signals = [X @ [2.0, -1.0, 0.5] + 0.4 * rng.normal(size=len(X)) for X in parts]
    labels = [np.where(s > 0, "yes", "no").astype(object) if task == "classification" else s for s in signals]
    if n_labelled is not None:
        labels[-1] = labels[-1].astype(object)
        labels[-1][n_labelled:] = None
    if kind == "sparse":
        parts = [sparse.csr_array(np.where(np.abs(X) > 0.3, X, 0.0)) for X in parts]
    if kind == "table":
        parts = [as_table(X, rng) for X in parts]
    sources = {f"s{i}": (X, y) for i, (X, y) in enumerate(zip(parts[:-1], labels[:-1], strict=True))}
    return sterna.Domains(sources, {"t": (parts[-1], labels[-1])}, task=task)


def as_table(X, rng):
    """A table with text, missing values and a date."""
    table = pd.DataFrame(X, columns=["age", "height", "dose"])
    table["sex"] = rng.choice(["f", "m"], len(X))
    table["seen"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, len(X)), unit="D")
    table.loc[rng.random(len(X)) < 0.1, "dose"] = np.nan
    table.loc[rng.random(len(X)) < 0.1, "sex"] = None
    return table


def quick_compare(domains, **options):
    """`compare` with little to do: CORAL over a linear base, one repeat, one process, no measure."""
    little = {"strategies": ["CORAL"], "estimator": "linear", "n_splits": 3, "n_repeats": 1, "n_jobs": 1, "with_measure": False}
    return sterna.compare(domains, **{**little, "progress": False, **options})
