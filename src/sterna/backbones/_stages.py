"""The stages of a network, from the input to the output."""

from __future__ import annotations

from typing import Any

from torch import nn

_NORMS = (
    nn.modules.batchnorm._NormBase,
    nn.LayerNorm,
    nn.GroupNorm,
)
_ACTIVE = (nn.modules.batchnorm._NormBase, nn.modules.dropout._DropoutNd)


class Stage(nn.Module):
    """Several modules and single parameters of a network that are treated as one; it has no forward of its own.

    Parameters
    ----------
    network : Module
        That they are of.
    modules : list of str
        Dotted names, from the input to the output.
    parameters : list of str
        Dotted names of parameters that belong to none of the modules.
    """

    def __init__(self, network: nn.Module, modules: list[str], parameters: list[str]) -> None:
        super().__init__()
        for name in modules:
            self.add_module(name.replace(".", "_"), network.get_submodule(name))
        self.owners: list[tuple[nn.Module, str]] = []
        for name in parameters:
            parent, _, own = name.rpartition(".")
            self.register_parameter(name.replace(".", "_"), network.get_parameter(name))
            self.owners.append((network.get_submodule(parent), own))

    def register_forward_hook(self, *args: Any, **kwargs: Any) -> Any:
        """Hook on the last of the modules, whose output is that of the stage."""
        *_, last = self.children()
        return last.register_forward_hook(*args, **kwargs)


def find_stages(network: nn.Module, groups: list[list[str]] | None = None) -> list[tuple[str, nn.Module]]:
    """Cut a network into stages that hold each parameter once.

    Parameters
    ----------
    network : Module
    groups : list of list of str, default=None
        The names of each stage's parameters, where the library says them; None: found from the modules.

    Returns
    -------
    list of (name, Module)
        A module of the network where one makes up the stage, otherwise a `Stage`.
    """
    members = _from_groups(network, groups) if groups else _from_modules(network)
    return _named(network, _with_active(network, members))


Members = tuple[list[str], list[str]]  # names of modules, names of parameters that belong to none of them


def _from_groups(network: nn.Module, groups: list[list[str]]) -> list[Members]:
    stages = []
    for group in groups:
        wanted = set(group)
        modules: list[str] = []
        _cover(network, "", wanted, modules)
        stages.append((modules, sorted(wanted, key=group.index)))
    return stages


def _cover(module: nn.Module, name: str, wanted: set[str], found: list[str]) -> None:
    """Take the largest modules all of whose parameters are wanted; what is left in `wanted` belongs to none."""
    inside = {f"{name}.{own}" if name else own for own, _ in module.named_parameters()}
    if name and inside and inside <= wanted:
        found.append(name)
        wanted -= inside
        return
    if inside & wanted:
        for own, child in module.named_children():
            _cover(child, f"{name}.{own}" if name else own, wanted, found)


def _from_modules(network: nn.Module) -> list[Members]:
    """The children that hold parameters, the large ones opened; layers of normalisation go with the layer before."""
    names = _bearing(network, "")
    while (opened := _to_open(network, names)) is not None:
        at = names.index(opened)
        names[at : at + 1] = _bearing(network.get_submodule(opened), opened)
    covered = {f"{name}.{own}" for name in names for own, _ in network.get_submodule(name).named_parameters()}
    loose = [name for name, _ in network.named_parameters() if name not in covered]
    stages: list[Members] = []
    for name in names:
        if stages and isinstance(network.get_submodule(name), _NORMS):
            stages[-1][0].append(name)
        else:
            stages.append(([name], []))
    if loose and stages:
        stages[0][1].extend(loose)
    return stages or ([([], loose)] if loose else [])


def _bearing(module: nn.Module, prefix: str) -> list[str]:
    """Children with parameters that no earlier child holds."""
    seen: set[int] = set()
    names = []
    for name, child in module.named_children():
        own = {id(p) for p in child.parameters()}
        if own - seen:
            names.append(f"{prefix}.{name}" if prefix else name)
        seen |= own
    return names


def _to_open(network: nn.Module, names: list[str]) -> str | None:
    total = sum(p.numel() for p in network.parameters())
    for name in names:
        module = network.get_submodule(name)
        children = list(module.children())
        if isinstance(module, nn.ModuleList) or any(isinstance(child, nn.ModuleList) for child in children):
            return name
        share = sum(p.numel() for p in module.parameters()) / total
        if len(names) < 4 and share > 0.6 and len(_bearing(module, "")) > 1:
            return name
    return None


def _with_active(network: nn.Module, stages: list[Members]) -> list[Members]:
    """Add dropout and normalisation without parameters to the stage before, so that freezing finds them."""
    owner = {name: i for i, (modules, _) in enumerate(stages) for name in modules}
    at = 0
    for name, module in network.named_modules():
        parts = name.split(".")
        holder = next((h for k in range(len(parts), 0, -1) if (h := ".".join(parts[:k])) in owner), None)
        if holder is not None:
            at = owner[holder]
        elif isinstance(module, _ACTIVE) and next(module.parameters(), None) is None and stages:
            stages[at][0].append(name)
    return stages


def _named(network: nn.Module, stages: list[Members]) -> list[tuple[str, nn.Module]]:
    named: dict[str, nn.Module] = {}
    for modules, parameters in stages:
        name = (modules or parameters)[0]
        whole = len(modules) == 1 and not parameters
        named[name] = network.get_submodule(name) if whole else Stage(network, modules, parameters)
    return list(named.items())
