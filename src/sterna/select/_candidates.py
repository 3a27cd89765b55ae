"""Which strategies take part, with which base estimator, assembled how; by facts, never by name."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline as make_steps
from sklearn.svm import SVC, SVR
from sklearn.utils import get_tags
from threadpoolctl import threadpool_limits

from sterna.base import TransferEstimator, takes_weights
from sterna.baselines import Constant
from sterna.discovery import all_strategies, deep_strategies
from sterna.domains import Domains, TablePreprocessor
from sterna.domains._encoding import FittedOn
from sterna.domains._media import NOUNS
from sterna.domains._stack import rows_of
from sterna.measures._situation import reason_against, situation
from sterna.pipeline import TransferPipeline, make_pipeline
from sterna.select._folds import folds

#: A dense stand-in for sparse input where a strategy needs one has this many columns.
N_DENSE = 100
#: Rows and columns above which the base estimator is not chosen by cross-validation but is linear.
MAX_ROWS, MAX_COLUMNS = 4000, 200
#: Why a strategy that trains a network is left out where nobody asked for it.
UNNAMED = "trains a network; name it to have it compared"
UNUSUAL = "not among those tried first; name it, or ask for all"
#: As `strategies`: every shallow strategy.
ALL = "all"
#: No strategy, but named like one.
AUTO = "AutoTransfer"
#: What predicts without a look at the columns: shown beside the others, never chosen.
FLOOR = Constant.__name__
#: Features of the base estimator "kernel".
N_KERNEL = 200
#: Fewer source rows than this cannot tell a linear model from a forest.
MIN_ROWS = 10

_ESTIMATORS: dict[str, tuple[Any, Any]] = {
    "linear": (LogisticRegression(max_iter=2000), RidgeCV(alphas=np.logspace(-6, 4, 21))),
    "forest": (RandomForestClassifier(), RandomForestRegressor(max_features=0.5)),
    "boosting": (HistGradientBoostingClassifier(), HistGradientBoostingRegressor()),
    "knn": (KNeighborsClassifier(), KNeighborsRegressor()),
    "svm": (SVC(), SVR()),
    "kernel": (
        make_steps(Nystroem(n_components=N_KERNEL), LogisticRegression(C=10.0, max_iter=2000)),
        make_steps(Nystroem(n_components=N_KERNEL), RidgeCV(alphas=np.logspace(-6, 4, 21))),
    ),
}


def base_estimator(estimator: Any, domains: Domains, random_state: int) -> tuple[Any, str]:
    """The base estimator that all strategies share, and why it is that one.

    Parameters
    ----------
    estimator : estimator, str or None
        A name ("linear", "forest", "boosting", "knn", "svm", "kernel"), an unfitted estimator, or None: linear or forest, whichever has
        the better cross-validated score on the source (no target label is read).
    domains : Domains
    random_state : int

    Returns
    -------
    estimator, reason
    """
    if not domains.sources and estimator is None:
        estimator = "linear"
    column = 0 if domains.task == "classification" else 1
    if isinstance(estimator, str):
        model = named_estimator(estimator, domains.task)
        if domains.kind == "sparse" and not get_tags(model).input_tags.sparse:
            raise ValueError(
                f"estimator {estimator!r} does not take sparse rows, which these are; choose linear, forest, knn, svm or kernel"
            )
        return model, f"{estimator}, as asked for"
    if estimator is not None:
        if is_classifier(estimator) != (domains.task == "classification"):
            raise ValueError(f"estimator {type(estimator).__name__} does not fit the task, which is {domains.task}")
        return clone(estimator), "as given"
    linear = clone(_ESTIMATORS["linear"][column])
    if domains.kind in NOUNS:
        return linear, "linear, the default where the encoder learns from the rows"
    if domains.kind == "sparse" or len(domains.columns) > MAX_COLUMNS:
        return linear, "linear, the default for sparse or wide data"
    return _chosen_on_source(domains, column, random_state)


def named_estimator(name: str, task: str) -> Any:
    """An unfitted base estimator by its name: "linear", "forest", "boosting", "knn", "svm" or "kernel" (linear on Nystroem features)."""
    if name not in _ESTIMATORS:
        raise ValueError(f"estimator {name!r} is unknown; allowed are {', '.join(_ESTIMATORS)}")
    return clone(_ESTIMATORS[name][0 if task == "classification" else 1])


def _chosen_on_source(domains: Domains, column: int, random_state: int) -> tuple[Any, str]:
    X, y, sample_domain = domains.stack(labelled_rows=[])
    source = np.flatnonzero(sample_domain > 0)
    rows = np.random.default_rng(random_state).permutation(source)[:MAX_ROWS]
    labels = np.array(y[rows].tolist())
    if len(rows) < MIN_ROWS or len(np.unique(labels)) < 2:
        return clone(_ESTIMATORS["linear"][column]), "linear, the default where the source has few rows or one label only"
    parts = folds(labels, 3, column == 0, [random_state])
    scores = {}
    for name in ("linear", "forest"):
        model = make_pipeline(TablePreprocessor(), seeded(clone(_ESTIMATORS[name][column]), random_state))
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a part without the only row of a class cannot be fitted; the others tell
            scores[name] = float(np.nanmean(cross_val_score(model, rows_of(X, rows), labels, cv=parts)))
    # the simpler one, which also learns from fewer labels and fits faster, unless the other is clearly better
    best = "forest" if scores["forest"] > scores["linear"] + 0.02 else "linear"
    metric = "accuracy" if column == 0 else "R squared"
    reason = (
        f"{best}, by cross-validation on the source ({metric} {scores['linear']:.3f} linear, {scores['forest']:.3f} forest)"
    )
    return clone(_ESTIMATORS[best][column]), reason


def select_strategies(
    chosen: Iterable[Any] | Mapping[str, Any] | None, domains: Domains, estimator: Any
) -> tuple[dict[str, TransferEstimator], dict[str, str]]:
    """The strategies that can run here, and the others with the reason.

    Parameters
    ----------
    chosen : iterable of names, classes or instances, mapping of name to instance, "all", or None
        None: those that are tried first, by their fact `compared_by_default`.
    domains : Domains
    estimator : estimator
        The base estimator.

    Returns
    -------
    strategies : dict of str to unfitted strategy
        The plain baselines are always among them.
    skipped : dict of str to reason
    """
    one = chosen is None or isinstance(chosen, str | Mapping)
    chosen = chosen if one else list(chosen)  # type: ignore[arg-type]
    every = chosen == ALL or (isinstance(chosen, list) and chosen == [ALL])
    known = _known(None if every else chosen)
    baselines = {name: cls() for name, cls in known.items() if cls.family == "baselines"}
    label_space = _label_space(domains)
    strategies: dict[str, Any] = {}
    skipped: dict[str, str] = {}
    if every or chosen is None:
        named = {name: cls() for name, cls in known.items() if every or cls.compared_by_default}
        unusual = {name: cls for name, cls in known.items() if name not in named and name not in baselines}
        skipped = {name: why_not(cls(), domains, estimator, label_space) or UNUSUAL for name, cls in unusual.items()}
    else:
        named = _named(chosen, known)
    for name, strategy in (baselines | named).items():
        _refuse_stranger(name, strategy)
        if name in baselines and type(strategy) is not type(baselines[name]):
            raise ValueError(f"a {type(strategy).__name__} is called {name!r}, which is a plain baseline; give it another name")
        reason = why_not(strategy, domains, estimator, label_space)
        if reason is None:
            strategies[name] = strategy
        else:
            skipped[name] = reason
    if (every or chosen is None) and (domains.origin or domains.kind in NOUNS):
        skipped |= {name: UNNAMED for name in deep_strategies(installed=True) if name not in strategies and name not in skipped}
    return strategies, skipped


def _known(chosen: Any) -> dict[str, type[Any]]:
    """The strategies by name; those that train a network are imported only where one is named."""
    deep = deep_strategies(installed=True)
    names = [] if chosen is None or isinstance(chosen, Mapping) else [chosen] if isinstance(chosen, str) else list(chosen)
    texts = [name for name in names if isinstance(name, str)]
    shallow = all_strategies(deep=False)
    if AUTO in texts:
        shallow[AUTO] = auto_transfer()
    # an unknown name may be a deep one spelled wrong
    if any(name in deep for name in texts):
        return all_strategies() | shallow
    absent = next((name for name in texts if name in deep_strategies(installed=False)), None)
    if absent is not None:
        raise ValueError(f"strategy {absent!r} trains a network; install what it needs with pip install 'sterna[deep]'")
    return shallow


def auto_transfer() -> type[Any]:
    """`AutoTransfer`, which chooses among strategies and can be compared, or fitted, as if it were one."""
    from sterna.select._auto import AutoTransfer  # which imports this file

    return AutoTransfer


def with_choice(strategy: Any, estimator: Any) -> Any:
    """`AutoTransfer` with a kernel model beside the base estimator, where nobody asked for that; other strategies as they are."""
    if estimator is None and strategy.family == "auto" and strategy.kernel is None:
        return clone(strategy).set_params(kernel=True)
    return strategy


def _named(chosen: Iterable[Any] | Mapping[str, Any], known: dict[str, type[Any]]) -> dict[str, Any]:
    if isinstance(chosen, Mapping):
        return dict(chosen)
    named: dict[str, Any] = {}
    for item in [chosen] if isinstance(chosen, str) else chosen:
        if isinstance(item, str):
            if item not in known:
                lower = {name.lower(): name for name in [*known, *deep_strategies()]}
                near = [lower[name] for name in difflib.get_close_matches(item.lower(), lower, n=3, cutoff=0.5)]
                raise ValueError(f"strategy {item!r} is unknown; did you mean {', '.join(near) or 'one of sterna list'}?")
            name, strategy = item, known[item]()
        else:
            name, strategy = (item.__name__, item()) if isinstance(item, type) else (type(item).__name__, item)
        if name in named and repr(named[name]) != repr(strategy):
            raise ValueError(
                f"two strategies are called {name}; name them, for instance {{'a': {named[name]!r}, 'b': {strategy!r}}}"
            )
        named[name] = strategy
    return named


def _refuse_stranger(name: str, strategy: Any) -> None:
    if not isinstance(strategy, TransferEstimator) and not _takes_raw(type(strategy)):
        raise TypeError(
            f"strategy {name!r} is a {type(strategy).__name__}, which is no strategy; give a name, a class or an instance of "
            "sterna list, and a base model as estimator"
        )
    if not name or any(mark in name for mark in "/\\\0") or name.startswith("("):
        raise ValueError(
            f"a strategy is called {name!r}; its name is part of a file's name: leave out / and \\, and ( at its start"
        )


def with_parameters(names: Iterable[str] | None, settings: Mapping[str, Any]) -> Any:
    """Strategies with some parameters set.

    Parameters
    ----------
    names : iterable of str or None
        The strategies to compare.
    settings : mapping of "STRATEGY.parameter" to value
        A part of the training's options is called "STRATEGY.training__max_epochs".

    Returns
    -------
    `names` where nothing is set, else dict of str to strategy
    """
    if not settings:
        return names
    strategies = _named(list(names or ()), _known(list(names or ())))
    for key, value in settings.items():
        name, found, parameter = key.partition(".")
        if not found or name not in strategies:
            raise ValueError(
                f"{key!r} is set, but no such strategy is named; write STRATEGY.parameter=value and name it with --strategy, "
                f"of which there are {', '.join(strategies) or 'none'}"
            )
        if parameter.startswith("training__") and strategies[name].get_params(deep=False).get("training", 0) is None:
            strategies[name].set_params(training=strategies[name].training_options())
        strategies[name].set_params(**{parameter: value})
    return strategies


def why_not(strategy: Any, domains: Domains, estimator: Any, label_space: str | None = None) -> str | None:
    """The reason why a strategy cannot run on these domains, read from its facts; None where it can."""
    label_space = _label_space(domains) if label_space is None else label_space
    if "source data" in strategy.needs and not domains.sources:
        return "needs a source"
    if _takes_raw(strategy) and strategy.label_space == "different":
        label_space = "different"  # a network has a new head for any classes
    reason = reason_against(strategy, domains, label_space)
    if reason is not None:
        return reason
    if "sample weights" in strategy.needs and _own_base(strategy) is None and not takes_weights(estimator):
        return f"needs a base estimator with sample_weight, which {type(estimator).__name__} has not"
    base = _own_base(strategy)
    if "probabilities" in strategy.needs and not hasattr(estimator if base is None else base, "predict_proba"):
        return f"needs a base estimator with predict_proba, which {type(estimator).__name__} has not"
    return None


def _label_space(domains: Domains) -> str:
    return situation(domains).label_space if domains.sources else "same"


def _takes_raw(strategy: Any) -> bool:
    return bool(getattr(strategy, "takes_raw", False))


def with_backbone(strategy: Any, encoder: Any) -> Any:
    """A strategy that trains a network, with the encoder's backbone and weights where it names none of its own."""
    if not getattr(strategy, "takes_raw", False) or getattr(encoder, "backbone", None) is None:
        return strategy
    if strategy.weights is not None or strategy.backbone != type(strategy)().backbone:
        return strategy
    return clone(strategy).set_params(backbone=encoder.backbone, weights=encoder.weights)


def _own_base(strategy: Any) -> Any:
    return strategy.get_params(deep=False).get("estimator")


def takes_base(strategy: Any) -> bool:
    """Whether a strategy takes a base estimator and has none of its own."""
    parameters = strategy.get_params(deep=False)
    return "estimator" in parameters and parameters["estimator"] is None


def assemble(strategy: Any, estimator: Any, kind: str, seed: int, encoder: Any = None) -> TransferPipeline:
    """A fresh pipeline: preprocessing, then the strategy over the base estimator, all seeded.

    A strategy that takes raw rows is the only step.

    Parameters
    ----------
    strategy : strategy
        Cloned.
    estimator : estimator
        The base estimator, for a strategy that has none of its own.
    kind : str
        The kind of the domains.
    seed : int
    encoder : transformer, default=None
        One that learns from its rows, and is therefore fitted within the pipeline.

    Returns
    -------
    TransferPipeline
    """
    strategy = clone(strategy)
    if _takes_raw(strategy):
        return make_pipeline(seeded(strategy, seed))
    if takes_base(strategy):
        strategy.set_params(estimator=clone(estimator))
    n_components = N_DENSE if (kind == "sparse" or encoder is not None) and not strategy.accepts_sparse else None
    preprocessor = TablePreprocessor(n_components=n_components, fit_on=strategy.trains_on)
    first = [] if encoder is None else [FittedOn(clone(encoder), fit_on=strategy.trains_on)]
    return make_pipeline(*first, preprocessor, seeded(strategy, seed))


def seeded(model: Any, seed: int) -> Any:
    """The model, every random state of which that is None being the seed."""
    states = {name: seed for name in model.get_params() if name == "random_state" or name.endswith("__random_state")}
    unset = {name: seed for name in states if model.get_params()[name] is None}
    return model.set_params(**unset)
