"""Passes over raw rows before training: prepared batches and what the pretrained network says of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

BATCH = 64


def prepared_batches(backbone: Any, items: Any) -> Iterator[tuple[Any, slice]]:
    """Prepared inputs and the rows that they are of, 64 at a time."""
    for start in range(0, len(items), BATCH):
        rows = slice(start, min(start + BATCH, len(items)))
        yield backbone.prepare(items[rows]), rows


@torch.no_grad()
def source_outputs(backbone: Any, head: nn.Module, items: Any) -> Tensor:
    """What the pretrained classifier says of raw rows, shape (n, n_source_classes)."""
    backbone.eval()
    return torch.cat([head(backbone(x)) for x, _ in prepared_batches(backbone, items)])


def source_head_of(module: Any, method: str) -> nn.Module:
    """A copy of the classifier that the backbone was pretrained with, or an error."""
    head = module.network.backbone.source_head
    if head is None:
        raise ValueError(
            f"{method} needs the classifier that the backbone was pretrained with, but its weights hold none; use L2SP"
        )
    copy = nn.Linear(head.in_features, head.out_features, bias=head.bias is not None)
    copy.load_state_dict(head.state_dict())
    return copy
