"""The facts of a measure: what a service may know of it without knowing its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def measure_facts(
    *, direction: str, bounds: tuple[float, float], symmetric: bool, needs_labels: bool, takes: str, reference: str
) -> Callable[[F], F]:
    """Write the facts of a measure on its function, by which `all_measures()` finds it.

    Parameters
    ----------
    direction : {"larger is farther", "smaller is farther", "larger is better", "larger is more alike"}
    bounds : tuple of two floats
        Between which the value lies.
    symmetric : bool
        Whether exchanging the domains leaves the value as it is.
    needs_labels : bool
    takes : {"features", "table", "labels", "representations", "features and labels of both", "embeddings"}
        What the arguments are; or as in `transferability_facts`.
    reference : str

    Returns
    -------
    decorator
    """
    facts = {"direction": direction, "bounds": bounds, "symmetric": symmetric, "needs_labels": needs_labels}

    def declare(function: F) -> F:
        for name, value in (facts | {"takes": takes, "reference": reference}).items():
            setattr(function, name, value)
        return function

    return declare


def transferability_facts(
    *, bounds: tuple[float, float], takes: str, reference: str, tasks: tuple[str, ...] = ("classification",)
) -> Callable[[F], F]:
    """Write the facts of a measure of transferability on its function; larger is always better.

    Parameters
    ----------
    bounds : tuple of two floats
        Between which the value lies.
    takes : {"features and labels", "source probabilities and labels", "source labels and labels"}
        What the first two arguments are; the labels are the target's.
    reference : str
    tasks : tuple of str, default=("classification",)

    Returns
    -------
    decorator
    """
    declare = measure_facts(
        direction="larger is better", bounds=bounds, symmetric=False, needs_labels=True, takes=takes, reference=reference
    )

    def declare_tasks(function: F) -> F:
        function.tasks = tasks  # type: ignore[attr-defined]
        return declare(function)

    return declare_tasks
