"""The classifier of a network: finding it and cutting it off."""

from __future__ import annotations

from torch import nn


def find_head(module: nn.Module) -> str:
    """Find the layer that classifies.

    The last layer with weights, if it is linear or a convolution of one pixel. Of two parallel ones neither is chosen.

    Parameters
    ----------
    module : Module

    Returns
    -------
    str
        The dotted name of the layer.

    Raises
    ------
    ValueError
        Where there is none or more than one; the message lists the candidates.

    Examples
    --------
    >>> from torch import nn
    >>> find_head(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)))
    '2'
    """
    stated = _stated_by_timm(module)
    if stated is not None:
        return stated
    leaves = [(name, leaf) for name, leaf in module.named_modules() if next(leaf.parameters(recurse=False), None) is not None]
    candidates = [name for name, leaf in leaves if n_inputs_of(leaf) is not None]
    kind = type(module).__name__
    if not candidates:
        raise ValueError(
            f"which layer of {kind} is its classifier? It has no linear layer; give head='NAME', or head='none' if its outputs are "
            "features already"
        )
    if leaves[-1][0] == candidates[-1] and not _parallel(module, candidates):
        return candidates[-1]
    raise ValueError(
        f"which layer of {kind} is its classifier: {', '.join(map(repr, candidates[-4:]))}? Give head='NAME', or head='none' if its "
        "outputs are features already"
    )


def n_inputs_of(layer: nn.Module) -> int | None:
    """The inputs of a layer that could be a classifier; None for other layers."""
    if isinstance(layer, nn.Linear):
        return layer.in_features
    if isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1) and layer.groups == 1:
        return layer.in_channels
    return None


def cut_head(network: nn.Module, head: str) -> tuple[nn.Module, int, nn.Linear | None]:
    """Replace the classifier by nothing, in place.

    Parameters
    ----------
    network : Module
    head : str
        Its dotted name, as `find_head` gives it.

    Returns
    -------
    network : Module
        The same one, or an Identity where the network was its head.
    n_features : int
        Inputs of the classifier.
    source_head : Linear or None
        The layer cut off; None where it is a convolution, behind which other layers may follow.
    """
    try:
        layer = network.get_submodule(head)
    except AttributeError:
        names = [name for name, leaf in network.named_modules() if n_inputs_of(leaf) is not None]
        raise ValueError(f"head is {head!r}, but the network has no such layer; allowed are {', '.join(names)}") from None
    n_features = n_inputs_of(layer)
    if n_features is None:
        raise ValueError(f"head is {head!r}, a {type(layer).__name__}; it must be a Linear layer or a convolution of one pixel")
    network.set_submodule(head, nn.Identity())
    return network, n_features, layer if isinstance(layer, nn.Linear) else None


def _stated_by_timm(module: nn.Module) -> str | None:
    name = (getattr(module, "pretrained_cfg", None) or {}).get("classifier")
    if not isinstance(name, str):
        return None
    try:
        return name if n_inputs_of(module.get_submodule(name)) is not None else None
    except AttributeError:
        return None


def _parallel(module: nn.Module, candidates: list[str]) -> bool:
    """Say whether the last two candidates take the same inputs side by side instead of one behind the other."""
    if len(candidates) < 2:
        return False
    last, before = (module.get_submodule(name) for name in (candidates[-1], candidates[-2]))
    if not (isinstance(last, nn.Linear) and isinstance(before, nn.Linear)):
        return False
    siblings = candidates[-1].rpartition(".")[0] == candidates[-2].rpartition(".")[0]
    return siblings and last.in_features == before.in_features and before.out_features != last.in_features
