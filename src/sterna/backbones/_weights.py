"""Weights from files and state dicts: strict, without pickles, with one sentence where they do not fit."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

_PREFIXES = ("module.", "model.", "network.", "backbone.", "_orig_mod.")


def read_weights(weights: Any) -> tuple[dict[str, Tensor], str]:
    """A state dict and how messages call it.

    Parameters
    ----------
    weights : path or mapping of str to Tensor
        A .safetensors file, or a file that `torch.load(weights_only=True)` reads.

    Returns
    -------
    state : dict of str to Tensor
        float32 where it was half precision.
    title : str
    """
    if isinstance(weights, Mapping):
        state, title = dict(weights), "the state dict"
    else:
        path = Path(weights)
        title = str(path)
        if not path.is_file():
            raise FileNotFoundError(f"there is no weights file {path}; check its name and folder")
        state = _read(path)
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(state.get(key), Mapping):
            state = dict(state[key])
    if not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"{title} holds no state dict (names and tensors); save it with torch.save(model.state_dict(), FILE)")
    return {
        name: value.float() if value.dtype in (torch.float16, torch.bfloat16) else value for name, value in state.items()
    }, title


def _read(path: Path) -> dict[str, Any]:
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except SafetensorError as error:
            raise ValueError(f"{path} is no safetensors file ({error}); it may be cut off: write it again") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch on the pickle protocol, said better below
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path} holds pickled Python objects, which are never loaded because they can run code; save the state dict alone: "
            "torch.save(model.state_dict(), FILE)"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise ValueError(
            f"{path} cannot be read as weights ({type(error).__name__}); it may be cut off: write it again"
        ) from error
    return content if isinstance(content, dict) else {}


def load_weights(network: nn.Module, weights: Any, kind: str, head: str | None) -> None:
    """Load weights strictly; a head with another number of classes is left out.

    Parameters
    ----------
    network : Module
        With its head.
    weights : path or mapping
    kind : str
        How messages call the network.
    head : str or None
        The name of its classifier.
    """
    state, title = read_weights(weights)
    own = network.state_dict()
    state = _without_prefix(state, own)
    if head is not None:
        for name in (f"{head}.weight", f"{head}.bias"):
            if name in own and (name not in state or state[name].shape != own[name].shape):
                state[name] = own[name]
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    surplus = [name for name in state if name not in own]
    wrong = [name for name in own if name in state and state[name].shape != own[name].shape]
    if missing or surplus or wrong:
        raise ValueError(f"{title} does not hold weights of {kind}: {_told(missing, surplus, wrong, own, state)}")
    network.load_state_dict(own | state)


def _without_prefix(state: dict[str, Tensor], own: dict[str, Tensor]) -> dict[str, Tensor]:
    for prefix in _PREFIXES:
        if not any(name in own for name in state) and all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state


def _told(missing: list[str], surplus: list[str], wrong: list[str], own: dict[str, Tensor], state: dict[str, Tensor]) -> str:
    parts = []
    if missing:
        parts.append(f"{len(missing)} tensors are missing (first {missing[0]!r})")
    if surplus:
        parts.append(f"{len(surplus)} are not of this network (first {surplus[0]!r})")
    if wrong:
        name = wrong[0]
        parts.append(
            f"{len(wrong)} have another shape (first {name!r}: {tuple(state[name].shape)} for {tuple(own[name].shape)})"
        )
    return ", ".join(parts) + "; name the architecture that they belong to"
