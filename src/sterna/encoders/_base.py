"""What the encoders share: rows in, features out, the cache between."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from numbers import Integral
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, clone
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from sterna.encoders._cache import FeatureCache, find_cache
from sterna.encoders._content import content_keys
from sterna.encoders._items import as_items, take

Array = Any
#: Part of every fingerprint: features that were written by another way of computing them are not read.
_VERSION = "1"


class Encoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A transformer whose features of a row depend on this row and on nothing that is learnt."""

    modality: ClassVar[str]
    cache: Any
    n_features_out_: int
    fingerprint_: str
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "precision": [StrOptions({"float32", "bfloat16"})],
        "cache": [None, "boolean", str, Path, FeatureCache],
        "progress": [None, "boolean"],
        "random_state": ["random_state"],
    }

    def fit(self, X: Any, y: Any = None) -> Self:
        """Load the backbone and check that `X` holds rows of the right kind; nothing is learnt from them.

        Parameters
        ----------
        X : list, array, Series or one-column DataFrame of length n_samples
        y : ignored

        Returns
        -------
        self
        """
        self._validate_params()
        self._fit_items(as_items(X, self.modality))
        self._note_columns(X)
        return self

    def _fit_items(self, items: Any) -> None:
        """Set `n_features_out_` and `fingerprint_`."""
        raise NotImplementedError

    def _note_columns(self, X: Any) -> None:
        self.n_features_in_ = 1
        if hasattr(X, "columns"):
            self.feature_names_in_ = np.asarray(X.columns, dtype=object)

    def transform(self, X: Any) -> Array:
        """Give the features of each row, from the cache where they are in it.

        Parameters
        ----------
        X : list, array, Series or one-column DataFrame of length n_samples

        Returns
        -------
        ndarray of shape (n_samples, n_features_out_), float32
        """
        check_is_fitted(self, "n_features_out_")
        return self._features(as_items(X, self.modality))

    def _features(self, items: Any) -> Array:
        if len(items) == 0:
            return np.empty((0, self.n_features_out_), dtype=np.float32)
        cache = find_cache(self.cache)
        if cache is None:
            return self._compute(items)
        return cache.rows(self._folder(items), self._keys(items), lambda rows: self._compute(take(items, rows)))

    def _keys(self, items: Any) -> list[bytes]:
        return content_keys(items, files=self.modality != "text")

    def _folder(self, items: Any) -> str:
        """Where the cache keeps features of these rows; pictures in one array are not rounded to bytes as single ones are."""
        return digest(self.fingerprint(), "array" if isinstance(items, np.ndarray) else "list")

    def _compute(self, items: Any) -> Array:
        """Features of shape (len(items), n_features), float32."""
        raise NotImplementedError

    def fingerprint(self) -> str:
        """A SHA-256 of all that the features depend on besides the row: weights, preprocessing, parameters."""
        if hasattr(self, "fingerprint_"):
            return self.fingerprint_
        fresh = clone(self)
        fresh._fit_items([])
        return fresh.fingerprint_

    @property
    def learns_from_data(self) -> bool:
        """Whether `fit` learns from the rows, so that a target kept back must not be shown to it."""
        return False

    @property
    def _n_features_out(self) -> int:
        return self.n_features_out_

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        state.pop("_runner", None)
        return {name: _plain(value) for name, value in state.items()}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags


def _plain(value: Any) -> Any:
    """Paths as str and state dicts as arrays, as a skops file can hold them."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping) and value and all(hasattr(v, "detach") for v in value.values()):
        return {name: tensor.detach().cpu().float().numpy() for name, tensor in value.items()}
    return value


def digest(*parts: Any) -> str:
    """A SHA-256 of plain values."""
    return hashlib.sha256(json.dumps([_VERSION, *parts], sort_keys=True, default=str).encode()).hexdigest()
