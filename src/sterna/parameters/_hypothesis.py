"""HypothesisTransfer: learn on the target what the source's predictions leave over."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, RegressorMixin, clone, is_classifier
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from sterna.base import TransferEstimator
from sterna.domains._stack import Array, DomainData, rows_of
from sterna.parameters._trust import blend, fit_or_constant, loss, outputs, target_folds, truth

_RESIDUAL_GRID = (0.0, 0.25, 0.5, 0.75, 1.0, np.inf)
_FEATURE_GRID = (0.0, 0.3, 1.0, 3.0, 10.0, np.inf)
#: These see the order of values alone, so that one size of the extra features is all of them.
_TREES = (
    *(DecisionTreeClassifier, RandomForestClassifier, ExtraTreesClassifier),
    *(GradientBoostingClassifier, HistGradientBoostingClassifier),
)
_TREE_GRID = (0.0, 1.0, np.inf)
_LEAST_PROBABILITY = 1e-4


class _Shifted(RegressorMixin, BaseEstimator):
    """The source's prediction times the trust, plus what was learned on the target."""

    def __init__(self, source: Any, residual: Any, trust: float) -> None:
        self.source = source
        self.residual = residual
        self.trust = trust

    def predict(self, X: Any) -> Array:
        return self.trust * np.ravel(self.source.predict(X)) + np.ravel(self.residual.predict(X))


class HypothesisTransfer(TransferEstimator):
    """Hypothesis transfer: a source model's predictions are an offset (regression) or extra features (classification).

    When to use it: few labelled target rows, a source model that is roughly right or right up to a simple correction, any kind
    of base estimator. When it cannot help: the source's predictions tell nothing of the target's labels (the choice of
    `trust` then ends at the target alone), or there are labels enough.

    Parameters
    ----------
    estimator : estimator, default=None
        Fitted on the target, and on the source too; None is `LogisticRegression(max_iter=1000)`.
    source_estimator : estimator, default=None
        The kind of the source's model; None: the same as `estimator`.
    trust : float or "auto", default="auto"
        How much of the source's predictions is used. Regression: the factor of the offset, in [0, 1] as a rule. Classification:
        the standard deviation of the extra features; a base that penalises coefficients is freer to use larger ones, trees
        see no difference. 0 is the target alone; infinity the source's model as it is (in regression with the mean residual
        added). "auto" takes the least cross-validated squared error or Brier score on the labelled target rows.

    Attributes
    ----------
    source_estimator_ : estimator
        Fitted on the source.
    trust_ : float
    score_center_, score_scale_ : ndarray of shape (n_columns,) or None
        Of the extra features.
    estimator_ : estimator
        Fitted on the target; takes raw rows in regression, rows with the extra features in classification.
    classes_ : ndarray of shape (n_classes,)
        Classifiers only.
    health_ : dict
        `trust`; `cv_loss`, `cv_loss_target` and `cv_loss_source`: with that trust, with 0 and with infinity (NaN where nothing
        was chosen); `n_classes_predicted`.

    Notes
    -----
    Regression: h(x) = trust h_S(x) + g(x), g fitted on the residuals y - trust h_S(x) of the labelled target rows; with Ridge and
    trust 1 this is the regularised least squares of Kuzborskij and Orabona, biased by the source's hypothesis.
    Classification: the base is fitted on x and the source's centred log probabilities (one column for two classes; decision
    values, or indicators of the prediction, where there are none), scaled to standard deviation `trust` over all target
    rows. That is a departure: an offset in the log odds needs a base that takes offsets, which few do; see
    `LogisticTransfer` for such a model. New rows get their extra features from the source's model in the same way.

    Cross-validation has ten folds up to 100 rows, five up to 2000, beyond that one split of at most 25,000 rows; labels of a
    single class, or a single row, leave the source as it is (trust infinity). Several sources are fitted as one. Cost: a
    fit on the source and at most 51 on the target (21 where trees classify).

    References
    ----------
    I. Kuzborskij, F. Orabona (2013), Stability and hypothesis transfer learning, ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import Ridge
    >>> from sterna.parameters import HypothesisTransfer
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(215, 10))
    >>> y = X @ np.arange(10.0)
    >>> y[200:] += 5 + X[200:, 0]        # the target: another offset and one more effect; 15 rows
    >>> model = HypothesisTransfer(Ridge()).fit(X, y, sample_domain=np.repeat([1, -2], [200, 15]))
    >>> model.trust_
    1.0
    """

    compared_by_default = True
    family = "parameters"
    reference = "Kuzborskij and Orabona 2013"
    needs = frozenset({"source data", "target data", "target labels"})
    assumes = ("concept",)

    _parameter_constraints = {
        **TransferEstimator._parameter_constraints,
        "source_estimator": [HasMethods(["fit", "predict"]), None],
        "trust": [Interval(Real, 0, None, closed="both"), StrOptions({"auto"})],
    }

    def __init__(self, estimator: Any = None, *, source_estimator: Any = None, trust: float | str = "auto") -> None:
        self.estimator = estimator
        self.source_estimator = source_estimator
        self.trust = trust

    def _fit_domains(self, data: DomainData) -> None:
        self.adapted_ = True
        self._with_features, self.trust_ = False, np.inf
        source = self._base_estimator() if self.source_estimator is None else clone(self.source_estimator)
        self.source_estimator_ = fit_or_constant(source, data.X_source, data.y_source)
        X, y = data.X_target_labelled, data.y_target
        self._learn_scale(data.X_target)
        self.trust_ = self._resolve(X, y)
        self.estimator_ = self._over_all_classes(self._fit_target(X, y, self.trust_))
        self._with_features = is_classifier(self) and 0 < self.trust_ < np.inf
        self.health_["trust"] = self.trust_
        self._look_for_collapse(data)

    def _over_all_classes(self, model: Any) -> Any:
        """The model with a probability of 0 for classes that its rows did not have."""
        if not is_classifier(self) or np.array_equal(model.classes_, self.classes_):
            return model
        return blend([model], np.ones(1), self.classes_)

    def _learn_scale(self, X: Any) -> None:
        self.score_center_ = self.score_scale_ = None
        if is_classifier(self):
            scores = self._scores(X)
            spread = scores.std(axis=0)
            self.score_center_ = scores.mean(axis=0)
            self.score_scale_ = np.where(spread > 1e-9, spread, 1.0)

    def _scores(self, X: Any) -> Array:
        """The source's predictions as columns, shape (n_samples, n_columns)."""
        model = self.source_estimator_
        if not hasattr(model, "predict_proba") and hasattr(model, "decision_function"):
            return np.asarray(model.decision_function(X), dtype=np.float64).reshape(X.shape[0], -1)
        scores = np.log(np.maximum(outputs(model, X, self.classes_), _LEAST_PROBABILITY))
        scores -= scores.mean(axis=1, keepdims=True)
        return scores[:, 1:] if scores.shape[1] == 2 else scores

    def _extended(self, X: Any, trust: float) -> Any:
        """Rows with the source's scores as further columns."""
        extra = trust * (self._scores(X) - self.score_center_) / self.score_scale_
        if hasattr(X, "tocsr"):
            return sparse.hstack([X, sparse.csr_matrix(extra)], format="csr")
        return np.hstack([X, extra])

    def _map_target(self, X: Any) -> Any:
        return self._extended(X, self.trust_) if self._with_features else X

    _map_source = _map_target

    def _resolve(self, X: Any, y: Array) -> float:
        """The trust to use; "auto": that of least cross-validated loss."""
        names = ("cv_loss", "cv_loss_target", "cv_loss_source")
        self.health_ |= dict.fromkeys(names, np.nan)
        one_class = is_classifier(self) and np.all(y == y[0])
        if self.trust != "auto":
            trust = float(self.trust)
            return np.inf if one_class and trust > 0 else trust
        if one_class or len(y) < 2:
            return np.inf
        grid: tuple[float, ...] = _RESIDUAL_GRID
        if is_classifier(self):
            grid = _TREE_GRID if isinstance(self._base_estimator(), _TREES) else _FEATURE_GRID
        folds = target_folds(y, values=not is_classifier(self))
        losses = np.array([np.mean([self._fold_loss(X, y, train, test, trust) for train, test in folds]) for trust in grid])
        best = int(np.argmin(losses))
        self.health_ |= dict(zip(names, losses[[best, 0, -1]].tolist(), strict=True))
        return float(grid[best])

    def _fold_loss(self, X: Any, y: Array, train: Array, test: Array, trust: float) -> float:
        model = self._fit_target(rows_of(X, train), y[train], trust)
        classes, held_out = self.classes_ if is_classifier(self) else None, rows_of(X, test)
        if classes is not None and 0 < trust < np.inf:
            held_out = self._extended(held_out, trust)
        return loss(outputs(model, held_out, classes), truth(y[test], classes))

    def _fit_target(self, X: Any, y: Array, trust: float) -> Any:
        """What is fitted on labelled target rows for this trust."""
        if is_classifier(self):
            if np.isinf(trust):
                return self.source_estimator_
            return fit_or_constant(self._base_estimator(), self._extended(X, trust) if trust > 0 else X, y)
        if trust == 0:
            return self._base_estimator().fit(X, y)
        factor, base = (1.0, DummyRegressor()) if np.isinf(trust) else (trust, self._base_estimator())
        return _Shifted(self.source_estimator_, base.fit(X, y - factor * np.ravel(self.source_estimator_.predict(X))), factor)
