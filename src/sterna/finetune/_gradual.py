"""Gradual unfreezing: from the head down, one stage after another."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from sklearn.utils._param_validation import Interval

from sterna.deep import Training, TransferModule
from sterna.finetune._finetune import FineTune


class GradualUnfreezing(FineTune):
    """Train the head first, then unfreeze one stage of the backbone after another, from the output to the input.

    For few labels and a backbone that forgets quickly; with many labels it only costs time.

    Parameters
    ----------
    backbone, weights, task, backbone_rate, layer_decay, training, random_state
        As in `FineTune`.
    epochs_per_stage : int, default=None
        Epochs between two stages; None: all are trained in the last third of the epochs.

    Notes
    -----
    Which stages train depends on the epoch alone, so that a resumed run goes on with the right ones.

    References
    ----------
    J. Howard, S. Ruder (2018), Universal language model fine-tuning for text classification, ACL.
    """

    reference = "Howard and Ruder 2018"
    _parameter_constraints = {
        **FineTune._parameter_constraints,
        "epochs_per_stage": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        backbone: Any = "mobilenetv2_100",
        *,
        weights: Any = None,
        task: str | None = None,
        epochs_per_stage: int | None = None,
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
        self.epochs_per_stage = epochs_per_stage

    def trainable(self, module: TransferModule, epoch: int) -> set[str]:
        """The head and as many stages as had their turn."""
        names = [name for name, _ in module.network.stages()][::-1]
        total = module.training_options.max_epochs
        every = self.epochs_per_stage or max(1, round(2 / 3 * total / max(1, len(names) - 1)))
        # with fewer epochs than stages several are unfrozen at a time
        at_once = 1 if self.epochs_per_stage else max(1, -(-(len(names) - 1) // max(1, round(2 / 3 * total))))
        return set(names[: 1 + at_once * (epoch // every)])
