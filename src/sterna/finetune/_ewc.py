"""Elastic weight consolidation: weights that mattered to the source stay."""

from __future__ import annotations

from numbers import Real
from typing import Any

import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor, nn
from torch.nn import functional

from sterna.deep import Batch, Training, TransferModule
from sterna.domains._stack import DomainData
from sterna.finetune._finetune import FineTune, labelled
from sterna.finetune._outputs import source_head_of

MAX_ROWS = 200  # for the Fisher information: a backward pass each


class EWC(FineTune):
    """Fine-tune with a penalty on the change of weights, each by its Fisher information under the pretrained classifier.

    A guard against forgetting, for a backbone that still has its classifier.

    Parameters
    ----------
    backbone, weights, task, backbone_rate, layer_decay, training, random_state
        As in `FineTune`.
    consolidation_weight : float, default=1.0
        lambda, of the penalty with the Fisher information scaled to a mean of 1.

    Notes
    -----
    L = L_task + lambda / 2 sum_i F_i (w_i - w_0i)^2. F is estimated on at most 200 source rows, or on the target's where no source
    is given, from labels drawn from the pretrained classifier's own probabilities. Departure: F is divided by its mean.

    References
    ----------
    J. Kirkpatrick et al. (2017), Overcoming catastrophic forgetting in neural networks, PNAS 114.
    """

    reference = "Kirkpatrick et al. 2017"
    _parameter_constraints = {
        **FineTune._parameter_constraints,
        "consolidation_weight": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        backbone: Any = "mobilenetv2_100",
        *,
        weights: Any = None,
        task: str | None = None,
        consolidation_weight: float = 1.0,
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
        self.consolidation_weight = consolidation_weight

    def before_fit(self, module: TransferModule, data: DomainData) -> None:
        """Remember the pretrained weights and estimate their Fisher information."""
        head = source_head_of(module, "EWC")
        X = data.X_source if len(data.y_source) else data.X_target
        rows = torch.randperm(len(X), generator=torch.Generator().manual_seed(self.seed_))[:MAX_ROWS].numpy()
        backbone = module.network.backbone
        self._start = [p.detach().clone() for p in backbone.parameters()]
        self._fisher = fisher_information(backbone, head, X[rows], self.seed_)
        mean = torch.cat([f.flatten() for f in self._fisher]).mean().clamp_min(1e-30)
        self._fisher = [f / mean for f in self._fisher]

    def losses(self, module: TransferModule, batch: Batch) -> dict[str, Tensor]:
        """The task and the consolidation."""
        part = labelled(batch)
        changes = [
            (f.to(p.device) * (p - p0.to(p.device)) ** 2).sum()
            for p, p0, f in zip(module.network.backbone.parameters(), self._start, self._fisher, strict=True)
        ]
        return {
            "task": module.task_loss(module(part.x), part),
            "consolidation": self.consolidation_weight / 2 * torch.stack(changes).sum(),
        }

    def after_fit(self, module: TransferModule, data: DomainData) -> None:
        """Let the copies go."""
        del self._start, self._fisher


def fisher_information(backbone: Any, head: nn.Module, items: Any, seed: int) -> list[Tensor]:
    """The diagonal of the Fisher information of the backbone's parameters, labels drawn from the model."""
    backbone.eval()
    parameters = list(backbone.parameters())
    total = [torch.zeros_like(p) for p in parameters]
    rng = torch.Generator().manual_seed(seed)
    for i in range(len(items)):
        log_proba = functional.log_softmax(head(backbone(backbone.prepare(items[i : i + 1]))), dim=1)
        label = torch.multinomial(log_proba.detach().exp(), 1, generator=rng)[:, 0]
        gradients = torch.autograd.grad(functional.nll_loss(log_proba, label), parameters, allow_unused=True)
        for sum_, gradient in zip(total, gradients, strict=True):
            if gradient is not None:
                sum_ += gradient**2
    return [sum_ / len(items) for sum_ in total]
