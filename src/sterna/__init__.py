"""Sterna: transfer learning with an honest verdict."""

from __future__ import annotations

import importlib
from typing import Any

from sterna._version import __version__

_HOMES = {
    "AutoTransfer": "sterna.select",
    "CollapseWarning": "sterna.base",
    "NegativeTransferWarning": "sterna.base",
    "Domains": "sterna.domains",
    "Comparison": "sterna.verdict",
    "compare": "sterna.verdict",
    "load": "sterna.io",
    "measure": "sterna.measures",
    "rank_backbones": "sterna.measures",
    "rank_sources": "sterna.measures",
    "save": "sterna.io",
    "TransferPipeline": "sterna.pipeline",
    "make_pipeline": "sterna.pipeline",
    "all_measures": "sterna.discovery",
    "all_scorers": "sterna.discovery",
    "all_strategies": "sterna.discovery",
}

__all__ = [
    "AutoTransfer",
    "CollapseWarning",
    "Comparison",
    "Domains",
    "NegativeTransferWarning",
    "TransferPipeline",
    "__version__",
    "all_measures",
    "all_scorers",
    "all_strategies",
    "compare",
    "load",
    "make_pipeline",
    "measure",
    "rank_backbones",
    "rank_sources",
    "save",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    try:
        return importlib.import_module(f"sterna.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"sterna.{name}":
            raise
        raise AttributeError(f"module 'sterna' has no attribute {name!r}") from None


def __dir__() -> list[str]:
    return sorted(__all__)
