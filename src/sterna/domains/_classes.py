"""What the checks found in the classes: those of one domain only, one class in two spellings, labels that mean unknown."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sterna.domains._findings import Finding
from sterna.domains._stack import Array

#: As people and programs write an unknown label.
_UNKNOWN = {"?", "-", ".", "None", "nan", "NaN", "NA", "N/A", "n/a", "null", "NULL", "NaT", "<NA>"}


def class_findings(labels: dict[str, Array]) -> list[Finding]:
    """Find classes that stand in one domain only, that differ in their spelling only, and that seem to mean unknown.

    Parameters
    ----------
    labels : dict of str to ndarray of shape (n_labelled,)
        The known labels of each domain; the key is how messages call it.

    Returns
    -------
    list of Finding
    """
    counts = {title: Counter(y.tolist()) for title, y in labels.items() if len(y)}
    homes = Counter(label for own in counts.values() for label in own)
    found, told = _spellings(counts)
    for title, own in counts.items():
        found += _unknown_findings(title, own)
        lone = [label for label in own if homes[label] == 1 and label not in told and label not in _UNKNOWN]
        found += _alone_findings(title, own, sorted(lone, key=str) if len(counts) > 1 else [])
        if len(own) == 1:
            found.append(
                Finding("class", title, None, f"all labelled rows of {title} are of the one class {next(iter(own))!r}")
            )
    return found


def _spellings(counts: dict[str, Counter[Any]]) -> tuple[list[Finding], set[Any]]:
    """Classes that differ in case or blanks only, and the classes that the findings name."""
    homes: dict[Any, str] = {}
    for title, own in counts.items():
        homes |= {label: title for label in own if isinstance(label, str) and label not in homes}
    alike: dict[str, list[str]] = {}
    for label in homes:
        alike.setdefault(" ".join(label.casefold().split()), []).append(label)
    pairs = [(first, other) for first, *others in alike.values() for other in others]
    found = [
        Finding(
            "class",
            homes[other],
            None,
            f"class {first!r} of {homes[first]} and class {other!r} of {homes[other]} differ in case or blanks only; "
            "write them the same way if they are one",
        )
        for first, other in pairs
    ]
    return found, {label for pair in pairs for label in pair}


def _unknown_findings(title: str, own: Counter[Any]) -> list[Finding]:
    return [
        Finding("class", title, None, f"class {label!r} of {title} ({n_rows} rows): is {label!r} unknown? leave it empty")
        for label, n_rows in own.items()
        if label in _UNKNOWN
    ]


def _alone_findings(name: str, own: Counter[Any], alone: list[Any]) -> list[Finding]:
    remedy = "no other domain can teach or test"
    if len(alone) > 3:
        named, n_rows = ", ".join(map(repr, alone[:3])), sum(own[label] for label in alone)
        message = f"{len(alone)} classes ({named} ...) stand in {name} only ({n_rows} rows); {remedy} them"
        return [Finding("class", name, None, message)]
    return [
        Finding("class", name, None, f"class {label!r} stands in {name} only ({own[label]} rows); {remedy} it")
        for label in alone
    ]
