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
from sklearn.preprocessing import MaxAbsScaler, OneHotEncoder, StandardScaler
from sklearn.utils.validation import check_is_fitted

from sterna.domains._stack import Array


def _filled(X: Any) -> Any:
    """Text columns with the word for a missing value in its place."""
    if not isinstance(X, pd.DataFrame):
        return X
    words = [column for column in X.columns if X[column].dtype.kind not in "fiub"]
    return X.assign(**{column: X[column].astype(object).where(X[column].notna(), "(missing)") for column in words})


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
    random_state : int, RandomState or None, default=0
        Seeds the reduction.

    Attributes
    ----------
    pipeline_ : estimator
        What the rows go through.

    Examples
    --------
    >>> import pandas as pd
    >>> from sterna.domains import TablePreprocessor
    >>> table = pd.DataFrame({"age": [20.0, None, 40.0], "sex": ["f", "m", None]})
    >>> TablePreprocessor().fit_transform(table).shape
    (3, 4)
    """

    def __init__(self, max_categories: int = 30, n_components: int | None = None, random_state: Any = 0) -> None:
        self.max_categories = max_categories
        self.n_components = n_components
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn medians, categories and scales from stacked rows `X` of shape (n_samples, n_features); `y` is ignored."""
        if isinstance(X, pd.DataFrame):
            self.pipeline_ = self._for_table(X)
        elif sparse.issparse(X):
            self.pipeline_ = self._for_sparse(X)
        else:
            self.pipeline_ = self._for_numbers()
        self.n_features_in_ = X.shape[1]
        self.feature_names_in_ = np.asarray(X.columns, dtype=object) if isinstance(X, pd.DataFrame) else None
        self.pipeline_.fit(_filled(X))
        return self

    def transform(self, X: Any) -> Array:
        """Give the numeric rows, shape (n_samples, n_columns); of a table only the columns fitted on are read."""
        check_is_fitted(self)
        if self.feature_names_in_ is not None:
            return self.pipeline_.transform(_filled(self._fitted_columns(X)))
        X = X if sparse.issparse(X) else np.asarray(X)
        if X.shape[1] != self.n_features_in_:
            raise ValueError(f"X has {X.shape[1]} columns, but the preprocessing was fitted on {self.n_features_in_}")
        return self.pipeline_.transform(X)

    def _fitted_columns(self, X: Any) -> pd.DataFrame:
        if not isinstance(X, pd.DataFrame):
            raise ValueError(
                f"the preprocessing was fitted on a table with named columns, but X is {type(X).__name__}; give a DataFrame"
            )
        names = [] if self.feature_names_in_ is None else list(self.feature_names_in_)
        lacking = [column for column in names if column not in X.columns]
        if lacking:
            raise ValueError(
                f"X lacks the column {lacking[0]!r}, which the preprocessing was fitted on ({len(lacking)} columns lack)"
            )
        return X.loc[:, names]

    def _for_numbers(self) -> Any:
        return make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())

    def _for_sparse(self, X: Any) -> Any:
        if self.n_components is None:
            return MaxAbsScaler()
        n_components = max(1, min(self.n_components, min(X.shape) - 1))
        return make_pipeline(MaxAbsScaler(), TruncatedSVD(n_components, random_state=self.random_state), StandardScaler())

    def _for_table(self, X: pd.DataFrame) -> Any:
        numbers = [column for column in X.columns if X[column].dtype.kind in "fiub"]
        words = [column for column in X.columns if column not in numbers]
        encoder = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=self.max_categories, sparse_output=False)
        return ColumnTransformer([("numbers", self._for_numbers(), numbers), ("words", encoder, words)])
