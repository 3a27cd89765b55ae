"""Checking the parameters of measures and scorers, in one sentence each."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval


def check_count(name: str, value: Any, least: int) -> None:
    """A whole number of `least` or more."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name} is {value!r}; give a whole number of {least} or more")


def check_number(name: str, value: Any, low: float | None, high: float | None, closed: str, advice: str) -> None:
    """A number from `low` to `high`, without the bounds themselves but for those that are closed: "left", "right", "both", "neither"."""
    if isinstance(value, bool) or not Interval(Real, low, high, closed=closed).is_satisfied_by(value):
        raise ValueError(f"{name} is {value!r}; {advice}")


def check_between(name: str, value: Any, usual: float) -> None:
    """A number between 0 and 1."""
    check_number(name, value, 0, 1, "neither", f"give a number between 0 and 1, {usual:g} as a rule")


def check_positive(name: str, value: Any, advice: str = "give a positive number") -> None:
    """A finite number above 0."""
    check_number(name, value, 0, None, "neither", advice)
