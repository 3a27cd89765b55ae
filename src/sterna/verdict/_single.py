"""One strategy without a comparison: fitting it, and predicting the rows of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from sterna.domains import Domains, TablePreprocessor
from sterna.domains._encoding import encode_all, find_encoder, learns_from_data
from sterna.domains._media import as_strings, media_files
from sterna.domains._read import read_file
from sterna.pipeline import TransferPipeline
from sterna.select._candidates import assemble, base_estimator, select_strategies, why_not, with_choice


def fit_strategy(
    domains: Domains,
    strategy: str,
    *,
    parameters: dict[str, Any] | None = None,
    estimator: Any = None,
    encoder: Any = None,
    weights: Any = None,
    random_state: int = 0,
    folder: str | Path | None = None,
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
    encoder : transformer or str, default=None
        Of files and texts, as in `compare`; for a strategy that trains a network the name of its backbone.
    weights : path, default=None
        A file of weights for that backbone.
    random_state : int, default=0
    folder : path, default=None
        Where a strategy that trains a network keeps its checkpoints and curves: a killed run goes on from there.

    Returns
    -------
    TransferPipeline
    """
    chosen = strategy_for(strategy, domains)
    if getattr(chosen, "takes_raw", False):
        given = {
            name: value for name, value in (("backbone", encoder), ("weights", weights and str(weights))) if value is not None
        }
        chosen.set_params(**given)
        if hasattr(chosen, "training_options"):
            chosen.set_params(training=chosen.training_options())
            chosen.set_params(training__folder=folder)
        model = assemble(chosen.set_params(**parameters or {}), None, domains.kind, random_state)
        X, y, sample_domain = domains.stack()
        return model.fit(X, y, sample_domain=sample_domain)
    found = find_encoder(encoder, domains, weights)
    fitted = None
    if found is not None and not learns_from_data(found):
        domains, fitted = encode_all(domains, found)
    base, _ = base_estimator(estimator, domains, random_state)
    chosen = with_choice(chosen, estimator)
    reason = why_not(chosen, domains, base)
    if reason is not None:
        raise ValueError(f"{strategy} {reason}")
    learning = found if fitted is None else None
    model = assemble(chosen.set_params(**(parameters or {})), base, domains.kind, random_state, learning)
    X, y, sample_domain = domains.stack()
    model.fit(X, y, sample_domain=sample_domain)
    return model if fitted is None else TransferPipeline([("encoder", fitted), *model.steps])


def strategy_for(name: str, domains: Domains) -> Any:
    """An unfitted strategy by its name, where the facts of the strategy allow it on these domains."""
    known, skipped = select_strategies([name], domains, LogisticRegression())
    if name in skipped:
        raise ValueError(f"{name} {skipped[name]}")
    return known[name]


def predict_file(model: Any, path: str | Path, text: str | None = None) -> pd.DataFrame:
    """Predict the rows of a file.

    Parameters
    ----------
    model : estimator
        As `sterna.load` gives it.
    path : path
        CSV, TSV, Parquet or npz; columns are found by name, others are not read. Or a folder of images or clips.
    text : str, default=None
        The column that holds the text, for a model of texts.

    Returns
    -------
    DataFrame of shape (n_rows, 1 or 1 + n_classes)
        Of a folder `file`; `prediction`, and `probability_CLASS` where the model gives probabilities; `label` where sub-folders say it.
    """
    path = Path(path)
    if path.is_dir():
        files, _ = media_files(path, "the rows to predict")
        X: Any = as_strings(files)
        table = pd.DataFrame({"file": X, "prediction": np.asarray(model.predict(X))})
    else:
        X = _rows_of_file(model, path, text)
        table = pd.DataFrame({"prediction": np.asarray(model.predict(X))})
    if hasattr(model, "predict_proba"):
        proba = model.predict_proba(X)
        for j, label in enumerate(model.classes_):
            table[f"probability_{label}"] = proba[:, j]
    if path.is_dir():
        classes = {str(label) for label in getattr(model, "classes_", [])}
        labels: Any = [file.parent.name if file.parent.name in classes else None for file in files]
        return table.assign(label=labels) if any(labels) else table
    return table


def _rows_of_file(model: Any, path: Path, text: str | None) -> Any:
    rows = read_file(path, "the rows to predict")
    X = rows[0] if isinstance(rows, tuple) else rows
    if X.shape[0] == 0:
        raise ValueError(f"{path} has no rows")
    if text is None and not _takes_raw(model):
        return X
    if text is None and isinstance(X, pd.DataFrame) and X.shape[1] == 1:
        text = str(X.columns[0])
    if not isinstance(X, pd.DataFrame) or text not in X.columns:
        has = ", ".join(map(str, X.columns[:8])) if isinstance(X, pd.DataFrame) else "no named columns"
        given = (
            f"has no text column {text!r}"
            if text is not None
            else "is for a model of files or texts, and no text column is named"
        )
        raise ValueError(f"{path} {given}; name it with --text COLUMN (it has {has}), or give a folder of files")
    return as_strings(X[text].fillna("").tolist())


def _takes_raw(model: Any) -> bool:
    """Say whether a model takes files or texts: its first step is an encoder or a network of its own."""
    first = model[0] if hasattr(model, "steps") else model
    return not isinstance(first, TablePreprocessor)
