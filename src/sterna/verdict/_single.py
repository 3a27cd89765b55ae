"""One strategy without a comparison: fitting it, and predicting the rows of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sterna.domains import Domains
from sterna.domains._read import read_file
from sterna.pipeline import TransferPipeline
from sterna.verdict._candidates import assemble, base_estimator, select_strategies


def fit_strategy(
    domains: Domains, strategy: str, *, parameters: dict[str, Any] | None = None, estimator: Any = None, random_state: int = 0
) -> TransferPipeline:
    """Fit one strategy, with preprocessing, on all domains and all known labels.

    Parameters
    ----------
    domains : Domains
    strategy : str
        Its name.
    parameters : dict, default=None
        Parameters of the strategy.
    estimator : estimator or str, default=None
        The base estimator, as in `compare`.
    random_state : int, default=0

    Returns
    -------
    TransferPipeline
    """
    base, _ = base_estimator(estimator, domains, random_state)
    known, skipped = select_strategies([strategy], domains, base)
    if strategy in skipped:
        raise ValueError(f"{strategy} {skipped[strategy]}")
    model = assemble(known[strategy].set_params(**(parameters or {})), base, domains.kind, random_state)
    X, y, sample_domain = domains.stack()
    return model.fit(X, y, sample_domain=sample_domain)


def predict_file(model: Any, path: str | Path) -> pd.DataFrame:
    """Predict the rows of a file.

    Parameters
    ----------
    model : estimator
        As `sterna.load` gives it.
    path : path
        CSV, TSV, Parquet or npz; columns are found by name, others are not read.

    Returns
    -------
    DataFrame of shape (n_rows, 1 or 1 + n_classes)
        `prediction`, and `probability_CLASS` where the model gives probabilities.
    """
    rows = read_file(Path(path), "the rows to predict")
    X = rows[0] if isinstance(rows, tuple) else rows
    if len(X) == 0 if isinstance(X, pd.DataFrame) else X.shape[0] == 0:
        raise ValueError(f"{path} has no rows")
    table = pd.DataFrame({"prediction": np.asarray(model.predict(X))})
    if hasattr(model, "predict_proba"):
        proba = model.predict_proba(X)
        for j, label in enumerate(model.classes_):
            table[f"probability_{label}"] = proba[:, j]
    return table
