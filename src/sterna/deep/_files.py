"""Deep models on disk: one safetensors file with weights, settings and whatever the preprocessing needs."""

from __future__ import annotations

import importlib
import inspect
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from sklearn.utils.validation import check_is_fitted
from torch import nn

from sterna.backbones import Backbone
from sterna.deep._network import Network
from sterna.deep._tasks import Task
from sterna.deep._training import Training
from sterna.io import write_atomically

if TYPE_CHECKING:
    from sterna.deep._estimator import DeepEstimator

FORMAT = "1"


def save_deep(model: DeepEstimator, path: Path) -> Path:
    """Write a fitted deep strategy to one file.

    Parameters
    ----------
    model : DeepEstimator
    path : Path
        Ends in .safetensors, or a folder (the file is then `model.safetensors` in it).

    Returns
    -------
    Path
    """
    check_is_fitted(model, "network_")
    path = path / "model.safetensors" if path.is_dir() or not path.suffix else path
    if path.suffix != ".safetensors":
        raise ValueError(f"{path} does not end in .safetensors, which is how networks are kept; change its name")
    network = model.network_
    tensors = {f"network.{name}": value.detach().cpu().contiguous().clone() for name, value in network.state_dict().items()}
    tensors |= {
        f"asset.{name}": torch.frombuffer(bytearray(content), dtype=torch.uint8) for name, content in _assets(network).items()
    }
    described = {
        "format": FORMAT,
        "class": f"{type(model).__module__}.{type(model).__qualname__}",
        "parameters": _parameters(model),
        "backbone": network.backbone.config(),
        "head": _head(network.head),
        "task": _task(model.task_),
        "temperature": model.temperature_,
        "health": model.health_,
        "history": model.history_,
    }
    write_atomically(path, save(tensors, metadata={"sterna": json.dumps(described)}))
    return path


def load_deep(path: str | Path) -> DeepEstimator:
    """Read a model that `save` of a deep strategy wrote; no code is run but that of Sterna and of known backbones.

    Parameters
    ----------
    path : path
        The file, or its folder.

    Returns
    -------
    DeepEstimator
        Fitted.
    """
    path = Path(path)
    path = path / "model.safetensors" if path.is_dir() else path
    if not path.exists():
        raise FileNotFoundError(f"there is no model file {path}; give a file written by sterna fit or compare, or its folder")
    try:
        with safe_open(path, framework="pt") as file:
            described = json.loads((file.metadata() or {})["sterna"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not a model file of Sterna ({type(error).__name__}); pickles are never loaded") from error
    model = _class(described["class"], path)(**_given(described["parameters"]))
    backbone = Backbone.from_config(described["backbone"])
    _load_assets(
        backbone, {n.removeprefix("asset."): v.numpy().tobytes() for n, v in tensors.items() if n.startswith("asset.")}
    )
    task = described["task"]
    classes = None if task["classes"] is None else np.array(task["classes"])
    model.task_ = Task(task["name"], classes, task["n_outputs"], task["center"], task["scale"], None, task["loss"])
    if classes is not None:
        model.classes_ = classes
    network = Network(backbone, _build_head(described["head"]))
    network.load_state_dict({n.removeprefix("network."): v for n, v in tensors.items() if n.startswith("network.")})
    model.network_ = network.eval()
    model.temperature_, model.health_, model.history_ = described["temperature"], described["health"], described["history"]
    return model


def _parameters(model: DeepEstimator) -> dict[str, Any]:
    """Parameters that JSON can hold; the backbone and its weights are in the file by themselves."""
    own = {
        name: value for name, value in model.get_params(deep=False).items() if name not in ("backbone", "weights", "training")
    }
    training = model.training_options().get_params()
    return {
        "own": {name: value for name, value in own.items() if _plain(value)},
        "backbone": model.backbone if isinstance(model.backbone, str) else type(model.backbone).__name__,
        "training": {name: value for name, value in training.items() if _plain(value) and name != "folder"},
    }


def _given(parameters: dict[str, Any]) -> dict[str, Any]:
    training: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in parameters["training"].items()}
    return parameters["own"] | {"backbone": parameters["backbone"], "training": Training(**training)}


def _plain(value: Any) -> bool:
    try:
        json.dumps(value)
    except TypeError:
        return False
    return True


def _class(name: str, path: Path) -> Any:
    module, _, attribute = name.rpartition(".")
    if not module.startswith("sterna."):
        raise ValueError(f"{path} holds a {name}, which is no class of Sterna; load its weights with safetensors instead")
    found = getattr(importlib.import_module(module), attribute, None)
    if not inspect.isclass(found):
        raise ValueError(f"{path} holds a {name}, which this version of Sterna does not have; use the version that wrote it")
    return found


def _task(task: Task) -> dict[str, Any]:
    classes = None if task.classes is None else task.classes.tolist()
    return {
        "name": task.name,
        "classes": classes,
        "n_outputs": task.n_outputs,
        "center": task.center,
        "scale": task.scale,
        "loss": task.loss,
    }


def _head(head: nn.Module) -> dict[str, Any]:
    linear = next((module for module in head.modules() if isinstance(module, nn.Linear)), None)
    if linear is None or sum(p.numel() for p in head.parameters()) != sum(p.numel() for p in linear.parameters()):
        raise ValueError(f"the head is a {type(head).__name__}, which cannot be written; only linear heads can")
    return {"nested": not isinstance(head, nn.Linear), "shape": [linear.in_features, linear.out_features]}


def _build_head(described: dict[str, Any]) -> nn.Module:
    linear = nn.Linear(*described["shape"])
    return nn.Sequential(nn.Dropout(0.0), linear) if described["nested"] else linear


def _assets(network: Network) -> dict[str, bytes]:
    """Files that the preprocessing needs, a tokeniser's vocabulary for instance."""
    with tempfile.TemporaryDirectory() as folder:
        network.backbone.save_assets(Path(folder))
        return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(Path(folder).rglob("*")) if p.is_file()}


def _load_assets(backbone: Backbone, contents: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in contents.items():
            target = (Path(folder) / name).resolve()
            if not target.is_relative_to(Path(folder).resolve()):
                raise ValueError(f"the file holds an asset named {name!r}, which lies outside of it; do not use it")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        backbone.load_assets(Path(folder))
