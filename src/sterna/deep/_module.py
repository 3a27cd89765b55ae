"""The LightningModule under every deep strategy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lightning.pytorch as lightning
import torch
from torch import Tensor, nn

from sterna.backbones import freeze, unfreeze
from sterna.deep._data import Batch, Part
from sterna.deep._network import Network
from sterna.deep._tasks import Task

if TYPE_CHECKING:
    from sterna.deep._estimator import DeepEstimator


class NonFiniteLossError(ArithmeticError):
    """A loss became NaN or infinite."""


class TransferModule(lightning.LightningModule):
    """A network, its method and its losses; use it with your own `lightning.Trainer`, or let the estimator do so.

    Parameters
    ----------
    network : Network
    method : DeepEstimator
        Fills `losses`; its `training` holds the options.
    task : Task

    Attributes
    ----------
    history : list of dict
        For every epoch the mean of every loss.
    extra : ModuleDict
        Whatever else the method trains or keeps in the checkpoint (a discriminator, a copy of the pretrained weights).
    """

    def __init__(self, network: Network, method: DeepEstimator, task: Task) -> None:
        super().__init__()
        self.network = network
        self.extra = nn.ModuleDict()
        self.method = method
        self.task = task
        self.training_options = method.training_options()
        self.history: list[dict[str, float]] = []
        self._sums: dict[str, Tensor] = {}
        self._steps = 0
        self._mixer = _mixer(self.training_options.mix, task)

    def forward(self, inputs: Any) -> Tensor:
        """Outputs of shape (n, n_outputs) for prepared inputs."""
        return self.network(inputs)

    def outputs(self, *parts: Part | None) -> list[Tensor]:
        """The outputs of several parts of a batch, sent through the network together or apart as `batch_norm` says."""
        return self._by_part(self.network, parts)

    def features(self, *parts: Part | None) -> list[Tensor]:
        """The features of several parts of a batch, likewise."""
        return self._by_part(self.network.backbone, parts)

    def _by_part(self, function: Any, parts: tuple[Part | None, ...]) -> list[Tensor]:
        given = [part.x for part in parts if part is not None]
        together = len(given) > 1 and self.training_options.batch_norm == "joint"
        if not together or not all(isinstance(x, Tensor) for x in given):
            return [function(x) for x in given]
        return list(function(torch.cat(given)).split([len(x) for x in given]))

    def task_loss(self, outputs: Tensor, part: Part) -> Tensor:
        """The mean loss of a labelled part, its labels mixed if the rows were."""
        assert part.y is not None
        return self.task.value(outputs, part.y)

    def training_step(self, batch: Batch, batch_idx: int = 0) -> Tensor:
        """The sum of the method's losses; each is a curve in `history` and in the log."""
        if self._mixer is not None:
            batch = self._mixed(batch)
        losses = self.method.losses(self, batch)
        total = sum(losses.values(), start=torch.zeros((), device=self.device))
        for name, loss in losses.items():
            value = loss.detach()
            self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._steps += 1
        if self.device.type == "cpu" and not torch.isfinite(total):
            self._refuse(losses)
        return total

    def _mixed(self, batch: Batch) -> Batch:
        def mix(part: Part | None) -> Part | None:
            if part is None or part.y is None or not isinstance(part.x, Tensor):
                return part
            x, y = self._mixer(part.x, part.y)
            return Part(x, y, part.rows)

        return Batch(mix(batch.source), mix(batch.target), batch.unlabelled)

    def _refuse(self, losses: dict[str, Tensor]) -> None:
        named = ", ".join(f"{name} = {float(loss.detach()):g}" for name, loss in losses.items())
        raise NonFiniteLossError(f"the loss is not finite in epoch {self.current_epoch + 1} ({named})")

    def on_train_epoch_start(self) -> None:
        """Seed the epoch and freeze what the method says: both depend on the epoch alone, so that a resumed run is the same."""
        torch.manual_seed(self.method.seed_ + 1000003 * (self.current_epoch + 1))
        self._sums, self._steps = {}, 0
        self.apply_freezing(self.current_epoch)
        self.method.on_epoch(self, self.current_epoch)

    def apply_freezing(self, epoch: int) -> None:
        """Freeze and unfreeze the stages as the method says for this epoch."""
        trainable = self.method.trainable(self, epoch)
        for name, stage in self.network.stages():
            if trainable is None or name in trainable:
                unfreeze(stage)
            else:
                freeze(stage)
        for parameter in self.method.fixed_parameters(self):
            parameter.requires_grad_(False)
        if self.training_options.batch_norm == "frozen":
            _fix_statistics(self.network)

    def on_train_epoch_end(self) -> None:
        """Close the curves of the epoch."""
        means = {name: float(value) / self._steps for name, value in self._sums.items()}
        if not all(map(_finite, means.values())):
            self._refuse({name: torch.tensor(value) for name, value in means.items()})
        validation = {}
        if "validation" in self.trainer.callback_metrics:
            validation["validation"] = float(self.trainer.callback_metrics["validation"])
        self.history.append(means | validation)
        self.log_dict(means)

    def validation_step(self, part: Part, batch_idx: int) -> None:
        """Watch the loss on held-out training rows."""
        assert part.y is not None
        loss = self.task.value(self.network(part.x), part.y)
        self.log("validation", loss, batch_size=len(part.rows), on_epoch=True, sync_dist=True)

    def configure_optimizers(self) -> Any:
        """All parameters in fixed groups; those frozen for an epoch have no gradient and so do not move."""
        options = self.training_options
        optimizer = options.make_optimizer(self.method.parameter_groups(self))
        n_steps = max(1, int(self.trainer.estimated_stepping_batches))
        phases = [0, *self.method.phases(options.max_epochs), options.max_epochs]
        edges = [round(n_steps * epoch / options.max_epochs) for epoch in phases]

        def factor(step: int) -> float:
            phase = max(i for i, edge in enumerate(edges[:-1]) if step >= edge or i == 0)
            start, end = edges[phase], edges[phase + 1]
            return options.rate(min((step - start + 0.5) / max(end - start, 1), 1.0))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the curves."""
        checkpoint["history"] = self.history

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the curves up again."""
        self.history = list(checkpoint["history"])


def _finite(value: float) -> bool:
    return value == value and abs(value) != float("inf")


def _fix_statistics(module: nn.Module) -> None:
    """Batch normalisation by the statistics that are there, its weights still trained."""
    for child in module.modules():
        if isinstance(child, nn.modules.batchnorm._BatchNorm):
            child.eval()


def _mixer(name: str | None, task: Task) -> Any:
    if name is None:
        return None
    if task.name != "classification":
        raise ValueError(f"mix is {name!r}, which mixes classes, but the task is {task.name}; leave mix out")
    from torchvision.transforms import v2

    kinds = {"mixup": [v2.MixUp], "cutmix": [v2.CutMix], "both": [v2.MixUp, v2.CutMix]}[name]
    made = [kind(num_classes=task.n_outputs) for kind in kinds]
    return made[0] if len(made) == 1 else v2.RandomChoice(made)
