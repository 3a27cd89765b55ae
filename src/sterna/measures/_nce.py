"""nce: the negative conditional entropy of target labels given source labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from sterna.domains._stack import is_labelled
from sterna.measures._facts import transferability_facts


@transferability_facts(bounds=(-np.inf, 0.0), takes="source labels and labels", reference="Tran, Nguyen and Hassner 2019")
def nce(y_source: Any, y: Any) -> float:
    """Negative conditional entropy: how far labels of a source task, given for target rows, settle the target's labels.

    When to use it: two label sets of the same rows, or the classes that a source model predicts for target rows. When it
    cannot tell: more source classes fit more, up to 0 where each row has a class of its own.

    Parameters
    ----------
    y_source : array-like of shape (n_samples,)
        Labels of the source task for the target's rows, or a source model's predictions.
    y : array-like of shape (n_samples,)
        Labels of the target.

    Returns
    -------
    float
        -H(Y | Z) in nats, 0 at most.

    Notes
    -----
    sum_{y, z} P(y, z) log P(y | z) with empirical shares (definition 2). Time O(n log n).

    References
    ----------
    A. Tran, C. Nguyen, T. Hassner (2019), Transferability and hardness of supervised classification tasks, ICCV.

    Examples
    --------
    >>> from sterna.measures import nce
    >>> nce(["a", "a", "b", "b"], [0, 0, 1, 1])
    0.0
    """
    labels = [np.asarray(values) for values in (y_source, y)]
    for name, values in zip(("y_source", "y"), labels, strict=True):
        if values.ndim != 1 or not len(values):
            raise ValueError(f"nce: {name} has the shape {values.shape}; give one label a row, shape (n_samples,)")
        unknown = np.flatnonzero(~is_labelled(values))
        if len(unknown):
            raise ValueError(f"nce: {name} has no label in row {unknown[0]}; give the rows that have both labels only")
    if len(labels[0]) != len(labels[1]):
        raise ValueError(f"nce: y_source has {len(labels[0])} labels, y {len(labels[1])}; give both for the same rows")
    z, codes = (
        np.unique(values.astype(str) if values.dtype == object else values, return_inverse=True)[1] for values in labels
    )
    joint = np.bincount(z * (codes.max() + 1) + codes).astype(float)
    n = len(codes)
    inside, share = joint[joint > 0] / n, np.bincount(z) / n
    return float(
        min(0.0, np.sum(inside * np.log(inside)) - np.sum(share * np.log(share, where=share > 0, out=np.zeros_like(share))))
    )
