"""AutoTransfer: the strategies that suit, raced, mixed and calibrated, or the best plain model where their mixture does worse."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from sklearn.base import is_classifier
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, column_or_1d
from threadpoolctl import threadpool_limits

from sterna.base import TransferEstimator
from sterna.domains import Domains, TablePreprocessor
from sterna.domains._arrays import to_host
from sterna.domains._labels import infer_task
from sterna.domains._stack import Array, DomainData, domain_codes, is_labelled, known_rows, rows_of, vstack
from sterna.measures._measure import kind_of_shift
from sterna.parameters._trust import blend
from sterna.select._auto_entrants import find_entrants
from sterna.select._auto_labelled import choose_by_labels
from sterna.select._auto_race import Clock, Entrant, attempt, telling
from sterna.select._auto_source import AsSource
from sterna.select._auto_unlabelled import choose_without_labels, plain_model
from sterna.select._auto_weights import weigh
from sterna.select._auto_words import Choice, explanation, result_rows
from sterna.select._candidates import MIN_ROWS, base_estimator, named_estimator
from sterna.select._search_stack import Stack, with_gaps
from sterna.select._temperature import at_temperature

#: From this many labelled target rows on strategies are judged by them.
MIN_LABELLED = 8
#: The choice is made on at most so many source rows, labelled target rows and unlabelled ones.
MAX_ROWS = 4000


class AutoTransfer(TransferEstimator):
    """Choose among all strategies that suit these domains, and fall back to the best plain model where they do worse.

    When to use it: when you want a model, not a comparison. When it cannot help: without target labels the choice rests on scores that
    guess; `sterna.compare` proves what labels can prove.

    Parameters
    ----------
    estimator : estimator or str, default=None
        The base estimator of all strategies: an unfitted one, a name ("linear", "forest", "boosting", "knn", "svm", "kernel"), or None: linear or
        forest, chosen on the source.
    budget : float, default=300.0
        Seconds. Strategies too slow for it are left out, and it is said which. None: without end.
    strategies : iterable of names, classes or instances, mapping, "all" or None, default=None
        Which may be chosen, as in `sterna.compare`; None: those that are tried first and apply here. The plain baselines always may.
    kernel : bool, default=None
        Whether strategies that are fitted quickly also enter over a kernel model, once there are labels to choose by; None: where no
        `estimator` is given.
    task : {"classification", "regression"}, default=None
        None: that of the given `estimator`; else text, booleans and few whole numbers are classes, other numbers are values.
    random_state : int, default=None
        Seeds all folds and strategies; None: 0, so that a fit can be repeated.
    n_jobs : int, default=None
        For joblib: strategies are fitted in so many processes.
    progress : bool, default=False
        Say on the standard error what is tried.

    Attributes
    ----------
    choice_ : Choice
        What was chosen and why: `method` ("labels" or "label-free scores"), `plain` (the best plain model), `transfers`, `reason`.
    weights_ : dict of str to float
        Of the strategies that are averaged.
    results_ : DataFrame
        One row a strategy: held-out loss, label-free scores, weight, seconds of its longest fit, why it is out.
    kind_ : list of str
        The kinds of shift that were found, as in `Measurement`, on up to 500 rows of either side.
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
       (once 40 rows are judged; plain models and the best ten stay). With `kernel` the strategies that fit the base estimator a few
       times only enter over a kernel model, too. Half of a weight is proportional to exp(-eta n loss), the aggregating algorithm
       of the Brier game, half is how often ensemble selection picks the strategy, both averaged over Bayesian bootstrap draws of the rows.
       The mixture gives way to the best plain model where it errs more than that by over two standard errors on rows held out from the
       weights too.
    3. With fewer labels the columns decide first. Rows that were chosen in another way could each still be a row of the source; where an
       instrument, a unit or a scale changed, hardly any could. Columns count as changed where less than a quarter of the target rows lie
       (by Mahalanobis distance) where nine tenths of unseen source rows do, where each column by itself lies less than 1.25 times
       as far but columns fit each other (residuals of regressions on the others) twice as badly, in mean squares, or where three
       columns have less than a tenth of the target in the middle nine tenths of the source.
       Each strategy is fitted without a fifth of the source; `guard` voids those that collapse or fall more than 0.1 behind the source
       model on the source. Changed: weights of source rows are no candidates.
       Classes: the better half, three to five, are averaged, by the mean of three ranks: the mean rank by the scores of probabilities that
       no collapse fools (information maximisation, batch nuclear norm, minimum class confusion); the rank of the adjusted mutual
       information of their classes and as many k-means groups of the target (Musgrave et al.); and that of twice as many. Not changed:
       void is who contradicts the source model on over a fifth of the target, unless the last is larger than the source model's by more
       than a standard error.
       Values have no such scores. Changed: all that pass are averaged, with more weight where their predictions are spread as the
       source's values are. Not changed: no map of the columns (families align and transport) is a candidate, and weights of rows are
       where they leave 30 effective ones.
       Where the features of the domains do not differ there is nothing to adapt to, and `SourceOnly` (`Pooled`, with some labels) is
       handed over.
    4. Temperature scaling on the held-out target rows, or on held-out source rows weighted to look like the target.

    The choice is made on a random 4000 source rows, labelled target rows and unlabelled ones where there are more. With labels the plain
    models and the best five are then judged once more, fitted on as many rows as half of the time that is left allows. Cost: with labels at
    most 5 fits a strategy, else one; 5 of these few on more rows; and a last one of each that is averaged, on all rows or as many as the
    budget has time for.

    References
    ----------
    Y. Yao, A. Vehtari, D. Simpson, A. Gelman (2018), Using stacking to average Bayesian predictive distributions, Bayesian Analysis 13.
    V. Vovk, F. Zhdanov (2009), Prediction with expert advice for the Brier game, JMLR 10.
    R. Caruana, A. Niculescu-Mizil, G. Crew, A. Ksikes (2004), Ensemble selection from libraries of models, ICML.
    K. Jamieson, A. Talwalkar (2016), Non-stochastic best arm identification and hyperparameter optimization, AISTATS.
    K. Musgrave, S. Belongie, S.-N. Lim (2022), Three new validators and a large-scale benchmark ranking for unsupervised domain
    adaptation, arXiv:2208.07360.

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
        "kernel": ["boolean", None],
        "task": [StrOptions({"classification", "regression"}), None],
        "random_state": [Interval(Integral, 0, 2**32 - 1, closed="both"), None],
        "n_jobs": [Integral, None],
        "progress": ["boolean"],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        budget: float | None = 300.0,
        strategies: Iterable[Any] | str | None = None,
        kernel: bool | None = None,
        task: str | None = None,
        random_state: int | None = None,
        n_jobs: int | None = None,
        progress: bool = False,
    ) -> None:
        self.estimator = estimator
        self.budget = budget
        self.strategies = strategies
        self.kernel = kernel
        self.task = task
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.progress = progress

    def fit(self, X: Any, y: Any, sample_domain: Any = None) -> Self:
        """Choose and fit; parameters as in every strategy's `fit`. X may also be a raw table, or have gaps (NaN), which are filled in."""
        self._validate_params()
        labels = column_or_1d(np.asarray(to_host(y), dtype=None))
        codes = None if sample_domain is None else domain_codes(sample_domain, len(labels))
        known = labels[is_labelled(labels) if codes is None else known_rows(labels, codes)]
        if not len(known):
            raise ValueError(f"y has {len(labels)} entries and no label; AutoTransfer needs labelled source rows")
        self.task_ = self._task_of(known)
        self.preprocessor_, self.fill_ = None, None
        X = _as_rows(X)
        if isinstance(X, pd.DataFrame) or _has_gaps(X):
            self.preprocessor_ = TablePreprocessor().fit(X, y, sample_domain)
            X = self.preprocessor_.transform(X)
        elif isinstance(X, np.ndarray) and X.ndim == 2 and len(X) and X.dtype.kind in "fiu":
            self.fill_ = np.median(X, axis=0)
        return super().fit(X, y, sample_domain)

    def _task_of(self, known: Array) -> str:
        given = None if self.estimator is None or isinstance(self.estimator, str) else self.estimator
        own = None if given is None else "classification" if is_classifier(given) else "regression"
        if self.task is not None and own not in (None, self.task):
            raise ValueError(f"estimator {type(given).__name__} is for {own}, but the task is {self.task}; give another one")
        return self.task or own or infer_task(known)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _validated(self, X: Any, method: str) -> Any:
        X = _as_rows(X)
        if self.preprocessor_ is not None:
            X = self.preprocessor_.transform(X)
        elif _has_gaps(X) and self.fill_ is not None and X.shape[1] == len(self.fill_):
            X = np.where(np.isnan(X), self.fill_, X)
        return super()._validated(X, method)

    def _base_estimator(self) -> Any:
        if self.estimator is None or isinstance(self.estimator, str):
            return named_estimator(self.estimator or "linear", getattr(self, "task_", "classification"))
        return super()._base_estimator()

    def _fit_plain(self, X: Any, y: Array) -> None:
        super()._fit_plain(X, y)
        self.temperature_ = 1.0

    def _fit_domains(self, data: DomainData) -> None:
        with threadpool_limits(1), warnings.catch_warnings(), telling(self.progress) as tell:
            warnings.simplefilter("ignore")  # what strategies say of themselves is in `results_`
            self._choose(data, tell)

    def _choose(self, data: DomainData, tell: Callable[[str], None]) -> None:
        data, aside = _without_rare_classes(data) if is_classifier(self) else (data, "")
        whole, domains = self._stacked(data)
        seed = self.random_state or 0
        stack = whole.sample(MAX_ROWS, seed)
        clock = Clock(self.budget, tell)
        classes = self.classes_ if stack.classes else None
        self.kind_ = kind_of_shift(domains, random_state=seed)
        base, reason = base_estimator(self.estimator, domains, seed)
        judged = len(stack.labelled) >= MIN_LABELLED
        kernel = judged and (self.estimator is None if self.kernel is None else self.kernel)
        why = f" ({reason})" if self.estimator is None else ""  # else somebody else knows
        self.base_reason_ = f"{type(base).__name__}{why}{', and a kernel model' if kernel else ''}"
        entrants, skipped = find_entrants(self.strategies, domains, base, self.kind_, seed, kernel=kernel)
        few = len(stack.source) < MIN_ROWS
        if not judged and (few or self.kind_ == ["none"]):
            say = Choice.too_few if few else Choice.no_difference
            choice, self.temperature_ = say(plain_model(stack, entrants)), 1.0
            weigh(entrants, {choice.plain: 1.0})
        else:
            given = (stack, entrants, classes, clock, self.n_jobs, seed)
            choice, self.temperature_ = choose_by_labels(*given, whole) if judged else choose_without_labels(*given)
        again = [entrant for entrant in entrants if entrant.n_rows]
        if again:
            aside += f"; {len(again)} strategies were judged once more, on {again[0].n_rows} rows instead of {len(stack.y)}"
        rows = _affordable(whole, stack, entrants, clock, seed)
        if rows is not whole:
            aside += f"; fitted on {len(rows.y)} of {len(whole.y)} rows, for which the budget had time"
        self.weights_, models = _fit_chosen(rows, entrants, choice.plain)
        self.estimator_ = blend(models, np.array(list(self.weights_.values())), classes, votes=True)
        self.adapted_, self.choice_ = True, replace(choice, reason=choice.reason + aside)
        self._rows = result_rows(entrants, skipped)
        self.health_ = {"transfers": choice.transfers, "chosen": ", ".join(self.weights_), "method": choice.method}

    def _stacked(self, data: DomainData) -> tuple[Stack, Domains]:
        """The rows once more as one stack, and as domains for what reads those."""
        known, n_target = np.concatenate([np.ones(len(data.y_source), dtype=bool), data.labelled]), data.X_target.shape[0]
        labels = np.concatenate([data.y_source, data.y_target]) if data.n_target_labelled else data.y_source
        classes = is_classifier(self)
        y = with_gaps(labels, known, classes)
        stack = Stack(
            vstack([data.X_source, data.X_target]), y, np.append(data.source_ids, np.full(n_target, -1)), known, classes
        )
        names = y  # domains take no classes written as 1.0
        if classes and data.y_source.dtype.kind == "f":
            names = with_gaps(np.searchsorted(self.classes_, labels), known, classes)
        n_source = len(data.y_source)
        sources = {
            f"source {code}": (rows_of(data.X_source, rows := np.flatnonzero(data.source_ids == code)), names[rows])
            for code in np.unique(data.source_ids)
        }
        return stack, Domains(sources, {"target": (data.X_target, names[n_source:])}, task=stack.task)

    def _call(self, method: str, X: Any, sample_domain: Any, allow_source: bool) -> Array:
        found = super()._call(method, X, sample_domain, allow_source)
        return at_temperature(found, self.temperature_) if method == "predict_proba" else found

    def _call_source(self, method: str, X: Any) -> Array:
        """Source rows are predicted by each member as it represents those."""
        inside = self.estimator_
        source = blend([AsSource(model) for model in inside.models], inside.weights, inside.classes, votes=True)
        return getattr(source, method)(X)

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


def _as_rows(X: Any) -> Any:
    """Lists as arrays, and arrays of mixed things as tables."""
    X = X if hasattr(X, "shape") else np.asarray(X)
    return pd.DataFrame(X).infer_objects() if isinstance(X, np.ndarray) and X.dtype.kind == "O" and X.ndim == 2 else X


def _has_gaps(X: Any) -> bool:
    return isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind == "f" and bool(np.isnan(X).any())


def _without_rare_classes(data: DomainData) -> tuple[DomainData, str]:
    """Without target labels of classes that no source has, where labels are too few to learn them, and a clause that says so."""
    new = ~np.isin(data.y_target, data.y_source)
    aside = ""
    if data.n_target_labelled < MIN_LABELLED and new.any():
        classes = ", ".join(map(repr, np.unique(data.y_target[new]).tolist()))
        aside = f"; too few labels to learn {classes}, which no source has, so that these are not predicted"
        shown = data.labelled.copy()
        shown[np.flatnonzero(shown)[new]] = False
        data = replace(data, y_target=data.y_target[~new], labelled=shown)
    labels = np.unique(np.concatenate([data.y_source, data.y_target]))
    if len(labels) < 2:
        raise ValueError(
            f"all {len(data.y_source)} labelled source rows are of the class {labels.tolist()[0]!r}; give rows of another class too"
        )
    return data, aside


def _affordable(whole: Stack, stack: Stack, entrants: list[Entrant], clock: Clock, seed: int) -> Stack:
    """All rows, or as many as the chosen strategies can be fitted on in the time that is left, judged by their fits so far."""
    chosen = [entrant for entrant in entrants if entrant.weight > 0]
    seconds = sum(entrant.seconds * len(whole.y) / (entrant.n_rows or len(stack.y)) for entrant in chosen)
    if seconds <= clock.left:
        return whole
    return whole.sample(max(MAX_ROWS, int(whole.largest_side * clock.left / seconds)), seed)


def _fit_chosen(stack: Stack, entrants: list[Entrant], plain: str) -> tuple[dict[str, float], list[Any]]:
    """The weights, of sum 1, and the models of the chosen strategies on all rows; one that fails is left out, the plain one stands in."""
    chosen = [entrant for entrant in entrants if entrant.weight > 0]
    weights: dict[str, float] = {}
    models: list[Any] = []
    for entrant in [*chosen, *(e for e in entrants if e.name == plain and e.weight == 0)]:
        if entrant.weight == 0 and models:
            continue
        model, seconds, fault = attempt(stack.fit, entrant.model)
        entrant.seconds, entrant.reason = max(entrant.seconds, seconds), fault
        if not fault:
            weights[entrant.name] = entrant.weight or 1.0
            models.append(model)
    if not models:
        raise ValueError(f"{plain}, the plain model, {next(e.reason for e in entrants if e.name == plain)}")
    return {name: weight / sum(weights.values()) for name, weight in weights.items()}, models
