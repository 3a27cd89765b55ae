"""Pipelines over stacked domains."""

from __future__ import annotations

from typing import Any, Self

from sklearn import config_context
from sklearn.pipeline import Pipeline
from sklearn.pipeline import make_pipeline as make_plain_pipeline
from sklearn.utils.validation import has_fit_parameter


class TransferPipeline(Pipeline):
    """A scikit-learn pipeline that hands `sample_domain` to every step that takes it.

    Steps see the rows of both domains, so a scaler in front of a strategy scales both alike. Made by `make_pipeline`.

    Examples
    --------
    >>> import numpy as np, sterna
    >>> from sklearn.preprocessing import StandardScaler
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> model = sterna.make_pipeline(StandardScaler(), sterna.align.CORAL())
    >>> model.fit(X, [0, 1, 0, 1], sample_domain=["source", "source", "target", "target"]).predict([[3.0]])
    array([1])
    """

    #: scikit-learn's default metadata requests: callers that route metadata hand `sample_domain` over
    _TransferPipeline__metadata_request__fit = {"sample_domain": True}

    def fit(self, X: Any, y: Any = None, sample_domain: Any = None, **params: Any) -> Self:
        """Fit all steps.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            NaN or None where unknown.
        sample_domain : array-like of shape (n_samples,), default=None
            As in every strategy's `fit`.
        **params
            More fit parameters, written `step__parameter`.

        Returns
        -------
        self
        """
        if sample_domain is not None:
            takers = [name for name, step in self.steps if _takes_domain(step)]
            params |= {f"{name}__sample_domain": sample_domain for name in takers}
        # routing is left to scikit-learn's step__parameter form, so that the user's global setting is neither needed nor changed
        with config_context(enable_metadata_routing=False):
            return super().fit(X, y, **params)


def _takes_domain(step: Any) -> bool:
    return step not in (None, "passthrough") and has_fit_parameter(step, "sample_domain")


def make_pipeline(*steps: Any, memory: Any = None, verbose: bool = False) -> TransferPipeline:
    """Chain transformers and a strategy into a pipeline over stacked domains.

    Parameters
    ----------
    *steps : estimators
        The last one is a strategy.
    memory : str or joblib.Memory, default=None
        As in scikit-learn.
    verbose : bool, default=False

    Returns
    -------
    TransferPipeline
    """
    return TransferPipeline(make_plain_pipeline(*steps).steps, memory=memory, verbose=verbose)
