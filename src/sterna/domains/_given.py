"""What a person gives besides the data: names, the task, row numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sterna.domains._labels import infer_task
from sterna.domains._stack import Array


def column_names(columns: Any) -> set[str]:
    """Column names from one name or several."""
    return {columns} if isinstance(columns, str) else set(map(str, columns))


def named_data(source: Any, target: Any) -> tuple[dict[str, tuple[str, str]], dict[str, Any]]:
    """Name and role of each domain, and its data, by title; the target is the last."""
    named, named_target = {} if source is None else _named(source, "source"), _named(target, "target")
    if len(named_target) != 1:
        raise ValueError(f"target holds {len(named_target)} domains ({', '.join(named_target)}); give exactly one")
    target_name = next(iter(named_target))
    if target_name in named:
        raise ValueError(f"the name {target_name!r} stands for a source and for the target; give them different names")
    roles = {f"source {name!r}": (name, "source") for name in named} | {f"target {target_name!r}": (target_name, "target")}
    return roles, dict(zip(roles, [*named.values(), named_target[target_name]], strict=True))


def _named(data: Any, default: str) -> dict[str, Any]:
    if not isinstance(data, Mapping):
        return {default: data}
    if not data:
        raise ValueError(f"{default} names no domain; give at least one, for instance {default}={{'a': (X, y)}}")
    names = [str(name) for name in data]
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice is not None:
        raise ValueError(f"{default} has two domains named {twice!r}; give them different names")
    return dict(zip(names, data.values(), strict=True))


def resolve_task(task: str | None, known: Array) -> str:
    """The task asked for, where the known labels allow it, or the one that they imply."""
    if task == "regression" and known.dtype.kind not in "fiub":
        raise ValueError(f"task is 'regression', but the labels are text (first: {known.tolist()[0]!r}); give numbers")
    task = task or infer_task(known)
    if task == "classification" and known.dtype.kind == "f":
        part = known[known % 1 != 0]
        first = part[0] if len(part) else known[0]
        raise ValueError(
            f"task is 'classification', but the labels hold {first:g}; write classes as whole numbers or text, or give "
            "task='regression'"
        )
    return task


def refuse_shapes(tables: dict[str, Any]) -> None:
    """Raise where arrays have another number of columns than the target."""
    target = list(tables)[-1]
    for title, X in tables.items():
        if X.shape[1] != tables[target].shape[1]:
            raise ValueError(
                f"{title} has {X.shape[1]} columns but {target} has {tables[target].shape[1]}; give the same features in the same "
                "order, or tables with named columns"
            )


def row_numbers(what: str, rows: Any, n_rows: int) -> Array:
    """Row numbers of the target from numbers or a mask."""
    numbers = np.asarray(rows)
    if numbers.dtype == bool and numbers.shape == (n_rows,):
        return np.flatnonzero(numbers)
    if numbers.ndim != 1 or (len(numbers) and numbers.dtype.kind not in "iu"):
        raise ValueError(
            f"{what} has the shape {numbers.shape} and dtype {numbers.dtype}; give a list of row numbers, or a mask of {n_rows}"
        )
    outside = numbers[(numbers < 0) | (numbers >= n_rows)]
    if len(outside):
        raise ValueError(f"{what} holds {outside[0]}, but the target has the rows 0 to {n_rows - 1}; give rows among them")
    return numbers.astype(np.int64)
