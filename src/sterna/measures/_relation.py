"""Tests that tell one kind of shift from another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import f as f_distribution
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from sterna.domains._stack import Array
from sterna.measures._source_model import Seen, losses

#: Fewer labelled target rows than this are too few for any test of the relation between features and label.
MIN_LABELS = 10


def regressions_differ(
    response_source: Array, design_source: Array, response_target: Array, design_target: Array, weight: Array | None = None
) -> float:
    """The p-value of "both domains have the same regression of the response on the design".

    The model with all interactions of the domain: one least-squares fit a domain, and a Wald test of the difference of their
    coefficients with covariances that allow for any variance of the response (HC3), against the F distribution.

    Parameters
    ----------
    response_source : ndarray of shape (n_source,)
    design_source : ndarray of shape (n_source, n_terms)
    response_target : ndarray of shape (n_target,)
    design_target : ndarray of shape (n_target, n_terms)
    weight : ndarray of shape (n_source,), default=None
        Density ratios, which make the source look like the target; None: all 1.

    Returns
    -------
    float
        1.0 where there are too few rows to tell.
    """
    weight = np.ones(len(response_source)) if weight is None else weight
    slopes, covariances = zip(
        _least_squares(response_source, design_source, weight),
        _least_squares(response_target, design_target, np.ones(len(response_target))),
        strict=True,
    )
    covariance = covariances[0] + covariances[1]
    rank = int(np.linalg.matrix_rank(covariance, hermitian=True))
    n_rows = min(weight.sum() ** 2 / (weight**2).sum(), len(response_target))
    if rank == 0 or n_rows - rank < 3:
        return 1.0
    gap = slopes[1] - slopes[0]
    wald = float(gap @ np.linalg.pinv(covariance, hermitian=True) @ gap)
    return float(f_distribution.sf(wald / rank, rank, n_rows - rank))


def _least_squares(response: Array, design: Array, weight: Array) -> tuple[Array, Array]:
    """Coefficients, shape (n_terms,), and their HC3 covariance, shape (n_terms, n_terms)."""
    weighted = design * weight[:, None]
    inverse = np.linalg.pinv(design.T @ weighted, hermitian=True)
    slopes = inverse @ (weighted.T @ response)
    leverage = np.einsum("ij,jk,ik->i", design, inverse, weighted)
    residual = (response - design @ slopes) / (1 - np.clip(leverage, 0, 0.9))
    meat = weighted.T * residual**2 @ weighted
    return slopes, inverse @ meat @ inverse


@dataclass(frozen=True)
class Labelled:
    """The rows of one domain whose labels are known, as the source model sees them."""

    seen: Seen
    y: Array  # (n_labelled,) class numbers or values


def relation_p_value(source: Labelled, target: Labelled, n_classes: int | None, weight: Array | None) -> float:
    """The p-value of "the label depends on the features in the same way in both domains".

    Two tests, Bonferroni: does the source model lose more (or less) on the target than held out on the source; do its residuals
    depend otherwise on its prediction and on the columns that matter most. The source is weighted to look like the target,
    so that a source model that errs more only because the target lies elsewhere is not held against the relation.
    """
    classes = n_classes is not None
    loss = [losses(domain.seen, domain.y, classes) for domain in (source, target)]
    ones = [np.ones((len(part), 1)) for part in loss]
    p_loss = regressions_differ(loss[0], ones[0], loss[1], ones[1], weight)
    top = columns_that_matter(source, min(8, len(target.y) // 15))
    # of two classes one residual is the other's negative
    numbers = range(1, n_classes) if n_classes == 2 else range(n_classes or 1)
    p_values = []
    for c in numbers:
        residuals = [_residual(domain, c, classes) for domain in (source, target)]
        designs = [_design(domain.seen, c, classes, top) for domain in (source, target)]
        p_values.append(regressions_differ(residuals[0], designs[0], residuals[1], designs[1], weight))
    return min(1.0, 2 * p_loss, 2 * len(p_values) * min(p_values))


def columns_that_matter(source: Labelled, n_columns: int) -> Array:
    """The compact columns that correlate most with the source's label; no target label is read."""
    columns = source.seen.columns - source.seen.columns.mean(axis=0)
    spread = columns.std(axis=0)
    labels = source.y[:, None] == np.unique(source.y) if source.y.dtype.kind in "iu" else source.y[:, None]
    slopes = np.abs((labels - labels.mean(axis=0)).T @ columns).max(axis=0)
    return np.argsort(-np.where(spread > 0, slopes / np.where(spread > 0, spread, 1.0), 0.0), kind="stable")[:n_columns]


def _residual(domain: Labelled, c: int, classes: bool) -> Array:
    return (domain.y == c) - domain.seen.predicted[:, c] if classes else domain.y - domain.seen.predicted[:, 0]


def _score(seen: Seen, c: int, classes: bool) -> Array:
    value = seen.predicted[:, c]
    return np.log(np.clip(value, 1e-3, None) / np.clip(1 - value, 1e-3, None)) if classes else value


def _design(seen: Seen, c: int, classes: bool, top: Array) -> Array:
    score = _score(seen, c, classes)
    return np.column_stack([np.ones(len(score)), score, seen.columns[:, top]])


def label_weight(y_source: Array, y_target: Array, n_classes: int | None) -> Array:
    """The ratio p_target(y) / p_source(y) for each source row, mean 1: under label shift it turns source rows into target rows.

    Classes: the ratio of shares, half a row added to each class that the source knows. Numbers: exp(a + b y + c y^2), by a
    logistic regression of the domain on the label, cut at 10.
    """
    if n_classes is not None:
        old, new = (np.bincount(y, minlength=n_classes) for y in (y_source, y_target))
        weight = ((new + 0.5) / np.where(old > 0, old, 1.0))[y_source]
        return weight / weight.mean()
    y = np.concatenate([y_source, y_target])
    powers = StandardScaler().fit_transform(np.column_stack([y, (y - y.mean()) ** 2]))
    domain = np.repeat([0, 1], [len(y_source), len(y_target)])
    tilt = LogisticRegression(class_weight="balanced").fit(powers, domain).decision_function(powers[: len(y_source)])
    weight = np.minimum(np.exp(tilt), 10.0)
    return weight / weight.mean()
