"""Training from scratch: the control that every pretrained network must beat."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from sterna.backbones import Backbone, load_backbone
from sterna.deep import Training
from sterna.finetune._finetune import FineTune


class FromScratch(FineTune):
    """Train the same network from random weights: what the labels give without any transfer.

    The control of its family; not a strategy to hand over, unless the target has many labels.

    Parameters
    ----------
    backbone, weights, task, training, random_state
        As in `FineTune`; `weights` are taken to build the same network and then thrown away.

    Notes
    -----
    All layers learn at the full rate. Every layer with `reset_parameters` is set anew, as PyTorch initialises it.
    """

    reference = "-"
    needs = frozenset({"target labels"})

    def __init__(
        self,
        backbone: Any = "mobilenetv2_100",
        *,
        weights: Any = None,
        task: str | None = None,
        training: Training | None = None,
        random_state: Any = None,
    ) -> None:
        super().__init__(
            backbone,
            weights=weights,
            task=task,
            backbone_rate=1.0,
            training=training,
            random_state=random_state,
        )

    def load_backbone(self, X: Any) -> Backbone:
        """The same network with random weights."""
        if self.weights is None and isinstance(self.backbone, str) and self.backbone != "mlp":
            return load_backbone(self.backbone, pretrained=False)
        backbone = super().load_backbone(X)
        reset(backbone)
        return backbone


@torch.no_grad()
def reset(module: nn.Module) -> None:
    """Draw all parameters anew; what PyTorch has no rule for is drawn from N(0, 0.02), statistics begin at 0 and 1."""
    ruled: set[int] = set()
    for child in module.modules():
        again: Any = getattr(child, "reset_parameters", None)
        if again is not None:
            again()
            ruled |= {id(p) for p in child.parameters(recurse=False)}
    for parameter in module.parameters():
        if id(parameter) not in ruled:
            nn.init.normal_(parameter, std=0.02)
