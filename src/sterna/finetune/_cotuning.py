"""Co-Tuning: the pretrained classifier learns along, by the source classes that each target class resembles."""

from __future__ import annotations

from numbers import Real
from typing import Any

import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor
from torch.nn import functional

from sterna.deep import Batch, Training, TransferModule
from sterna.domains._stack import DomainData
from sterna.finetune._finetune import FineTune, labelled, training_rows
from sterna.finetune._outputs import source_head_of, source_outputs


class CoTuning(FineTune):
    """Fine-tune the pretrained classifier beside the new one.

    For a few rows a class and a backbone that still has its classifier (ImageNet's, say).

    Parameters
    ----------
    backbone, weights, task, backbone_rate, layer_decay, training, random_state
        As in `FineTune`.
    source_weight : float, default=2.3
        lambda.

    Notes
    -----
    L = CE(target head, y) + lambda CE(source head, p(y_source | y)). The relation p(y_source | y) is the mean of the pretrained
    classifier's probabilities over the rows of class y (the direct approach of section 3.2); the reverse approach is not here.

    References
    ----------
    K. You, Z. Kou, M. Long, J. Wang (2020), Co-Tuning for transfer learning, NeurIPS.
    """

    reference = "You et al. 2020"
    tasks = ("classification",)
    _parameter_constraints = {**FineTune._parameter_constraints, "source_weight": [Interval(Real, 0, None, closed="left")]}

    def __init__(
        self,
        backbone: Any = "mobilenetv2_100",
        *,
        weights: Any = None,
        task: str | None = None,
        source_weight: float = 2.3,
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
        self.source_weight = source_weight

    def before_fit(self, module: TransferModule, data: DomainData) -> None:
        """Learn the relation of the classes, and let the source head train along."""
        head = source_head_of(module, "CoTuning")
        X, y = training_rows(data)
        proba = source_outputs(module.network.backbone, head, X).softmax(dim=1)
        self._relation = class_means(proba, self.task_.encode(y), self.task_.n_outputs)
        module.extra["source_head"] = head

    def losses(self, module: TransferModule, batch: Batch) -> dict[str, Tensor]:
        """The new classes, and the source classes that they resemble."""
        part = labelled(batch)
        assert part.y is not None
        features = module.network.backbone(part.x)
        relation = self._relation.to(features.device)
        wanted = part.y @ relation if part.y.ndim == 2 else relation[part.y]
        return {
            "task": module.task_loss(module.network.head(features), part),
            "source": self.source_weight * functional.cross_entropy(module.extra["source_head"](features), wanted),
        }


def class_means(proba: Tensor, codes: Tensor, n_classes: int) -> Tensor:
    """The mean row of each class, shape (n_classes, n_source_classes)."""
    return torch.stack([proba[codes == c].mean(dim=0) for c in range(n_classes)])
