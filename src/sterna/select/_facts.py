"""The facts of a scorer: what a service may know of it without knowing its name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

#: What a scorer may ask for. A service gathers it once for a candidate and calls each scorer with what it needs.
EVIDENCE = {
    "proba_target": "(n_target, n_classes): predicted probabilities of target rows",
    "proba_source": "(n_held, n_classes): predicted probabilities of held-out source rows",
    "y_source": "(n_held,): labels of the held-out source rows",
    "classes": "(n_classes,): the labels of the columns of the probabilities",
    "losses_source": "(n_held,): the loss of each held-out source row, 0 or more",
    "weights": "(n_held,): importance weights of the held-out source rows",
    "features_target": "(n_target, d): target rows as the model represents them",
    "predict_proba": "callable: rows such as features_target to probabilities",
}


def scorer_facts(
    *, tasks: tuple[str, ...], bounds: tuple[float, float], reference: str, fooled_by_collapse: bool
) -> Callable[[F], F]:
    """Write the facts of a scorer on its function.

    Parameters
    ----------
    tasks : tuple of {"classification", "regression"}
    bounds : tuple of two floats
        Between which the value lies; larger is better, always.
    reference : str
    fooled_by_collapse : bool
        Whether a model that puts all target rows in one class, with certainty, is scored at least as well as a model that is
        right. Such scores are worth nothing without `guard`.

    Returns
    -------
    decorator
        It also sets `needs`, the names of the required parameters, all of `EVIDENCE`, and `is_scorer`.
    """
    facts = {"tasks": tasks, "bounds": bounds, "reference": reference, "fooled_by_collapse": fooled_by_collapse}

    def declare(function: F) -> F:
        parameters = inspect.signature(function).parameters.values()
        needs = tuple(p.name for p in parameters if p.default is inspect.Parameter.empty)
        if unknown := set(needs) - set(EVIDENCE):
            raise TypeError(f"{function.__name__} requires {', '.join(sorted(unknown))}, which no service gathers")
        for name, value in (facts | {"needs": needs, "is_scorer": True}).items():
            setattr(function, name, value)
        return function

    return declare
