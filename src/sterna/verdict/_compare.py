"""`compare`: which transfer strategy helps on this target, proved against none."""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone

from sterna.discovery import all_strategies, deep_strategies
from sterna.domains import Domains
from sterna.domains._encoding import describe_encoder, encode_all, find_encoder, learns_from_data
from sterna.pipeline import TransferPipeline
from sterna.select._candidates import (
    ALL,
    AUTO,
    FLOOR,
    auto_transfer,
    base_estimator,
    select_strategies,
    why_not,
    with_backbone,
    with_choice,
)
from sterna.verdict._analysis import MIN_SPLITS, Analysis, analyse
from sterna.verdict._cells import CHOICE, FROZEN, SCRATCH, Cell, Plan, fit_all, run_cell
from sterna.verdict._comparison import Comparison
from sterna.verdict._metrics import Metric, find_metric
from sterna.verdict._run import Execution, Progression, run_rounds
from sterna.verdict._splits import default_repeats, target_splits
from sterna.verdict._statistics import power_analysis
from sterna.verdict._store import CellStore, library_versions
from sterna.verdict._summary import (
    CORRECTION,
    add_confusions,
    curve_point,
    describe_outcomes,
    header,
    how_to_reproduce,
    how_to_use,
    preprocessing_sentence,
    short_repr,
)
from sterna.verdict._unsupervised import compare_unsupervised
from sterna.verdict._words import adaptation_verdict, best_strategy, gap, source_verdict

#: Fewer labelled target rows than this cannot be split into parts that say anything.
MIN_LABELS = 8
NO_SOURCE = "the domains have no source; compare asks whether one helps: give one, or name strategies that need none, for instance FineTune"
#: The learning curve is drawn from so many splits.
CURVE_SPLITS = 10
#: The differences worth showing: 0.05 of a share, or a tenth of the baseline's error.
SMALLEST_SHARE, SMALLEST_ERROR = 0.05, 0.1


def compare(
    domains: Domains,
    encoder: Any = None,
    *,
    strategies: Any = None,
    estimator: Any = None,
    metric: str | None = None,
    label_budgets: Sequence[int] = (),
    n_splits: int = 5,
    n_repeats: int | None = None,
    confidence: float = 0.95,
    random_state: int = 0,
    n_jobs: int = -1,
    time_budget: float | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    progress: bool | None = None,
    with_measure: bool = True,
    auto: bool = False,
    command: str | None = None,
) -> Comparison:
    """Compare transfer strategies on a target, against no transfer and against the best plain baseline.

    Parameters
    ----------
    domains : Domains
    encoder : transformer or str, default=None
        Of files and texts: what makes features of them (unfitted), or the name of its backbone; None: the default of their kind. A
        frozen encoder encodes all rows once; one that learns from its rows is fitted within each split.
    strategies : iterable of names, classes or instances, or mapping of name to instance, default=None
        None: those that are tried first and apply here, by their declared facts; "all": all that apply. Those that train a network must be
        named. The plain baselines always take part.
    estimator : estimator or str, default=None
        The base estimator of all: an unfitted one, a name ("linear", "forest", "boosting", "knn", "svm", "kernel"), or None (linear or
        forest, chosen on the source).
    metric : str, default=None
        None: "accuracy" or "rmse".
    label_budgets : sequence of int, default=()
        Also draw a learning curve with so many target labels.
    n_splits, n_repeats : int
        Repeated cross-validation of the labelled target rows; n_repeats=None: 5 up to 200 labels, 3 up to 2000, 2 above.
    confidence : float, default=0.95
    random_state : int, default=0
    n_jobs : int, default=-1
        For joblib; an active `joblib.parallel_config` (with Ray, say) is respected.
    time_budget : float, default=None
        Seconds; past it no further split is begun, and strategies that would not fit are left out with the reason.
    out : path, default=None
        A run's folder. Finished cells are kept there; a killed run goes on where it was and gives the same numbers.
    overwrite : bool, default=False
        Start anew although `out` holds another comparison.
    progress : bool, default=None
        A progress bar; None: on a terminal.
    with_measure : bool, default=True
        Also measure how far the domains are apart, for the report.
    auto : bool, default=False
        Also compare `AutoTransfer`, which chooses among these strategies anew within each split.
    command : str, default=None
        The command line to name in the report.

    Returns
    -------
    Comparison

    Notes
    -----
    The evaluation part of a split is never seen by preprocessing, training, tuning or selection, not even without its labels.
    Without target labels (or with fewer than 8) nothing can be proved: strategies are ranked by label-free scores, and the verdict
    is "unproven".

    Examples
    --------
    >>> import numpy as np, sterna
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(size=(500, 8)), rng.normal(size=(20, 8)) + 0.2
    >>> w, noise = rng.normal(size=8), rng.normal(size=520)
    >>> source, target = (Xs, Xs @ w + noise[:500]), (Xt, Xt @ w + noise[500:])
    >>> domains = sterna.Domains(source={"old": source}, target={"new": target})
    >>> comparison = sterna.compare(domains, strategies=["CORAL"], estimator="linear", n_jobs=1)
    >>> comparison.verdict.word
    'helps'
    >>> comparison.best_estimator_.predict(Xt[:2]).shape
    (2,)
    """
    if not isinstance(domains, Domains):
        raise TypeError(
            f"compare was given a {type(domains).__name__}; give sterna.Domains(source={{'a': (X, y)}}, target={{'b': (X, y)}})"
        )
    if not domains.sources:
        strategies = _without_source(domains, strategies)
    _check_numbers(confidence, n_splits, n_repeats, label_budgets, random_state)
    strategies = [strategies] if isinstance(strategies, str) and strategies != ALL else strategies
    strategies = strategies if strategies is None or isinstance(strategies, str | Mapping) else list(strategies)
    shown = sys.stderr.isatty() if progress is None else progress
    chosen_metric = find_metric(metric, domains.task)
    raw, found = domains, find_encoder(encoder, domains)
    fitted = None
    if found is not None and not learns_from_data(found):
        domains, fitted = encode_all(raw, found, shown)
    base, base_reason = base_estimator(estimator, domains, random_state)
    _check_probabilities(chosen_metric, base)
    instances, skipped = _instances(strategies, domains, base, found)
    if auto:
        instances[AUTO] = _auto(instances, domains, base)
    instances = {name: with_choice(strategy, estimator) for name, strategy in instances.items()}
    options = _options(strategies, metric, label_budgets, n_splits, n_repeats, confidence, random_state)
    config = {
        "options": options | {"estimator": str(base), "strategies": {name: repr(s) for name, s in instances.items()}},
        "domains": {domain.title: raw.fingerprint(domain) for domain in (*raw.sources, raw.target)},
        "versions": library_versions(),
    }
    about_encoder = describe_encoder(found if fitted is None else fitted)
    encoder_facts = {} if about_encoder is None else {"encoder": about_encoder}
    folder = Path(out) if out is not None else None
    store = CellStore(folder, config | encoder_facts, overwrite)
    execution = Execution(skipped, n_jobs, time_budget, confidence, shown)
    # for the description of the domains only: no cell sees these features
    measured = encode_all(raw, found)[0] if with_measure and found is not None and fitted is None else domains
    common = header(raw, chosen_metric) | _measured(measured, random_state, with_measure)
    common |= encoder_facts | ({"rows_are": raw.rows_are} if encoder_facts else {})
    common |= {"use": how_to_use(str(folder) if folder else None, raw), "reproduce": how_to_reproduce(command, options)}
    about = {"random_state": random_state, "estimator": short_repr(base), "estimator_reason": base_reason}
    labelled = np.flatnonzero(domains.target.labelled)
    plan = functools.partial(
        Plan,
        domains,
        instances,
        base,
        chosen_metric,
        random_state=random_state,
        raw=raw if fitted is not None else None,
        encoder=found if fitted is None else None,
    )
    if len(labelled) < MIN_LABELS:
        comparison = compare_unsupervised(plan([]), store, common, about, execution)
    else:
        n_repeats = default_repeats(len(labelled)) if n_repeats is None else n_repeats
        n_splits = min(n_splits, len(labelled) // 2)
        stratify, y = domains.task == "classification", np.array(domains.target.y[labelled].tolist())
        splits = target_splits(
            labelled, y, stratify=stratify, n_splits=n_splits, n_repeats=n_repeats, random_state=random_state
        )
        about |= {"n_splits": n_splits, "n_repeats": n_repeats}
        comparison = _compare_supervised(plan(splits), store, common, about, sorted(set(label_budgets)), execution)
    if fitted is not None and not getattr(comparison.best_estimator_[-1], "takes_raw", False):
        comparison.best_estimator_ = TransferPipeline([("encoder", fitted), *comparison.best_estimator_.steps])
    if folder is not None:
        comparison.save(folder)
    return comparison


def _without_source(domains: Domains, strategies: Any) -> Any:
    """What is compared where only a pretrained network can be carried over."""
    if domains.kind != "image" and strategies is None:
        raise ValueError(NO_SOURCE)
    n_labelled = int(domains.target.labelled.sum())
    if n_labelled < MIN_LABELS:
        raise ValueError(
            f"the domains have no source and {n_labelled} labelled target rows; give a source, or {MIN_LABELS} labels or more"
        )
    return [FROZEN, "FineTune", SCRATCH] if strategies is None else strategies


def _instances(strategies: Any, domains: Domains, base: Any, encoder: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """The strategies that run, those that train a network on the encoder's backbone, and the others with the reason."""
    instances, skipped = select_strategies(strategies, domains, base)
    if not domains.sources and all(strategy.family == "baselines" for strategy in instances.values()):
        raise ValueError(NO_SOURCE)
    if not domains.sources and FROZEN in instances:  # which is a plain model on the frozen network's features
        instances = {name: s for name, s in instances.items() if s.family != "baselines" or name == FLOOR}
    return {name: with_backbone(strategy, encoder) for name, strategy in instances.items()}, skipped


def _auto(instances: dict[str, Any], domains: Domains, base: Any) -> Any:
    """`AutoTransfer`, as it was given or at its defaults, among the strategies that are compared and take features."""
    chosen = {
        n: s for n, s in instances.items() if s.family != "baselines" and not getattr(s, "takes_raw", False) and n != AUTO
    }
    found = clone(instances[AUTO]) if AUTO in instances else auto_transfer()()
    if found.strategies is None:
        found.set_params(strategies=chosen)
    reason = why_not(found, domains, base)
    if reason is not None:
        raise ValueError(f"{AUTO} cannot be compared: it {reason}")
    return found


def _check_probabilities(metric: Metric, base: Any) -> None:
    if metric.needs_probabilities and not hasattr(base, "predict_proba"):
        raise ValueError(
            f"metric {metric.name!r} needs probabilities, which {type(base).__name__} does not give; choose another estimator, "
            "for instance 'linear', or another metric"
        )


def _check_numbers(confidence: float, n_splits: int, n_repeats: int | None, label_budgets: Sequence[int], seed: Any) -> None:
    if not 0.5 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; give a number between 0.5 and 1, for instance 0.95")
    if n_splits < 2:
        raise ValueError(f"n_splits is {n_splits}; give 2 or more, for instance 5")
    if n_repeats is not None and n_repeats < 1:
        raise ValueError(f"n_repeats is {n_repeats}; give 1 or more, or None")
    wrong = [budget for budget in label_budgets if budget < 1 or budget % 1]
    if wrong:
        raise ValueError(f"label_budgets holds {wrong[0]}; give numbers of labels, 1 or more, for instance [10, 50]")
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"random_state is {seed!r}; give a whole number, 0 or more, so that the run can be repeated")


def _options(
    strategies: Any,
    metric: str | None,
    budgets: Sequence[int],
    n_splits: int,
    n_repeats: int | None,
    confidence: float,
    seed: int,
) -> dict[str, Any]:
    """The options that were set, as they would be written."""
    names = (
        strategies
        if strategies is None or isinstance(strategies, str)
        else [item if isinstance(item, str) else getattr(item, "__name__", repr(item)) for item in strategies]
    )
    given: dict[str, Any] = {"strategies": names, "metric": metric, "label_budgets": [*budgets] or None, "n_repeats": n_repeats}
    given |= {"n_splits": n_splits if n_splits != 5 else None, "confidence": confidence if confidence != 0.95 else None}
    return {name: value for name, value in given.items() if value is not None} | {"random_state": seed}


def _measured(domains: Domains, random_state: int, with_measure: bool) -> dict[str, Any]:
    from sterna.measures import measure
    from sterna.measures._measure import situation_of

    if not domains.sources:
        return {"situation": None, "measure": None}
    if not with_measure or min(domains.n_source, len(domains.target.y)) < 2:  # one row is no distribution
        return {"situation": situation_of(domains).summary(), "measure": None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return measure(domains, random_state=random_state).summary()


def _rounds(plan: Plan, budgets: Sequence[int]) -> list[list[Cell]]:
    """The cells of each split; budgets are served in the first repeats only."""
    names = list(plan.strategies)
    rounds = []
    for j, split in enumerate(plan.splits):
        cells = [Cell(name, j) for name in names] + [Cell(CHOICE, j)]
        fitting = [budget for budget in budgets if budget < len(split.adapt)] if j < CURVE_SPLITS else []
        rounds.append(cells + [Cell(name, j, budget) for budget in fitting for name in names])
    return rounds


def _compare_supervised(
    plan: Plan,
    store: CellStore,
    common: dict[str, Any],
    about: dict[str, Any],
    budgets: list[int],
    execution: Execution,
) -> Comparison:
    plain = {name for name, strategy in plan.strategies.items() if strategy.family == "baselines"}
    baselines = frozenset(plain | {CHOICE, plan.control} | set(plan.plain))
    run = run_rounds(_rounds(plan, budgets), functools.partial(run_cell, plan), store, execution, essential=baselines)
    confidence = execution.confidence
    analysis = analyse(plan, store, run.dropped, confidence=confidence)
    power = _power(plan, analysis)
    verdict = source_verdict(analysis, plan.metric, confidence, power["detectable"] if power else None)
    adaptation = adaptation_verdict(analysis, plan.metric, confidence)
    best, reason = best_strategy(analysis, verdict, adaptation)
    outcome = analysis.outcomes[best]
    families = {name: cls.family for name, cls in all_strategies(deep=False).items()} | deep_strategies()
    summary = common | {
        "verdict": verdict.to_dict(),
        "adaptation": adaptation.to_dict(),
        "best": {"name": best, **(outcome.mean.to_dict() if outcome.mean else _unknown()), "reason": f"{best}: {reason}."},
        "baselines": _baselines(analysis),
        "strategies": describe_outcomes(analysis, execution.skipped, families),
        "confidence": confidence,
        "n_comparisons": sum(o.difference is not None for o in analysis.outcomes.values()),
        "correction": CORRECTION,
        "protocol": about | _protocol(plan, store, analysis, run),
        "power": power,
        "learning_curve": _learning_curve(plan, store, run.dropped, budgets, analysis, confidence),
        "confusion": add_confusions(plan, analysis, best),
    }
    return Comparison(verdict, adaptation, best, fit_all(plan, best), summary)


def _unknown() -> dict[str, None]:
    return dict.fromkeys(("mean", "low", "high"))


def _baselines(analysis: Analysis) -> dict[str, dict[str, float]]:
    return {n: o.mean.to_dict() for n, o in analysis.outcomes.items() if o.family == "baselines" and o.mean is not None}


def _power(plan: Plan, analysis: Analysis) -> dict[str, Any] | None:
    """What these labels could show, and how many would show the smallest difference worth showing, for the median strategy."""
    comparisons = analysis.against_target
    if comparisons is None or not len(comparisons.standard_errors):
        return None
    n_rows = int(plan.domains.target.labelled.sum())
    control = analysis.outcomes[analysis.control].mean
    level = abs(control.mean) if control is not None else 1.0
    smallest = SMALLEST_SHARE if plan.metric.greater_is_better else SMALLEST_ERROR * level
    error = float(np.median(comparisons.standard_errors))
    if error == 0 or smallest < 1e-6 * error:
        return None  # nothing differs, or the baseline makes no error
    power = power_analysis(error, comparisons.critical_value, n_rows, smallest)
    sentence = (
        f"With {n_rows} labelled target rows a difference of about {gap(power['detectable'], plan.metric)} can be shown (80 % power); "
        f"to show one of {gap(smallest, plan.metric)}, about {power['n_labels']} are needed."
    )
    return power | {"sentence": sentence}


def _protocol(plan: Plan, store: CellStore, analysis: Analysis, run: Progression) -> dict[str, Any]:
    seconds = sum(cell["seconds"] for outcome in analysis.outcomes.values() for cell in outcome.cells)
    stopped = run.stopped
    if analysis.n_splits < MIN_SPLITS:
        stopped = f"{stopped or 'too few splits'}; {MIN_SPLITS} are needed for a verdict"
    return {
        "n_cells": len(store),
        "preprocessing": preprocessing_sentence(plan.domains.kind, encoded=plan.raw is not None or plan.encoder is not None),
        "seconds": round(seconds, 2),
        "completed_splits": analysis.n_splits,
        "planned_splits": len(plan.splits),
        "stopped": stopped,
    }


def _learning_curve(
    plan: Plan, store: CellStore, dropped: dict[str, str], budgets: list[int], full: Analysis, confidence: float
) -> list[dict[str, Any]] | None:
    if not budgets:
        return None
    points = [(b, analyse(plan, store, dropped, confidence=confidence, budget=b)) for b in budgets]
    curve = [curve_point(budget, analysis) for budget, analysis in points if analysis.against_target is not None]
    n_adapt = int(np.mean([len(split.adapt) for split in plan.splits]))
    return [*curve, curve_point(n_adapt, full)]
