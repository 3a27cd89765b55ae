"""rank_sources: which source suits the target."""

from __future__ import annotations

from collections.abc import Mapping
from math import comb
from typing import Any

import numpy as np
from scipy.stats import norm

from sterna.domains import Domains
from sterna.domains._stack import Array, vstack
from sterna.measures._domain_auc import DomainAUC, domain_auc
from sterna.measures._measure import with_features
from sterna.measures._ranking import LEAST_LABELS, Ranked, Ranking, ranking
from sterna.measures._sample import MAX_ROWS, Sample, draw
from sterna.measures._source_model import fold_numbers
from sterna.measures._views import Viewer, Views, predict_classes, predict_numbers

TARGET_ALONE = "(target alone)"


def rank_sources(domains: Domains, encoder: Any = None, *, random_state: int = 0) -> Ranking:
    """Rank sources by how well a model of each alone predicts the labelled target rows; by nearness where there are hardly labels.

    Parameters
    ----------
    domains : Domains
        Two sources or more to choose from; one is ranked beside the target alone.
    encoder : transformer or str, default=None
        Of files and texts, as in `measure`.
    random_state : int, default=0

    Returns
    -------
    Ranking
        With eight labelled target rows or more the score is the accuracy (R^2 for values) on them, "target alone" is a candidate
        (cross-validated), and `other` holds `domain_auc`. With fewer the score is 2 (1 - domain_auc), 1 where a source cannot be
        told from the target and 0 where it always can, which says nothing about labels.

    Notes
    -----
    At most 2000 rows a domain; the model is the mean of a logistic (ridge) regression and boosted trees, as in `measure`.
    """
    if not domains.sources:
        raise ValueError("the domains have no source; give the sources to rank")
    domains = with_features(domains, encoder)
    rng = np.random.RandomState(random_state)
    sample = draw(domains, rng, MAX_ROWS * len(domains.sources))
    rows = {domain.name: np.flatnonzero(sample.source_ids == i) for i, domain in enumerate(domains.sources)}
    areas = {
        name: domain_auc(sample.X_source[own], sample.X_target, random_state=rng) for name, own in rows.items() if len(own) > 1
    }
    if len(sample.labelled) < LEAST_LABELS:
        return _by_nearness(areas, len(sample.y_target))
    viewer = Viewer(vstack([sample.X_source, sample.X_target]), rng.randint(2**31 - 1))
    source, target = viewer(sample.X_source), viewer(sample.X_target[sample.labelled])
    scores = {name: _right(source[own], sample.y_source[own], target, sample) for name, own in rows.items()}
    other = {name: {"domain_auc": areas[name].value} if name in areas else {} for name in rows}
    folds = fold_numbers(sample.y_target, min(5, len(sample.y_target)), sample.classes is not None, rng)
    alone = np.empty(len(sample.y_target))
    for fold in np.unique(folds):
        held = folds == fold
        alone[held] = _right(target[~held], sample.y_target[~held], target[held], sample, held)
    what = "R^2" if sample.classes is None else "accuracy"
    return ranking(f"{what} of a model of the source alone", scores | {TARGET_ALONE: alone}, other | {TARGET_ALONE: {}})


def _right(train: Views, y: Array, test: Views, sample: Sample, rows: Any = slice(None)) -> Array:
    """For each labelled target row in `test`: 1 where it is predicted right, or 1 less its squared error over the variance."""
    truth = sample.y_target[rows]
    if sample.n_classes is None:
        return 1 - (predict_numbers(train, y, test) - truth) ** 2 / (float(np.var(sample.y_target)) or 1.0)
    return (predict_classes(train, y, test, sample.n_classes).argmax(axis=1) == truth).astype(float)


def _by_nearness(areas: Mapping[str, DomainAUC], n_labels: int) -> Ranking:
    """By 2 (1 - AUC), 1 at most; the intervals of differences take the areas as independent, and hold for all pairs together."""
    order = sorted(areas, key=lambda name: areas[name].value)
    first = areas[order[0]]
    factor = float(norm.ppf(1 - 0.025 / max(1, comb(len(order), 2))) / norm.ppf(0.975))
    candidates = []
    for name in order:
        own, behind = areas[name], None
        if name != order[0]:
            gap = _nearness(first.value) - _nearness(own.value)
            half = factor * float(np.hypot(own.high - own.low, first.high - first.low))
            behind = (gap, gap - half, gap + half)
        value, low, high = (_nearness(area) for area in (own.value, own.high, own.low))
        candidates.append(Ranked(name, value, low, high, behind, {"domain_auc": own.value}))
    return Ranking("nearness to the target (no labels to judge by)", candidates, n_labels)


def _nearness(area: float) -> float:
    return min(1.0, 2 * (1 - area))  # an area below 1/2 is chance
