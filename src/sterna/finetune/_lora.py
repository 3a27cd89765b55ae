"""LoRA and DoRA: low-rank changes of the weights, by peft."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

from sklearn.utils._param_validation import Interval
from torch import nn

from sterna.deep import Training, TransferModule
from sterna.domains._stack import DomainData
from sterna.finetune._finetune import FineTune


class LoRA(FineTune):
    """Train low-rank changes of the linear and convolutional layers, and the head; then merge them into the weights.

    For transformers first of all. What is handed over, saved and exported is a plain network of the old size. Needs the extra `peft`.

    Parameters
    ----------
    backbone, weights, task, training, random_state
        As in `FineTune`.
    rank : int, default=8
    scale : float, default=2.0
        alpha / rank: the factor on the low-rank product.
    dropout : float, default=0.0
        On the input of the low-rank path.
    dora : bool, default=False
        DoRA: learn the lengths of the weights' columns apart from their directions.
    layers : list of str, default=None
        Names of layers (or ends of names); None: all linear layers, or all convolutions with kernels larger than 1 and one group where
        there are none.

    References
    ----------
    E. Hu et al. (2022), LoRA: low-rank adaptation of large language models, ICLR.
    S.-Y. Liu et al. (2024), DoRA: weight-decomposed low-rank adaptation, ICML.
    """

    reference = "Hu et al. 2022"
    _parameter_constraints = {
        **FineTune._parameter_constraints,
        "rank": [Interval(Integral, 1, None, closed="left")],
        "scale": [Interval(Real, 0, None, closed="neither")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "dora": ["boolean"],
        "layers": [list, None],
    }

    def __init__(
        self,
        backbone: Any = "mobilenetv2_100",
        *,
        weights: Any = None,
        task: str | None = None,
        rank: int = 8,
        scale: float = 2.0,
        dropout: float = 0.0,
        dora: bool = False,
        layers: list[str] | None = None,
        training: Training | None = None,
        random_state: Any = None,
    ) -> None:
        super().__init__(
            backbone,
            weights=weights,
            task=task,
            backbone_rate=1.0,
            training=training,
            random_state=random_state,
        )
        self.rank = rank
        self.scale = scale
        self.dropout = dropout
        self.dora = dora
        self.layers = layers

    def before_fit(self, module: TransferModule, data: DomainData) -> None:
        """Put the low-rank paths in."""
        try:
            from peft import LoraConfig, inject_adapter_in_model
        except ModuleNotFoundError:
            raise ModuleNotFoundError("LoRA needs peft; install it with pip install 'sterna[peft]'") from None
        backbone = module.network.backbone
        names = self.layers or adaptable(backbone)
        if not names:
            raise ValueError("LoRA found no linear layer and no convolution in the backbone; name some in layers")
        config = LoraConfig(
            r=self.rank,
            lora_alpha=self.scale * self.rank,  # type: ignore[arg-type]
            lora_dropout=self.dropout,
            use_dora=self.dora,
            target_modules=names,
        )
        inject_adapter_in_model(config, backbone)

    def fixed_parameters(self, module: TransferModule) -> list[nn.Parameter]:
        """All of the backbone but the low-rank paths."""
        return [p for name, p in module.network.backbone.named_parameters() if "lora_" not in name]

    def after_fit(self, module: TransferModule, data: DomainData) -> None:
        """Merge the low-rank changes into the weights and take the paths out."""
        self.health_["trained_parameters"] = sum(
            p.numel() for name, p in module.network.named_parameters() if "lora_" in name or name.startswith("head")
        )
        merge(module.network.backbone)


def adaptable(backbone: nn.Module) -> list[str]:
    """The names of the linear layers; without any, of the ungrouped convolutions."""
    named = list(backbone.named_modules())
    linear = [name for name, layer in named if isinstance(layer, nn.Linear)]
    return linear or [name for name, layer in named if isinstance(layer, nn.Conv2d) and layer.groups == 1]


def merge(module: nn.Module) -> None:
    """Replace every layer that has a low-rank path by its merged plain layer."""
    from peft.tuners.lora import LoraLayer

    for name, layer in [(n, m) for n, m in module.named_modules() if isinstance(m, LoraLayer)]:
        layer.merge()
        parent = module.get_submodule(name.rpartition(".")[0])
        setattr(parent, name.rpartition(".")[2], layer.get_base_layer())
