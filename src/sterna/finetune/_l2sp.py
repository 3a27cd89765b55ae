"""L2-SP: weights are drawn to the pretrained ones instead of to zero."""

from __future__ import annotations

from numbers import Real
from typing import Any

import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor

from sterna.deep import Batch, Training, TransferModule
from sterna.domains._stack import DomainData
from sterna.finetune._finetune import FineTune, labelled


class L2SP(FineTune):
    """Fine-tune with a penalty on the distance from the pretrained weights.

    For a few rows a class; with much data it does what plain fine-tuning does.

    Parameters
    ----------
    backbone, weights, task, backbone_rate, layer_decay, training, random_state
        As in `FineTune`; the weight decay of `training` should be 0 or small, since this replaces it.
    start_weight : float, default=0.1
        alpha: of half the squared distance from the pretrained weights.
    head_weight : float, default=0.01
        beta: of half the squared norm of the head.

    Notes
    -----
    L = L_task + alpha / 2 ||w - w_0||^2 + beta / 2 ||w_head||^2 (eq. 3 of the paper), over all parameters of the backbone.

    References
    ----------
    X. Li, Y. Grandvalet, F. Davoine (2018), Explicit inductive bias for transfer learning with convolutional networks, ICML.
    """

    reference = "Li et al. 2018"
    _parameter_constraints = {
        **FineTune._parameter_constraints,
        "start_weight": [Interval(Real, 0, None, closed="left")],
        "head_weight": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        backbone: Any = "mobilenetv2_100",
        *,
        weights: Any = None,
        task: str | None = None,
        start_weight: float = 0.1,
        head_weight: float = 0.01,
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
        self.start_weight = start_weight
        self.head_weight = head_weight

    def before_fit(self, module: TransferModule, data: DomainData) -> None:
        """Remember the pretrained weights."""
        self._start = [p.detach().clone() for p in module.network.backbone.parameters()]

    def losses(self, module: TransferModule, batch: Batch) -> dict[str, Tensor]:
        """The task, the distance from the start and the norm of the head."""
        part = labelled(batch)
        distance = squared_distance(list(module.network.backbone.parameters()), self._start)
        norm = squared_norm(module.network.head)
        return {
            "task": module.task_loss(module(part.x), part),
            "start": self.start_weight / 2 * distance,
            "head": self.head_weight / 2 * norm,
        }

    def after_fit(self, module: TransferModule, data: DomainData) -> None:
        """Say how far the weights moved."""
        with torch.no_grad():
            distance = squared_distance(list(module.network.backbone.parameters()), self._start)
        self.health_["distance_from_start"] = float(distance) ** 0.5
        del self._start


def squared_norm(module: torch.nn.Module) -> Tensor:
    """||w||^2 over all parameters of a module."""
    return torch.stack([(p**2).sum() for p in module.parameters()]).sum()


def squared_distance(parameters: list[torch.nn.Parameter], start: list[Tensor]) -> Tensor:
    """||w - w_0||^2 over all parameters."""
    return torch.stack([((p - p0.to(p.device)) ** 2).sum() for p, p0 in zip(parameters, start, strict=True)]).sum()
