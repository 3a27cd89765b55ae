"""`WordVectors`: the mean of the vectors of a text's words."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer

from sterna.encoders._base import Encoder, digest
from sterna.encoders._content import content_keys, file_sha256
from sterna.encoders._items import as_items
from sterna.encoders._vectors import read_vectors

Array = Any
_FEW = 0.2


class WordVectors(Encoder):
    """Give the mean of the vectors of a text's words.

    Small, fast, and without a network; for short texts and many of them. The order of words is lost: "not good" is near "good".

    Parameters
    ----------
    vectors : path or mapping
        A text file (GloVe, word2vec; .gz too), an .npz file with the arrays `words` and `vectors`, a mapping of word to vector, or a
        mapping with the keys "words" and "vectors".
    idf : bool, default=False
        Weight each word by how few of the rows of `fit` hold it.
    lowercase : bool, default=True
        False for vectors whose words have capitals.
    token_pattern : str, default=r"(?u)\\b\\w+(?:['’]\\w+)*\\b"
        What a word is.

    Attributes
    ----------
    n_features_out_ : int
    fingerprint_ : str
    vectors_sha256_ : str or None
        Of the file.
    idf_ : ndarray of shape (n_words,) or None
    coverage_ : float
        The share of the words of `fit`'s rows that have a vector.

    Notes
    -----
    Text whose words are all unknown gets zeros. idf = log((1 + n) / (1 + n_rows_with_the_word)) + 1. Nothing is cached: reading the
    cache would take longer. A saved model keeps the name of a file and not its vectors, and refuses another file's.

    Examples
    --------
    >>> from sterna.encoders import WordVectors
    >>> encoder = WordVectors({"warm": [1.0, 0.0], "water": [0.0, 2.0]})
    >>> encoder.fit_transform(["Warm water", "warm, warm water"]).astype(float).round(2).tolist()
    [[0.5, 1.0], [0.67, 0.67]]
    """

    modality = "text"
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "vectors": [str, Path, dict],
        "idf": ["boolean"],
        "lowercase": ["boolean"],
        "token_pattern": [str],
    }

    def __init__(
        self, vectors: Any, *, idf: bool = False, lowercase: bool = True, token_pattern: str = r"(?u)\b\w+(?:['’]\w+)*\b"
    ) -> None:
        self.vectors = vectors
        self.idf = idf
        self.lowercase = lowercase
        self.token_pattern = token_pattern

    @property
    def learns_from_data(self) -> bool:
        """Whether `fit` learns from the rows: with `idf`."""
        return bool(self.idf)

    def fit(self, X: Any, y: Any = None) -> Self:
        """Read the vectors; with `idf` learn the weights of the words.

        Parameters
        ----------
        X : list, array, Series or one-column DataFrame of length n_samples
        y : ignored

        Returns
        -------
        self
        """
        super().fit(X)
        items = as_items(X, self.modality)
        counts = self._counts(items)
        self.coverage_ = self._covered(items, counts)
        self.idf_ = _idf(counts) if self.idf else None
        return self

    def _fit_items(self, items: Any) -> None:
        self.__dict__.pop("_runner", None)
        self.vectors_sha256_ = self._file_hash()
        words, vectors = self._table()
        self.n_features_out_ = int(vectors.shape[1])
        keys = content_keys(["\n".join(words), vectors])
        self.fingerprint_ = digest([key.hex() for key in keys], self.idf, self.lowercase, self.token_pattern)

    def _file_hash(self) -> str | None:
        if not isinstance(self.vectors, str | Path):
            return None
        if not Path(self.vectors).is_file():
            raise FileNotFoundError(f"there is no file of word vectors {self.vectors}; check its name and folder")
        return file_sha256(Path(self.vectors))

    def _table(self) -> tuple[list[str], Array]:
        """Words and vectors, read when they are first needed."""
        if "_runner" not in self.__dict__:
            if self._file_hash() != self.vectors_sha256_:
                raise ValueError(
                    f"the file {self.vectors} has changed since this encoder was fitted; bring the old file back, or fit again"
                )
            self._runner = read_vectors(self.vectors)
        return self._runner

    def _counter(self, vocabulary: Any) -> CountVectorizer:
        return CountVectorizer(lowercase=self.lowercase, token_pattern=self.token_pattern, vocabulary=vocabulary)

    def _counts(self, items: list[str]) -> Any:
        """How often each known word is in each text, shape (n_samples, n_words)."""
        words, _ = self._table()
        return self._counter({word: i for i, word in enumerate(words)}).transform(items).astype(np.float32)

    def _covered(self, items: list[str], counts: Any) -> float:
        split = self._counter(None).build_analyzer()
        share = float(counts.sum()) / max(1, sum(len(split(text)) for text in items))
        if share < _FEW and items:
            warnings.warn(
                f"only {share:.0%} of the words have a vector; are the vectors of the texts' language, and lowercase as they are?",
                stacklevel=3,
            )
        return share

    def _compute(self, items: Any) -> Array:
        counts = self._counts(items)
        weighted = counts if self.idf_ is None else counts @ sparse.diags_array(self.idf_)
        total = np.asarray(weighted.sum(axis=1)).reshape(-1, 1)
        return ((weighted @ self._table()[1]) / np.where(total > 0, total, 1)).astype(np.float32)

    def _features(self, items: Any) -> Array:
        return self._compute(items) if items else super()._features(items)

    def fingerprint(self) -> str:
        """A SHA-256 of the words, their vectors, and the learnt weights where there are any."""
        idf = getattr(self, "idf_", None)
        own = super().fingerprint()
        return own if idf is None else digest(own, content_keys([idf])[0].hex())

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        if isinstance(state["vectors"], dict):
            words, vectors = read_vectors(state["vectors"])
            state["vectors"] = {"words": np.asarray(words, dtype=str), "vectors": vectors}
        return state


def _idf(counts: Any) -> Array:
    holding = np.asarray((counts > 0).sum(axis=0)).ravel()
    return (np.log((1 + counts.shape[0]) / (1 + holding)) + 1).astype(np.float32)
