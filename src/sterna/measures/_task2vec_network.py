"""The probe network of task2vec, and its squared gradients (needs torch)."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sterna.domains._stack import Array
from sterna.encoders._items import as_items, take
from sterna.encoders._runner import find_backbone, find_device  # says which extra is missing

import torch  # isort: skip
from torch import nn  # isort: skip

_LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)


class Probe:
    """A copy of a backbone in evaluation mode, all of whose filters take gradients.

    Parameters
    ----------
    backbone : str, Module or Backbone
    device : str
    """

    def __init__(self, backbone: Any, device: str) -> None:
        self.device = find_device(device)
        self.network = copy.deepcopy(find_backbone(backbone, None, None, None)).eval().to(self.device)
        self.network.requires_grad_(False)
        layers = [module for module in self.network.modules() if isinstance(module, _LAYERS)]
        # a weight that two layers share counts once
        self.weights = list({id(layer.weight): layer.weight for layer in layers}.values())
        if not self.weights:
            raise ValueError("task2vec: the backbone has no convolution and no linear layer; give a network with filters")
        for weight in self.weights:
            weight.requires_grad_(True)

    @property
    def n_filters(self) -> int:
        """The output channels of all layers."""
        return sum(len(weight) for weight in self.weights)

    def rows_of(self, items: Any) -> Any:
        """Raw items as a list or an array of rows."""
        return np.asarray(items) if self.network.modality == "table" else as_items(items, self.network.modality)

    def features(self, items: Any, rows: Array) -> Array:
        """Features of some items, shape (len(rows), n_features)."""
        with torch.no_grad():
            return np.asarray(self._forward(take(items, rows)).float().cpu().numpy())

    def squared_gradients(self, items: Any, row: Array, weights: Array, bias: Array, n_draws: int | None, rng: Any) -> Array:
        """Squared gradients of log p(y | item) by the filters' weights: the mean over each filter, and over labels y by p.

        Parameters
        ----------
        items : list or ndarray
        row : ndarray of int of shape (1,)
            Which of the items.
        weights : ndarray of shape (n_classes, n_features)
            Of the head.
        bias : ndarray of shape (n_classes,)
        n_draws : int or None
            How many labels are drawn; None: all, each by its probability.
        rng : RandomState

        Returns
        -------
        ndarray of shape (n_filters,)
        """
        features = self._forward(take(items, row))
        W, b = (torch.as_tensor(part, dtype=features.dtype, device=self.device) for part in (weights, bias))
        log_p = torch.log_softmax(features @ W.T + b, dim=1)[0]  # (n_classes,)
        p = log_p.detach().double().exp().cpu().numpy()
        counts = p if n_draws is None else rng.multinomial(n_draws, p / p.sum()) / n_draws
        found = np.zeros(self.n_filters)
        for label in np.flatnonzero(counts).tolist():
            # a layer that the features do not depend on has no gradient
            parts = torch.autograd.grad(log_p[label], self.weights, retain_graph=True, allow_unused=True)
            found += counts[label] * self._by_filter(parts)
        return found

    def _by_filter(self, gradients: Sequence[torch.Tensor | None]) -> Array:
        means = [
            torch.zeros(len(weight), dtype=torch.float64)
            if part is None
            else part.double().square().flatten(1).mean(dim=1).cpu()
            for weight, part in zip(self.weights, gradients, strict=True)
        ]
        return np.asarray(torch.cat(means).numpy())

    def _forward(self, items: Any) -> torch.Tensor:
        inputs = self.network.prepare(items)
        if isinstance(inputs, Mapping):
            inputs = {name: value.to(self.device) for name, value in inputs.items()}
        else:
            inputs = inputs.to(self.device)
        return torch.as_tensor(self.network(inputs))
