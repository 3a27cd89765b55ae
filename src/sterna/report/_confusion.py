"""Which classes are taken for which: shares of each true class, at most twenty classes and the rest together."""

from __future__ import annotations

from typing import Any

from sterna.report._numbers import percent
from sterna.report._plain import pick

MOST_CLASSES = 20
REST = "all others"


def confusion_view(summary: dict[str, Any]) -> dict[str, Any] | None:
    """Reduce the matrices to the most confused classes, the same ones for every model; None without a matrix."""
    classes = [str(name) for name in pick(summary, "confusion", "classes", default=[])]
    models = {
        name: [[count or 0 for count in row] for row in matrix]
        for name, matrix in pick(summary, "confusion", "models", default={}).items()
        if matrix and all(row is not None and len(row) == len(classes) == len(matrix) for row in matrix)
    }
    if not models:
        return None
    kept = _most_confused(classes, list(models.values()))
    names = [classes[i] for i in kept] + ([REST] if len(kept) < len(classes) else [])
    return {
        "classes": names,
        "n_classes": len(classes),
        "n_shown": len(kept),
        "models": [{"name": name, "rows": _rows(_reduced(matrix, kept), names)} for name, matrix in models.items()],
        "recall": _recall(models, classes, kept),
    }


def _most_confused(classes: list[str], matrices: list[list[list[Any]]]) -> list[int]:
    """Keep the classes with most rows mistaken in either direction, in their own order."""
    if len(classes) <= MOST_CLASSES:
        return list(range(len(classes)))
    errors = [0.0] * len(classes)
    for matrix in matrices:
        for i, row in enumerate(matrix):
            for j, count in enumerate(row):
                if i != j:
                    errors[i] += count
                    errors[j] += count
    return sorted(sorted(range(len(classes)), key=lambda i: (-errors[i], i))[:MOST_CLASSES])


def _reduced(matrix: list[list[Any]], kept: list[int]) -> list[list[float]]:
    """Sum all classes that are not kept into a last row and column, so that no count is lost."""
    if len(kept) == len(matrix):
        return matrix
    place = {i: position for position, i in enumerate(kept)}
    out = [[0.0] * (len(kept) + 1) for _ in range(len(kept) + 1)]
    for i, row in enumerate(matrix):
        for j, count in enumerate(row):
            out[place.get(i, len(kept))][place.get(j, len(kept))] += count
    return out


def _rows(matrix: list[list[float]], names: list[str]) -> list[dict[str, Any]]:
    rows = []
    for i, counts in enumerate(matrix):
        total = sum(counts)
        cells = []
        for j, count in enumerate(counts):
            share = count / total if total else 0.0
            text = "" if not count else "<1" if share < 0.005 else percent(share).removesuffix("\u202f%")
            cells.append({"text": text, "share": f"{share:.2f}", "count": f"{count:.0f} of {total:.0f}", "right": i == j})
        rows.append({"name": names[i], "total": f"{total:.0f}", "cells": cells})
    return rows


def _recall(models: dict[str, Any], classes: list[str], kept: list[int]) -> dict[str, Any] | None:
    """Compare first and last model on the share of each class that they find."""
    if len(models) < 2:
        return None
    (first, a), *_, (second, b) = models.items()
    rows = []
    for i in kept:
        found = [matrix[i][i] / sum(matrix[i]) if sum(matrix[i]) else None for matrix in (a, b)]
        shown = [None if share is None else 100 * share for share in found]
        text = f"{first} {percent(found[0])}, {second} {percent(found[1])}"
        rows.append(
            {"name": classes[i], "first": shown[0], "second": shown[1], "text": text, "values": [percent(x) for x in found]}
        )
    return {"first": first, "second": second, "rows": rows}
