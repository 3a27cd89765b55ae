"""A backbone with a head."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from sterna.backbones import Backbone


class Network(nn.Module):
    """A backbone that turns rows into features, and a head that turns features into outputs.

    Parameters
    ----------
    backbone : Backbone
    head : Module
        From (n, backbone.n_features) to (n, n_outputs).
    """

    def __init__(self, backbone: Backbone, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, inputs: Any) -> Tensor:
        """Outputs of shape (n, n_outputs) for prepared inputs."""
        return self.head(self.backbone(inputs))

    def stages(self) -> list[tuple[str, nn.Module]]:
        """The stages of the backbone from the input on, then the head."""
        return [*self.backbone.stages(), ("head", self.head)]


def linear_head(n_features: int, n_outputs: int, dropout: float = 0.0) -> nn.Module:
    """A linear head with small weights and no bias to begin with: the first outputs are near 0."""
    linear = nn.Linear(n_features, n_outputs)
    with torch.no_grad():
        nn.init.normal_(linear.weight, std=0.01)
        nn.init.zeros_(linear.bias)
    return nn.Sequential(nn.Dropout(dropout), linear) if dropout else linear
