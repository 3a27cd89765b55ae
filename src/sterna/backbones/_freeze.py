"""Freezing that holds: no gradients, no drifting statistics, no dropout, output independent of the rest of the batch."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from sterna.backbones._stages import Stage

_RECORD = "_trainable_before"


class _Frozen:
    """Stands in for a module's `train` and keeps the module in evaluation mode, whoever calls `train` on a parent.

    A plain attribute of the instance: the class of the module and the keys of its state dict stay, copies and pickles work.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.asked = module.training

    def __call__(self, mode: bool = True) -> nn.Module:
        """Note what was asked for, stay in evaluation mode, pass the call on (children added later are not frozen)."""
        self.asked = mode
        self.module.training = False
        for child in self.module.children():
            child.train(mode)
        return self.module


def freeze(module: nn.Module) -> nn.Module:
    """Freeze a module in place: its output is a fixed function of each row until `unfreeze`.

    Parameters lose their gradients; every layer inside stays in evaluation mode, also after `train()` on the module or on one that
    holds it. So batch normalisation uses its running statistics, which no longer move, and dropout and stochastic depth are off.
    Freezing twice is the same as once.

    Parameters
    ----------
    module : Module
        A network, a layer, or one of `Backbone.stages()`.

    Returns
    -------
    Module
        The same module.

    Examples
    --------
    >>> from torch import nn
    >>> norm = freeze(nn.BatchNorm1d(3))
    >>> norm.train().training, norm.weight.requires_grad
    (False, False)
    >>> unfreeze(norm).training
    True
    """
    for name, child in module.named_modules():
        _refuse_without_statistics(name, child)
    for owner, name in _owned(module):
        record = owner.__dict__.setdefault(_RECORD, {})
        parameter = owner._parameters[name]
        if parameter is not None:
            record.setdefault(name, parameter.requires_grad)
            parameter.requires_grad_(False)
    for child in module.modules():
        if not isinstance(child, Stage) and not isinstance(child.__dict__.get("train"), _Frozen):
            child.__dict__["train"] = _Frozen(child)
        child.training = False
    return module


def unfreeze(module: nn.Module) -> nn.Module:
    """Undo `freeze` in place: each parameter and layer is again as it was; what was not frozen is left alone.

    Parameters
    ----------
    module : Module
        Need not be the module that was frozen: one inside it or around it will do.

    Returns
    -------
    Module
        The same module.
    """
    for owner, name in _owned(module):
        before = owner.__dict__.get(_RECORD, {}).pop(name, None)
        parameter = owner._parameters[name]
        if before is not None and parameter is not None:
            parameter.requires_grad_(before)
    for child in module.modules():
        marker = child.__dict__.get("train")
        if isinstance(marker, _Frozen):
            del child.__dict__["train"]
            child.training = marker.asked
    return module


def _owned(module: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    """Each parameter as the module that holds it and its name there."""
    for child in module.modules():
        if isinstance(child, Stage):
            yield from child.owners
        else:
            yield from ((child, name) for name in child._parameters)


def _refuse_without_statistics(name: str, module: nn.Module) -> None:
    if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is None:
        raise ValueError(
            f"the layer {name!r} cannot be frozen: it normalises by the batch, for it keeps no running statistics; "
            "build it with track_running_stats=True"
        )
