"""Features: represent both domains so that one model serves both."""

from sterna.align._augmentation import FeatureAugmentation
from sterna.align._coral import CORAL
from sterna.align._feature_transfer import FeatureTransfer
from sterna.align._jda import JDA
from sterna.align._subspace import SubspaceAlignment
from sterna.align._tca import TCA

__all__ = ["CORAL", "JDA", "TCA", "FeatureAugmentation", "FeatureTransfer", "SubspaceAlignment"]
