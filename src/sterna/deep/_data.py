"""Batches: which rows each step sees, the same for a seed whatever the number of processes, devices or restarts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from sterna.backbones import Backbone
from sterna.domains._stack import Array

MEMORY = 2 * 2**30  # bytes of prepared rows that are kept


class Part(NamedTuple):
    """The rows of one kind in a batch."""

    x: Any  #: prepared inputs, a Tensor (n, ...) or a dict of them
    y: Tensor | None  #: encoded labels (n,) or (n, n_outputs); None where unlabelled
    rows: Tensor  #: their numbers within the part (n,)


class Batch(NamedTuple):
    """What a step sees; a part that the strategy does not draw from is None."""

    source: Part | None
    target: Part | None  #: labelled target rows
    unlabelled: Part | None  #: target rows without their labels


@dataclass
class Pool:
    """All rows of one part; prepared rows are kept while they fit into memory.

    Attributes
    ----------
    items : sequence of length n
        Raw rows.
    y : Tensor of shape (n, ...) or None
        Encoded labels.
    """

    items: Any
    y: Tensor | None
    _kept: Tensor | None = None
    _known: Tensor | None = None
    _fits: bool = True

    def __len__(self) -> int:
        return len(self.items)

    def inputs(self, backbone: Backbone, rows: Tensor) -> Any:
        """Prepared inputs of some rows."""
        if not self._fits:
            return backbone.prepare(self.take(rows))
        missing = rows if self._known is None else rows[~self._known[rows]]
        if len(missing):
            fresh = backbone.prepare(self.take(missing))
            # texts are padded by the batch: nothing to keep
            if not isinstance(fresh, Tensor) or fresh[0].nbytes * len(self) > MEMORY:
                self._fits, self._kept = False, None
                return backbone.prepare(self.take(rows))
            if self._kept is None:
                self._kept = torch.empty((len(self), *fresh.shape[1:]), dtype=fresh.dtype)
                self._known = torch.zeros(len(self), dtype=torch.bool)
            assert self._known is not None
            self._kept[missing], self._known[missing] = fresh, True
        assert self._kept is not None
        return self._kept[rows]

    def take(self, rows: Tensor) -> Any:
        """Raw rows: an array where the items are one, otherwise a list."""
        return self.items[rows.numpy()] if isinstance(self.items, np.ndarray) else [self.items[i] for i in rows.tolist()]


class Pools(Dataset[Batch]):
    """The parts that a strategy draws from; indexed by the row numbers of each.

    Parameters
    ----------
    pools : dict of {"source", "target", "unlabelled"} to Pool
    backbone : Backbone
        Prepares raw rows.
    augment : callable or None
        Of an image and a numpy Generator.
    seed : int
        Together with epoch, part and row it seeds an augmentation.
    """

    def __init__(self, pools: dict[str, Pool], backbone: Backbone, augment: Callable[..., Any] | None, seed: int) -> None:
        self.pools = pools
        self.backbone = backbone
        self.augment = augment
        self.seed = seed

    def __getitem__(self, step: Any) -> Batch:
        epoch, rows = step
        parts = {name: self._part(name, epoch, rows[name]) for name in rows}
        return Batch(parts.get("source"), parts.get("target"), parts.get("unlabelled"))

    def _part(self, name: str, epoch: int, rows: Array) -> Part:
        pool, index = self.pools[name], torch.as_tensor(rows)
        if self.augment is None:
            x = pool.inputs(self.backbone, index)
        else:
            rng = np.random.default_rng([self.seed, epoch, _NAMES.index(name), int(rows[0])])
            x = self.backbone.prepare(pool.take(index), rng=rng, augment=self.augment)
        return Part(x, None if pool.y is None else pool.y[index], index)


_NAMES = ("source", "target", "unlabelled")


class StepSampler(Sampler[tuple[int, dict[str, Array]]]):
    """The rows of every step of an epoch: each part is shuffled anew each time it was gone through.

    Parameters
    ----------
    sizes : dict of str to int
        Rows of each part; the largest sets the number of steps, smaller ones start again.
    batch_size : int
        Of each part, over all devices.
    seed : int
    rank, world : int
        This process among all; each takes every `world`-th row of a step.
    """

    def __init__(self, sizes: dict[str, int], batch_size: int, seed: int, rank: int = 0, world: int = 1) -> None:
        self.sizes = sizes
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world = world
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch, after a restart too."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Steps of an epoch; a rest of a single row joins the step before (batch normalisation cannot do with one row)."""
        largest = max(self.sizes.values())
        steps, rest = divmod(largest, self.batch_size)
        return max(1, steps + (rest > 1 or (rest == 1 and self.batch_size == 1)))

    def __iter__(self) -> Iterator[tuple[int, dict[str, Array]]]:
        steps = {name: self._steps(name) for name in self.sizes}
        for i in range(len(self)):
            yield self.epoch, {name: rows[i][self.rank :: self.world] for name, rows in steps.items()}

    def _steps(self, name: str) -> list[Array]:
        """The rows of each step, before they are shared among processes."""
        n, n_steps = self.sizes[name], len(self)
        full = max(self.sizes.values())
        rng = np.random.default_rng([self.seed, self.epoch, _NAMES.index(name)])
        order = np.concatenate([rng.permutation(n) for _ in range(-(-full // n))])[:full]
        cuts = np.arange(1, n_steps) * self.batch_size
        steps = np.split(order, cuts)
        return [_divisible(rows, self.world) for rows in steps]


def _divisible(rows: Array, world: int) -> Array:
    """Repeat first rows so that every process gets as many."""
    return np.resize(rows, -(-len(rows) // world) * world)


def training_loader(
    pools: Pools, batch_size: int, seed: int, n_workers: int = 0, rank: int = 0, world: int = 1
) -> DataLoader[Batch]:
    """Batches for training, in an order that depends on the seed and the epoch only."""
    sizes = {name: len(pool) for name, pool in pools.pools.items()}
    sampler = StepSampler(sizes, batch_size, seed, rank, world)
    return DataLoader(
        pools,
        sampler=sampler,
        batch_size=None,
        num_workers=n_workers,
        persistent_workers=n_workers > 0,
    )


class Plain(Dataset[Part]):
    """Labelled rows in order, in batches, for validation."""

    def __init__(self, pool: Pool, backbone: Backbone, batch_size: int) -> None:
        self.pool = pool
        self.backbone = backbone
        self.batch_size = batch_size

    def __len__(self) -> int:
        """Number of batches."""
        return -(-len(self.pool) // self.batch_size)

    def __getitem__(self, i: int) -> Part:
        if i >= len(self):
            raise IndexError(i)
        rows = np.arange(i * self.batch_size, min(len(self.pool), (i + 1) * self.batch_size))
        index = torch.as_tensor(rows)
        return Part(self.pool.inputs(self.backbone, index), None if self.pool.y is None else self.pool.y[index], index)
