"""Model soup: the mean of the weights of several fine-tuned networks."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import torch
from sklearn.base import clone
from sklearn.model_selection import train_test_split
from sklearn.utils._param_validation import Interval
from torch import Tensor

from sterna.deep import Training
from sterna.deep._data import Pool
from sterna.deep._run import predicted
from sterna.domains._stack import DomainData
from sterna.finetune._finetune import FineTune, training_rows


class ModelSoup(FineTune):
    """Fine-tune several times with other rates and orders of the rows, and average the weights of those that help.

    The accuracy of an ensemble at the cost of one network; training takes as many times as long. Needs a backbone whose fine-tuned
    weights can be averaged: all runs start from the same pretrained weights and the same head.

    Parameters
    ----------
    backbone, weights, task, backbone_rate, layer_decay, training, random_state
        As in `FineTune`.
    rates : sequence of float, default=(0.3, 1.0, 3.0)
        Factors on the learning rate, one run each.
    held_out : float, default=0.25
        The share of the labelled rows by whose loss the soup is chosen; the runs do not see them.

    Attributes
    ----------
    ingredients_ : list of int
        The runs that are in the mean.

    Notes
    -----
    The greedy soup (recipe 1 of the paper): runs are added in the order of their held-out loss and kept where the mean's loss does
    not rise. Departure: by the loss, not the accuracy, which is too coarse for few rows.

    References
    ----------
    M. Wortsman et al. (2022), Model soups: averaging weights of multiple fine-tuned models improves accuracy without increasing
    inference time, ICML.
    """

    reference = "Wortsman et al. 2022"
    _parameter_constraints = {
        **FineTune._parameter_constraints,
        "rates": ["array-like"],
        "held_out": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(
        self,
        backbone: Any = "mobilenetv2_100",
        *,
        weights: Any = None,
        task: str | None = None,
        rates: Sequence[float] = (0.3, 1.0, 3.0),
        held_out: float = 0.25,
        backbone_rate: float = 0.1,
        layer_decay: float = 1.0,
        training: Training | None = None,
        random_state: Any = None,
    ) -> None:
        super().__init__(
            backbone,
            weights=weights,
            task=task,
            backbone_rate=backbone_rate,
            layer_decay=layer_decay,
            training=training,
            random_state=random_state,
        )
        self.rates = rates
        self.held_out = held_out

    def _fit_data(self, data: DomainData) -> None:
        X, y = training_rows(data)
        stratify = y if y.dtype.kind != "f" and self.held_out * len(y) >= len(set(y.tolist())) else None
        train, held = train_test_split(range(len(y)), test_size=self.held_out, random_state=self.seed_, stratify=stratify)
        models = [self._run(i, X[train], y[train]) for i in range(len(self.rates))]
        self._take(models[0])
        pool = Pool(X[held], self.task_.encode(y[held]))
        states = [model.network_.state_dict() for model in models]
        losses = [self._loss(pool, state) for state in states]
        order = sorted(range(len(states)), key=lambda i: losses[i])
        soup, best = [order[0]], losses[order[0]]
        for i in order[1:]:
            loss = self._loss(pool, mean_state([states[j] for j in [*soup, i]]))
            if loss <= best:
                soup, best = [*soup, i], loss
        self.network_.load_state_dict(mean_state([states[j] for j in soup]))
        self.ingredients_ = sorted(soup)
        self.health_ |= {"ingredients": len(soup), "held_out_loss": best}

    def _run(self, i: int, X: Any, y: Any) -> FineTune:
        options = clone(self.training_options())
        options.set_params(learning_rate=options.learning_rate * float(self.rates[i]))
        if options.folder is not None:
            options.set_params(folder=f"{options.folder}/run{i}")
        return FineTune(
            self.backbone,
            weights=self.weights,
            task=self.task,
            backbone_rate=self.backbone_rate,
            layer_decay=self.layer_decay,
            training=options,
            random_state=self.seed_,
        ).fit(X, y)

    def _take(self, model: FineTune) -> None:
        for name in ("network_", "task_", "history_", "health_", "temperature_", "classes_"):
            if hasattr(model, name):
                setattr(self, name, getattr(model, name))

    def _loss(self, pool: Pool, state: dict[str, Tensor]) -> float:
        self.network_.load_state_dict(state)
        assert pool.y is not None
        return float(self.task_.value(predicted(self.network_, pool.items, self.training_options()), pool.y))


@torch.no_grad()
def mean_state(states: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of weights and statistics; whole numbers are those of the first. Tensors are new."""
    return {
        name: torch.stack([state[name] for state in states]).mean(dim=0) if value.is_floating_point() else value.clone()
        for name, value in states[0].items()
    }
