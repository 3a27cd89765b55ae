"""Learning without forgetting: the pretrained classifier keeps saying what it said."""

from __future__ import annotations

from numbers import Real
from typing import Any

from sklearn.utils._param_validation import Interval
from torch import Tensor
from torch.nn import functional

from sterna.deep import Batch, Training, TransferModule
from sterna.deep._data import Part
from sterna.domains._stack import DomainData
from sterna.finetune._finetune import FineTune, labelled, training_rows
from sterna.finetune._outputs import source_head_of, source_outputs


class LwF(FineTune):
    """Fine-tune while the pretrained classifier's answers on the same rows are kept.

    A guard against forgetting that needs no source data, but a backbone that still has its classifier.

    Parameters
    ----------
    backbone, weights, task, backbone_rate, layer_decay, training, random_state
        As in `FineTune`.
    old_weight : float, default=1.0
        lambda_o.
    temperature : float, default=2.0
        T of the distillation.

    Notes
    -----
    L = L_task + lambda_o T^2 KL(softmax(o_0 / T) || softmax(o / T)), which has the gradient of the paper's distillation loss (its
    T^2 is Hinton's, so that lambda_o does not depend on T).

    References
    ----------
    Z. Li, D. Hoiem (2016), Learning without forgetting, ECCV.
    """

    reference = "Li and Hoiem 2016"
    _parameter_constraints = {
        **FineTune._parameter_constraints,
        "old_weight": [Interval(Real, 0, None, closed="left")],
        "temperature": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        backbone: Any = "mobilenetv2_100",
        *,
        weights: Any = None,
        task: str | None = None,
        old_weight: float = 1.0,
        temperature: float = 2.0,
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
        self.old_weight = old_weight
        self.temperature = temperature

    def before_fit(self, module: TransferModule, data: DomainData) -> None:
        """Ask the pretrained classifier once."""
        if module.training_options.augment or module.training_options.mix or module.training_options.validation_fraction:
            raise ValueError("LwF keeps the answers for the rows as they are; leave augment, mix and validation_fraction out")
        head = source_head_of(module, "LwF")
        X, _ = training_rows(data)
        self._old = source_outputs(module.network.backbone, head, X)
        module.extra["source_head"] = head

    def losses(self, module: TransferModule, batch: Batch) -> dict[str, Tensor]:
        """The task, and the old answers."""
        part: Part = labelled(batch)
        features = module.network.backbone(part.x)
        now = module.extra["source_head"](features)
        old = self._old.to(now.device)[part.rows]
        return {
            "task": module.task_loss(module.network.head(features), part),
            "old": self.old_weight * distillation(now, old, self.temperature),
        }


def distillation(outputs: Tensor, wanted: Tensor, temperature: float) -> Tensor:
    """T^2 KL(softmax(wanted / T) || softmax(outputs / T)), the mean over rows."""
    log_now = functional.log_softmax(outputs / temperature, dim=1)
    log_wanted = functional.log_softmax(wanted / temperature, dim=1)
    return temperature**2 * functional.kl_div(log_now, log_wanted, log_target=True, reduction="batchmean")
