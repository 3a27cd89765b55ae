"""TransferSearch: the parameters of a strategy, chosen with target labels or without."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, ClassVar, Self

from sklearn.base import BaseEstimator, MetaEstimatorMixin
from sklearn.utils import check_random_state, get_tags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sterna.domains._stack import Array
from sterna.select._search_lock import held
from sterna.select._search_run import Clock, Runner
from sterna.select._search_scores import LabelFreeScore, LabelScore, find_score
from sterna.select._search_space import Space, read_space, require_strategy, text_of
from sterna.select._search_stack import Stack, read_stack
from sterna.select._search_study import Trials, quiet, require_optuna, storage_file


def _estimator_has(method: str) -> Callable[[Any], bool]:
    def check(self: TransferSearch) -> bool:
        getattr(getattr(self, "best_estimator_", self.estimator), method)
        return True

    return check


class TransferSearch(MetaEstimatorMixin, BaseEstimator):
    """Search the parameters of a strategy over stacked domains, with few target labels or none.

    When to use it: a strategy has parameters that matter and the default is in doubt. With 8 labelled target rows or more
    the parameters are chosen by cross-validation on them; with fewer by a score that reads no target label, which is guarded but
    a guess. When it cannot tell: the best of many trials by a noisy score is partly luck, so `best_score_` is too good; judge
    `best_estimator_` on rows that the search has not seen.

    Parameters
    ----------
    estimator : estimator
        A strategy, or a pipeline by `sterna.make_pipeline`; it is cloned.
    space : mapping of str to list or optuna distribution
        What may be tried for each parameter, by the names of `estimator.get_params()`: a list of choices, or one of
        `optuna.distributions`, for instance ``FloatDistribution(1e-3, 1e3, log=True)``.
    scoring : str or callable, default="auto"
        "auto": with 8 labelled target rows or more accuracy or the negative root mean squared error on them; else
        `importance_weighted_validation` on held-out source rows or, where its weights rest on few rows or say that the source
        covers less than half of the target, `information_maximisation` (classes) or `devn` (values). The name of one of
        `sterna.all_scorers()`: that one, without target labels. Else as in scikit-learn, on labelled target rows; larger is better.
    n_trials : int, default=50
        Of all runs together, where a stored search goes on.
    time_budget : float, default=None
        Seconds for all of `fit`. No fold is begun that would, at the length of the longest so far, end later.
    cv : int, splitter or iterable, default=None
        Folds of the labelled target rows (`TargetFold`), or without target labels of the labelled source rows (`SourceFold`); None
        is 5, or as many as there are rows.
    sampler : {"tpe", "random"}, default="tpe"
        Where the next trial is: tree-structured Parzen estimators, or anywhere.
    pruner : {"median", "halving"}, None or optuna pruner, default="median"
        When to give up a trial before its last fold: where its mean so far is below the median of others, or not in the
        better half after 1, 2 and 4 folds. None: never.
    storage : path, default=None
        A file of JSON lines that keeps the trials. A search with the same data and parameters goes on where the file ends, also after a
        kill; another one is refused, and so is one while another has the file (an empty file beside it, .NAME.held, is locked).
    study_name : str, default=None
        Which of the searches in the file.
    random_state : int, RandomState or None, default=None
        Seeds trials, folds and each `random_state` of the estimator that is None. None: that of the stored search, else any.
    refit : bool, default=True
        Fit `best_estimator_` on all rows at the end.
    progress : bool, default=False
        Write a line for each trial to the standard error.

    Attributes
    ----------
    best_params_ : dict
    best_score_ : float
        The mean over folds.
    best_index_ : int
        The number of the best trial.
    best_estimator_ : estimator
        Only with `refit`.
    trials_ : DataFrame
        One row a trial: number, state ("complete", "pruned", "void", "failed" or "running"), value (of a pruned trial the mean of the
        folds that it had, -inf of a void or failed one), params, seconds, and the reason why it is not complete, or which trial had
        the same parameters.
    metric_ : str
        The name of the score.
    label_free_ : bool
        Whether it reads no target label.
    scorer_ : callable
    n_splits_ : int
    n_features_in_ : int
    classes_ : ndarray of shape (n_classes,)
        Of the best estimator, where it has them.

    Notes
    -----
    Rows without a label stay so in every fold. A labelled target row that is tested is left out of training altogether. Label-free
    scores are the mean over folds of the source: the strategy is fitted on the other source rows and the whole target, and its score
    counts unless `guard` voids it (predictions that collapse, or accuracy or R squared on the held-out rows 0.1 below that of
    `SourceOnly` with the same base estimator). A void trial is worth -inf. Of the scores importance weighting is tried first, with
    the zero-one or squared loss, because it reads labels: scores of predictions alone grow as a model gets surer, and so choose the
    weakest regularisation. It tells little where P(y | x) differs between the domains.

    Each parameter of a trial is drawn with a seed made of `random_state` and the trial's number, so that a search which stops and goes
    on is the search that never stopped (unless time decides). A trial whose parameters were tried is not fitted again, but counts; a
    finite space ends the search when all of it was tried. An interrupt (Ctrl-C) leaves `trials_` and the best so far, and is raised
    again. A kill may leave the file locked for half a minute. Cost: a fit for each trial and fold that is not pruned, and for
    label-free scores one of `SourceOnly` for each fold.

    References
    ----------
    T. Akiba, S. Sano, T. Yanase, T. Ohta, M. Koyama (2019), Optuna: a next-generation hyperparameter optimization framework, KDD.
    J. Bergstra, R. Bardenet, Y. Bengio, B. Kégl (2011), Algorithms for hyper-parameter optimization, NeurIPS.
    K. Jamieson, A. Talwalkar (2016), Non-stochastic best arm identification and hyperparameter optimization, AISTATS.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import Ridge
    >>> from sterna.baselines import Pooled
    >>> from sterna.select import TransferSearch
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(60, 1))
    >>> y, sample_domain = 3 * X[:, 0], np.repeat([1, -1], 30)
    >>> search = TransferSearch(Pooled(Ridge()), {"estimator__alpha": [0.01, 1.0, 100.0]}, random_state=0)
    >>> search.fit(X, y, sample_domain=sample_domain).best_params_
    {'estimator__alpha': 0.01}
    """

    #: scikit-learn's default metadata requests: callers that route metadata hand `sample_domain` over
    _TransferSearch__metadata_request__fit = {"sample_domain": True}

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "predict", "get_params"])],
        "n_trials": [Interval(Integral, 1, None, closed="left")],
        "time_budget": [Interval(Real, 0, None, closed="neither"), None],
        "sampler": [StrOptions({"tpe", "random"})],
        "storage": [str, os.PathLike, None],
        "study_name": [str, None],
        "random_state": ["random_state"],
        "refit": ["boolean"],
        "progress": ["boolean"],
    }

    def __init__(
        self,
        estimator: Any,
        space: Any,
        *,
        scoring: Any = "auto",
        n_trials: int = 50,
        time_budget: float | None = None,
        cv: Any = None,
        sampler: str = "tpe",
        pruner: Any = "median",
        storage: Any = None,
        study_name: str | None = None,
        random_state: Any = None,
        refit: bool = True,
        progress: bool = False,
    ) -> None:
        self.estimator = estimator
        self.space = space
        self.scoring = scoring
        self.n_trials = n_trials
        self.time_budget = time_budget
        self.cv = cv
        self.sampler = sampler
        self.pruner = pruner
        self.storage = storage
        self.study_name = study_name
        self.random_state = random_state
        self.refit = refit
        self.progress = progress

    def fit(self, X: Any, y: Any, sample_domain: Any = None) -> Self:
        """Search, and fit the best on all rows.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows of all domains.
        y : array-like of shape (n_samples,)
            Labels; NaN or None where unknown.
        sample_domain : array-like of shape (n_samples,)
            Positive integers or "source[:NAME]" for source rows, negative ones or "target[:NAME]" for target rows.

        Returns
        -------
        self
        """
        self._validate_params()
        clock = Clock(self.time_budget, self.refit)
        require_optuna()
        require_strategy(self.estimator)
        stack, space = read_stack(X, y, sample_domain, self.estimator), read_space(self.space, self.estimator)
        seed = None if self.random_state is None else int(check_random_state(self.random_state).randint(2**31 - 1))
        storage = storage_file(self.storage)
        with quiet(), held(storage):
            trials = Trials(storage, self.study_name, self.pruner, self.sampler, seed)
            score = find_score(self.scoring, stack, self.estimator, self.cv, trials.seed)
            if storage is not None:
                trials.settle(self._config(stack, space, score))
            runner = Runner(self.estimator, space, score, trials, clock)
            try:
                runner.run(self.n_trials, self.progress)
            finally:
                self._keep(trials, space, score)
        self._require_best(trials)
        if self.refit:
            self.best_estimator_ = stack.fit(runner.model(self.best_params_))
        return self

    def _config(self, stack: Stack, space: Space, score: LabelScore | LabelFreeScore) -> dict[str, Any]:
        """What the trials depend on, as plain JSON types."""
        pruner = (
            self.pruner if isinstance(self.pruner, str | None) else [type(self.pruner).__name__, text_of(vars(self.pruner))]
        )
        return {
            "data": stack.fingerprint(),
            "estimator": [type(self.estimator).__name__, text_of(sorted(self.estimator.get_params().items()))],
            "space": space.described(),
            "scoring": score.name,
            "cv": [hashlib.sha256(part.tobytes()).hexdigest() for split in score.splits for part in split],
            "sampler": self.sampler,
            "pruner": pruner,
        }

    def _keep(self, trials: Trials, space: Space, score: LabelScore | LabelFreeScore) -> None:
        for name in ("best_params_", "best_score_", "best_index_", "best_estimator_"):
            self.__dict__.pop(name, None)
        self.trials_ = trials.frame(space)
        self.metric_, self.label_free_, self.scorer_ = score.name, score.label_free, score.scorer
        self.n_splits_ = len(score.splits)
        best = trials.best()
        if best is not None:
            self.best_params_, self.best_index_ = space.values(best.params), best.number
            self.best_score_ = best.user_attrs["outcome"]["value"]

    def _require_best(self, trials: Trials) -> None:
        if hasattr(self, "best_params_"):
            return
        if not trials.n_finished:
            raise ValueError(f"time_budget is {self.time_budget}, in which no trial was finished; give more seconds")
        bad = self.trials_[self.trials_["state"].isin(["void", "failed"])]
        if bad.empty:
            raise ValueError(
                f"none of {trials.n_finished} trials has a score: the pruner gave up all of them before their last fold; "
                "give pruner=None, or one that keeps some"
            )
        first = bad.iloc[0]
        raise ValueError(
            f"none of {trials.n_finished} trials has a score; trial {first['number']} is {first['state']}: {first['reason']}; "
            "search another space or strategy, or label more target rows"
        )

    def predict(self, X: Any, **params: Any) -> Array:
        """Predict labels of target rows by the best estimator, shape (n_samples,)."""
        return self._best().predict(X, **params)

    @available_if(_estimator_has("predict_proba"))
    def predict_proba(self, X: Any, **params: Any) -> Array:
        """Predict class probabilities of target rows by the best estimator, shape (n_samples, n_classes)."""
        return self._best().predict_proba(X, **params)

    @available_if(_estimator_has("decision_function"))
    def decision_function(self, X: Any, **params: Any) -> Array:
        """Give the decision values of target rows by the best estimator."""
        return self._best().decision_function(X, **params)

    def score(self, X: Any, y: Any) -> float:
        """Score the best estimator on labelled target rows: by `scoring`, or by its own `score` where that reads no label."""
        best = self._best()
        return float(best.score(X, y) if self.label_free_ else self.scorer_(best, X, y))

    @property
    def classes_(self) -> Array:
        """The labels of the columns of `predict_proba`."""
        return self._best().classes_

    @property
    def n_features_in_(self) -> int:
        """The number of columns of the rows."""
        return self.best_estimator_.n_features_in_

    def _best(self) -> Any:
        check_is_fitted(self, "trials_")
        if not hasattr(self, "best_estimator_"):
            raise AttributeError(
                "TransferSearch holds no best_estimator_: refit is False, or the search was interrupted; fit estimator with best_params_"
            )
        return self.best_estimator_

    def __sklearn_tags__(self) -> Any:
        tags, inner = super().__sklearn_tags__(), get_tags(self.estimator)
        tags.estimator_type = inner.estimator_type
        tags.classifier_tags, tags.regressor_tags = inner.classifier_tags, inner.regressor_tags
        tags.target_tags.required = True
        tags.input_tags.sparse = inner.input_tags.sparse
        return tags
