"""Networks of the transformers library: texts, clips and pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from sterna.backbones._backbone import Backbone
from sterna.backbones._preprocessing import AudioPreprocessing, ImagePreprocessing, TextPreprocessing
from sterna.backbones._require import require
from sterna.backbones._weights import load_weights


class Pooled(nn.Module):
    """A transformer whose outputs are pooled to one vector a row.

    Parameters
    ----------
    model : PreTrainedModel
    pooling : {"mean", "cls", "max"}
        Over the tokens that are no padding.
    normalize : bool
        To unit length.
    """

    def __init__(self, model: Any, pooling: str, normalize: bool) -> None:
        super().__init__()
        self.model = model
        self.pooling = pooling
        self.normalize = normalize

    def forward(self, inputs: Any) -> Tensor:
        """Vectors of shape (n, hidden_size)."""
        given = {"pixel_values": inputs} if isinstance(inputs, Tensor) else inputs
        states = self.model(**given).last_hidden_state
        states = states.flatten(2).transpose(1, 2) if states.ndim == 4 else states
        mask = given.get("attention_mask")
        if mask is not None and mask.shape[1] != states.shape[1]:
            mask = self._reduced(states.shape[1], mask)
        vectors = _pool(states, mask, self.pooling)
        return nn.functional.normalize(vectors, dim=1) if self.normalize else vectors

    def _reduced(self, length: int, mask: Tensor) -> Tensor | None:
        reduce = getattr(self.model, "_get_feature_vector_attention_mask", None)
        return None if reduce is None else reduce(length, mask)


def _pool(states: Tensor, mask: Tensor | None, pooling: str) -> Tensor:
    if pooling == "cls":
        return states[:, 0]
    if mask is None:
        return states.mean(dim=1) if pooling == "mean" else states.amax(dim=1)
    shown = mask.unsqueeze(-1).to(states.dtype)
    if pooling == "mean":
        return (states * shown).sum(dim=1) / shown.sum(dim=1).clamp(min=1e-9)
    return states.masked_fill(shown == 0, float("-inf")).amax(dim=1)


def load_transformer(name: str, weights: Any, pretrained: bool, image_size: int | None) -> Backbone:
    """A model of the hub or of a folder.

    Parameters
    ----------
    name : str
    weights : path, mapping or None
    pretrained : bool
    image_size : int or None

    Returns
    -------
    Backbone
    """
    transformers = require("transformers", "text")
    transformers.utils.logging.disable_progress_bar()
    try:
        config = transformers.AutoConfig.from_pretrained(name)
        own = pretrained and weights is None
        model = transformers.AutoModel.from_pretrained(name) if own else transformers.AutoModel.from_config(config)
    except (OSError, ValueError) as error:
        if Path(name).is_dir():
            raise ValueError(
                f"the folder {name} holds no model of transformers ({type(error).__name__}); see save_pretrained"
            ) from error
        raise ValueError(
            f"the model {name} cannot be downloaded, or does not exist ({type(error).__name__}): is this machine online? Give a "
            "folder that holds it"
        ) from error
    if weights is not None:
        load_weights(model, weights, name, None)
    modality = _modality(config)
    pooling, normalize = ("cls", False) if modality == "image" else _pooling(name)
    spec = {
        "kind": "transformers",
        "name": name,
        "options": json.loads(config.to_json_string(use_diff=False)),
        "pooling": [pooling, normalize],
    }
    preprocessing = _PREPROCESSINGS[modality](transformers, name, model, image_size)
    return Backbone(Pooled(model.eval(), pooling, normalize), modality, _hidden_size(config), preprocessing, spec)


def build_transformer(spec: Any) -> nn.Module:
    """The network of a `spec`, with random weights."""
    transformers = require("transformers", "text")
    options = dict(spec["options"])
    config = transformers.AutoConfig.for_model(options.pop("model_type"), **options)
    return Pooled(transformers.AutoModel.from_config(config).eval(), *spec["pooling"])


def _modality(config: Any) -> str:
    if hasattr(config, "vocab_size") and not hasattr(config, "conv_dim") and not hasattr(config, "num_mel_bins"):
        return "text"
    if hasattr(config, "conv_dim") or hasattr(config, "num_mel_bins"):
        return "audio"
    return "image"


def _hidden_size(config: Any) -> int:
    for name in ("hidden_size", "d_model", "dim", "hidden_dim"):
        if isinstance(getattr(config, name, None), int):
            return int(getattr(config, name))
    return int(config.hidden_sizes[-1])


def _pooling(name: str) -> tuple[str, bool]:
    """How sentence-transformers pools this model; the mean over tokens where nothing is said."""
    pooling = _json(name, "1_Pooling/config.json") or {}
    modules = _json(name, "modules.json") or []
    how = "cls" if pooling.get("pooling_mode_cls_token") else "max" if pooling.get("pooling_mode_max_tokens") else "mean"
    return how, any("Normalize" in module.get("type", "") for module in modules)


def _json(name: str, file: str) -> Any:
    if Path(name).is_dir():
        path = Path(name) / file
        return json.loads(path.read_text()) if path.exists() else None
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return json.loads(Path(hf_hub_download(name, file)).read_text())
    except (OSError, HfHubHTTPError):
        return None


def _text(transformers: Any, name: str, model: Any, size: int | None) -> TextPreprocessing:
    tokenizer = transformers.AutoTokenizer.from_pretrained(name)
    stated = (_json(name, "sentence_bert_config.json") or {}).get("max_seq_length")
    positions = getattr(model.config, "max_position_embeddings", 512)
    return TextPreprocessing(tokenizer, int(min(stated or positions, positions, 512 if stated is None else stated)))


def _audio(transformers: Any, name: str, model: Any, size: int | None) -> AudioPreprocessing:
    return AudioPreprocessing(transformers.AutoFeatureExtractor.from_pretrained(name))


def _image(transformers: Any, name: str, model: Any, size: int | None) -> ImagePreprocessing:
    found = transformers.AutoImageProcessor.from_pretrained(name)
    stated = found.size.get("height") or found.size.get("shortest_edge")
    return ImagePreprocessing(size or stated, tuple(found.image_mean), tuple(found.image_std))


_PREPROCESSINGS: dict[str, Any] = {"text": _text, "audio": _audio, "image": _image}
