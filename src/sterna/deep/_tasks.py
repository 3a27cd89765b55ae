"""What a network is asked for: classes, numbers or several labels a row; how outputs become losses and predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import type_of_target
from torch import Tensor
from torch.nn import functional

from sterna.deep._training import Training
from sterna.domains._stack import Array

FOCUS = 2.0  # gamma of the focal loss, as in Lin et al. (2017)


@dataclass(frozen=True)
class Task:
    """The labels and what is made of them.

    Attributes
    ----------
    name : {"classification", "regression", "multilabel"}
    classes : ndarray of shape (n_classes,) or None
    n_outputs : int
    center, scale : float
        Numbers are standardised for training.
    weight : Tensor of shape (n_classes,) or None
        The weight of each class in the loss.
    loss : str
    label_smoothing : float
    """

    name: str
    classes: Array | None
    n_outputs: int
    center: float = 0.0
    scale: float = 1.0
    weight: Tensor | None = None
    loss: str = "cross_entropy"
    label_smoothing: float = 0.0

    def encode(self, y: Array) -> Tensor:
        """Labels as the loss takes them: class numbers, standardised numbers, or 0/1 of shape (n, n_outputs)."""
        if self.name == "classification":
            return torch.as_tensor(np.searchsorted(np.asarray(self.classes), y))
        values = (np.asarray(y, dtype=np.float64) - self.center) / self.scale
        return torch.as_tensor(values, dtype=torch.float32)

    def value(self, outputs: Tensor, y: Tensor) -> Tensor:
        """The mean loss of outputs (n, n_outputs) against encoded labels, or against shares of the classes (n, n_classes)."""
        if self.name == "regression":
            return _DISTANCES[self.loss](outputs[:, 0], y)
        if self.name == "multilabel":
            return functional.binary_cross_entropy_with_logits(outputs, y)
        weight = None if self.weight is None else self.weight.to(outputs.device)
        if self.loss == "focal":
            return self._focal(outputs, y, weight)
        return functional.cross_entropy(outputs, y, weight=weight, label_smoothing=self.label_smoothing)

    def _focal(self, outputs: Tensor, y: Tensor, weight: Tensor | None) -> Tensor:
        share = y if y.ndim == 2 else functional.one_hot(y, self.n_outputs).to(outputs.dtype)
        log_proba = functional.log_softmax(outputs, dim=1)
        by_class = -share * (1 - log_proba.exp()) ** FOCUS * log_proba
        return (by_class if weight is None else by_class * weight).sum(dim=1).mean()

    def proba(self, outputs: Tensor) -> Array:
        """Probabilities of shape (n, n_outputs)."""
        outputs = outputs.double()
        return (outputs.sigmoid() if self.name == "multilabel" else outputs.softmax(dim=1)).numpy()

    def decode(self, outputs: Tensor) -> Array:
        """Predictions in the labels' own type."""
        if self.name == "regression":
            return outputs[:, 0].double().numpy() * self.scale + self.center
        if self.name == "multilabel":
            return (outputs > 0).numpy().astype(int)
        return np.asarray(self.classes)[outputs.argmax(dim=1).numpy()]


_DISTANCES = {"mse": functional.mse_loss, "mae": functional.l1_loss, "huber": functional.smooth_l1_loss}


def find_task(y: Array, name: str | None, training: Training) -> Task:
    """The task that known labels ask for.

    Parameters
    ----------
    y : ndarray of shape (n_samples,) or (n_samples, n_labels)
        Known labels.
    name : {"classification", "regression", "multilabel"} or None
        None: 0/1 in several columns is multilabel, fractions are regression, all else is classification.
    training : Training

    Returns
    -------
    Task
    """
    kind = type_of_target(y)
    if name is None:
        inferred = {"multilabel-indicator": "multilabel", "continuous": "regression"}
        name = inferred.get(kind, "classification")
    allowed = {"classification": ("binary", "multiclass"), "multilabel": ("multilabel-indicator",)}
    if name in allowed and kind not in allowed[name]:
        raise ValueError(
            f"Unknown label type: the task is {name}, but the labels are {kind}; give task='regression', or classes"
        )
    losses = {"classification": ("cross_entropy", "focal"), "regression": tuple(_DISTANCES), "multilabel": ("bce",)}[name]
    loss = training.loss or losses[0]
    if loss not in losses:
        raise ValueError(f"loss is {loss!r}, but the task is {name}; allowed are {', '.join(losses)}")
    if name == "regression":
        return Task(name, None, 1, float(np.mean(y)), float(np.std(y)) or 1.0, None, loss)
    if name == "multilabel":
        return Task(name, None, y.shape[1], loss=loss)
    classes = np.unique(y)
    return Task(name, classes, len(classes), 0.0, 1.0, _class_weight(training, classes, y), loss, training.label_smoothing)


def _class_weight(training: Training, classes: Array, y: Array) -> Tensor | None:
    given: Any = training.class_weight
    if given is None:
        return None
    unknown = [] if given == "balanced" else [label for label in given if label not in classes.tolist()]
    if unknown:
        raise ValueError(f"class_weight names {unknown[0]!r}, which is no class; the classes are {classes.tolist()}")
    return torch.as_tensor(compute_class_weight(given, classes=classes, y=y), dtype=torch.float32)
