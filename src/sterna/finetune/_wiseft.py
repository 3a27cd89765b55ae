"""WiSE-FT: the mean of the weights before and after fine-tuning."""

from __future__ import annotations

import copy
from numbers import Real
from typing import Any

import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor

from sterna.deep import Training, TransferModule
from sterna.domains._stack import DomainData
from sterna.finetune._linear_probe import LinearProbeFineTune


class WiSEFT(LinearProbeFineTune):
    """Interpolate between the linear probe and the fine-tuned network, weight by weight.

    Keeps most of what fine-tuning gains and less of what it forgets; at no cost when predicting.

    Parameters
    ----------
    backbone, weights, task, backbone_rate, layer_decay, training, random_state
        As in `FineTune`.
    probe_share : float, default=0.4
        As in `LinearProbeFineTune`.
    mixing : float, default=0.5
        alpha: 0 is the linear probe, 1 the fine-tuned network.

    Notes
    -----
    Departure: the paper starts from a zero-shot classifier; here the linear probe takes its place. Running statistics of batch
    normalisation are interpolated like the weights.

    References
    ----------
    M. Wortsman et al. (2022), Robust fine-tuning of zero-shot models, CVPR.
    """

    reference = "Wortsman et al. 2022"
    _parameter_constraints = {**LinearProbeFineTune._parameter_constraints, "mixing": [Interval(Real, 0, 1, closed="both")]}

    def __init__(
        self,
        backbone: Any = "mobilenetv2_100",
        *,
        weights: Any = None,
        task: str | None = None,
        probe_share: float = 0.4,
        mixing: float = 0.5,
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
            probe_share=probe_share,
            random_state=random_state,
        )
        self.mixing = mixing

    def before_fit(self, module: TransferModule, data: DomainData) -> None:
        """Remember the pretrained backbone; the head of the probe is kept when the second phase begins."""
        self._start = {name: value.clone() for name, value in module.network.backbone.state_dict().items()}
        module.extra["probe"] = copy.deepcopy(module.network.head).requires_grad_(False)

    def on_epoch(self, module: TransferModule, epoch: int) -> None:
        """Keep the head at the end of the probe."""
        if epoch in self.phases(module.training_options.max_epochs):
            module.extra["probe"].load_state_dict(module.network.head.state_dict())

    def after_fit(self, module: TransferModule, data: DomainData) -> None:
        """Interpolate."""
        network = module.network
        network.backbone.load_state_dict(mixed(self._start, network.backbone.state_dict(), self.mixing))
        network.head.load_state_dict(mixed(module.extra["probe"].state_dict(), network.head.state_dict(), self.mixing))
        del self._start


@torch.no_grad()
def mixed(start: dict[str, Tensor], end: dict[str, Tensor], alpha: float) -> dict[str, Tensor]:
    """(1 - alpha) start + alpha end; whole numbers are taken from the end."""
    return {
        name: torch.lerp(start[name].to(value), value, alpha) if value.is_floating_point() else value
        for name, value in end.items()
    }
