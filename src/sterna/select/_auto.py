"""AutoTransfer: the strategies that suit, raced, mixed and calibrated, or the best plain model where transfer is not shown to help."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from sklearn.base import is_classifier
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, column_or_1d
from threadpoolctl import threadpool_limits

from sterna.base import TransferEstimator
from sterna.domains import Domains, TablePreprocessor
from sterna.domains._arrays import to_host
from sterna.domains._given import resolve_task
from sterna.domains._stack import Array, DomainData, clean_labels, is_labelled, rows_of, vstack
from sterna.measures import measure
from sterna.parameters._trust import blend, outputs, truth
from sterna.select._auto_race import Clock, Entrant, attempt, race, run_all
from sterna.select._auto_unlabelled import N_FOLDS, look, score, void_reasons
from sterna.select._auto_weights import average_best, exponential_weights, held_out_gain
from sterna.select._auto_words import Choice, explanation, result_rows
from sterna.select._candidates import assemble, base_estimator, select_strategies
from sterna.select._folds import folds
from sterna.select._importance_weighted import importance_weights
from sterna.select._search_stack import Stack
from sterna.select._temperature import at_temperature, fit_temperature

#: From this many labelled target rows on strategies are judged by them.
MIN_LABELLED = 8
#: The plain model where no target label is known, and the one that is worth no place in a mixture.
SOURCE, FLOOR = "SourceOnly", "Constant"
#: The number with which a seed of each purpose is made.
_LABELLED, _HELD = 5, 11


def _has_proba(self: AutoTransfer) -> bool:
    return hasattr(self.estimator_ if hasattr(self, "estimator_") else self._base_estimator(), "predict_proba")


class AutoTransfer(TransferEstimator):
    """Choose among all strategies that suit these domains, and fall back to the best plain model where transfer is not shown to help.

    When to use it: when you want a model, not a comparison. When it cannot help: without target labels the choice rests on scores that
    guess; `sterna.compare` proves what labels can prove.

    Parameters
    ----------
    estimator : estimator or str, default=None
        The base estimator of all strategies: an unfitted one, a name ("linear", "forest", "boosting", "knn", "svm"), or None: linear or
        forest, chosen on the source.
    budget : float, default=300.0
        Seconds for the choice. Strategies too slow for it are left out, and it is said which. None: without end.
    strategies : iterable of names, classes or instances, mapping, "all" or None, default=None
        Which may be chosen, as in `sterna.compare`; None: those that are tried first and apply here. The plain baselines always may.
    random_state : int, default=0
        Seeds all folds and strategies.
    n_jobs : int, default=None
        For joblib: strategies are fitted in so many processes.

    Attributes
    ----------
    choice_ : Choice
        What was chosen and why: `method` ("labels" or "label-free scores"), `plain` (the best plain model), `transfers`, `reason`.
    weights_ : dict of str to float
        Of the strategies that are averaged.
    results_ : DataFrame
        One row a strategy: held-out loss, label-free scores, weight, seconds of its longest fit, why it is out.
    kind_, sentences_ : list of str
        The kinds of shift that were found, as in `Measurement`, and what shows them.
    temperature_ : float
        By which the logarithms of the probabilities are divided.
    estimator_ : Blend
        The fitted pipelines and their weights.
    classes_ : ndarray of shape (n_classes,)
    n_features_in_ : int

    Notes
    -----
    1. The strategies whose declared facts suit (labels, classes, sources, base estimator), those that assume the kind of shift found first.
    2. With 8 labelled target rows or more: a race over 5 folds of these rows, after each of which the worse half is left out
       (once 20 rows are judged; plain models stay). The mixture has weights proportional to exp(-eta n loss), the aggregating algorithm
       of the Brier game. It is handed over if it errs less, on rows held out from the weights too, than the best plain model.
    3. With fewer: each strategy is fitted without a fifth of the source. `guard` voids those that collapse or fall more than 0.1 behind
       the source model on the source. Of the rest the best five by mean rank are averaged; classes are ranked by the scores of
       probabilities that no collapse fools (information maximisation, batch nuclear norm, minimum class confusion), values by the
       importance-weighted loss and the agreement with all. Where the features of the domains do not differ there is nothing to
       adapt to, and `SourceOnly` (`Pooled`, with some labels) is handed over.
    4. Temperature scaling on the held-out target rows, or on held-out source rows weighted to look like the target.

    Cost: with labels at most 5 fits a strategy, about 3 in the mean, else one; and a last one of each that is averaged.

    References
    ----------
    V. Vovk, F. Zhdanov (2009), Prediction with expert advice for the Brier game, JMLR 10.
    K. Jamieson, A. Talwalkar (2016), Non-stochastic best arm identification and hyperparameter optimization, AISTATS.

    Examples
    --------
    >>> import numpy as np, sterna
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(160, 4))
    >>> y = (X[:, 0] > 0).astype(float)
    >>> X[100:], y[120:] = 5 * X[100:] + 3, np.nan  # another scale in the target, of which 20 rows are labelled
    >>> auto = sterna.AutoTransfer("linear", strategies=["CORAL", "DomainStandardization"])
    >>> auto = auto.fit(X, y, sample_domain=np.repeat([1, -1], [100, 60]))
    >>> auto.choice_.transfers
    True
    """

    family = "auto"
    reference = "Vovk and Zhdanov 2009"
    needs = frozenset({"source data", "target data"})

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "predict"]), str, None],
        "budget": [Interval(Real, 0, None, closed="neither"), None],
        "random_state": [Interval(Integral, 0, None, closed="left")],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        budget: float | None = 300.0,
        strategies: Iterable[Any] | str | None = None,
        random_state: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.budget = budget
        self.strategies = strategies
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any, sample_domain: Any = None) -> Self:
        """Choose and fit; parameters as in every strategy's `fit`. X may also be a raw table."""
        labels = column_or_1d(np.asarray(to_host(y), dtype=None))
        self.task_ = resolve_task(None, clean_labels(labels[is_labelled(labels)]))
        self.preprocessor_ = None
        if isinstance(X, pd.DataFrame):
            self.preprocessor_ = TablePreprocessor().fit(X, y, sample_domain)
            X = self.preprocessor_.transform(X)
        return super().fit(X, y, sample_domain)

    def _validated(self, X: Any, method: str) -> Any:
        if self.preprocessor_ is not None:
            X = self.preprocessor_.transform(X)
        return super()._validated(X, method)

    def _base_estimator(self) -> Any:
        if self.estimator is None or isinstance(self.estimator, str):
            from sterna.select._candidates import named_estimator

            return named_estimator(self.estimator or "linear", getattr(self, "task_", "classification"))
        return super()._base_estimator()

    def _fit_plain(self, X: Any, y: Array) -> None:
        super()._fit_plain(X, y)
        self.temperature_ = 1.0

    def _fit_domains(self, data: DomainData) -> None:
        clock = Clock(self.budget)
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what strategies say of themselves is in `results_`
            self._choose(data, clock)

    def _choose(self, data: DomainData, clock: Clock) -> None:
        stack, domains = self._stacked(data)
        self.kind_, self.sentences_ = _kind(domains, self.random_state)
        base, base_reason = base_estimator(self.estimator, domains, self.random_state)
        entrants, skipped = self._entrants(domains, base)
        classes = self.classes_ if is_classifier(self) else None
        judge = self._by_labels if len(stack.labelled) >= MIN_LABELLED else self._without_labels
        choice = judge(stack, entrants, classes, clock)
        models = self._fit_members(stack, entrants, choice)
        weights = np.array([self.weights_[name] for name in models])
        self.estimator_ = blend(list(models.values()), weights / weights.sum(), classes)
        self.adapted_, self.choice_, self.base_reason_ = True, choice, base_reason
        self._rows = result_rows(entrants, skipped)
        self.health_ = {"transfers": choice.transfers, "chosen": ", ".join(models), "method": choice.method}

    def _stacked(self, data: DomainData) -> tuple[Stack, Domains]:
        """The rows once more as one stack, and as domains for what reads those."""
        known, n_target = np.concatenate([np.ones(len(data.y_source), dtype=bool), data.labelled]), data.X_target.shape[0]
        classes = is_classifier(self)
        y = np.full(len(known), None, dtype=object) if classes else np.full(len(known), np.nan)
        y[known] = np.concatenate([data.y_source, data.y_target]).tolist() if data.n_target_labelled else data.y_source.tolist()
        stack = Stack(
            vstack([data.X_source, data.X_target]), y, np.append(data.source_ids, np.full(n_target, -1)), known, classes
        )
        sources = {
            f"source {code}": (rows_of(data.X_source, rows := np.flatnonzero(data.source_ids == code)), data.y_source[rows])
            for code in np.unique(data.source_ids)
        }
        return stack, Domains(sources, {"target": (data.X_target, y[len(data.y_source) :])}, task=stack.task)

    def _entrants(self, domains: Domains, base: Any) -> tuple[list[Entrant], dict[str, str]]:
        """Those that suit by their facts, plain models first, then those that assume the kind of shift; and why the others do not."""
        chosen, skipped = select_strategies(self.strategies, domains, base)
        kinds = set(self.kind_)
        plain = {name for name, strategy in chosen.items() if strategy.family == "baselines"}
        order = sorted(chosen, key=lambda name: (name not in plain, not kinds & set(chosen[name].assumes)))
        make = functools.partial(assemble, estimator=base, kind=domains.kind, seed=self.random_state)
        found = [Entrant(name, make(chosen[name]), name in plain) for name in order if name != FLOOR]
        return found, skipped

    def _by_labels(self, stack: Stack, entrants: list[Entrant], classes: Array | None, clock: Clock) -> Choice:
        rows = stack.labelled
        y, values = stack.labels(rows), classes is None
        parts = folds(y, min(5, len(rows) // 2), not values, [self.random_state, _LABELLED])
        expected = truth(y, classes)

        def held_out(model: Any, k: int) -> Array:
            test = rows[parts[k][1]]
            fitted = stack.fit(model, np.setdiff1d(np.arange(len(stack.y)), test))
            return outputs(fitted, rows_of(stack.X, test), classes)

        alive = race(entrants, parts, expected, held_out, clock, self.n_jobs)
        order = np.argsort(np.concatenate([test for _, test in parts]))
        predictions = [np.concatenate(entrant.parts)[order] for entrant in alive]
        plain = [i for i, entrant in enumerate(alive) if entrant.plain]
        gain = held_out_gain(predictions, plain, expected, [test for _, test in parts], values=values)
        best_plain = alive[plain[0]]  # they are sorted
        transfers = bool(gain.mean() > 0)
        if transfers:
            weights = exponential_weights(np.array([entrant.loss for entrant in alive]), len(rows), values=values)
        else:
            weights = np.array([float(entrant is best_plain) for entrant in alive])
        self._weigh(alive, dict(zip([entrant.name for entrant in alive], weights.tolist(), strict=True)))
        mixed = np.tensordot(weights, predictions, 1)
        self.temperature_ = 1.0 if values else fit_temperature(mixed, expected.argmax(axis=1))
        transfers = transfers and any(entrant.weight and not entrant.plain for entrant in alive)
        return Choice.by_labels(best_plain.name, transfers, gain, "squared error" if values else "Brier score")

    def _without_labels(self, stack: Stack, entrants: list[Entrant], classes: Array | None, clock: Clock) -> Choice:
        source, plain = stack.source, self._plain_name(stack, entrants)
        y = stack.labels(source)
        if self.kind_ == ["none"]:
            self._weigh(entrants, {plain: 1.0})
            self.temperature_ = 1.0
            return Choice.no_difference(plain)
        train, held = folds(y, min(N_FOLDS, len(y)), classes is not None, [self.random_state, _HELD])[0]
        rows, test = np.setdiff1d(np.arange(len(stack.y)), source[held]), source[held]
        results = run_all(entrants, lambda model: look(stack, model, rows, test, classes), clock, self.n_jobs, n_later=1)
        seen = {entrant.name: found for entrant, found in results}
        void = void_reasons(seen, y, stack.task, plain)
        weights = self._source_weights(stack)[held]
        kept = {name: found for name, found in seen.items() if name not in void}
        self._score(kept, y[held], weights, classes)
        chosen = average_best({name: found.scores for name, found in kept.items()}, {}) or {plain: 1.0}
        for entrant in entrants:
            entrant.reason = entrant.reason or (f"void: {void[entrant.name]}" if entrant.name in void else "")
            entrant.scores = kept[entrant.name].scores if entrant.name in kept else {}
        self._weigh(entrants, chosen)
        mixed = sum(weight * seen[name].source for name, weight in chosen.items())
        self.temperature_ = 1.0 if classes is None else fit_temperature(mixed, np.searchsorted(classes, y[held]), weights)
        return Choice.label_free(plain, chosen, any(entrant.weight and not entrant.plain for entrant in entrants))

    def _score(self, kept: dict[str, Any], y_held: Array, weights: Array, classes: Array | None) -> None:
        from sterna.discovery import all_scorers

        score(kept, y_held, weights, classes, all_scorers())

    def _plain_name(self, stack: Stack, entrants: list[Entrant]) -> str:
        """The plain model where labels are too few to choose by: with all labels there are, if the classes allow it."""
        names = [entrant.name for entrant in entrants if entrant.plain]
        wanted = ("Pooled", SOURCE, "TargetOnly") if len(stack.labelled) else (SOURCE, "TargetOnly")
        return next(name for name in wanted if name in names)

    def _source_weights(self, stack: Stack) -> Array:
        """Density ratios of the source rows."""
        prepared = TablePreprocessor().fit_transform(stack.X)
        source, target = rows_of(prepared, stack.source), rows_of(prepared, stack.target)
        return importance_weights(source, target, random_state=self.random_state)

    def _weigh(self, entrants: list[Entrant], weights: dict[str, float]) -> None:
        for entrant in entrants:
            entrant.weight = weights.get(entrant.name, 0.0)
        self.weights_ = {entrant.name: entrant.weight for entrant in entrants if entrant.weight > 0}

    def _fit_members(self, stack: Stack, entrants: list[Entrant], choice: Choice) -> dict[str, Any]:
        """The chosen strategies on all rows; one that fails at last is left out, the plain model stands in for all."""
        by_name, models = {entrant.name: entrant for entrant in entrants}, {}
        for name in [*self.weights_, choice.plain]:
            if name in models or (name == choice.plain and name not in self.weights_ and models):
                continue
            model, seconds, fault = attempt(stack.fit, by_name[name].model)
            by_name[name].seconds = max(by_name[name].seconds, seconds)
            if fault and name == choice.plain:
                raise ValueError(f"{name}, the plain model, {fault}")
            if fault:
                by_name[name].reason = f"{fault}, when fitted on all rows"
            else:
                models[name] = model
        self.weights_ = {name: self.weights_.get(name, 1.0) for name in models}
        return models

    @available_if(_has_proba)
    def predict_proba(self, X: Any, sample_domain: Any = None, *, allow_source: bool = False) -> Array:
        """Predict calibrated class probabilities of target rows, shape (n_samples, n_classes); parameters as in `predict`."""
        return at_temperature(self._call("predict_proba", X, sample_domain, allow_source), self.temperature_)

    def explain(self) -> str:
        """Say what was chosen and rejected, and why.

        Returns
        -------
        str
            Several lines.
        """
        check_is_fitted(self, "estimator_")
        if not self.adapted_:
            return "Without sample_domain there is nothing to transfer: the base estimator was fitted alone."
        return explanation(self.choice_, self._rows, self.kind_, self.temperature_, self.base_reason_)

    @property
    def results_(self) -> pd.DataFrame:
        """One row a strategy: weight, held-out loss, number of folds, seconds of its longest fit, why it is out, label-free scores."""
        check_is_fitted(self, "estimator_")
        return pd.DataFrame(self._rows)


def _kind(domains: Domains, random_state: int) -> tuple[list[str], list[str]]:
    """The kinds of shift, and what shows them; none where there are too few rows to tell."""
    if min(domains.n_source, len(domains.target.y)) < 2:
        return [], []
    found = measure(domains, random_state=random_state)
    return list(found.kind), list(found.sentences)
