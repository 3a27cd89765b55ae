"""Numbers as text: as many digits as the interval justifies, and the same text for the same number."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import Any

from sterna.report._plain import entries, pick

MINUS, THIN = "\u2212", "\u202f"
ABSENT = "\u2013"  # stands for a value that is not there
_SHARES = {"accuracy", "balanced_accuracy", "f1_macro"}  # shown in per cent


def number(value: float | None, decimals: int, *, sign: bool = False) -> str:
    """Fixed decimals, a real minus sign, thin spaces between thousands, never a negative zero."""
    if value is None:
        return ABSENT
    if decimals > 8 or abs(value) >= 1e9:
        value = value or 0.0  # -0.0 is falsy too
        text = f"{value:+.2e}" if sign else f"{value:.2e}"
    else:
        value = round(value, decimals) or 0.0
        text = f"{value:+,.{decimals}f}" if sign and value else f"{value:,.{decimals}f}"
    return text.replace(",", THIN).replace("-", MINUS)


def significant(value: float | None, digits: int = 3) -> str:
    """Give so many significant digits, for values that come without an interval."""
    if value is None:
        return ABSENT
    if value == 0 or (float(value).is_integer() and abs(value) < 1e9):
        return number(value, 0)
    magnitude = math.floor(math.log10(abs(value)))
    return number(value, max(0, digits - 1 - magnitude))


def p_value(value: float | None) -> str:
    """Two significant digits, and no more than three zeros."""
    if value is None:
        return ABSENT
    return "< 0.001" if value < 0.001 else number(value, 2 if value >= 0.1 else 3)


def percent(share: float | None, decimals: int = 0) -> str:
    """Render a share as a percentage."""
    return ABSENT if share is None else f"{number(100 * share, decimals)}{THIN}%"


def small_amount(value: float | None) -> str:
    """Seconds or megabytes in a table: two decimals below one, one below ten."""
    if value is None:
        return ABSENT
    if value < 0.01:
        return "< 0.01" if value > 0 else "0"
    return number(value, 2 if value < 1 else 1 if value < 10 else 0)


def duration(value: float) -> str:
    """Seconds, or minutes beyond two of them."""
    if value < 120:
        return f"{small_amount(value)} s"
    return f"{number(value // 60, 0)} min {number(value % 60, 0)} s"


def thing(value: Any) -> str:
    """Render any value of a health report or a finding."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return significant(value)
    if isinstance(value, list):
        return ", ".join(thing(item) for item in value[:6]) + (", \u2026" if len(value) > 6 else "")
    if isinstance(value, dict):
        return "; ".join(f"{key} {thing(item)}" for key, item in value.items())
    return ABSENT if value is None else str(value)


def shortened(text: str, limit: int) -> str:
    """Cut a long name in its middle: both ends of a column name tell something."""
    if len(text) <= limit:
        return text
    tail = (limit - 1) // 3
    return f"{text[: limit - 1 - tail]}\u2026{text[-tail:]}"


@dataclass(frozen=True)
class Scale:
    """How scores and differences of one metric are shown everywhere in a report."""

    factor: float
    decimals: int
    unit: str  # of a score, "%" or nothing
    points: str  # of a difference, "points" or nothing

    def score(self, value: float | None) -> str:
        """One score with its unit."""
        text = number(None if value is None else self.factor * value, self.decimals)
        return text if value is None or not self.unit else text + THIN + self.unit

    def estimate(self, item: Any, *, bare: bool = False) -> str:
        """A score with its interval: 91.0 % (88.1 to 94.0); bare of its unit where the heading has it."""
        low, high = (self._scaled(item, key) for key in ("low", "high"))
        text = self.score(pick(item, "mean"))
        text = text.removesuffix(THIN + self.unit) if bare else text
        return (
            text if low is None or high is None else f"{text} ({number(low, self.decimals)} to {number(high, self.decimals)})"
        )

    def difference(self, item: Any) -> str:
        """A signed difference with its interval: +3.1 (+0.8 to +5.4)."""
        mean, low, high = (self._scaled(item, key) for key in ("mean", "low", "high"))
        text = number(mean, self.decimals, sign=True)
        if low is None or high is None:
            return text
        return f"{text} ({number(low, self.decimals, sign=True)} to {number(high, self.decimals, sign=True)})"

    def scaled(self, item: Any) -> tuple[float | None, float | None, float | None]:
        """Give mean, low and high in the units shown."""
        return self._scaled(item, "mean"), self._scaled(item, "low"), self._scaled(item, "high")

    def _scaled(self, item: Any, key: str) -> float | None:
        value = pick(item, key)
        return None if value is None else self.factor * value


def scale_for(summary: dict[str, Any]) -> Scale:
    """Choose percentages or plain units, and decimals so that a typical half-interval shows two digits."""
    share = pick(summary, "metric", "name") in _SHARES or pick(summary, "metric", "unit") == "share of rows"
    factor = 100.0 if share else 1.0
    items = [item for row in entries(summary, "strategies") for item in (row, pick(row, "difference"))]
    items += [pick(summary, "best"), pick(summary, "verdict", "difference")]
    halves = [half for half in map(_half_width, items) if half]
    means = [abs(mean) for mean in (pick(item, "mean") for item in items) if mean]
    if halves:
        decimals = 1 - math.floor(math.log10(factor * median(halves)))
    else:
        decimals = 1 if share else 2 - math.floor(math.log10(max(means, default=0.1)))
    decimals = max(0, min(decimals, 2)) if share else max(0, decimals)
    return Scale(factor, decimals, "%" if share else "", "points" if share else "")


def _half_width(item: Any) -> float | None:
    low, high = pick(item, "low"), pick(item, "high")
    return None if low is None or high is None else (high - low) / 2
