"""Checking the parameters of measures and scorers, in one sentence each."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval

#: Numbers above 0 and below 1; above 0 and 1 at most; above 0.
BETWEEN, SHARE = Interval(Real, 0, 1, closed="neither"), Interval(Real, 0, 1, closed="right")
POSITIVE = Interval(Real, 0, None, closed="neither")


def check_count(name: str, value: Any, least: int) -> None:
    """A whole number of `least` or more."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name} is {value!r}; give a whole number of {least} or more")


def check_number(name: str, value: Any, allowed: Interval, advice: str) -> None:
    """A number in the interval; infinity where that is closed there."""
    if isinstance(value, bool) or not allowed.is_satisfied_by(value):
        raise ValueError(f"{name} is {value!r}; {advice}")
