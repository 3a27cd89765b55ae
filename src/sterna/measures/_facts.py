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
    direction : {"larger is farther", "smaller is farther"}
    bounds : tuple of two floats
        Between which the value lies.
    symmetric : bool
        Whether exchanging the domains leaves the value as it is.
    needs_labels : bool
    takes : {"features", "table", "labels"}
        What the two arguments are.
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
