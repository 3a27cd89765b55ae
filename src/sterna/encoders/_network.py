"""Encoders whose features come from a network."""

from __future__ import annotations

import copyreg
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sterna.encoders._base import Encoder, digest
from sterna.encoders._content import file_sha256
from sterna.encoders._items import take
from sterna.encoders._progress import progress_bar

Array = Any


class NetworkEncoder(Encoder):
    """Rows through a frozen backbone."""

    backbone: Any
    weights: Any
    batch_size: int
    precision: str
    device: str
    progress: bool | None
    backbone_options: Mapping[str, Any] | None

    def _fit_items(self, items: Any) -> None:
        self.__dict__.pop("_runner", None)
        self.__dict__.pop("network_sha256_", None)
        self.weights_sha256_ = self._weights_file_hash()
        runner = self._make_runner()
        self.n_features_out_ = int(runner.backbone.n_features)
        self.network_sha256_ = runner.weights_hash()
        self.fingerprint_ = digest(runner.fingerprint(), self.precision)

    def _weights_file_hash(self) -> str | None:
        if not isinstance(self.weights, str | Path):
            return None
        if not Path(self.weights).is_file():
            raise FileNotFoundError(f"there is no weights file {self.weights}; check its name and folder")
        return file_sha256(Path(self.weights))

    def _make_runner(self) -> Any:
        """The network, loaded when it is first needed: after `clone` or `load` it is not there."""
        if "_runner" not in self.__dict__:
            self._check_weights_file()
            from sterna.encoders._runner import Runner, find_backbone

            backbone = find_backbone(self.backbone, self.weights, self.weights_sha256_, self.backbone_options)
            if backbone.modality != self.modality:
                raise ValueError(
                    f"{type(self).__name__} takes {self.modality} rows, but the backbone {self.backbone!r:.60} takes "
                    f"{backbone.modality}; choose another encoder or backbone"
                )
            runner = Runner(backbone, self.device, self.precision)
            self._check_same_network(runner)
            self._runner = runner
        return self._runner

    def _check_weights_file(self) -> None:
        if self.weights_sha256_ is not None and (now := self._weights_file_hash()) != self.weights_sha256_:
            raise ValueError(
                f"the weights file {self.weights} has changed since this encoder was fitted (SHA-256 {self.weights_sha256_[:12]} then, "
                f"{now[:12] if now else None} now); bring the old file back, or fit again"
            )

    def _check_same_network(self, runner: Any) -> None:
        if getattr(self, "network_sha256_", None) not in (None, runner.weights_hash()):
            raise ValueError(
                f"the backbone {self.backbone!r:.60} has other weights than when this encoder was fitted; name the weights by file "
                "(weights=FILE), or fit again"
            )

    def fingerprint(self) -> str:
        """A SHA-256 of all that the features depend on besides the row: weights, preprocessing, parameters."""
        if not hasattr(self, "fingerprint_"):
            return super().fingerprint()
        return digest(self._make_runner().fingerprint(), self.precision)

    def _folder(self, items: Any) -> str:
        # a GPU rounds otherwise: its features are kept apart
        return digest(super()._folder(items), self._make_runner().device.type)

    def _compute(self, items: Any) -> Array:
        runner = self._make_runner()
        return self._run(items, lambda rows: runner.backbone.prepare(take(items, rows)))

    def _run(self, items: Any, prepare: Callable[[list[int]], Any]) -> Array:
        """Features of all rows, whose inputs are made by `prepare` of their numbers."""
        runner, batches = self._make_runner(), self._batches(items)
        out = np.empty((len(items), self.n_features_out_), dtype=np.float32)
        with progress_bar(f"encoding {self.modality} rows", len(items), self.progress) as done:
            for rows, features in zip(batches, runner.features(prepare, batches), strict=True):
                out[rows] = features
                done(len(rows))
        return out

    def __getstate__(self) -> dict[str, Any]:
        if hasattr(self.backbone, "state_dict"):
            raise ValueError(
                f"the backbone is a {type(self.backbone).__name__} of your own, which a model file cannot hold; name the backbone and "
                "give weights=FILE, or save the model of the features alone"
            )
        return super().__getstate__()

    def __reduce_ex__(self, protocol: Any) -> Any:
        # copies and worker processes do take a network along
        return copyreg.__newobj__, (type(self),), super().__getstate__()  # type: ignore[attr-defined]

    def _batches(self, items: Any) -> list[list[int]]:
        """Numbers of the rows of each batch."""
        return self._cut(list(range(len(items))))

    def _cut(self, rows: list[int]) -> list[list[int]]:
        return [rows[start : start + self.batch_size] for start in range(0, len(rows), self.batch_size)]
