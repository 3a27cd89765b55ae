"""effective_sample_size: how many rows weighted rows are worth."""

from __future__ import annotations

from typing import Any

from sterna.reweight._base import effective_sample_size as kish
from sterna.select._checks import check_weights


def effective_sample_size(weights: Any) -> float:
    """How many rows of equal weight would give a mean of the same variance.

    When to use it: beside each score that takes weights. When it cannot tell: whether the source has rows at all where the target
    lies; weights that are all tiny look even (see `sterna.measures.overlap`).

    Parameters
    ----------
    weights : array-like of shape (n_samples,)

    Returns
    -------
    float
        Between 1 and n_samples.

    Notes
    -----
    (sum w)^2 / sum w^2. Cost O(n_samples).

    References
    ----------
    A. Kong (1992), A note on importance sampling using standardized weights, technical report 348, University of Chicago.

    Examples
    --------
    >>> from sterna.select import effective_sample_size
    >>> effective_sample_size([1.0, 1.0, 0.0, 0.0])
    2.0
    """
    shares = check_weights(weights)
    shares = shares / shares.max()  # squares of tiny weights would be 0
    return kish(shares)
