"""Plain baselines: the models without transfer or without adaptation that every comparison shows."""

from sterna.baselines._constant import Constant
from sterna.baselines._pooled import Pooled
from sterna.baselines._source_only import SourceOnly
from sterna.baselines._target_only import TargetOnly

__all__ = ["Constant", "Pooled", "SourceOnly", "TargetOnly"]
