"""`TextEncoder`: texts to features of a frozen language model, with n-grams beside if wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.utils.validation import check_is_fitted

from sterna.encoders._base import Encoder
from sterna.encoders._items import as_items
from sterna.encoders._network import NetworkEncoder

Array = Any


class TextEncoder(NetworkEncoder):
    """Give the features of a frozen, pretrained language model, and the weights of words and pairs of words beside if wanted.

    Use it where texts are short of labels: the model knows that two words mean the same. With many labelled texts words alone
    may be as good; `ngrams=True` gives both. Texts in a language that the model never saw gain nothing.

    Parameters
    ----------
    backbone : str or Module, default="sentence-transformers/all-MiniLM-L6-v2"
        See `sterna.backbones.load_backbone`; a folder works too.
    weights : path or state dict, default=None
        None: those that belong to the name, downloaded.
    ngrams : bool, default=False
        Append TF-IDF weights of single words and pairs of words, fitted on the rows that `fit` sees.
    batch_size : int, default=32
    precision : {"float32", "bfloat16"}, default="float32"
    cache : FeatureCache, path or bool, default=None
        None and True: the default folder; False: no cache.
    device : str, default="auto"
    backbone_options : dict, default=None
        More arguments of `load_backbone`.
    random_state : int, RandomState or None, default=None
        Not used: nothing is random.
    progress : bool, default=None
        A progress bar; None: on a terminal.

    Attributes
    ----------
    n_features_out_ : int
    fingerprint_ : str
    weights_sha256_ : str or None
        Of the weights file.
    network_sha256_ : str
        Of the network's weights.
    vectorizer_ : TfidfVectorizer
        With `ngrams`.
    ngram_scale_ : float
        By which the TF-IDF weights are multiplied, so that both views have the same mean squared norm on the rows of `fit`.

    Notes
    -----
    Texts are cut at the model's greatest length. Batches hold texts of similar length; what is filled up is masked, so that a
    text's features do not depend on its batch but for rounding (1e-6). TF-IDF: sublinear counts, terms of at least two texts.

    Examples
    --------
    >>> from sterna.encoders import TextEncoder
    >>> TextEncoder(ngrams=True).learns_from_data
    True
    """

    modality = "text"
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {**Encoder._parameter_constraints, "ngrams": ["boolean"]}

    def __init__(
        self,
        backbone: Any = "sentence-transformers/all-MiniLM-L6-v2",
        weights: Any = None,
        *,
        ngrams: bool = False,
        batch_size: int = 32,
        precision: str = "float32",
        cache: Any = None,
        device: str = "auto",
        backbone_options: Mapping[str, Any] | None = None,
        random_state: Any = None,
        progress: bool | None = None,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.ngrams = ngrams
        self.batch_size = batch_size
        self.precision = precision
        self.cache = cache
        self.device = device
        self.backbone_options = backbone_options
        self.random_state = random_state
        self.progress = progress

    @property
    def learns_from_data(self) -> bool:
        """Whether `fit` learns from the rows: with `ngrams`."""
        return bool(self.ngrams)

    def fit(self, X: Any, y: Any = None) -> Self:
        """Load the backbone; with `ngrams` learn the terms and their weights.

        Parameters
        ----------
        X : list, array, Series or one-column DataFrame of length n_samples
        y : ignored

        Returns
        -------
        self
        """
        self._fit_both(X)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Array:
        """Fit, and give the features of the same rows, computed once.

        Parameters
        ----------
        X : list, array, Series or one-column DataFrame of length n_samples
        y : ignored

        Returns
        -------
        ndarray or csr_array of shape (n_samples, n_features_out_), float32
        """
        embedded = self._fit_both(X)
        return self._joined(as_items(X, self.modality), embedded)

    def transform(self, X: Any) -> Array:
        """Give the features of each text, from the cache where they are in it.

        Parameters
        ----------
        X : list, array, Series or one-column DataFrame of length n_samples

        Returns
        -------
        ndarray of shape (n_samples, n_features_out_), float32; a csr_array with `ngrams`
        """
        check_is_fitted(self, "n_features_out_")
        items = as_items(X, self.modality)
        return self._joined(items, self._features(items))

    def _fit_both(self, X: Any) -> Array | None:
        """Fit; the embedding of the rows where it had to be computed."""
        super().fit(X)
        if not self.ngrams:
            return None
        items = as_items(X, self.modality)
        embedded, (self.vectorizer_, terms) = self._features(items), _fitted_terms(items)
        squared = terms.multiply(terms).sum() / len(items)
        self.ngram_scale_ = float(np.sqrt((embedded.astype(np.float64) ** 2).sum() / len(items) / squared))
        return embedded

    def _joined(self, items: Any, embedded: Array | None) -> Array:
        embedded = self._features(items) if embedded is None else embedded
        if not self.ngrams:
            return embedded
        terms = self.vectorizer_.transform(items) * np.float32(self.ngram_scale_)
        return sparse.csr_array(sparse.hstack([sparse.csr_array(embedded), terms], format="csr", dtype=np.float32))

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Names of the features, shape (n_features_out,); the terms are named "ngram: TERM"."""
        check_is_fitted(self, "n_features_out_")
        names = [f"{type(self).__name__.lower()}{i}" for i in range(self.n_features_out_)]
        terms = [f"ngram: {term}" for term in self.vectorizer_.get_feature_names_out()] if self.ngrams else []
        return np.asarray(names + terms, dtype=object)

    def _batches(self, items: Any) -> list[list[int]]:
        """Texts of similar length together: little is filled up."""
        return self._cut(sorted(range(len(items)), key=lambda i: len(items[i])))


def _fitted_terms(items: list[str]) -> tuple[TfidfVectorizer, Any]:
    """TF-IDF of words and pairs; where no term is in two texts (few short ones), of all terms."""
    error: Exception | None = None
    for min_df in (2, 1):
        vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=min_df, dtype=np.float32)
        try:
            return vectorizer, vectorizer.fit_transform(items)
        except ValueError as caught:
            error = caught
    raise ValueError(f"none of the {len(items)} texts holds a word of two letters; leave ngrams out") from error
