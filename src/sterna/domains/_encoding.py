"""From files and texts to features: which encoder, and encoding all rows once."""

from __future__ import annotations

import importlib
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from sterna.domains._domains import Domains
from sterna.domains._media import NOUNS
from sterna.domains._stack import Array, rows_of, take_apart

_ENCODERS = {"image": "ImageEncoder", "audio": "AudioEncoder", "text": "TextEncoder"}


def find_encoder(encoder: Any, domains: Domains, weights: Any = None) -> Any:
    """The encoder of the domains' rows: the one given, the default of their kind, or None for tables.

    Parameters
    ----------
    encoder : transformer, str or None
        An unfitted transformer, a backbone's name, or None (the default of the kind).
    domains : Domains
    weights : path, default=None
        A file of weights for the backbone.

    Returns
    -------
    transformer or None
        A clone.
    """
    if domains.kind not in NOUNS:
        if encoder is not None or weights is not None:
            raise ValueError("an encoder is for files and texts, but the domains are tables; leave encoder and weights out")
        return None
    if encoder is not None and not isinstance(encoder, str):
        if not hasattr(encoder, "fit") or not hasattr(encoder, "transform"):
            raise TypeError(
                f"encoder is a {type(encoder).__name__}; give a transformer with fit and transform, or a backbone's name"
            )
        if weights is not None:
            raise ValueError("weights belong to a backbone's name, but an encoder was given; give the weights to the encoder")
        return clone(encoder)
    chosen = getattr(importlib.import_module("sterna.encoders"), _ENCODERS[domains.kind])
    options = {"weights": str(weights)} if weights is not None else {}
    return chosen(**options) if encoder is None else chosen(encoder, **options)


def learns_from_data(encoder: Any) -> bool:
    """Say whether what the encoder gives depends on the rows that it is fitted on."""
    return bool(getattr(encoder, "learns_from_data", False))


def encode_all(domains: Domains, encoder: Any, progress: bool = False) -> tuple[Domains, Any]:
    """Encode the rows of all domains once.

    Parameters
    ----------
    domains : Domains
    encoder : transformer
    progress : bool, default=False
        Let an encoder that can show its progress do so.

    Returns
    -------
    domains : Domains
        With features in place of the rows.
    encoder : transformer
        Fitted on all rows.
    """
    encoder = clone(encoder)
    own = encoder.get_params(deep=False).get("progress", False)
    if own is None:
        encoder.set_params(progress=progress)
    rows = np.concatenate([domain.X for domain in (*domains.sources, domains.target)])
    encoded = domains.encoded(encoder.fit(rows))
    if own is None:
        encoder.set_params(progress=None)
    return encoded, encoder


def describe_encoder(encoder: Any) -> dict[str, Any] | None:
    """The encoder in plain words: its parameters and, where it has one, its fingerprint.

    Parameters
    ----------
    encoder : transformer or None

    Returns
    -------
    dict with the keys name, fingerprint, learns_from_data; or None
    """
    if encoder is None:
        return None
    mark = getattr(encoder, "fingerprint", None) or getattr(encoder, "fingerprint_", None)
    mark = mark() if callable(mark) else mark
    name = " ".join(encoder.__repr__(N_CHAR_MAX=200).split())
    return {"name": name, "fingerprint": None if mark is None else str(mark), "learns_from_data": learns_from_data(encoder)}


class FittedOn(TransformerMixin, BaseEstimator):
    """An encoder that learns from its rows, fitted only on those that a strategy may learn from.

    Parameters
    ----------
    encoder : transformer
        Cloned.
    fit_on : {"all", "source", "target"}, default="all"
        As in `TablePreprocessor`.

    Attributes
    ----------
    encoder_ : transformer
    """

    def __init__(self, encoder: Any, fit_on: str = "all") -> None:
        self.encoder = encoder
        self.fit_on = fit_on

    def fit(self, X: Array, y: Any = None, sample_domain: Any = None) -> Self:
        """Fit the encoder on the rows of `X`, shape (n_samples,), that may be seen."""
        if self.fit_on != "all" and sample_domain is not None:
            data = take_apart(X, np.asarray(y), sample_domain)
            X = data.X_source if self.fit_on == "source" else rows_of(data.X_target, np.flatnonzero(data.labelled))
        self.encoder_ = clone(self.encoder).fit(X)
        return self

    def transform(self, X: Any) -> Any:
        """Give the features, shape (n_samples, n_features)."""
        check_is_fitted(self)
        return self.encoder_.transform(X)
