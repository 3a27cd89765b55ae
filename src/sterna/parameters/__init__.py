"""Parameters: start from the source's coefficients instead of from zero."""

from sterna.parameters._logistic import LogisticTransfer
from sterna.parameters._ridge import RidgeTransfer

__all__ = ["LogisticTransfer", "RidgeTransfer"]
