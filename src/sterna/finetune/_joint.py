"""The joint objective: source and target losses added up."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from sklearn.model_selection import train_test_split
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor

from sterna.deep import Batch, Training, TransferModule
from sterna.domains._stack import Array, DomainData
from sterna.finetune._finetune import FineTune

CANDIDATES = (0.0, 0.1, 0.3, 1.0, 3.0)


class JointFineTune(FineTune):
    """Fine-tune on source and target at once: L = source_weight * L_source + L_target.

    For a source with the same classes and a target with few labels. A harmful source shows in a weight of 0.

    Parameters
    ----------
    backbone, weights, task, backbone_rate, layer_decay, training, random_state
        As in `FineTune`.
    source_weight : float or "search", default="search"
        lambda; "search": of 0, 0.1, 0.3, 1 and 3 the one with the best loss on a quarter of the labelled target rows, which the
        training then does not see; after that all are used.

    Attributes
    ----------
    source_weight_ : float

    References
    ----------
    S. Ben-David, J. Blitzer, K. Crammer, A. Kulesza, F. Pereira, J. W. Vaughan (2010), A theory of learning from different domains,
    Machine Learning 79 (the weighted sum of source and target error, section 5).
    """

    reference = "Ben-David et al. 2010"
    needs = frozenset({"source model", "source data", "target labels"})
    label_space = "same"
    _parameter_constraints = {
        **FineTune._parameter_constraints,
        "source_weight": [Interval(Real, 0, None, closed="left"), StrOptions({"search"})],
    }

    def __init__(
        self,
        backbone: Any = "mobilenetv2_100",
        *,
        weights: Any = None,
        task: str | None = None,
        source_weight: float | str = "search",
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
        self.source_weight = source_weight

    def draws(self, data: DomainData) -> tuple[str, ...]:
        """Source and labelled target rows."""
        if not (len(data.y_source) and data.n_target_labelled):
            raise ValueError(
                "JointFineTune needs labelled source rows and labelled target rows; use FineTune where one is missing"
            )
        return "source", "target"

    def _fit_data(self, data: DomainData) -> None:
        weight = self.source_weight
        self.source_weight_ = self._search(data) if weight == "search" else float(weight)
        super()._fit_data(data)
        self.health_["source_weight"] = self.source_weight_

    def _search(self, data: DomainData) -> float:
        rows = np.flatnonzero(data.labelled)
        if len(rows) < 8:
            return 1.0
        train, held = _quarter(rows, data.y_target, self.seed_)
        X = np.concatenate([data.X_source, data.X_target[rows[train]]])
        y = np.concatenate([data.y_source, data.y_target[train]])
        codes = np.repeat([1, -1], [len(data.y_source), len(train)])
        losses = []
        for weight in CANDIDATES:
            options = clone(self.training_options()).set_params(folder=None)
            trial = clone(self).set_params(source_weight=weight, training=options, random_state=self.seed_)
            trial.fit(X, y, sample_domain=codes)
            with torch.no_grad():
                outputs = trial._outputs(data.X_target[rows[held]])
                losses.append(float(trial.task_.value(outputs, trial.task_.encode(data.y_target[held]))))
        return CANDIDATES[int(np.argmin(losses))]

    def losses(self, module: TransferModule, batch: Batch) -> dict[str, Tensor]:
        """Both losses."""
        assert batch.source is not None
        assert batch.target is not None
        target, source = module.outputs(batch.target, batch.source)
        return {
            "target": module.task_loss(target, batch.target),
            "source": self.source_weight_ * module.task_loss(source, batch.source),
        }


def _quarter(rows: Array, y: Array, seed: int) -> tuple[Array, Array]:
    counts = np.unique(y, return_counts=True)[1]
    even = y if y.dtype.kind != "f" and counts.min() > 1 and len(counts) <= len(rows) // 4 else None
    train, held = train_test_split(np.arange(len(rows)), test_size=0.25, random_state=seed, stratify=even)
    return np.sort(train), np.sort(held)
