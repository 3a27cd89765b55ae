"""Cutting a backbone in two, so that the first part's outputs can be kept."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.fx import GraphModule, symbolic_trace
from torch.fx.passes.split_module import split_module

from sterna.backbones._backbone import Backbone


def split_backbone(backbone: Backbone, stage: str) -> tuple[nn.Module, nn.Module]:
    """Cut a backbone behind one of its stages.

    Parameters
    ----------
    backbone : Backbone
    stage : str
        The last stage of the first part, a name of `backbone.stages()`.

    Returns
    -------
    prefix, suffix : Module
        suffix(prefix(x)) is backbone(x). They share the backbone's layers.

    Raises
    ------
    ValueError
        Where there is no such stage, or the network cannot be traced or cut there.
    """
    stages = backbone.stages()
    names = [name for name, _ in stages]
    if stage not in names[:-1]:
        raise ValueError(f"there is no stage {stage!r} to cut behind; allowed are {', '.join(names[:-1])}")
    behind = {
        id(m)
        for _, module in stages[names.index(stage) + 1 :]
        for m in module.modules()
        if next(m.parameters(recurse=False), None) is not None
    }
    try:
        graph: GraphModule = symbolic_trace(backbone.network)
    except Exception as error:
        raise ValueError(
            f"the network cannot be traced and so not be cut ({type(error).__name__}); keep its last features instead"
        ) from error
    reached: set[Any] = set()
    for node in graph.graph.nodes:
        own = node.op == "call_module" and id(graph.get_submodule(str(node.target))) in behind
        if own or any(given in reached for given in node.all_input_nodes):
            reached.add(node)
    halves = split_module(graph, backbone.network, lambda node: int(node in reached), keep_original_order=True)
    parts = [child for name, child in halves.named_children() if name.startswith("submod_")]
    if len(parts) != 2 or len(_between(halves)) != 1:
        raise ValueError(
            f"the network cannot be cut behind {stage!r}: more than one tensor crosses there; choose another stage"
        )
    return parts[0], parts[1]


def _between(halves: GraphModule) -> set[str]:
    """The tensors that the second part is given."""
    second = next(node for node in halves.graph.nodes if node.op == "call_module" and str(node.target) == "submod_1")
    return {str(given) for given in second.all_input_nodes}
