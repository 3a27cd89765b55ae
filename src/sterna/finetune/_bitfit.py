"""BitFit: only biases are trained, beside the head."""

from __future__ import annotations

from torch import nn

from sterna.deep import TransferModule
from sterna.finetune._finetune import FineTune


class BitFit(FineTune):
    """Train the biases of the backbone and the head; everything else stays.

    A thousandth of the parameters: little to store for each target, little to overfit. Takes a larger learning rate than full
    fine-tuning; the parameters are those of `FineTune`.

    References
    ----------
    E. Ben Zaken, S. Ravfogel, Y. Goldberg (2022), BitFit: simple parameter-efficient fine-tuning for transformer-based masked
    language-models, ACL.
    """

    reference = "Ben Zaken et al. 2022"

    def fixed_parameters(self, module: TransferModule) -> list[nn.Parameter]:
        """All of the backbone but its biases."""
        return [p for name, p in module.network.backbone.named_parameters() if not name.endswith("bias")]
