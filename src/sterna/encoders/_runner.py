"""Running a frozen backbone over batches (needs torch)."""

from __future__ import annotations

import copy
import hashlib
import json
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

from sterna.backbones import Backbone, fold_batch_norm, load_backbone  # says which extra is missing

import torch  # isort: skip
from torch import nn  # isort: skip

_KEPT = 2
_loaded: OrderedDict[str, Backbone] = OrderedDict()
_lock = Lock()


def find_backbone(backbone: Any, weights: Any, weights_sha256: str | None, options: Mapping[str, Any] | None) -> Backbone:
    """Load a backbone; the last two that were named by str are kept, because clones of an encoder ask again.

    Parameters
    ----------
    backbone : str or Module
    weights : path, state dict or None
    weights_sha256 : str or None
        Of the file.
    options : mapping or None
        More arguments of `load_backbone`.

    Returns
    -------
    Backbone
    """
    if isinstance(backbone, Backbone):
        return backbone
    weights = _as_tensors(weights)
    if not isinstance(backbone, str) or isinstance(weights, Mapping) or Path(backbone).is_dir():
        return load_backbone(backbone, weights=weights, **(options or {}))
    name = repr((backbone, str(weights), weights_sha256, sorted((options or {}).items())))
    with _lock:
        if name not in _loaded:
            _loaded[name] = load_backbone(backbone, weights=weights, **(options or {}))
        _loaded.move_to_end(name)
        while len(_loaded) > _KEPT:
            _loaded.popitem(last=False)
        return _loaded[name]


def _as_tensors(weights: Any) -> Any:
    if not isinstance(weights, Mapping):
        return weights
    return {name: torch.as_tensor(value) for name, value in weights.items()}


class Runner:
    """A backbone ready to compute: in evaluation mode, folded, on its device.

    Parameters
    ----------
    backbone : Backbone
        Not changed.
    device : str
        "auto": a GPU if there is one.
    precision : {"float32", "bfloat16"}
    """

    def __init__(self, backbone: Backbone, device: str, precision: str) -> None:
        self.backbone = backbone
        self.device = find_device(device)
        self.precision = precision
        self._network: Backbone | None = None
        self._fingerprint: str | None = None
        self._weights_hash: str | None = None

    def fingerprint(self) -> str:
        """A SHA-256 of the weights before folding, the architecture and the preprocessing."""
        if self._fingerprint is None:
            parts = [self.backbone.fingerprint(), *_code_of(self.backbone)]
            self._fingerprint = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        return self._fingerprint

    def weights_hash(self) -> str:
        """A SHA-256 of the weights alone, which a new version of the library that builds the network does not change."""
        if self._weights_hash is None:
            found = hashlib.sha256()
            for name, value in sorted(self.backbone.network.state_dict().items()):
                found.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
                found.update(value.detach().cpu().contiguous().numpy().tobytes())
            self._weights_hash = found.hexdigest()
        return self._weights_hash

    @property
    def network(self) -> Backbone:
        """The backbone as it computes."""
        if self._network is None:
            self._network = _ready(self.backbone, self.device)
        return self._network

    def features(self, prepare: Callable[[list[int]], Any], batches: list[list[int]]) -> Iterator[Any]:
        """Features of each batch, shape (len(batch), n_features); inputs are prepared in threads ahead of the network."""
        # tokenisers cannot be used by two threads at once
        n_threads = 2 if self.backbone.modality == "image" else 1
        for inputs in _ahead(prepare, batches, n_threads):
            yield self._forward(inputs)

    def _forward(self, inputs: Any) -> Any:
        bfloat16 = self.precision == "bfloat16"
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=bfloat16):
            return self.network(self._moved(inputs)).float().cpu().numpy()

    def _moved(self, inputs: Any) -> Any:
        if isinstance(inputs, Mapping):
            return {name: value.to(self.device) for name, value in inputs.items()}
        form = torch.channels_last if inputs.ndim == 4 else torch.contiguous_format
        return inputs.to(self.device, memory_format=form)


def _ready(backbone: Backbone, device: torch.device) -> Backbone:
    """A copy whose normalisation is folded away; a network that needs no change is shared."""
    ready = copy.copy(backbone)
    network: nn.Module = backbone.network
    if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules()):
        network = fold_batch_norm(network)
    elif backbone.modality == "image" or device.type != "cpu" or network.training:
        network = copy.deepcopy(network)
    network = network.eval().to(device)
    if backbone.modality == "image":
        network = network.to(memory_format=torch.channels_last)
    ready.__dict__["_modules"] = {**backbone._modules, "network": network}
    return ready.eval()


def _ahead(make: Callable[[list[int]], Any], jobs: list[list[int]], n_threads: int) -> Iterator[Any]:
    """The results of `make` in order, at most one more than the threads ahead."""
    with ThreadPoolExecutor(n_threads) as pool:
        waiting: deque[Future[Any]] = deque()
        for job in jobs:
            waiting.append(pool.submit(make, job))
            if len(waiting) > n_threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def find_device(device: str) -> torch.device:
    """The device by its name; "auto": a GPU if there is one."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device is {device!r}; allowed are 'auto', 'cpu', 'cuda', 'cuda:1' and the like") from error
    if found.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device is {device!r}, but no such GPU was found; use device='auto' or 'cpu'")
    return found


def _code_of(backbone: Backbone) -> list[str]:
    """What the layers of the user's own classes do: equal weights and names do not make them equal."""
    if backbone.spec.get("kind") != "module":
        return []
    kinds = {type(module) for module in backbone.network.modules()}
    return sorted(_code(kind) for kind in kinds if not kind.__module__.startswith("torch."))


def _code(kind: type[nn.Module]) -> str:
    code = getattr(kind.forward, "__code__", None)
    parts = (
        None if code is None else (code.co_code.hex(), code.co_names, [c for c in code.co_consts if not hasattr(c, "co_code")])
    )
    return f"{kind.__qualname__} {parts}"
