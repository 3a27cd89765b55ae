"""Which kind of shift the evidence is consistent with."""

from __future__ import annotations

from sterna.measures._domain_auc import DomainAUC
from sterna.measures._evidence import Evidence

#: Columns whose spreads differ by this factor (the median column) speak for another scale.
SPREAD_RATIO = 1.5
#: So do means of the median column that lie so many standard deviations apart.
FAR_MEANS = 1.0
#: A source worth less than this share of its rows, weighted to look like the target, lacks support.
LOW_OVERLAP = 0.1
#: With fewer target labels than this, only a large change of the relation would show.
FEW_LABELS = 50


def kinds(found: Evidence) -> list[str]:
    """The kinds of shift that the evidence is consistent with; a simpler explanation comes before a new concept.

    Parameters
    ----------
    found : Evidence

    Returns
    -------
    list of str
        Of "covariate", "label", "subspace", "concept" and "support"; ["none"] where there is no sign of any.
    """
    named = []
    label = found.label_explains or (found.features_differ and found.matched_alike)
    subspace = _subspace(found) and not label
    alone = label and (found.labels_differ or not found.features_differ)  # with target labels seen, label shift is enough
    # without target labels, means that lie apart may be the target's own as well as an instrument's
    certain = found.error_aligned is not None or found.spread_ratio >= SPREAD_RATIO
    if found.features_differ and not alone and not (subspace and certain and _alike(found.auc_aligned)):
        named.append("covariate")
    if label:
        named.append("label")
    if subspace:
        named.append("subspace")
    explained = (label and found.shares_explain) or (subspace and _alignment_explains(found))
    if found.relation_differs and not explained and (found.comparable or subspace):
        named.append("concept")
    if found.features_differ and found.overlap.value < LOW_OVERLAP:
        named.append("support")
    return named or ["none"]


def _subspace(found: Evidence) -> bool:
    if not (found.features_differ and found.alignment_removes):
        return False
    better, worse = found.p_aligned_better, found.p_aligned_worse
    if better is None or worse is None:  # no target labels
        return found.spread_ratio >= SPREAD_RATIO or found.mean_distance >= FAR_MEANS
    if not found.relation_differs and found.n_labels >= FEW_LABELS:
        return False  # the source model fits the columns as they are
    if better <= found.test_level and _alignment_explains(found):
        return True
    return found.spread_ratio >= SPREAD_RATIO and worse > found.level


def _alike(auc: DomainAUC | None) -> bool:
    return auc is not None and auc.low <= 0.5


def _alignment_explains(found: Evidence) -> bool:
    """Whether alignment leaves no sign of another relation, or less than half of what the source model errs more."""
    if found.p_relation_aligned is None or found.error_aligned is None:
        return False
    assert found.error_target is not None
    assert found.error_source is not None
    left = found.error_aligned - found.error_source
    return found.p_relation_aligned > found.test_level or left < (found.error_target - found.error_source) / 2
