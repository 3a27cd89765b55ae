"""What the layers of a network give for some rows, batch by batch."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sterna.domains._stack import Array

if TYPE_CHECKING:
    from torch import Tensor, nn

#: Outputs that are not pooled may have this many values in all: 1.6 GB as float64.
MAX_VALUES = 2e8


class Record:
    """Keeps the outputs of stages as features, averaged over places or flattened."""

    def __init__(self, n_rows: int, pool: bool, stages: list[tuple[str, nn.Module]]) -> None:
        self._n_rows, self._pool, self._stages = n_rows, pool, stages
        self._widths = {name: _width(stage) for name, stage in stages}
        self._seen: dict[str, Any] = {}
        self._parts: dict[str, list[Array]] = {name: [] for name, _ in stages}
        self._reasons: dict[str, str] = {}

    @contextlib.contextmanager
    def hooked(self) -> Iterator[None]:
        """See the output of each stage for as long as the block lasts."""
        from sterna.backbones._stages import Stage

        with contextlib.ExitStack() as stack:
            for name, stage in self._stages:
                # a `Stage` hooks on the last of its modules; one of single parameters is never called
                if not isinstance(stage, Stage) or next(stage.children(), None) is not None:
                    stack.callback(stage.register_forward_hook(self._hook(name)).remove)
            yield

    def _hook(self, name: str) -> Callable[..., None]:
        def keep(module: Any, given: Any, output: Any) -> None:
            self._seen[name] = output

        return keep

    def close_batch(self, n: int, mask: Any) -> None:
        """Turn what was seen of `n` rows into features."""
        for name in self._widths:
            if name in self._reasons:
                continue
            found = self._features(self._seen.get(name), n, mask, self._widths[name])
            if isinstance(found, str):
                self._reasons[name] = found
                self._parts[name] = []
            else:
                self._parts[name].append(found)
        self._seen.clear()

    def _features(self, output: Any, n: int, mask: Any, width: int | None) -> Array | str:
        tensor = _tensor(output)
        if tensor is None:
            return "no call with a tensor as output was seen"
        if tensor.ndim == 0 or len(tensor) != n:
            return f"its output has the shape {tuple(tensor.shape)}, which is no entry for each of {n} rows"
        tensor = tensor.detach().cpu()
        if self._pool:
            return np.asarray(_pooled(tensor.double(), mask, width).numpy())
        flat = tensor.float().reshape(n, -1)
        if self._n_rows * flat.shape[1] > MAX_VALUES:
            size = self._n_rows * flat.shape[1] * 8 / 2**30
            return f"its {flat.shape[1]} values for each of {self._n_rows} rows take {size:.1f} GiB; leave pool as it is, or give fewer rows"
        return np.asarray(flat.numpy())

    def outputs(self) -> dict[str, Array | str]:
        """The features of each layer, shape (n_rows, n_features), or why there are none."""
        found: dict[str, Array | str] = {}
        for name, parts in self._parts.items():
            lengths = {part.shape[1] for part in parts}
            uneven = f"its outputs are of {len(lengths)} lengths; leave pool as it is"
            found[name] = self._reasons.get(name) or (uneven if len(lengths) > 1 else np.concatenate(parts))
        return found


def _tensor(output: Any) -> Tensor | None:
    """The tensor among what a module gave: the first, where there are several."""
    from torch import Tensor

    while not isinstance(output, Tensor):
        parts = list(output.values()) if isinstance(output, Mapping) else output
        if not isinstance(parts, list | tuple) or not parts:
            return None
        output = parts[0]
    return output


def _pooled(tensor: Tensor, mask: Any, width: int | None) -> Tensor:
    """Means over places, shape (n, n_features)."""
    if tensor.ndim < 3:
        return tensor.reshape(len(tensor), -1)
    fitting = [axis for axis in range(1, tensor.ndim) if tensor.shape[axis] == width]
    usual = tensor.ndim - 1 if tensor.ndim == 3 else 1
    axis = fitting[0] if len(fitting) == 1 else usual
    moved = tensor.movedim(axis, -1).flatten(1, -2)  # (n, n_places, n_features)
    if mask is not None and axis == 2 and tuple(mask.shape) == tuple(tensor.shape[:2]):
        weight = mask.cpu().double()[:, :, None]
        return (moved * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)
    return moved.mean(dim=1)


def _width(stage: nn.Module) -> int | None:
    """The length of the last bias or scale of a stage: the number of its features."""
    lengths = [len(parameter) for parameter in stage.parameters() if parameter.ndim == 1]
    return lengths[-1] if lengths else None
