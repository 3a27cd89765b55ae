"""How a search scores a model: on labelled target rows that are held out, or without target labels and guarded."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.metrics import accuracy_score, check_scoring, r2_score
from sklearn.pipeline import Pipeline

from sterna.base import TransferEstimator
from sterna.baselines import SourceOnly
from sterna.domains._stack import Array, rows_of
from sterna.parameters._trust import in_columns, outputs, truth
from sterna.select._dev import devn
from sterna.select._guard import guard
from sterna.select._importance_weighted import stack_weights
from sterna.select._importance_weighted_validation import importance_weighted_validation
from sterna.select._information_maximisation import information_maximisation
from sterna.select._refit import unwarned
from sterna.select._search_stack import Stack, find_splits
from sterna.select._splitters import SourceFold, Split, TargetFold

#: From this many labelled target rows on they are what scores a search that is told nothing else.
MIN_LABELLED = 8
#: Of the target, by the density ratios of the source rows: with less, weighted source rows do not stand for it.
MIN_COVERED = 0.5


@dataclass(frozen=True)
class LabelScore:
    """A score of predictions of labelled target rows that are held out.

    Attributes
    ----------
    name : str
    scorer : callable of (estimator, X, y), larger being better
    stack : Stack
    splits : list of (train, test)
    """

    name: str
    scorer: Callable[..., Any]
    stack: Stack
    splits: list[Split]
    label_free = False

    def __call__(self, model: Any, k: int) -> tuple[float, str | None]:
        """Fit without fold `k` and score it: the value, and why it is void."""
        train, test = self.splits[k]
        with unwarned():
            self.stack.fit(model, train)
        return float(self.scorer(model, rows_of(self.stack.X, test), self.stack.labels(test))), None


@dataclass(frozen=True)
class LabelFreeScore:
    """A score that reads no target label, of a model fitted without a fold of the source, guarded.

    Attributes
    ----------
    name : str
    scorer : function with the facts of a scorer
    stack : Stack
    splits : list of (train, test)
    weights : ndarray of shape (n_samples,) or None
        Density ratios of the labelled source rows.
    plain : estimator or None
        The source model that no candidate may lose to on the source by far.
    seed : int
    """

    name: str
    scorer: Callable[..., float]
    stack: Stack
    splits: list[Split]
    weights: Array | None
    plain: Any
    seed: int
    _plain_scores: dict[int, float | None] = field(default_factory=dict)
    label_free = True

    def __call__(self, model: Any, k: int) -> tuple[float, str | None]:
        """Fit without fold `k` of the source and score the model: the value, and why it is void."""
        train, test = self.splits[k]
        with unwarned():
            fitted = Fitted(self.stack.fit(model, train), self.stack, test)
        void = guard(
            fitted.predict_target(),
            self.stack.labels(self.stack.source),
            self.stack.task,
            source_score=fitted.source_score(),
            plain_source_score=self._plain_score(k),
        )
        if void is not None:
            return -np.inf, void
        gathered = {word: self._evidence(fitted, word, test) for word in self.scorer.needs}  # type: ignore[attr-defined]
        options = {"random_state": self.seed} if "random_state" in inspect.signature(self.scorer).parameters else {}
        return float(self.scorer(**gathered, **options)), None

    def _evidence(self, fitted: Fitted, word: str, test: Array) -> Any:
        if word == "weights":
            assert self.weights is not None
            return self.weights[test]
        return getattr(fitted, word)()

    def _plain_score(self, k: int) -> float | None:
        if k not in self._plain_scores:
            self._plain_scores[k] = self._fit_plain(*self.splits[k])
        return self._plain_scores[k]

    def _fit_plain(self, train: Array, test: Array) -> float | None:
        if self.plain is None:
            return None
        try:
            with unwarned():
                score = Fitted(self.stack.fit(clone(self.plain), train), self.stack, test).source_score()
        except Exception:  # what fails here fails in the trials, which say so
            return None
        return score if score is not None and np.isfinite(score) else None


def source_score(y: Array, predicted: Array, classes: bool) -> float | None:
    """Accuracy or R squared of held-out source rows; None where one value has no R squared, NaN for predictions that are not finite."""
    if not classes and len(y) < 2:
        return None
    if not classes and not np.all(np.isfinite(predicted)):
        return float("nan")
    return float((accuracy_score if classes else r2_score)(y, predicted))


class Fitted:
    """A fitted model, and what a scorer may ask of it: the methods are the words of `EVIDENCE`."""

    def __init__(self, model: Any, stack: Stack, test: Array) -> None:
        steps = isinstance(model, Pipeline) and len(model.steps) > 1
        self._strategy = model.steps[-1][1] if isinstance(model, Pipeline) else model
        held, target = rows_of(stack.X, test), rows_of(stack.X, stack.target)
        self._held, self._target = (model[:-1].transform(held), model[:-1].transform(target)) if steps else (held, target)
        self._y, self._codes, self._classes = stack.labels(test), stack.codes[test], stack.classes

    def _of_source(self, method: str) -> Array:
        """Predictions of the held-out source rows, which are represented as the source is."""
        call = getattr(self._strategy, method)
        known = inspect.signature(call).parameters
        options = {"sample_domain": self._codes, "allow_source": True} if "allow_source" in known else {}
        return np.asarray(call(self._held, **options))

    def predict_target(self) -> Array:
        return np.asarray(self._strategy.predict(self._target))

    def source_score(self) -> float | None:
        """Accuracy or R squared on the held-out source rows; None where one value has no R squared."""
        return source_score(self._y, self._of_source("predict"), self._classes)

    def outputs_target(self, classes: Array | None) -> Array:
        """Probabilities (or votes, or values) of the target rows, in the shape of `outputs`."""
        return outputs(self._strategy, self._target, classes)

    def outputs_source(self, classes: Array | None) -> Array:
        """The same of the held-out source rows."""
        if classes is None or not hasattr(self._strategy, "predict_proba"):
            return truth(self._of_source("predict"), classes)
        return in_columns(self._of_source("predict_proba"), self._strategy.classes_, classes)

    def proba_target(self) -> Array:
        return np.asarray(self._strategy.predict_proba(self._target))

    def proba_source(self) -> Array:
        return self._of_source("predict_proba")

    def y_source(self) -> Array:
        return self._y

    def classes(self) -> Array:
        return np.asarray(self._strategy.classes_)

    def losses_source(self) -> Array:
        predicted = self._of_source("predict")
        return (predicted != self._y).astype(float) if self._classes else (predicted - self._y) ** 2

    def features_target(self) -> Any:
        """Target rows as the base estimator gets them, or as the strategy does where it has none."""
        return self._strategy._map_target(self._target) if self._maps() else self._target

    def predict_proba(self) -> Callable[[Any], Any]:
        return self._strategy.estimator_.predict_proba if self._maps() else self._strategy.predict_proba

    def _maps(self) -> bool:
        return isinstance(self._strategy, TransferEstimator) and isinstance(self._target, np.ndarray)


def find_score(scoring: Any, stack: Stack, estimator: Any, cv: Any, seed: int) -> LabelScore | LabelFreeScore:
    """What a search maximises.

    Parameters
    ----------
    scoring : str or callable
    stack : Stack
    estimator : estimator
    cv : as in `TransferSearch`
    seed : int

    Returns
    -------
    LabelScore or LabelFreeScore
    """
    from sterna.discovery import all_scorers

    scorers = all_scorers()
    auto = isinstance(scoring, str) and scoring == "auto"
    if auto and len(stack.labelled) >= MIN_LABELLED:
        scoring = "accuracy" if stack.classes else "neg_root_mean_squared_error"
    elif auto or getattr(scoring, "is_scorer", False) or (isinstance(scoring, str) and scoring in scorers):
        chosen = None if auto else scorers[scoring] if isinstance(scoring, str) else scoring
        return _label_free(chosen, stack, estimator, cv, seed)
    return _with_labels(scoring, stack, estimator, cv, seed)


def _with_labels(scoring: Any, stack: Stack, estimator: Any, cv: Any, seed: int) -> LabelScore:
    if len(stack.labelled) < 2:
        raise ValueError(
            f"scoring {_name(scoring)!r} is taken on labelled target rows, of which there are {len(stack.labelled)}; label more, or "
            "give 'auto' or the name of a scorer of sterna.all_scorers()"
        )
    splits = find_splits(cv, stack, stack.labelled, "labelled target rows", TargetFold, seed)
    return LabelScore(_name(scoring), check_scoring(estimator, scoring), stack, splits)


def _label_free(scorer: Any, stack: Stack, estimator: Any, cv: Any, seed: int) -> LabelFreeScore:
    if not len(stack.target) or len(stack.source) < 2:
        raise ValueError(
            f"without target labels models are scored on unlabelled target rows ({len(stack.target)} are there) and on held-out "
            f"source rows ({len(stack.source)} are labelled); give both, or {MIN_LABELLED} labelled target rows"
        )
    if scorer is not None and stack.task not in scorer.tasks:
        raise ValueError(f"scoring {scorer.__name__!r} is for {' and '.join(scorer.tasks)}, but the task is {stack.task}")
    splits = find_splits(cv, stack, stack.source, "labelled source rows", SourceFold, seed)
    weighted = scorer is None or "weights" in scorer.needs
    weights = _source_weights(stack, seed) if weighted and stack.is_table else None
    if scorer is None:
        scorer = _default(stack, splits, weights, estimator)
    if "weights" in scorer.needs and (void := _void_weights(scorer, stack, splits, weights)) is not None:
        raise ValueError(
            f"scoring {scorer.__name__!r} cannot tell models apart here: {void}; give a scorer that takes no weights"
        )
    return LabelFreeScore(scorer.__name__, scorer, stack, splits, weights, _plain(estimator), seed)


def _default(stack: Stack, splits: list[Split], weights: Array | None, estimator: Any) -> Any:
    """Importance weighting, which reads labels and is not better for being sure; where its weights rest on few rows, another."""
    if weights is not None and _void_weights(importance_weighted_validation, stack, splits, weights) is None:
        return importance_weighted_validation
    if stack.classes and hasattr(estimator, "predict_proba"):
        return information_maximisation
    if weights is not None:
        return devn
    raise ValueError("no score applies: X is no table, and there are no class probabilities; label 8 target rows or more")


def _source_weights(stack: Stack, seed: int) -> Array:
    """Density ratios of the labelled source rows, not divided by their mean; NaN elsewhere."""
    weights = np.full(len(stack.y), np.nan)
    weights[stack.source] = stack_weights(stack.X, stack.source, stack.target, normalized=False, random_state=seed)
    return weights


def _void_weights(scorer: Any, stack: Stack, splits: list[Split], weights: Array | None) -> str | None:
    """Why weighted scores do not count, or None; those of `devn` do not lean on few rows or on the target's being covered."""
    if weights is None:
        return "X is no table, so that there are no weights of its rows"
    if scorer is devn:
        return None
    covered = float(
        weights[stack.source].mean()
    )  # the sum over the source of P_target / P_source is what it holds of the target
    if covered < MIN_COVERED:
        return f"the weights say that the source covers {100 * covered:.0f} % of the target only"
    for _, test in splits:
        y = stack.labels(test)
        if (void := guard(y, y, stack.task, weights=weights[test])) is not None:
            return void
    return None


def _plain(estimator: Any) -> Any:
    """The source model with the base estimator and the preprocessing of a strategy; None for one that trains a network."""
    strategy = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    if not isinstance(strategy, TransferEstimator):
        return None
    plain = SourceOnly(strategy._base_estimator())
    return clone(estimator).set_params(**{estimator.steps[-1][0]: plain}) if isinstance(estimator, Pipeline) else plain


def _name(scoring: Any) -> str:
    return scoring if isinstance(scoring, str) else getattr(scoring, "__name__", type(scoring).__name__)
