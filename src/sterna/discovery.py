"""Finding every strategy and measure: a walk over each family's `__all__`; there is no registry to keep."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from typing import Any

from sterna.base import TransferEstimator

_ROOT = __name__.rpartition(".")[0]


def _family_members() -> list[tuple[str, Any]]:
    import sterna

    members = []
    for module in pkgutil.iter_modules(sterna.__path__):
        if module.ispkg and not module.name.startswith("_"):
            package = importlib.import_module(f"{_ROOT}.{module.name}")
            members += [(module.name, getattr(package, name)) for name in getattr(package, "__all__", ())]
    return members


def all_strategies(family: str | None = None) -> dict[str, type[TransferEstimator]]:
    """Every strategy by name, in the order of family and name.

    Parameters
    ----------
    family : str, default=None
        Only this family, for instance "align".

    Returns
    -------
    dict of str to class

    Examples
    --------
    >>> from sterna import all_strategies
    >>> sorted(all_strategies("baselines"))
    ['Constant', 'Pooled', 'SourceOnly', 'TargetOnly']
    """
    found = {
        member.__name__: member
        for folder, member in _family_members()
        if inspect.isclass(member) and issubclass(member, TransferEstimator) and member.family == folder
    }
    names = sorted(found, key=lambda name: (found[name].family, name.lower()))
    return {name: found[name] for name in names if family in (None, found[name].family)}


def all_measures() -> dict[str, Callable[..., Any]]:
    """Every measure by name: the public functions of `sterna.measures` that carry facts.

    Returns
    -------
    dict of str to function
    """
    return {
        member.__name__: member
        for folder, member in _family_members()
        if folder == "measures" and inspect.isfunction(member) and hasattr(member, "direction")
    }
