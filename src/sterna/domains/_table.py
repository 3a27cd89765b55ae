"""The default preprocessing: from raw tables to numbers that every strategy can use."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MaxAbsScaler, OneHotEncoder, StandardScaler
from sklearn.utils.validation import check_is_fitted

from sterna.domains._columns import as_table, name_columns
from sterna.domains._findings import refuse_values
from sterna.domains._kinds import conform, kind_of
from sterna.domains._read import features
from sterna.domains._stack import Array, take_apart

#: How messages call the rows, and where a column is of the kind that it must have.
_ROWS, _FITTED = "X", "the rows fitted on"


class TablePreprocessor(TransformerMixin, BaseEstimator):
    """Impute, encode and scale stacked domains.

    Numbers: missing ones become the median, then zero mean and unit variance. Text: one column a category (rare ones together,
    a missing value is a category, one never seen is none of them). Sparse matrices: scaled by their
    largest absolute value, which keeps them sparse.

    Fitted on the rows of both domains that training may see, so that categories of either are known and one scale serves both.

    Parameters
    ----------
    max_categories : int, default=30
        The most columns that one text column may become.
    n_components : int, default=None
        Reduce a sparse matrix to this many dense columns (truncated singular values), for strategies that need dense input.
    fit_on : {"all", "source", "target"}, default="all"
        The rows to learn from, where `fit` is given `sample_domain`: all, the source's, or the labelled ones of the target. For
        models that must not see the other domain.
    random_state : int, RandomState or None, default=0
        Seeds the reduction.

    Attributes
    ----------
    pipeline_ : estimator
        What the rows go through.
    kinds_ : dict of str to str
        Of tables: "number", "date", "duration", "text" or "category" for each column. A table to transform is brought to these
        kinds: its columns may stand in another order, beside others, and numbers may be written as text, dates as dates.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Of tables.

    Examples
    --------
    >>> import pandas as pd
    >>> from sterna.domains import TablePreprocessor
    >>> table = pd.DataFrame({"age": [20.0, None, 40.0], "sex": ["f", "m", None]})
    >>> TablePreprocessor().fit_transform(table).shape
    (3, 4)
    """

    def __init__(
        self, max_categories: int = 30, n_components: int | None = None, fit_on: str = "all", random_state: Any = 0
    ) -> None:
        self.max_categories = max_categories
        self.n_components = n_components
        self.fit_on = fit_on
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, sample_domain: Any = None) -> Self:
        """Learn medians, categories and scales from stacked rows `X` of shape (n_samples, n_features)."""
        if self.fit_on not in ("all", "source", "target"):
            raise ValueError(f"fit_on is {self.fit_on!r}; allowed are 'all', 'source' and 'target'")
        X = _matrix_or_table(X)
        if self.fit_on != "all" and sample_domain is not None:
            data = take_apart(X, np.asarray(y), sample_domain)
            X = data.X_source if self.fit_on == "source" else data.X_target_labelled
        self.n_features_in_, self.kinds_ = X.shape[1], {}
        self.__dict__.pop("feature_names_in_", None)
        if isinstance(X, pd.DataFrame):
            self.feature_names_in_ = np.asarray(X.columns, dtype=object)
            kinds = {column: kind_of(_ROWS, X[column]) for column in X.columns}
            self.kinds_ = {column: "number" if kind == "empty" else kind for column, kind in kinds.items()}
            self.pipeline_ = self._for_table()
        else:
            self.pipeline_ = self._for_sparse(X.shape) if sparse.issparse(X) else self._for_numbers()
        self._sparse = sparse.issparse(X)
        self.pipeline_.fit(self._ready(X))
        return self

    def transform(self, X: Any) -> Array:
        """Give the numeric rows, shape (n_samples, n_columns); of a table only the columns fitted on are read."""
        check_is_fitted(self)
        return self.pipeline_.transform(self._ready(_matrix_or_table(X)))

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Name the columns that `transform` gives: `age`, `sex_f`; of arrays x0, x1, ...; of reduced ones truncatedsvd0, ..."""
        check_is_fitted(self)
        if self.kinds_:
            return self.pipeline_.get_feature_names_out()
        given = [f"x{j}" for j in range(self.n_features_in_)] if input_features is None else input_features
        return self.pipeline_.get_feature_names_out(given)

    def _ready(self, X: Any) -> Any:
        """The rows as the pipeline takes them: of the kind, and with the columns, that it is fitted on."""
        if self.kinds_:
            return self._conformed(X)
        if X.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {X.shape[1]} columns, but the preprocessing was fitted on {self.n_features_in_}; give the same features"
            )
        if isinstance(X, pd.DataFrame):
            X = np.column_stack([_conform(X[column], "number") for column in X.columns])
        if sparse.issparse(X) != self._sparse:
            X = sparse.csr_array(X) if self._sparse else X.toarray()
        refuse_values(_ROWS, X, [f"x{j}" for j in range(self.n_features_in_)])
        return X

    def _conformed(self, X: Any) -> pd.DataFrame:
        if not isinstance(X, pd.DataFrame):
            raise ValueError(
                f"the preprocessing was fitted on a table with named columns, but X is {type(X).__name__}; give a DataFrame"
            )
        lacking = [column for column in self.kinds_ if column not in X.columns]
        if lacking:
            more = f", and {len(lacking) - 1} more" if len(lacking) > 1 else ""
            raise ValueError(
                f"X lacks the column {lacking[0]!r}{more}, which the preprocessing was fitted on; give a table that has it"
            )
        values = {column: _conform(X[column], kind) for column, kind in self.kinds_.items()}
        table = as_table({column: _filled(part) for column, part in values.items()})
        refuse_values(_ROWS, table, list(table.columns))
        return table

    def _for_numbers(self) -> Any:
        return make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())

    def _for_sparse(self, shape: tuple[int, int]) -> Any:
        if self.n_components is None:
            return make_pipeline(MaxAbsScaler())
        n_components = max(1, min(self.n_components, min(shape) - 1))
        reduction = TruncatedSVD(n_components, random_state=self.random_state) if shape[1] > 1 else _dense()
        return make_pipeline(MaxAbsScaler(), reduction, StandardScaler())

    def _for_table(self) -> Any:
        words = [column for column, kind in self.kinds_.items() if kind in ("text", "category")]
        numbers = [column for column in self.kinds_ if column not in set(words)]
        encoder = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=self.max_categories, sparse_output=False)
        steps = [("numbers", self._for_numbers(), numbers), ("words", encoder, words)]
        return ColumnTransformer(steps, verbose_feature_names_out=False)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        return tags


def _matrix_or_table(X: Any) -> Any:
    X = features(_ROWS, X)
    return name_columns(_ROWS, X) if not sparse.issparse(X) and not isinstance(X, pd.DataFrame) and X.dtype == object else X


def _dense() -> Any:
    return FunctionTransformer(_to_array, accept_sparse=True, feature_names_out="one-to-one")


def _to_array(X: Any) -> Array:
    return X.toarray()


def _conform(part: pd.Series, kind: str) -> Array:
    return conform(_ROWS, part, kind_of(_ROWS, part), kind, _FITTED)


def _filled(values: Array) -> Array:
    """Text with the word for a missing value in its place."""
    return np.where(pd.isna(values), "(missing)", values) if values.dtype == object else values
