"""Make the tests that the kind of shift is read from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse

from sterna.domains._stack import Array, vstack
from sterna.measures._axis_test import axis_p_value
from sterna.measures._class_sets import ClassSets, class_sets, estimated_class_sets
from sterna.measures._column_change import column_change
from sterna.measures._column_map import rescaled, turned, without_rare
from sterna.measures._common_subspace import common_subspace
from sterna.measures._domain_auc import DomainAUC
from sterna.measures._domain_scores import DomainScores, domain_scores
from sterna.measures._evidence import N_TESTS, Evidence, Mapped
from sterna.measures._given_features import same_given_features
from sterna.measures._given_label import same_given_label
from sterna.measures._label_shift import LabelShift, label_shift
from sterna.measures._mmd import MMD, mmd
from sterna.measures._overlap import Overlap
from sterna.measures._relation import MIN_LABELS, Labelled, columns_that_matter, relation_p_value
from sterna.measures._sample import Sample
from sterna.measures._source_model import Seen, errors, estimated_shares, losses, paired_p_value, source_model
from sterna.measures._views import N_COMPACT, Viewer

#: A column with fewer values is no scale of its own: moved, its values fall between those of the other domain.
FEW_VALUES = 20
#: A target row lies beyond the source where its domain score is above that of this share of the source's rows.
BEYOND = 0.99


def gather(
    sample: Sample, scores: DomainScores, distance: MMD, label: LabelShift | None, confidence: float, rng: Any
) -> Evidence:
    """Make all tests that the sample allows.

    Parameters
    ----------
    sample : Sample
    scores : DomainScores
        Of the sample.
    distance : MMD
    label : LabelShift or None
        None without target labels.
    confidence : float
    rng : RandomState

    Returns
    -------
    Evidence
    """
    found = _of_features(sample, scores, distance, label, confidence, rng)
    if sample.n_classes is not None:
        sets = class_sets(sample.y_source, sample.y_target, sample.n_classes, found.test_level, rng)
        if sets is not None:
            return replace(found, classes=sets, common=_in_common(sample, sets, confidence, rng))
    if found.features_differ and not sparse.issparse(sample.X_source):
        after = domain_scores(sample.X_source, sample.X_target, rng, align=True)
        found = replace(found, auc_aligned=DomainAUC.of(after, confidence), coarse=_coarse(sample))
    if len(sample.y_source) < MIN_LABELS:
        return found
    if len(sample.y_target) >= MIN_LABELS:
        return replace(found, **_with_labels(sample, scores, found, rng))
    if found.features_differ and sample.taught is not None and len(sample.taught) > 1:
        found = replace(found, **_without_labels(sample, confidence, rng))
    if found.features_differ:
        found = replace(found, columns_changed=column_change(sample.X_source, sample.X_target, rng).changed)
    return found


def _of_features(
    sample: Sample, scores: DomainScores, distance: MMD, label: LabelShift | None, confidence: float, rng: Any
) -> Evidence:
    level = 1 - confidence
    viewer = Viewer(vstack([sample.X_source, sample.X_target]), rng.randint(2**31 - 1))
    spread_ratio, mean_distance = _scales(sample)
    return Evidence(
        level,
        DomainAUC.of(scores, confidence),
        scores.interval(1 - 2 * level / N_TESTS)[0],
        distance,
        Overlap.of(scores, len(sample.y_source)),
        float(np.mean(scores.target > np.quantile(scores.source, BEYOND))),
        label,
        axis_p_value(viewer(sample.X_source).compact, viewer(sample.X_target).compact, rng),
        spread_ratio=spread_ratio,
        mean_distance=mean_distance,
    )


def _in_common(sample: Sample, sets: ClassSets, confidence: float, rng: Any) -> Evidence | None:
    """The evidence on the labelled rows of the classes in common; None where they are too few."""
    source = np.flatnonzero(~np.isin(sample.y_source, sets.absent))
    kept = np.flatnonzero(~np.isin(sample.y_target, sets.new))
    if min(len(source), len(kept)) < MIN_LABELS:
        return None
    target = sample.labelled[kept]
    y_source, y_target = sample.y_source[source], sample.y_target[kept]
    part = Sample(
        sample.X_source[source],
        y_source,
        sample.source_ids[source],
        sample.X_target[target],
        y_target,
        np.arange(len(kept)),
        sample.classes,
        np.unique(y_source),
    )
    scores = domain_scores(part.X_source, part.X_target, rng)
    distance = mmd(part.X_source, part.X_target, random_state=rng)
    names = np.arange(sample.n_classes or 0) if sample.classes is None else sample.classes
    label = label_shift(names[y_source], names[y_target], task="classification", random_state=rng)
    return gather(part, scores, distance, label, confidence, rng)


def _coarse(sample: Sample) -> bool:
    """Whether a column that varies has few values in both domains, which repeat."""
    few = [
        [1 < len(np.unique(column)) < min(FEW_VALUES, len(column) / 2) for column in X.T]
        for X in (sample.X_source, sample.X_target)
    ]
    return any(map(all, zip(*few, strict=True)))


def _scales(sample: Sample) -> tuple[float, float]:
    """By which factor, at least 1, the spread of the median column differs, and by how many standard deviations its mean."""
    if sparse.issparse(sample.X_source):
        return 1.0, 0.0
    spreads = [X.std(axis=0) for X in (sample.X_source, sample.X_target)]
    varying = (spreads[0] > 1e-9) & (spreads[1] > 1e-9)
    if not varying.any():
        return 1.0, 0.0
    one, other = spreads[0][varying], spreads[1][varying]
    gap = np.abs(sample.X_source.mean(axis=0) - sample.X_target.mean(axis=0))[varying]
    return float(np.exp(np.median(np.abs(np.log(one / other))))), float(np.median(gap / np.sqrt((one**2 + other**2) / 2)))


def _with_labels(sample: Sample, scores: DomainScores, found: Evidence, rng: Any) -> dict[str, Any]:
    y, rows, n_classes = sample.y_target, sample.labelled, sample.n_classes
    classes = n_classes is not None
    maps = _maps(sample, found)
    model = source_model(sample.X_source, sample.y_source, sample.X_target, n_classes, rng, list(maps.values()))
    source, target = Labelled(model.source, sample.y_source), Labelled(model.target[rows], y)
    wrong = errors(source.seen, source.y, classes)
    result: dict[str, Any] = {
        "n_labels": len(y),
        "informative": _informative(source, n_classes),
        "p_carries": relation_p_value(source, target, n_classes, None),
        "error_source": float(wrong.mean()),
        "error_target": float(errors(target.seen, y, classes).mean()),
    }
    viewer = Viewer(vstack([sample.X_source, sample.X_target]), rng.randint(2**31 - 1))
    X_source, X_target = viewer(sample.X_source).compact, viewer(sample.X_target).compact[rows]
    top = columns_that_matter(source, min(N_COMPACT, len(y) // 15))
    result["p_relation"], result["n_comparable"] = same_given_features(
        X_source, sample.y_source, X_target, y, n_classes, top, rng
    )
    odds = (scores.source, scores.target[rows])
    result["p_given_label"] = same_given_label(X_source, sample.y_source, X_target, y, classes, rng, odds)
    if not found.features_differ:
        return result
    weight = np.minimum(scores.density_ratio()[0], 10.0)
    result["error_weighted"] = float(np.average(wrong, weights=weight))
    for (name, mapped), seen in zip(maps.items(), model.mapped, strict=True):
        parts = sample.X_source, sample.X_target[rows]
        places = [viewer(without_rare(X, *parts)).compact for X in (sample.X_source, mapped[rows])]
        same = same_given_label(places[0], sample.y_source, places[1], y, classes, rng)
        result[name] = _mapped(target, seen[rows], classes, same)
    if replace(found, **result).asks_for_subspace:
        result["subspace"] = common_subspace(X_source, sample.y_source, X_target, y, n_classes, found.test_level, rng)
    return result


def _maps(sample: Sample, found: Evidence) -> dict[str, Array]:
    """The target's rows as maps of the columns have them; none where the features do not differ, or are sparse."""
    if not found.features_differ or sparse.issparse(sample.X_source):
        return {}
    known = (sample.labelled, sample.y_target, sample.n_classes)
    plain = rescaled(sample.X_source, sample.y_source, sample.X_target, *known)
    return {"rescaled": plain, "turned": turned(sample.X_source, sample.y_source, plain, *known)}


def _mapped(target: Labelled, seen: Seen, classes: bool, p_given_label: float | None) -> Mapped:
    both = [[rule(rows, target.y, classes) for rows in (seen, target.seen)] for rule in (losses, errors)]
    # a source model that is less sure of itself loses less, and errs as often: both have to be better
    better = max(paired_p_value(after, before, "less") for after, before in both)
    return Mapped(p_given_label, better, paired_p_value(both[0][0], both[0][1], "greater"), float(both[1][0].mean()))


def _informative(source: Labelled, n_classes: int | None) -> bool:
    """Whether the source model loses a tenth less than the best constant."""
    loss = losses(source.seen, source.y, n_classes is not None).mean()
    if n_classes is None:
        return bool(loss < 0.9 * np.abs(source.y - np.median(source.y)).mean())
    shares = np.bincount(source.y, minlength=n_classes) / len(source.y)
    return bool(loss < 0.9 * -np.sum(shares[shares > 0] * np.log(shares[shares > 0])))


def _without_labels(sample: Sample, confidence: float, rng: Any) -> dict[str, Any]:
    """Could class shares explain the features? Estimate them, give the source these shares, and compare once more."""
    model = source_model(sample.X_source, sample.y_source, sample.X_target, sample.n_classes, rng)
    old = np.bincount(sample.y_source, minlength=sample.n_classes or 0) / len(sample.y_source)
    shares = estimated_shares(model.target, old)
    if np.abs(shares - old).sum() / 2 < 0.05:
        return {"shares": shares}
    rows = _with_class_shares(sample.y_source, shares, rng)
    if len(rows) < 2 * MIN_LABELS:
        return {"shares": shares}
    matched = domain_scores(sample.X_source[rows], sample.X_target, rng)
    sets = estimated_class_sets(shares, old, sample.X_target.shape[0])
    return {"shares": shares, "auc_matched": DomainAUC.of(matched, confidence), "classes": sets}


def _with_class_shares(y: Array, shares: Array, rng: Any) -> Array:
    """As many rows as there are with the class shares `shares`, none twice."""
    counts = np.bincount(y, minlength=len(shares))
    wanted = shares > 0.5 / len(y)
    total = int(np.min(counts[wanted] / shares[wanted]))
    order = rng.permutation(len(y))
    rows = [order[y[order] == c][: round(total * share)] for c, share in enumerate(shares)]
    return np.sort(np.concatenate(rows))
