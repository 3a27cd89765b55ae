"""Bi-Tuning: contrastive losses on features and on the head's class vectors beside the cross-entropy."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor, nn
from torch.nn import functional

from sterna.deep import Batch, Training, TransferModule
from sterna.domains._stack import DomainData
from sterna.finetune._finetune import FineTune, labelled


class BiTuning(FineTune):
    """Fine-tune with two contrastive losses: rows of a class near each other, and near their class's vector.

    For backbones from self-supervised pretraining too; takes batches with several rows a class.

    Parameters
    ----------
    backbone, weights, task, backbone_rate, layer_decay, training, random_state
        As in `FineTune`.
    contrast_weight : float, default=1.0
        Of both contrastive losses.
    temperature : float, default=0.07
    n_projected : int, default=128
        Dimensions of the space in which features are compared.

    Notes
    -----
    L = CE + contrast_weight (L_CCE + L_CCL), section 3 of the paper. Departure: the keys are the other rows of the batch (as in
    supervised contrastive learning), not a queue of a momentum encoder; rows alone in their class are left out of L_CCL.

    References
    ----------
    J. Zhong, X. Wang, Z. Kou, J. Wang, M. Long (2020), Bi-tuning of pre-trained representations, arXiv 2011.06182.
    """

    reference = "Zhong et al. 2020"
    tasks = ("classification",)
    _parameter_constraints = {
        **FineTune._parameter_constraints,
        "contrast_weight": [Interval(Real, 0, None, closed="left")],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "n_projected": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        backbone: Any = "mobilenetv2_100",
        *,
        weights: Any = None,
        task: str | None = None,
        contrast_weight: float = 1.0,
        temperature: float = 0.07,
        n_projected: int = 128,
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
        self.contrast_weight = contrast_weight
        self.temperature = temperature
        self.n_projected = n_projected

    def before_fit(self, module: TransferModule, data: DomainData) -> None:
        """A projection of the features and a vector for each class."""
        if module.training_options.mix:
            raise ValueError("BiTuning compares rows by their class, which mix blurs; leave mix out")
        d = module.network.backbone.n_features
        module.extra["projection"] = nn.Linear(d, self.n_projected)
        module.extra["classes"] = nn.Linear(d, self.task_.n_outputs, bias=False)

    def losses(self, module: TransferModule, batch: Batch) -> dict[str, Tensor]:
        """The task and both contrasts."""
        part = labelled(batch)
        assert part.y is not None
        features = module.network.backbone(part.x)
        classes: Any = module.extra["classes"]
        vectors = functional.normalize(classes.weight)
        near_class = functional.normalize(features) @ vectors.T / self.temperature
        projected = functional.normalize(module.extra["projection"](features))
        return {
            "task": module.task_loss(module.network.head(features), part),
            "class_contrast": self.contrast_weight * class_contrast(near_class, part.y),
            "row_contrast": self.contrast_weight * row_contrast(projected, part.y, self.temperature),
        }


def class_contrast(similarity: Tensor, y: Tensor) -> Tensor:
    """-log of the share of a row among all rows of the batch near its class's vector, meant over rows; similarity (n, n_classes)."""
    own = similarity.gather(1, y[:, None])[:, 0]
    return (torch.logsumexp(similarity, dim=0)[y] - own).mean()


def row_contrast(features: Tensor, y: Tensor, temperature: float) -> Tensor:
    """Supervised contrastive loss of unit-length features (n, d): -mean log share of the other rows of the class."""
    n = len(y)
    others = ~torch.eye(n, dtype=torch.bool, device=y.device)
    similarity = (features @ features.T / temperature).masked_fill(~others, -torch.inf)
    log_share = similarity - torch.logsumexp(similarity, dim=1, keepdim=True)
    same = (y[:, None] == y[None]) & others
    paired = same.any(dim=1)
    if not paired.any():
        return features.sum() * 0.0
    sums = torch.where(same, log_share, torch.zeros_like(log_share)).sum(dim=1)
    return -(sums[paired] / same.sum(dim=1)[paired]).mean()
