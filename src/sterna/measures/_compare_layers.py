"""compare_layers: how alike two networks see the same rows, layer by layer."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sterna.domains._stack import Array
from sterna.measures._cka import cka
from sterna.measures._layer_outputs import Record
from sterna.measures._parameters import check_count

if TYPE_CHECKING:
    from torch import nn


def compare_layers(
    before: Any,
    after: Any,
    X: Any,
    measure: Any = cka,
    *,
    layers: Sequence[str] | None = None,
    all_pairs: bool = False,
    pool: bool = True,
    batch_size: int = 64,
) -> pd.DataFrame:
    """How alike two networks see the same rows at each layer, such as a model before and after transfer.

    When to use it: to see which layers a transfer changed: those that it left as they are may be frozen the next time. When it
    cannot tell: whether a change is for the better, and what happens within a stage; with few rows every likeness is
    uncertain (a hundred or more are better).

    Parameters
    ----------
    before, after : Module or fitted strategy
        Torch modules of any architecture (backbones by `load_backbone` too), or fitted strategies that hold a network.
    X : array-like or list of length n_samples
        The rows, four or more: what the strategies and backbones take, or what the modules take as a batch.
    measure : function or list of functions, default=cka
        Of two arrays (n_samples, n_features) to a number: `cka`, `svcca`, `rsa`.
    layers : list of str, default=None
        Names of stages or modules; None: the stages of the networks, from the input to the output.
    all_pairs : bool, default=False
        Compare each layer of the one with each of the other, not only those of one name: for different architectures.
    pool : bool, default=True
        Average maps and sequences over their places; False flattens them, where they take less than 1.6 GB.
    batch_size : int, default=64

    Returns
    -------
    DataFrame
        A row for each layer: layer (and layer_after, with all_pairs), a column for each measure, and reason: why a value is not defined
        (NaN), empty where all are.

    Notes
    -----
    Both networks run in evaluation mode without gradients, and are left in the mode they were in. A stage is what freezing takes as
    one (`Backbone.stages`); its output is that of its last module, in the last call where there are several. Of an output with more
    than two axes the features are the axis as long as the last bias or scale of the stage, or where that does not decide the second
    of a map and the last of a sequence; padding is left out where the inputs say what it is. Cost: a forward pass of each network,
    and the measure for each layer.

    References
    ----------
    S. Kornblith, M. Norouzi, H. Lee, G. Hinton (2019), Similarity of neural network representations revisited, ICML.
    B. Neyshabur, H. Sedghi, C. Zhang (2020), What is being transferred in transfer learning?, NeurIPS.

    Examples
    --------
    >>> import copy
    >>> import numpy as np
    >>> from sterna.measures import compare_layers
    >>> from torch import manual_seed, nn
    >>> _ = manual_seed(0)
    >>> before = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    >>> after = copy.deepcopy(before)
    >>> _ = nn.init.normal_(after[2].weight)
    >>> found = compare_layers(before, after, np.random.default_rng(0).normal(size=(100, 4)))
    >>> (found["cka"] > 0.999).tolist()
    [True, False]
    """
    _require_torch()
    measures = _named_measures(measure)
    n_rows = X.shape[0] if hasattr(X, "shape") else len(X)
    if n_rows < 4:
        raise ValueError(f"compare_layers: X has {n_rows} rows; give four or more")
    check_count("compare_layers: batch_size", batch_size, 1)
    first, second = (
        _outputs(name, given, X, n_rows, layers, pool, batch_size) for name, given in (("before", before), ("after", after))
    )
    if all_pairs:
        pairs = [(one, other) for one in first for other in second]
    else:
        pairs = [(name, name) for name in [*first, *(name for name in second if name not in first)]]
        if not set(first) & set(second):
            raise ValueError(
                f"compare_layers: before has the layers {', '.join(first)}, after {', '.join(second)}, none in common; give all_pairs=True"
            )
    rows = []
    for one, other in pairs:
        names = {"layer": one} | ({"layer_after": other} if all_pairs else {})
        rows += [names | _compared(first.get(one), second.get(other), measures)]
    return pd.DataFrame(rows)


def _require_torch() -> None:
    try:
        import torch  # noqa: F401
    except ModuleNotFoundError:
        raise ModuleNotFoundError("compare_layers needs torch; install it with pip install 'sterna[deep]'") from None


def _named_measures(measure: Any) -> dict[str, Callable[..., float]]:
    given = list(measure) if isinstance(measure, list | tuple) else [measure]
    wrong = [one for one in given if not callable(one)]
    if wrong or not given:
        raise TypeError(f"compare_layers: measure is {measure!r}; give sterna.measures.cka, svcca or rsa, or a list of them")
    return {getattr(getattr(one, "func", one), "__name__", type(one).__name__): one for one in given}


def _compared(first: Any, second: Any, measures: dict[str, Callable[..., float]]) -> dict[str, Any]:
    """The values of a pair of layers, and why some are not defined."""
    reasons = []
    for side, other, outputs in (("before", "after", first), ("after", "before", second)):
        if outputs is None:
            reasons.append(f"only {other} has this layer")
        elif isinstance(outputs, str):
            reasons.append(f"{side}: {outputs}")
        elif not np.ptp(outputs, axis=0).any():
            reasons.append(f"{side}: all rows get the same output")
    if reasons:
        return dict.fromkeys(measures, float("nan")) | {"reason": "; ".join(reasons)}
    found: dict[str, Any] = {}
    for name, function in measures.items():
        try:
            found[name] = float(function(first, second))
        except ValueError as error:
            found[name] = float("nan")
            reasons.append(str(error))
        else:
            if np.isnan(found[name]):
                reasons.append(f"{name} is not defined for these outputs")
    return found | {"reason": "; ".join(reasons)}


def _outputs(
    side: str, given: Any, X: Any, n_rows: int, layers: Sequence[str] | None, pool: bool, batch_size: int
) -> dict[str, Array | str]:
    """The outputs of each layer, (n_rows, n_features), or why there are none."""
    import torch

    network = _network(side, given)
    stages = _stages(side, network, layers)
    record = Record(n_rows, pool, stages)
    with _evaluating(network), record.hooked(), torch.no_grad():
        for start in range(0, n_rows, batch_size):
            stop = min(start + batch_size, n_rows)
            inputs = _inputs(side, network, _rows(X, start, stop))
            network(inputs)
            record.close_batch(stop - start, inputs.get("attention_mask") if hasattr(inputs, "get") else None)
    return record.outputs()


def _network(side: str, given: Any) -> nn.Module:
    from torch import nn

    if hasattr(given, "steps") and len(given.steps) == 1:
        given = given.steps[0][1]
    network = getattr(given, "network_", given)
    if isinstance(network, nn.Module):
        return network
    if getattr(given, "takes_raw", False):
        raise ValueError(
            f"compare_layers: {side} is a {type(given).__name__} that holds no trained network; fit it first, or where it trains none "
            "give its backbone, by sterna.backbones.load_backbone"
        )
    raise TypeError(
        f"compare_layers: {side} is a {type(given).__name__}; give a torch module, or a fitted strategy that trains a network"
    )


def _stages(side: str, network: Any, layers: Sequence[str] | None) -> list[tuple[str, nn.Module]]:
    from sterna.backbones._stages import find_stages

    stages = network.stages() if hasattr(network, "stages") else find_stages(network) or [("network", network)]
    if layers is None:
        return stages
    known = dict(network.named_modules()) | dict(stages)
    for name in layers:
        if name not in known or not name:
            raise ValueError(
                f"compare_layers: layers names {name!r}, which {side} has not; its stages are {', '.join(dict(stages))}, and any module "
                "of named_modules() is allowed"
            )
    return [(name, known[name]) for name in layers]


def _rows(X: Any, start: int, stop: int) -> Any:
    if isinstance(X, pd.DataFrame | pd.Series):
        return X.iloc[start:stop].to_numpy()
    return X[start:stop] if hasattr(X, "shape") else list(X[start:stop])


def _inputs(side: str, network: Any, rows: Any) -> Any:
    """A batch as the network takes it: prepared by its backbone, or as a tensor of its own kind."""
    import torch

    weight = next(network.parameters(), torch.zeros(0))
    prepare = getattr(getattr(network, "backbone", network), "prepare", None)
    if prepare is not None:
        inputs = prepare(rows)
        if hasattr(inputs, "items"):
            return {name: value.to(weight.device) for name, value in inputs.items()}
        return inputs.to(weight.device)
    try:
        tensor = rows if isinstance(rows, torch.Tensor) else torch.as_tensor(np.array(rows))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"compare_layers: {side} takes a batch of numbers, which X is not ({error}); give an array or a tensor"
        ) from error
    return tensor.to(weight.device, weight.dtype if tensor.is_floating_point() else None)


@contextlib.contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
