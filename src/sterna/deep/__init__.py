"""The deep contract: one Lightning loop, into which a method puts its losses (needs the extra `deep`)."""

try:
    import lightning as _lightning  # noqa: F401
    import torch as _torch  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"training networks needs {error.name}; install it with pip install 'sterna[deep]'", name=error.name
    ) from None

from sterna.deep._data import Batch, Part
from sterna.deep._estimator import DeepEstimator
from sterna.deep._files import load_deep
from sterna.deep._module import TransferModule
from sterna.deep._network import Network
from sterna.deep._tasks import Task
from sterna.deep._training import Training

__all__ = ["Batch", "DeepEstimator", "Network", "Part", "Task", "Training", "TransferModule", "load_deep"]
