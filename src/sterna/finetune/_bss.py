"""Batch spectral shrinkage: small singular values of the features are pressed down."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor

from sterna.deep import Batch, Training, TransferModule
from sterna.finetune._finetune import FineTune, labelled


class BSS(FineTune):
    """Fine-tune with a penalty on the smallest singular values of a batch's features.

    Against features of the source that do not transfer; for a few rows a class.

    Parameters
    ----------
    backbone, weights, task, backbone_rate, layer_decay, training, random_state
        As in `FineTune`.
    shrinkage_weight : float, default=0.001
        eta.
    n_singular : int, default=1
        k: how many of the smallest singular values.

    Notes
    -----
    L = L_task + eta * sum of the k smallest squared singular values of the features F of a batch (eq. 5 of the paper).

    References
    ----------
    X. Chen, S. Wang, B. Fu, M. Long, J. Wang (2019), Catastrophic forgetting meets negative transfer: batch spectral shrinkage for
    safe transfer learning, NeurIPS.
    """

    reference = "Chen et al. 2019"
    _parameter_constraints = {
        **FineTune._parameter_constraints,
        "shrinkage_weight": [Interval(Real, 0, None, closed="left")],
        "n_singular": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        backbone: Any = "mobilenetv2_100",
        *,
        weights: Any = None,
        task: str | None = None,
        shrinkage_weight: float = 0.001,
        n_singular: int = 1,
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
        self.shrinkage_weight = shrinkage_weight
        self.n_singular = n_singular

    def losses(self, module: TransferModule, batch: Batch) -> dict[str, Tensor]:
        """The task and the shrinkage."""
        part = labelled(batch)
        features = module.network.backbone(part.x)
        return {
            "task": module.task_loss(module.network.head(features), part),
            "shrinkage": self.shrinkage_weight * smallest_squares(features, self.n_singular),
        }


def smallest_squares(features: Tensor, k: int) -> Tensor:
    """The sum of the k smallest squared singular values of features (n, d)."""
    return (torch.linalg.svdvals(features.float())[-k:] ** 2).sum()
