"""Finding every strategy and measure: a walk over each family's `__all__`; there is no registry to keep."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
from collections.abc import Callable
from typing import Any

#: Packages without strategies or measures that import torch.
_DEEP_TOOLS = ("backbones", "deep", "encoders")
_ROOT = __name__.rpartition(".")[0]

#: The package whose presence tells that an extra is installed.
_PROBES = {"deep": "torch"}


def _packages() -> list[tuple[str, Any]]:
    """The packages that may hold strategies and measures, by name."""
    import sterna

    names = [module.name for module in pkgutil.iter_modules(sterna.__path__) if module.ispkg]
    shown = [name for name in names if not name.startswith("_") and name not in _DEEP_TOOLS]
    return [(name, importlib.import_module(f"{_ROOT}.{name}")) for name in shown]


def _has_extra(extra: str) -> bool:
    return importlib.util.find_spec(_PROBES.get(extra, extra)) is not None


def _family_members(*, deep: bool) -> list[tuple[str, Any]]:
    members = []
    for name, package in _packages():
        extra = getattr(package, "extra", None)
        if extra is None or (deep and _has_extra(extra)):
            members += [(name, getattr(package, member)) for member in getattr(package, "__all__", ())]
    return members


def all_strategies(family: str | None = None, *, deep: bool = True) -> dict[str, type[Any]]:
    """Every strategy by name, in the order of family and name.

    Parameters
    ----------
    family : str, default=None
        Only this family, for instance "align".
    deep : bool, default=True
        Also those that train a network, where what they need is installed (torch is imported then).

    Returns
    -------
    dict of str to class

    Examples
    --------
    >>> from sterna import all_strategies
    >>> sorted(all_strategies("baselines"))
    ['Constant', 'Pooled', 'SourceOnly', 'TargetOnly']
    """
    deep = deep and (family is None or family in deep_strategies().values())
    found: dict[str, type[Any]] = {
        member.__name__: member
        for folder, member in _family_members(deep=deep)
        if isinstance(member, type) and getattr(member, "family", None) == folder
    }
    names = sorted(found, key=lambda name: (found[name].family, name.lower()))
    return {name: found[name] for name in names if family in (None, found[name].family)}


def deep_strategies(*, installed: bool | None = None) -> dict[str, str]:
    """The family of every strategy that trains a network, by the strategy's name; imports none of them.

    Parameters
    ----------
    installed : bool, default=None
        Only those whose extra is installed (True), or is not (False).

    Returns
    -------
    dict of str to str
    """
    extras = {family: (package, getattr(package, "extra", None)) for family, package in _packages()}
    return {
        name: family
        for family, (package, extra) in extras.items()
        if extra is not None and installed in (None, _has_extra(extra))
        for name in package.__all__
    }


def all_measures() -> dict[str, Callable[..., Any]]:
    """Every measure by name: the public functions of `sterna.measures` that carry facts.

    Returns
    -------
    dict of str to function
    """
    return {
        member.__name__: member
        for folder, member in _family_members(deep=False)
        if folder == "measures" and inspect.isfunction(member) and hasattr(member, "direction")
    }


def all_scorers() -> dict[str, Callable[..., Any]]:
    """Every score of a model without target labels, by name: the public functions of `sterna.select` that carry facts.

    Returns
    -------
    dict of str to function

    Examples
    --------
    >>> from sterna import all_scorers
    >>> [name for name, scorer in all_scorers().items() if scorer.needs == ("proba_target",) and not scorer.fooled_by_collapse]
    ['bnm', 'information_maximisation', 'mcc']
    """
    return {
        member.__name__: member
        for folder, member in _family_members(deep=False)
        if folder == "select" and getattr(member, "is_scorer", False)
    }
