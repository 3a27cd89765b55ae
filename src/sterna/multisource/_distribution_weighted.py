"""DistributionWeightedCombination: at each row the experts count as much as the row looks like one of their sources."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import softmax
from sklearn.base import ClassifierMixin, RegressorMixin, clone, is_classifier
from sklearn.utils._param_validation import HasMethods

from sterna.base import TransferEstimator
from sterna.domains._stack import Array, DomainData
from sterna.multisource._experts import constant_loss, domain_classifier, enough_labels, fit_experts, harmful, members
from sterna.parameters._trust import Blend, loss, outputs, truth

_PRIOR_ROWS = 10_000  # of each source, evenly spaced, that the experts which choose priors are fitted on
_PENALTY = 1e-3  # on log priors: keeps them finite where the labels tell nothing, or all, of them


class _Combination(Blend):
    """Fitted experts, each weighted at each row by the posterior probability of its source."""

    def __init__(self, models: list[Any], domain_model: Any, weights: Array, classes: Array | None) -> None:
        super().__init__(models, weights, classes)
        self.domain_model = domain_model

    def _combined(self, X: Any) -> Array:
        posterior = posteriors(self.domain_model, X, self.weights)
        parts = zip(self.models, posterior.T, strict=True)
        return sum(share[:, None] * outputs(model, X, self.classes_) for model, share in parts)


class _CombinationClassifier(ClassifierMixin, _Combination):
    pass


class _CombinationRegressor(RegressorMixin, _Combination):
    pass


def posteriors(domain_model: Any, X: Any, factors: Array) -> Array:
    """P(source | row) with the classifier's own prior replaced: scaled by `factors`, then to sum 1; shape (n_samples, n_sources)."""
    scaled = np.maximum(domain_model.predict_proba(X), 1e-300) * factors
    return scaled / scaled.sum(axis=1, keepdims=True)


def fit_priors(densities: Array, predictions: Array, expected: Array) -> Array:
    """Priors z of least squared error of sum_k q_k h_k, q_k = z_k D_k / sum_j z_j D_j; shape (n_sources,).

    Parameters
    ----------
    densities : ndarray of shape (n_rows, n_sources)
        D_k of each row, up to a factor of the row.
    predictions : ndarray of shape (n_sources, n_rows, n_outputs)
    expected : ndarray of shape (n_rows, n_outputs)

    Returns
    -------
    ndarray of shape (n_sources,)
    """
    unit = float(np.mean(np.sum((expected - expected.mean(axis=0)) ** 2, axis=1))) or 1.0

    def objective(logs: Array) -> tuple[float, Array]:
        scaled = densities * softmax(logs)
        q = scaled / scaled.sum(axis=1, keepdims=True)
        combined = np.einsum("nk,kno->no", q, predictions)
        error = combined - expected
        # d combined / d logs_k = q_k (h_k - combined)
        slope = 2 * np.einsum("no,nk,kno->k", error, q, predictions - combined)
        value = np.sum(error**2) / len(error) / unit + _PENALTY * np.mean(logs**2)
        return float(value), slope / len(error) / unit + 2 * _PENALTY * logs / len(logs)

    found = minimize(objective, np.zeros(densities.shape[1]), jac=True, method="L-BFGS-B")
    return softmax(found.x)


class DistributionWeightedCombination(TransferEstimator):
    """Combine one model a source with weights that depend on the row: how likely each source is to have produced it.

    When to use it: the target is a mixture of the sources, or its rows lie some near one source and some near another, and each
    source's model is right where its own rows lie. When it cannot help: the sources cover the same region by different rules
    (then one weight a source is all there is: `StackedExperts`), or the target lies where no source has rows.

    Parameters
    ----------
    estimator : estimator, default=None
        The base estimator of every expert; None is `LogisticRegression(max_iter=1000)`.
    domain_classifier : classifier with predict_proba, default=None
        Tells the sources apart; None is a multinomial logistic regression on standardised features, with balanced sources.

    Attributes
    ----------
    experts_ : list of estimator
        Of the sources, by rising code.
    domain_classifier_ : classifier
        Of the classes 0 to n_sources - 1.
    priors_ : ndarray of shape (n_sources,)
        z, of sum 1.
    estimator_ : estimator
        The combination.
    classes_ : ndarray of shape (n_classes,)
        Classifiers only.
    health_ : dict
        `source_weights`, by code in `sample_domain` (names are numbered in their order), the mean posterior over the target's
        rows; `priors`, by code; `priors_from`, "labels" or "uniform"; `sharpness`, the mean of the largest posterior of a target
        row (1 / n_sources: the sources cannot be told apart there); `harmful_sources`, codes of mean posterior under 0.05 whose
        expert does worse on the labelled target rows than a constant; with labels `source_losses` and `constant_loss`, mean
        squared errors or Brier scores; `n_classes_predicted`.

    Notes
    -----
    h(x) = sum_k q_k(x) h_k(x), q_k(x) = z_k D_k(x) / sum_j z_j D_j(x), on probabilities (votes, where the base has none) or values.
    Mansour et al. take the densities D_k as known; here, as q_k is all that is used of them, a classifier of the sources gives them
    up to a factor that all share: D_k(x) is proportional to P(k | x) / P(k), P(k) being the shares that it was trained with (equal
    ones for the default). With eight or more labelled target rows (not all of one class) z has the least squared error on them,
    found by L-BFGS over log z from equal priors, with a small penalty on log z (0.001 of the labels' variance) that keeps
    them finite; else z is uniform. The minimum is local: the problem is not convex.
    Departures: the paper shows that some z serves all mixtures of the sources, and gives no way to find it from labels. Labelled
    target rows choose z with experts that have not seen them, then join the training of every expert;
    past 10,000 rows the experts that choose are fitted on evenly spaced rows of each source.

    New rows are treated as those of training. Cost: one fit a source (two with labels enough) and the domain classifier's.

    References
    ----------
    Y. Mansour, M. Mohri, A. Rostamizadeh (2009), Domain adaptation with multiple sources, NIPS 2008.
    J. Hoffman, M. Mohri, N. Zhang (2018), Algorithms and theory for multiple-source adaptation, NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.multisource import DistributionWeightedCombination
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(600, 2))
    >>> left = rng.random(600) < 0.5
    >>> domain = np.where(np.arange(600) >= 400, -3, np.where(left, 1, 2))
    >>> X[:, 1] += np.where(left, -4, 4)
    >>> y = ((X[:, 0] > 0) ^ left).astype(int)  # the rule turns round between the sources; the target has rows like either's
    >>> model = DistributionWeightedCombination().fit(X, np.where(domain > 0, y, -1), sample_domain=domain)
    >>> bool(model.score(X[400:], y[400:]) > 0.95)
    True
    """

    family = "multisource"
    reference = "Mansour, Mohri and Rostamizadeh 2009"
    needs = frozenset({"source data", "target data", "several sources"})
    assumes = ("covariate", "concept")

    _parameter_constraints = {
        **TransferEstimator._parameter_constraints,
        "domain_classifier": [HasMethods(["fit", "predict_proba"]), None],
    }

    def __init__(self, estimator: Any = None, *, domain_classifier: Any = None) -> None:
        self.estimator = estimator
        self.domain_classifier = domain_classifier

    def _fit_domains(self, data: DomainData) -> None:
        self.adapted_ = True
        classes = self.classes_ if is_classifier(self) else None
        groups = members(data)
        factors = self._tell_sources_apart(data, groups)
        labels = enough_labels(data.y_target, classes)
        self.priors_ = self._priors(data, groups, factors, classes) if labels else np.full(len(groups), 1 / len(groups))
        self.experts_ = fit_experts(self._base_estimator, data, groups, with_target=True)
        combination = _CombinationRegressor if classes is None else _CombinationClassifier
        self.estimator_ = combination(self.experts_, self.domain_classifier_, factors * self.priors_, classes)
        self._report(data, groups, labels)
        self._look_for_collapse(data)

    def _tell_sources_apart(self, data: DomainData, groups: dict[int, Array]) -> Array:
        """Fit the domain classifier; what takes its prior out, shape (n_sources,)."""
        domain = np.searchsorted(list(groups), data.source_ids)
        given = self.domain_classifier
        self.domain_classifier_ = (domain_classifier(data.X_source) if given is None else clone(given)).fit(
            data.X_source, domain
        )
        return np.ones(len(groups)) if given is None else len(domain) / np.bincount(domain)

    def _priors(self, data: DomainData, groups: dict[int, Array], factors: Array, classes: Array | None) -> Array:
        X, expected = data.X_target_labelled, truth(data.y_target, classes)
        some = {code: rows[:: -(-len(rows) // _PRIOR_ROWS)] for code, rows in groups.items()}
        experts = fit_experts(self._base_estimator, data, some, with_target=False)
        predictions = np.array([outputs(expert, X, classes) for expert in experts])
        losses = [loss(predicted, expected) for predicted in predictions]
        self.health_ |= {
            "source_losses": dict(zip(groups, losses, strict=True)),
            "constant_loss": constant_loss(X, data.y_target, classes),
        }
        return fit_priors(posteriors(self.domain_classifier_, X, factors), predictions, expected)

    def _report(self, data: DomainData, groups: dict[int, Array], labels: bool) -> None:
        posterior = posteriors(self.domain_classifier_, data.X_target, self.estimator_.weights)
        weights = posterior.mean(axis=0)
        self.health_ |= {
            "source_weights": dict(zip(groups, weights.tolist(), strict=True)),
            "priors": dict(zip(groups, self.priors_.tolist(), strict=True)),
            "priors_from": "labels" if labels else "uniform",
            "sharpness": float(posterior.max(axis=1).mean()),
            "harmful_sources": [],
        }
        if labels:
            losses = np.array(list(self.health_["source_losses"].values()))
            self.health_["harmful_sources"] = harmful(groups, weights, losses, self.health_["constant_loss"])
