"""The shallow contract: every strategy is a scikit-learn estimator over stacked domains."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassifierTags, RegressorTags, clone, is_classifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, r2_score
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, column_or_1d, has_fit_parameter, validate_data

from sterna.domains._arrays import in_float64, is_foreign, like, same_place, to_host
from sterna.domains._assumptions import class_shares, contradiction, differ_in_far_rows, far_rows
from sterna.domains._stack import Array, DomainData, domain_codes, evenly_spread, rows_of, take_apart, vstack

_LOOKED_AT = 1000  # target rows that are predicted to look for a collapse: a class of 1 % is then seen
_SHARES_OFF = 0.05  # total variation between predicted class shares and those of the target
_WIDE = 2.0  # standard deviations of the known labels
_CONTRADICTED = 0.05  # of the accuracy
_ARRAY_API = ("CORAL", "JDA", "KMM", "SubspaceAlignment", "TCA")  # for a message: those that state `array_api`


_looks: ContextVar[bool] = ContextVar("looks", default=True)


@contextmanager
def unobserved() -> Iterator[None]:
    """Let strategies be fitted without a look at their own predictions, by whoever judges them: looking takes as long as a quick fit."""
    token = _looks.set(False)
    try:
        yield
    finally:
        _looks.reset(token)


class CollapseWarning(UserWarning):
    """A method ran but degenerated: all weight on a few rows, constant predictions. The message names the remedy."""


class NegativeTransferWarning(UserWarning):
    """The rows give a reason to expect less accuracy than without transfer. The message names it, and the remedy."""


def fit_weighted(estimator: Any, X: Any, y: Array, sample_weight: Array) -> Any:
    """Fit `estimator` with one weight per row, or refuse: weights are never dropped silently.

    Parameters
    ----------
    estimator : estimator or Pipeline
        Unfitted; fitted in place.
    X : array-like of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
    sample_weight : ndarray of shape (n_samples,)

    Returns
    -------
    The fitted estimator.
    """
    require_weights(estimator)
    if isinstance(estimator, Pipeline):
        return estimator.fit(X, y, **{f"{estimator.steps[-1][0]}__sample_weight": sample_weight})
    return estimator.fit(X, y, sample_weight=sample_weight)


def require_weights(estimator: Any) -> None:
    """Raise TypeError where `estimator` cannot be fitted with `sample_weight`."""
    if not takes_weights(estimator):
        raise TypeError(
            f"{type(estimator).__name__} does not accept sample_weight, which this strategy needs; "
            "use a base estimator that does, for instance LogisticRegression or Ridge"
        )


def takes_weights(estimator: Any) -> bool:
    """Say whether `estimator` (or the last step of a Pipeline) can be fitted with `sample_weight`."""
    final = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    return bool(has_fit_parameter(final, "sample_weight"))


def _estimator_has(method: str) -> Callable[[Any], bool]:
    def check(self: TransferEstimator) -> bool:
        base = getattr(self, "estimator_", None)
        getattr(base if base is not None else self._base_estimator(), method)
        return True

    return check


class TransferEstimator(BaseEstimator):
    """Base of every shallow strategy.

    A subclass states its facts as class attributes and fills `_fit_domains`; it may replace `_map_source` and `_map_target`
    (how rows of either domain are represented for `estimator_`) and `_fit_plain`.

    Notes
    -----
    The contract:

    * `fit(X, y, sample_domain=...)` learns from stacked domains. Rows without a label (NaN, None) are unlabelled.
    * Labelled target rows, where there are any, always join the training; withhold their labels to run a method unsupervised.
    * Without `sample_domain` a strategy is its plain base estimator.
    * `predict` takes target rows, seen or not.
    * After `fit`: `estimator_`, `n_features_in_`, `classes_` (classifiers) and `health_`, a dict of named diagnostics.
    """

    family: ClassVar[str] = ""
    reference: ClassVar[str] = ""
    #: Of "source data", "target data", "target labels", "several sources", "sample weights", "probabilities", "shared rows".
    needs: ClassVar[frozenset[str]] = frozenset({"source data", "target data"})
    label_space: ClassVar[str] = "same"
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    assumes: ClassVar[tuple[str, ...]] = ()
    accepts_sparse: ClassVar[bool] = True
    #: Whether it runs on PyTorch tensors where they lie (on a GPU) while scikit-learn's `array_api_dispatch` is on.
    array_api: ClassVar[bool] = False
    #: Whether `compare` runs it unasked: what people try first. The others are run by name, or all with strategies="all".
    compared_by_default: ClassVar[bool] = False
    #: The rows that preprocessing may learn from: "all", "source" or "target" (its labelled rows).
    trains_on: ClassVar[str] = "all"

    estimator: Any = None
    health_: dict[str, Any]
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {"estimator": [HasMethods(["fit", "predict"]), None]}

    def fit(self, X: Any, y: Any, sample_domain: Any = None) -> Self:
        """Learn from stacked domains.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows of all domains.
        y : array-like of shape (n_samples,)
            Labels; NaN or None where unknown (target rows only).
        sample_domain : array-like of shape (n_samples,), default=None
            Positive integers or "source[:NAME]" for source rows, negative integers or "target[:NAME]" for target rows. None:
            no transfer, the plain base estimator is fitted.

        Returns
        -------
        self
        """
        self._validate_params()
        self.health_ = {}
        if sample_domain is None:
            X, y = validate_data(self, X, y, accept_sparse=self._sparse_formats(), y_numeric=self._is_regressor())
            self._settle(X)
            y = to_host(y)
            self._check_labels(y)
            self._fit_plain(X, like(y, X))
            return self
        X = validate_data(self, X, accept_sparse=self._sparse_formats())
        self._settle(X)
        data = take_apart(in_float64(X), column_or_1d(to_host(y)), sample_domain)
        self._check_domains(data)
        self._fit_domains(data)
        return self

    def _fit_domains(self, data: DomainData) -> None:
        raise NotImplementedError

    def _fit_plain(self, X: Any, y: Array) -> None:
        self.adapted_ = False
        self.estimator_ = self._base_estimator().fit(X, y)

    def _map_source(self, X: Any) -> Any:
        return X

    def _map_target(self, X: Any) -> Any:
        return X

    def _fit_final(self, X_source: Any, data: DomainData, sample_weight: Array | None = None) -> None:
        """Fit the base estimator on represented source rows and the labelled target rows (weight 1)."""
        self.adapted_ = True
        X, y = X_source, data.y_source
        if data.n_target_labelled:
            X = vstack([X_source, self._map_target(data.X_target_labelled)])
            y = np.concatenate([y, data.y_target])
        base = self._base_estimator()
        if sample_weight is None:
            self.estimator_ = base.fit(X, like(y, X))
            return
        weights = vstack([sample_weight, like(np.ones(data.n_target_labelled), X)])
        self.estimator_ = fit_weighted(base, X, like(y, X), weights)

    def _look_for_collapse(self, data: DomainData) -> None:
        """Predict up to 1000 target rows, spread evenly, and warn where they get one value or few classes."""
        if not _looks.get():
            return
        rows = evenly_spread(data.X_target.shape[0], _LOOKED_AT)
        predicted = to_host(self.estimator_.predict(self._map_target(rows_of(data.X_target, rows))))
        known = np.concatenate([data.y_source, data.y_target]) if data.n_target_labelled else data.y_source
        far = self._check_far_rows(data)
        if is_classifier(self):
            self._check_classes(predicted, known)
            if data.n_target_labelled:  # they may well say other than the source
                return
            if not far:
                self._check_shares(data, predicted)
            self._check_against_source(data, rows, predicted)
        elif len(rows) >= 10:
            self._check_spread(predicted, known)

    def _check_classes(self, predicted: Array, known: Array) -> None:
        """Warn where the predictions miss more than half of the classes that are common among the known labels."""
        classes, counts = np.unique(known, return_counts=True)
        common = int(np.sum(counts >= 0.5 * len(known) / len(classes)))  # at least half of an even share
        found = len(np.unique(predicted))
        self.health_["n_classes_predicted"] = found
        if common > 1 and found < max(2, common / 2) and len(predicted) >= 10 * len(classes):
            self._warn_collapse(f"only {found} of {len(classes)} classes are predicted for {len(predicted)} target rows")

    def _check_spread(self, predicted: Array, known: Array) -> None:
        """Warn where predicted values are all one, or spread far more than the known labels."""
        spread, usual = float(np.std(predicted)), float(np.std(known))
        if np.ptp(predicted) < 1e-9 * usual:
            self._warn_collapse(f"all of {len(predicted)} target rows get the prediction {np.ravel(predicted)[0]:.4g}")
        elif spread > _WIDE * usual:
            self._doubt(
                f"{type(self).__name__} predicts values whose standard deviation is {spread:.4g} on the target, that of the known labels "
                f"being {usual:.4g}; compare with SourceOnly, or label some target rows"
            )

    def _check_far_rows(self, data: DomainData) -> bool:
        """Warn of rows far from all others in one domain: means, covariances and distances are theirs."""
        shares = far_rows(data)
        if not differ_in_far_rows(shares):
            return False
        self.health_["far_rows"] = max(shares)
        where, other = ("target", "source") if shares[1] > shares[0] else ("source", "target")
        self._doubt(
            f"{max(shares):.1%} of the {where} rows lie far from all others ({min(shares):.1%} of the {other}'s), which moves means, "
            f"covariances and distances: {type(self).__name__} may be worse than SourceOnly; leave these rows out, or clip them"
        )
        return True

    def _check_shares(self, data: DomainData, predicted: Array) -> None:
        """Warn where the domains differ in nothing but class shares, and the predictions have other shares."""
        shares = class_shares(data)
        if shares is None or not shares.is_label_shift:
            return
        found = np.mean(predicted[:, None] == shares.classes, axis=0)
        self.health_["target_shares_by_means"] = dict(
            zip(map(str, shares.classes.tolist()), shares.target.tolist(), strict=True)
        )
        if np.abs(found - shares.target).sum() / 2 > _SHARES_OFF:
            c = int(np.abs(found - shares.target).argmax())
            self._doubt(
                f"the domains seem to differ in class shares alone: class {shares.classes[c]} has {shares.source[c]:.0%} of the source rows "
                f"and about {shares.target[c]:.0%} of the target's, but {type(self).__name__} predicts it for {found[c]:.0%}; use BBSE, "
                "LabelShiftEM or SourceOnly"
            )

    def _check_against_source(self, data: DomainData, rows: Array, predicted: Array) -> None:
        """Warn where predictions contradict a model of the source on rows where that one can be trusted."""
        cost = contradiction(self._base_estimator(), data, rows, predicted)
        if cost is None:
            return
        self.health_["contradicted"] = cost
        if cost > _CONTRADICTED:
            self._doubt(
                f"{type(self).__name__} contradicts a model of the source on target rows that lie among the source's: that costs "
                f"{100 * cost:.0f} points of accuracy, unless P(y | x) changed; compare with SourceOnly, or label some target rows"
            )

    def _doubt(self, why: str) -> None:
        warnings.warn(why, NegativeTransferWarning, stacklevel=2)

    def _warn_collapse(self, what: str) -> None:
        name = type(self).__name__
        warnings.warn(
            f"{name} may have collapsed: {what}; compare with SourceOnly and TargetOnly, or label some target rows",
            CollapseWarning,
            stacklevel=2,
        )

    def _base_estimator(self) -> Any:
        """A fresh base estimator: a clone of `estimator`, or the default of the task."""
        if self.estimator is not None:
            return clone(self.estimator)
        return LogisticRegression(max_iter=1000) if "classification" in self.tasks else Ridge()

    def _settle(self, X: Any) -> None:
        """Keep the library and device of the rows to fit, by an empty array of theirs; None is numpy."""
        self._check_library(X)
        self._place = X[:0] if is_foreign(X) else None

    def _check_library(self, X: Any) -> None:
        """Raise TypeError for arrays of another library, unless this strategy and its base estimator can use them."""
        if not is_foreign(X) or not get_config()["array_api_dispatch"]:
            return
        name, base = type(self).__name__, self._base_estimator()
        if not self.array_api:
            raise TypeError(
                f"{name} takes numpy arrays: give it X.cpu().numpy(); with array_api_dispatch {', '.join(_ARRAY_API)} run on tensors"
            )
        if not get_tags(base).array_api_support:
            raise TypeError(
                f"{type(base).__name__} cannot be fitted on tensors; give {name} a base estimator that scikit-learn lists for "
                "array_api_dispatch, for instance RidgeClassifier, Ridge or, from scikit-learn 1.9 on, LogisticRegression, or give it "
                "X.cpu().numpy()"
            )

    def _validated(self, X: Any, method: str) -> Any:
        """Rows to predict, checked; they must be of the library and on the device of those in `fit`."""
        X = validate_data(self, X, accept_sparse=self._sparse_formats(), reset=False)
        fitted: Any = getattr(self, "_place", None)
        if not same_place(X, fitted):
            where = [f"{type(A).__module__}, device {A.device}" if is_foreign(A) else "numpy" for A in (fitted, X)]
            raise ValueError(
                f"Inputs passed to {type(self).__name__}.{method}() must use the same namespace and the same device as those "
                f"passed to fit(), which used {where[0]}; got {where[1]} (tensors count as numpy where array_api_dispatch is off)"
            )
        return in_float64(X) if self.adapted_ else X

    def _is_regressor(self) -> bool:
        return not is_classifier(self)

    def _sparse_formats(self) -> Any:
        return ["csr"] if self.accepts_sparse else False

    def _check_labels(self, y: Array) -> None:
        if not is_classifier(self):
            return
        if type_of_target(y, input_name="y").startswith("continuous"):
            raise ValueError(
                f"Unknown label type: {type(self).__name__} is a classifier here, but y is continuous; for regression give "
                "it a regressor, for instance estimator=Ridge()"
            )
        check_classification_targets(y)
        self.classes_ = np.unique(y)

    def _check_domains(self, data: DomainData) -> None:
        name = type(self).__name__
        if "source data" in self.needs and not len(data.y_source):
            raise ValueError(f"{name} needs labelled source rows (positive sample_domain), got none")
        if "target data" in self.needs and not data.X_target.shape[0]:
            raise ValueError(f"{name} needs target rows (negative sample_domain), got none")
        if "target labels" in self.needs and not data.n_target_labelled:
            raise ValueError(f"{name} needs labelled target rows, got {data.X_target.shape[0]} without a label")
        if "several sources" in self.needs and len(np.unique(data.source_ids)) < 2:
            raise ValueError(f"{name} needs two or more source domains, got one")
        if data.n_target_labelled and len(data.y_source):
            self._check_labels(np.concatenate([data.y_source, data.y_target]))
        else:
            self._check_labels(data.y_source if len(data.y_source) else data.y_target)

    def predict(self, X: Any, sample_domain: Any = None, *, allow_source: bool = False) -> Array:
        """Predict labels of target rows.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        sample_domain : array-like of shape (n_samples,), default=None
            The domain of each row; None: all are of the target.
        allow_source : bool, default=False
            Also take source rows, which are represented as the source is.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return self._call("predict", X, sample_domain, allow_source)

    @available_if(_estimator_has("predict_proba"))
    def predict_proba(self, X: Any, sample_domain: Any = None, *, allow_source: bool = False) -> Array:
        """Predict class probabilities of target rows, shape (n_samples, n_classes); parameters as in `predict`."""
        return self._call("predict_proba", X, sample_domain, allow_source)

    @available_if(_estimator_has("predict_log_proba"))
    def predict_log_proba(self, X: Any, sample_domain: Any = None, *, allow_source: bool = False) -> Array:
        """Predict log probabilities of target rows, shape (n_samples, n_classes); parameters as in `predict`."""
        return self._call("predict_log_proba", X, sample_domain, allow_source)

    @available_if(_estimator_has("decision_function"))
    def decision_function(self, X: Any, sample_domain: Any = None, *, allow_source: bool = False) -> Array:
        """Give the base estimator's decision values of target rows; parameters as in `predict`."""
        return self._call("decision_function", X, sample_domain, allow_source)

    def score(
        self, X: Any, y: Any, sample_domain: Any = None, *, sample_weight: Any = None, allow_source: bool = False
    ) -> float:
        """Score predictions on labelled target rows: accuracy for classifiers, R squared for regressors."""
        metric = accuracy_score if is_classifier(self) else r2_score
        predicted = to_host(self.predict(X, sample_domain, allow_source=allow_source))
        return float(metric(to_host(y), predicted, sample_weight=to_host(sample_weight)))

    def _call(self, method: str, X: Any, sample_domain: Any, allow_source: bool) -> Array:
        check_is_fitted(self)
        X = self._validated(X, method)
        call = getattr(self.estimator_, method)
        if not self.adapted_:
            return call(X)
        source = _source_rows(sample_domain, X.shape[0], allow_source)
        if not source.any():
            return call(self._map_target(X))
        if source.all():
            return self._call_source(method, X)
        at_source, at_target = np.flatnonzero(source), np.flatnonzero(~source)
        from_source, from_target = (
            self._call_source(method, rows_of(X, at_source)),
            call(self._map_target(rows_of(X, at_target))),
        )
        return rows_of(vstack([from_source, from_target]), np.argsort(np.concatenate([at_source, at_target])))

    def _call_source(self, method: str, X: Any) -> Array:
        return getattr(self.estimator_, method)(self._map_source(X))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        base = get_tags(self._base_estimator())
        tags.estimator_type = base.estimator_type
        tags.classifier_tags = base.classifier_tags or (ClassifierTags() if base.estimator_type == "classifier" else None)
        tags.regressor_tags = base.regressor_tags or (RegressorTags() if base.estimator_type == "regressor" else None)
        tags.target_tags.required = True
        tags.input_tags.sparse = self.accepts_sparse and base.input_tags.sparse
        tags.array_api_support = self.array_api and base.array_api_support
        return tags


# scikit-learn reads default metadata requests from these (name-mangled) attributes; written so that subclasses inherit them.
for _method in ("fit", "predict", "predict_proba", "predict_log_proba", "decision_function", "score"):
    _request = {"sample_domain": True} | ({} if _method == "fit" else {"allow_source": True})
    _request |= {"sample_weight": True} if _method == "score" else {}
    setattr(TransferEstimator, f"_TransferEstimator__metadata_request__{_method}", _request)


def _source_rows(sample_domain: Any, n_samples: int, allow_source: bool) -> NDArray[np.bool_]:
    if sample_domain is None:
        return np.zeros(n_samples, dtype=bool)
    source = domain_codes(sample_domain, n_samples) > 0
    if source.any() and not allow_source:
        raise ValueError(
            f"{int(source.sum())} of {n_samples} rows are marked as source, but predictions are for the target; "
            "pass allow_source=True to predict them too"
        )
    return source
