"""DELTA: the feature maps stay near those of the pretrained network, the important channels most."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Real
from typing import Any

import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor, nn

from sterna.backbones import freeze
from sterna.deep import Batch, Network, Training, TransferModule
from sterna.domains._stack import DomainData
from sterna.finetune._finetune import FineTune, labelled, training_rows
from sterna.finetune._l2sp import squared_norm
from sterna.finetune._outputs import prepared_batches


class DELTA(FineTune):
    """Fine-tune with a penalty on the change of the feature maps, channel by channel.

    For a few rows a class; L2-SP draws the weights to their start, this what they compute.

    Parameters
    ----------
    backbone, weights, task, backbone_rate, layer_decay, training, random_state
        As in `FineTune`.
    behaviour_weight : float, default=0.01
        alpha: of the change of the feature maps.
    head_weight : float, default=0.01
        beta: of half the squared norm of the head.
    attention : bool, default=True
        Weigh the channels by how much the task loses without them.

    Notes
    -----
    L = L_task + alpha sum_j W_j ||FM_j(w, x) - FM_j(w_0, x)||^2 + beta / 2 ||w_head||^2 over the channels of each stage's output, each
    stage averaged over its positions. Departure: the paper removes each filter in turn and takes the softmax of the loss's
    increase under a classifier trained on the frozen features; here the increase is its first-order estimate |dL/dFM_j * FM_j| under
    the nearest-class-mean classifier, one backward pass instead of one pass for each filter.

    References
    ----------
    X. Li, H. Xiong, H. Wang, Y. Rao, L. Liu, J. Huan (2019), DELTA: deep learning transfer using feature map with attention for
    convolutional networks, ICLR.
    """

    reference = "Li et al. 2019"
    tasks = ("classification",)
    _parameter_constraints = {
        **FineTune._parameter_constraints,
        "behaviour_weight": [Interval(Real, 0, None, closed="left")],
        "head_weight": [Interval(Real, 0, None, closed="left")],
        "attention": ["boolean"],
    }

    def __init__(
        self,
        backbone: Any = "mobilenetv2_100",
        *,
        weights: Any = None,
        task: str | None = None,
        behaviour_weight: float = 0.01,
        head_weight: float = 0.01,
        attention: bool = True,
        backbone_rate: float = 0.1,
        layer_decay: float = 1.0,
        training: Training | None = None,
        random_state: Any = None,
    ) -> None:
        super().__init__(
            backbone,
            weights=weights,
            task=task,
            backbone_rate=backbone_rate,
            layer_decay=layer_decay,
            training=training,
            random_state=random_state,
        )
        self.behaviour_weight = behaviour_weight
        self.head_weight = head_weight
        self.attention = attention

    def before_fit(self, module: TransferModule, data: DomainData) -> None:
        """Keep a frozen copy of the backbone and the weights of the channels."""
        self._start = copy.deepcopy(module.network.backbone)
        freeze(self._start)
        self._weights: list[Tensor] | None = self._channel_weights(module, data) if self.attention else None

    def _channel_weights(self, module: TransferModule, data: DomainData) -> list[Tensor]:
        X, y = training_rows(data)
        codes = self.task_.encode(y)
        network = Network(self._start, nn.Identity())
        totals: list[Tensor] = []
        means, kept = _class_means(self._start, X, codes, self.task_.n_outputs)
        for x, rows in prepared_batches(self._start, X):
            with watched(network) as maps:
                features = self._start(_with_gradient(x))
                loss = nn.functional.cross_entropy(-torch.cdist(features, means) / kept, codes[rows])
                gradients = torch.autograd.grad(loss, [m for m in maps if m.requires_grad], allow_unused=True)
            found = [_importance(m, g) for m, g in zip(maps, gradients, strict=True)]
            totals = found if not totals else [a + b for a, b in zip(totals, found, strict=True)]
        return [torch.softmax(total / total.std().clamp_min(1e-12), 0) * len(total) for total in totals]

    def losses(self, module: TransferModule, batch: Batch) -> dict[str, Tensor]:
        """The task, the change of the feature maps and the norm of the head."""
        part = labelled(batch)
        with watched(module.network) as now:
            outputs = module(part.x)
        start = self._start.to(outputs.device)
        with torch.no_grad(), watched(Network(start, nn.Identity())) as before:
            start(part.x)
        weights: list[Any] = self._weights or [None] * len(now)
        changes = [_change(a, b, w) for a, b, w in zip(now, before, weights, strict=True)]
        norm = squared_norm(module.network.head)
        return {
            "task": module.task_loss(outputs, part),
            "behaviour": self.behaviour_weight * torch.stack(changes).sum(),
            "head": self.head_weight / 2 * norm,
        }

    def after_fit(self, module: TransferModule, data: DomainData) -> None:
        """Let the copy go."""
        del self._start, self._weights


@contextmanager
def watched(network: Network) -> Iterator[list[Tensor]]:
    """The outputs of the backbone's stages in a forward pass, in order."""
    maps: list[Tensor] = []

    def keep(module: nn.Module, inputs: Any, output: Any) -> None:
        output = output if isinstance(output, Tensor) else output[0]
        if isinstance(output, Tensor) and output.is_floating_point():
            maps.append(output)

    handles = [stage.register_forward_hook(keep) for _, stage in network.backbone.stages()]
    try:
        yield maps
    finally:
        for handle in handles:
            handle.remove()


def _by_channel(map_: Tensor) -> Tensor:
    """(n, c, h, w) or (n, length, c) or (n, c) as (n, positions, c)."""
    if map_.ndim == 4:
        return map_.flatten(2).transpose(1, 2)
    return map_ if map_.ndim == 3 else map_[:, None]


def _change(now: Tensor, before: Tensor, weights: Tensor | None) -> Tensor:
    squares = ((_by_channel(now) - _by_channel(before)) ** 2).mean(dim=1)  # (n, c)
    return (squares if weights is None else squares * weights.to(squares.device)).sum(dim=1).mean()


def _importance(map_: Tensor, gradient: Tensor | None) -> Tensor:
    if gradient is None:
        return torch.zeros(_by_channel(map_).shape[2])
    return (_by_channel(gradient) * _by_channel(map_)).sum(dim=1).abs().mean(dim=0).detach()


def _with_gradient(x: Any) -> Any:
    """Inputs that ask for gradients, so that frozen layers keep their graph."""
    return x.clone().requires_grad_(True) if isinstance(x, Tensor) and x.is_floating_point() else x


def _class_means(backbone: nn.Module, X: Any, codes: Tensor, n_classes: int) -> tuple[Tensor, Tensor]:
    """The mean features of each class, and the mean distance of rows from their class, a temperature."""
    with torch.no_grad():
        features = torch.cat([backbone(x) for x, _ in prepared_batches(backbone, X)])
    means = torch.stack([features[codes == c].mean(dim=0) for c in range(n_classes)])
    return means, (features - means[codes]).norm(dim=1).mean().clamp_min(1e-6)
