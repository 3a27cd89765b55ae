"""Fine-tuning: a pretrained network is fitted to the target (needs the extra `deep`)."""

from __future__ import annotations

import importlib
from typing import Any

#: The extra that this family needs; its members are imported when they are asked for.
extra = "deep"

_HOMES = {
    "BSS": "_bss",
    "BiTuning": "_bituning",
    "BitFit": "_bitfit",
    "CoTuning": "_cotuning",
    "DELTA": "_delta",
    "EWC": "_ewc",
    "FeatureExtraction": "_extraction",
    "FineTune": "_finetune",
    "FromScratch": "_scratch",
    "GradualUnfreezing": "_gradual",
    "JointFineTune": "_joint",
    "L2SP": "_l2sp",
    "LinearProbeFineTune": "_linear_probe",
    "LoRA": "_lora",
    "LwF": "_lwf",
    "ModelSoup": "_soup",
    "WiSEFT": "_wiseft",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
