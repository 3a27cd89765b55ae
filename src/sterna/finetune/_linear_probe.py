"""LP-FT: first the head on frozen features, then everything."""

from __future__ import annotations

from numbers import Real
from typing import Any

from sklearn.utils._param_validation import Interval

from sterna.deep import Training, TransferModule
from sterna.finetune._finetune import FineTune


class LinearProbeFineTune(FineTune):
    """Train the head on the frozen backbone, then fine-tune everything from there (LP-FT).

    A random head pulls good features apart in the first steps; this avoids it, which helps most where the target's new rows differ
    from its labelled ones.

    Parameters
    ----------
    backbone, weights, task, backbone_rate, layer_decay, training, random_state
        As in `FineTune`.
    probe_share : float, default=0.4
        The share of the epochs that is spent on the head alone.

    References
    ----------
    A. Kumar, A. Raghunathan, R. Jones, T. Ma, P. Liang (2022), Fine-tuning can distort pretrained features and underperform
    out-of-distribution, ICLR.
    """

    reference = "Kumar et al. 2022"
    _parameter_constraints = {**FineTune._parameter_constraints, "probe_share": [Interval(Real, 0, 1, closed="neither")]}

    def __init__(
        self,
        backbone: Any = "mobilenetv2_100",
        *,
        weights: Any = None,
        task: str | None = None,
        probe_share: float = 0.4,
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
        self.probe_share = probe_share

    def phases(self, max_epochs: int) -> list[int]:
        """The epoch at which the backbone joins, where the schedule starts again."""
        return [min(max(1, round(self.probe_share * max_epochs)), max_epochs - 1)] if max_epochs > 1 else []

    def trainable(self, module: TransferModule, epoch: int) -> set[str] | None:
        """The head, then all."""
        start = self.phases(module.training_options.max_epochs)
        return {"head"} if start and epoch < start[0] else None
