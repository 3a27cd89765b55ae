"""A plain perceptron, the backbone of tables."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from torch import Tensor, nn


class Perceptron(nn.Module):
    """Linear layers with rectified outputs.

    Parameters
    ----------
    n_inputs : int
        Columns of the table.
    n_hidden : sequence of int, default=(128, 128)
        Outputs of each layer; the last is the number of features.
    dropout : float, default=0.0
        After each layer.
    """

    def __init__(self, n_inputs: int, n_hidden: Sequence[int] = (128, 128), dropout: float = 0.0) -> None:
        super().__init__()
        sizes = [n_inputs, *n_hidden]
        self.layers = nn.ModuleList(_layer(*pair, dropout) for pair in itertools.pairwise(sizes))
        self.n_features = sizes[-1]

    def forward(self, x: Tensor) -> Tensor:
        """Features of shape (n, n_hidden[-1]) for rows of shape (n, n_inputs)."""
        for layer in self.layers:
            x = layer(x)
        return x


def _layer(n_in: int, n_out: int, dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers, nn.Dropout(dropout)) if dropout else nn.Sequential(*layers)
