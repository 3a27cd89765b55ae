"""A network without its head, and the preprocessing that belongs to it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sterna.backbones._preprocessing import (
    AudioPreprocessing,
    ImagePreprocessing,
    TablePreprocessing,
    TextPreprocessing,
    described,
)
from sterna.backbones._stages import find_stages


class Backbone(nn.Module):
    """A network that turns prepared inputs into features, with the preprocessing that it was trained with.

    Made by `load_backbone`.

    Parameters
    ----------
    network : Module
        Without its classifier.
    modality : {"image", "text", "audio", "table"}
    n_features : int
    preprocessing : callable
        From raw items to inputs.
    spec : mapping
        How to build the network again, for JSON.
    source_head : Linear, default=None
        The classifier that was cut off.
    groups : list of list of str, default=None
        Names of the parameters of each stage, where the library says them.
    """

    def __init__(
        self,
        network: nn.Module,
        modality: str,
        n_features: int,
        preprocessing: Any,
        spec: Mapping[str, Any],
        source_head: nn.Linear | None = None,
        groups: list[list[str]] | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.modality = modality
        self.n_features = n_features
        self.preprocessing = preprocessing
        self.spec = dict(spec)
        # in a tuple: no parameter of the backbone, not in its state dict
        self._source_head = (source_head,)
        self._groups = groups

    @property
    def source_head(self) -> nn.Linear | None:
        """The pretrained classifier that was cut off: source_head(features) are the network's own outputs; None if there was none."""
        return self._source_head[0]

    @property
    def image_size(self) -> int | None:
        """Pixels of a side of the images; None where images of any size are taken, and for other modalities."""
        return getattr(self.preprocessing, "size", None)

    @property
    def mean(self) -> tuple[float, ...]:
        """The mean of each channel by which images are normalised."""
        return tuple(self.preprocessing.mean)

    @property
    def std(self) -> tuple[float, ...]:
        """The standard deviation of each channel by which images are normalised."""
        return tuple(self.preprocessing.std)

    @property
    def in_channels(self) -> int:
        """The channels of the images."""
        return len(self.preprocessing.mean)

    @property
    def n_inputs(self) -> int:
        """The columns of the table."""
        return int(self.preprocessing.n_inputs)

    def forward(self, inputs: Tensor | dict[str, Tensor]) -> Tensor:
        """Features of prepared inputs.

        Parameters
        ----------
        inputs : Tensor of shape (n, ...) or dict of str to Tensor
            As `prepare` gives them.

        Returns
        -------
        Tensor of shape (n, n_features)
        """
        features = self.network(inputs)
        if isinstance(features, tuple | list):
            features = features[0]
        return features.flatten(2).mean(dim=2) if features.ndim > 2 else features

    def prepare(
        self,
        items: Sequence[Any],
        rng: np.random.Generator | None = None,
        augment: Callable[[Any, np.random.Generator], Any] | None = None,
    ) -> Any:
        """Turn raw items into inputs of `forward`.

        Parameters
        ----------
        items : sequence of length n
            Images: file names, PIL images, bytes of shape (height, width, channels), floats of shape (channels, height, width) from 0
            to 1. Texts: strings. Sound: file names, or samples of shape (n_samples,) at the network's rate. Tables: rows of numbers.
        rng : Generator, default=None
            For `augment`.
        augment : callable, default=None
            Of an image and a Generator; images only, before they are normalised.

        Returns
        -------
        Tensor of shape (n, ...) or dict of str to Tensor
        """
        if augment is not None and self.modality != "image":
            raise ValueError(f"augment is for images, but the backbone takes {self.modality}; leave it out")
        return self.preprocessing(items, rng, augment)

    def stages(self) -> list[tuple[str, nn.Module]]:
        """Name and module of each stage from the input to the output; together they hold every parameter once.

        Returns
        -------
        list of (str, Module)
            A stage is a module of the network, or a `Stage` where it is several of them or has parameters that no module holds.
        """
        return find_stages(self.network, self._known_groups()) or [("network", self.network)]

    def _known_groups(self) -> list[list[str]] | None:
        """The library's stages, if they still hold every parameter (layers may have been exchanged since)."""
        present = {name for name, _ in self.network.named_parameters()}
        groups = [[name for name in group if name in present] for group in self._groups or []]
        groups = [group for group in groups if group]
        return groups if {name for group in groups for name in group} == present else None

    def config(self) -> dict[str, Any]:
        """What `from_config` needs, for JSON: architecture and preprocessing, without weights."""
        return {
            "modality": self.modality,
            "n_features": self.n_features,
            "spec": self.spec,
            "preprocessing": described(self.preprocessing),
            "groups": self._groups,
        }

    @staticmethod
    def from_config(config: Mapping[str, Any]) -> Backbone:
        """Build a backbone again, with random weights and without the internet.

        Parameters
        ----------
        config : mapping
            From `config`.

        Returns
        -------
        Backbone
            For texts and sound `load_assets` must follow.
        """
        from sterna.backbones._load import build_network

        preprocessing = _preprocessing(config["modality"], config["preprocessing"])
        network = build_network(config["spec"])
        return Backbone(
            network, config["modality"], config["n_features"], preprocessing, config["spec"], groups=config.get("groups")
        )

    def save_assets(self, folder: Path) -> None:
        """Write the files that the preprocessing needs: the vocabulary of texts, the settings of sound; nothing for others."""
        if isinstance(self.preprocessing, TextPreprocessing):
            self.preprocessing.tokenizer.save_pretrained(str(folder))
        elif isinstance(self.preprocessing, AudioPreprocessing):
            self.preprocessing.extractor.save_pretrained(str(folder))

    def load_assets(self, folder: Path) -> None:
        """Read the files that `save_assets` wrote."""
        if isinstance(self.preprocessing, TextPreprocessing):
            from transformers import AutoTokenizer

            self.preprocessing.tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        elif isinstance(self.preprocessing, AudioPreprocessing):
            from transformers import AutoFeatureExtractor

            self.preprocessing.extractor = AutoFeatureExtractor.from_pretrained(str(folder), local_files_only=True)

    def fingerprint(self) -> str:
        """A SHA-256 of all that the features of a raw item depend on: weights, architecture and preprocessing."""
        digest = hashlib.sha256(json.dumps(self.config(), sort_keys=True, default=str).encode())
        digest.update(_asset_digest(self.preprocessing).encode())
        if self.spec["kind"] == "module":
            digest.update(repr(self.network).encode())
        for name, value in sorted(self.network.state_dict().items()):
            flat = value.detach().cpu().contiguous().reshape(-1)
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            digest.update(flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b"")
        return digest.hexdigest()


def _preprocessing(modality: str, options: Mapping[str, Any]) -> Any:
    """The preprocessing that `described` describes; texts and sound wait for their files."""
    if modality == "image":
        tuples = {name: tuple(options[name]) for name in ("mean", "std")}
        return ImagePreprocessing(**{**options, **tuples})
    if modality == "table":
        return TablePreprocessing(**options)
    return TextPreprocessing(None, options["max_length"]) if modality == "text" else AudioPreprocessing(None)


def _asset_digest(preprocessing: Any) -> str:
    """What the files of `save_assets` say, whatever was prepared before."""
    if isinstance(preprocessing, AudioPreprocessing) and preprocessing.extractor is not None:
        return str(preprocessing.extractor.to_json_string())
    if isinstance(preprocessing, TextPreprocessing) and preprocessing.tokenizer is not None:
        backend = getattr(preprocessing.tokenizer, "backend_tokenizer", None)
        rules = json.loads(backend.to_str()) if backend is not None else preprocessing.tokenizer.get_vocab()
        # these two change with every call
        return json.dumps({name: v for name, v in rules.items() if name not in ("padding", "truncation")}, sort_keys=True)
    return ""
