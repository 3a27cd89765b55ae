"""What was found out about two domains: the numbers that the kind of shift is read from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse
from scipy.stats import ttest_rel

from sterna.domains._stack import Array
from sterna.measures._domain_auc import DomainAUC
from sterna.measures._domain_scores import DomainScores, domain_scores
from sterna.measures._label_shift import LabelShift
from sterna.measures._mmd import MMD
from sterna.measures._overlap import Overlap
from sterna.measures._relation import MIN_LABELS, Labelled, given_label_p_value, label_weight, relation_p_value
from sterna.measures._sample import Sample
from sterna.measures._source_model import (
    Seen,
    SourceModel,
    errors,
    estimated_shares,
    losses,
    source_model,
    with_shares,
)

#: A difference of the features whose area under the curve is below this is called slight and names no shift.
SLIGHT = 0.55
#: With fewer source rows left than this, the relation of features and label cannot be compared where the target lies.
MIN_EFFECTIVE = 30
N_TESTS = 4


@dataclass(frozen=True)
class Evidence:
    """What the tests found; None where a test could not be made."""

    level: float  # of the whole; each of the tests that name a kind has a quarter of it
    auc: DomainAUC
    auc_low: float  # the lower bound at the level of one test
    mmd: MMD
    overlap: Overlap
    label: LabelShift | None
    n_labels: int = 0
    informative: bool = False  # whether the features tell of the label in the source
    p_relation: float | None = None
    p_relation_shares: float | None = None  # with class probabilities corrected for the target's class shares
    p_relation_aligned: float | None = None  # with the target's columns on the source's means and spreads
    p_given_label: float | None = None
    error_source: float | None = None
    error_weighted: float | None = None
    error_target: float | None = None
    error_aligned: float | None = None
    p_aligned_better: float | None = None
    p_aligned_worse: float | None = None
    auc_aligned: DomainAUC | None = None
    spread_ratio: float = 1.0  # of the median column
    mean_distance: float = 0.0  # of the median column, in standard deviations
    shares: Array | None = None  # of the classes in an unlabelled target, if label shift were all
    auc_matched: DomainAUC | None = None  # once the source has these shares

    @property
    def test_level(self) -> float:
        """The level of one test."""
        return self.level / N_TESTS

    @property
    def features_differ(self) -> bool:
        """Whether the features differ, and not slightly."""
        return (self.auc_low > 0.5 or self.mmd.p_value <= self.test_level) and self.auc.value >= SLIGHT

    @property
    def labels_differ(self) -> bool:
        """Whether the labels are distributed differently."""
        return self.label is not None and self.label.p_value <= self.test_level

    @property
    def alike_given_label(self) -> bool:
        """Whether there is no sign that rows of one label have other features in the target."""
        return self.p_given_label is None or self.p_given_label > self.test_level

    @property
    def label_explains(self) -> bool:
        """Whether the labels differ and label shift is not contradicted.

        It is where rows of one label look different; and where the relation changed while the features did not in the least,
        although they tell of the label: other shares of it would have changed them.
        """
        features_alike = self.auc.low <= 0.5 and self.mmd.p_value > self.level
        contradicted = self.relation_differs and features_alike and self.informative
        return self.labels_differ and self.alike_given_label and not contradicted

    @property
    def relation_differs(self) -> bool:
        """Whether the label depends otherwise on the features as they stand."""
        return self.p_relation is not None and self.p_relation <= self.test_level

    @property
    def comparable(self) -> bool:
        """Whether enough source rows lie where the target lies to compare what the label depends on."""
        return not self.features_differ or self.overlap.n_effective >= MIN_EFFECTIVE

    @property
    def shares_explain(self) -> bool:
        """Whether other class shares (or another distribution of the label) are all that changed in the relation."""
        return self.p_relation_shares is None or self.p_relation_shares > self.test_level

    @property
    def matched_alike(self) -> bool:
        """Whether class shares that were estimated without labels explain the features."""
        return self.auc_matched is not None and self.auc_matched.value - 0.5 < (self.auc.value - 0.5) / 3

    @property
    def alignment_removes(self) -> bool:
        """Whether giving the columns of both domains the same mean and spread removes half of the difference or more."""
        return self.auc_aligned is not None and self.auc_aligned.value - 0.5 <= (self.auc.value - 0.5) / 2


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
    level = 1 - confidence
    found = Evidence(
        level,
        DomainAUC.of(scores, confidence),
        scores.interval(1 - 2 * level / N_TESTS)[0],
        distance,
        Overlap.of(scores, len(sample.y_source)),
        label,
        spread_ratio=_scales(sample)[0],
        mean_distance=_scales(sample)[1],
    )
    if found.features_differ and not sparse.issparse(sample.X_source):
        after = domain_scores(sample.X_source, sample.X_target, rng, align=True)
        found = replace(found, auc_aligned=DomainAUC.of(after, confidence))
    kept = _taught_rows(sample)
    if len(sample.y_source) < MIN_LABELS:
        return found
    asks_shares = found.features_differ and sample.taught is not None and len(sample.taught) > 1
    if len(kept) < MIN_LABELS and not asks_shares:
        return found
    model = source_model(sample.X_source, sample.y_source, sample.X_target, sample.n_classes, rng)
    if len(kept) >= MIN_LABELS:
        return replace(found, **_with_labels(sample, scores, model, kept, found))
    return replace(found, **_without_labels(sample, model, confidence, rng))


def _taught_rows(sample: Sample) -> Array:
    """Numbers into `y_target` of the rows whose class the source knows."""
    if sample.taught is None:
        return np.arange(len(sample.y_target))
    return np.flatnonzero(np.isin(sample.y_target, sample.taught))


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


def _with_labels(sample: Sample, scores: DomainScores, model: SourceModel, kept: Array, found: Evidence) -> dict[str, Any]:
    y, rows, classes = sample.y_target[kept], sample.labelled[kept], sample.n_classes is not None
    source, target = Labelled(model.source, sample.y_source), Labelled(model.target[rows], y)
    # where hardly a source row resembles the target there is nothing to weight
    ratio = np.minimum(scores.density_ratio()[0], 10.0)
    weight = ratio / ratio.mean() if found.features_differ and found.comparable else None
    wrong = errors(source.seen, source.y, classes)
    result: dict[str, Any] = {
        "n_labels": len(y),
        "informative": _informative(source, sample.n_classes),
        "p_relation": relation_p_value(source, target, sample.n_classes, weight),
        "p_given_label": given_label_p_value(source, target, (scores.source, scores.target[rows]), sample.n_classes),
        "error_source": float(wrong.mean()),
        "error_weighted": None if weight is None else float(np.average(wrong, weights=weight)),
        "error_target": float(errors(target.seen, y, classes).mean()),
    }
    if found.labels_differ:
        result["p_relation_shares"] = _given_shares(source, target, sample.n_classes)
    if model.target_aligned is not None and found.features_differ:
        result |= _aligned(source, target, model.target_aligned[rows], sample.n_classes)
    return result


def _informative(source: Labelled, n_classes: int | None) -> bool:
    """Whether the source model loses a tenth less than the best constant."""
    loss = losses(source.seen, source.y, n_classes is not None).mean()
    if n_classes is None:
        return bool(loss < 0.9 * np.abs(source.y - np.median(source.y)).mean())
    shares = np.bincount(source.y, minlength=n_classes) / len(source.y)
    return bool(loss < 0.9 * -np.sum(shares[shares > 0] * np.log(shares[shares > 0])))


def _given_shares(source: Labelled, target: Labelled, n_classes: int | None) -> float:
    """The p-value of "the relation is the same" where label shift is taken out: source rows are weighted by their label."""
    weight = label_weight(source.y, target.y, n_classes)
    if n_classes is not None:
        old = np.bincount(source.y, minlength=n_classes) / len(source.y)
        new = np.bincount(source.y, weights=weight, minlength=n_classes) / len(source.y)
        source = Labelled(with_shares(source.seen, old, new), source.y)
        target = Labelled(with_shares(target.seen, old, new), target.y)
    return relation_p_value(source, target, n_classes, weight)


def _aligned(source: Labelled, target: Labelled, seen: Seen, n_classes: int | None) -> dict[str, Any]:
    classes = n_classes is not None
    before, after = losses(target.seen, target.y, classes), losses(seen, target.y, classes)
    moved = bool(np.any(before != after))
    return {
        "p_relation_aligned": relation_p_value(source, Labelled(seen, target.y), n_classes, None),
        "error_aligned": float(errors(seen, target.y, classes).mean()),
        "p_aligned_better": float(ttest_rel(after, before, alternative="less").pvalue) if moved else 1.0,
        "p_aligned_worse": float(ttest_rel(after, before, alternative="greater").pvalue) if moved else 1.0,
    }


def _without_labels(sample: Sample, model: SourceModel, confidence: float, rng: Any) -> dict[str, Any]:
    """Could class shares explain the features? Estimate them, give the source these shares, and compare once more."""
    old = np.bincount(sample.y_source, minlength=sample.n_classes or 0) / len(sample.y_source)
    shares = estimated_shares(model.target, old)
    if np.abs(shares - old).sum() / 2 < 0.05:
        return {"shares": shares}
    rows = _with_class_shares(sample.y_source, shares, rng)
    if len(rows) < 2 * MIN_LABELS:
        return {"shares": shares}
    matched = domain_scores(sample.X_source[rows], sample.X_target, rng)
    return {"shares": shares, "auc_matched": DomainAUC.of(matched, confidence)}


def _with_class_shares(y: Array, shares: Array, rng: Any) -> Array:
    """As many rows as there are with the class shares `shares`, none twice."""
    counts = np.bincount(y, minlength=len(shares))
    wanted = shares > 0.5 / len(y)
    total = int(np.min(counts[wanted] / shares[wanted]))
    order = rng.permutation(len(y))
    rows = [order[y[order] == c][: round(total * share)] for c, share in enumerate(shares)]
    return np.sort(np.concatenate(rows))
