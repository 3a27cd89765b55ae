"""The summary as plain JSON types, exact, with null for what is not a number."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

# control characters, lone surrogates and non-characters: HTML and XML allow none of them, even escaped;
# overrides of the writing direction: they would turn round the text after a name
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def to_json(summary: Mapping[str, Any]) -> str:
    """Render the summary as JSON: keys in the order given, numbers exact, NaN and infinities as null.

    Parameters
    ----------
    summary : mapping
        The one summary dict; NumPy scalars and arrays are converted.

    Returns
    -------
    str

    Examples
    --------
    >>> from sterna.report import to_json
    >>> print(to_json({"mean": 0.1, "low": float("nan")}), end="")
    {
      "mean": 0.1,
      "low": null
    }
    """
    text = json.dumps(plain(summary), ensure_ascii=False, allow_nan=False, indent=2)
    # a lone surrogate cannot be encoded; its backslash form is the JSON escape of the same character
    return text.encode("utf-8", "backslashreplace").decode("utf-8") + "\n"


def plain(value: Any, where: str = "summary") -> Any:
    """Convert to dict, list, str, int, float, bool and None; floats that are not finite become None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item, f"{where}[{key!r}]") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if hasattr(value, "tolist"):  # NumPy scalars and arrays
        return plain(value.tolist(), where)
    raise TypeError(
        f"{where} is a {type(value).__name__}; the report takes plain JSON types (dict, list, str, numbers, None): "
        "convert it before, for instance with str()"
    )


def printable(value: Any) -> Any:
    """Replace in every string what no page may contain; names can hold any character."""
    if isinstance(value, dict):
        return {printable(key): printable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [printable(item) for item in value]
    return _UNPRINTABLE.sub("\ufffd", value) if isinstance(value, str) else value


def checked(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Give a plain, printable copy of the summary, or say what was passed instead."""
    if not isinstance(summary, Mapping):
        raise TypeError(
            f"the report takes one summary dict, got {type(summary).__name__}; pass the dict that a run writes to "
            "results.json, for instance json.loads(path.read_text())"
        )
    copy: dict[str, Any] = printable(plain(summary))
    return copy


def pick(data: Any, *path: str, default: Any = None) -> Any:
    """Follow keys into nested dicts; anything missing or null on the way gives `default`."""
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return default if data is None else data


def entries(data: Any, *path: str) -> list[dict[str, Any]]:
    """Follow keys to a list of dicts; what is missing or null, the list or one of its entries, is left out."""
    return [item for item in pick(data, *path, default=[]) if isinstance(item, dict)]


def present(data: Any, *path: str) -> list[Any]:
    """Follow keys to a list of values without its nulls."""
    return [item for item in pick(data, *path, default=[]) if item is not None]
