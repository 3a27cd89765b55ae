"""Which kind of shift the evidence is consistent with: the simplest explanation that suffices."""

from __future__ import annotations

from sterna.measures._evidence import Evidence, Mapped, fits

#: Columns whose spreads differ by this factor (the median column) speak for another scale.
SPREAD_RATIO = 1.5
#: So do means of the median column that lie so many standard deviations apart.
FAR_MEANS = 1.0
#: Support is called missing, beside another kind, where this share of the target rows has hardly a source row near.
MUCH_BEYOND = 0.25


def kinds(found: Evidence) -> list[str]:
    """The kinds of shift that the evidence is consistent with, the one that explains most first.

    Explanations are tried in turn, and the first that no test contradicts is named: other classes; other shares of the label; another
    scale of the columns or a common subspace, where something speaks against the columns as they are; rows where the source has
    none; the same dependence of the label on the features; and last another dependence.

    Parameters
    ----------
    found : Evidence

    Returns
    -------
    list of str
        Of "classes", "label", "covariate", "scale", "subspace", "support" and "concept"; ["none"] where there is no sign of any.
    """
    if found.classes is not None and found.classes.seen:
        if found.common is None:
            return ["classes"]
        rest = [kind for kind in kinds(found.common) if kind != "none"]
        return [*rest, "classes"] if _explains_classes(found, found.common, rest) else ["classes", *rest]
    if found.p_relation is None:
        return _by_features(found)
    if found.label_explains:
        return ["label"]
    if not found.features_differ:
        if found.relation_differs:
            return ["concept"]
        return ["covariate"] if found.labels_differ else ["none"]
    if rescaling_explains(found):
        return ["scale", "label"] if found.labels_differ else ["scale"]
    if subspace_explains(found) or turning_explains(found):
        return ["subspace"]
    if found.beyond_source:
        return ["support", "covariate"]
    named = ["concept", "covariate"] if found.relation_differs and found.comparable else ["covariate"]
    return [*named, "support"] if found.beyond > MUCH_BEYOND else named


def _explains_classes(found: Evidence, common: Evidence, rest: list[str]) -> bool:
    """Whether the kinds of shift within the classes in common, `rest`, explain that the class sets differ.

    Covariate shift does that leaves out the place where the absent classes lie; so does missing support, of new classes too; and
    a concept that changed does, where the rows of all classes lie alike and have other labels only.
    """
    if rest == ["covariate"]:
        return common.features_differ and not (found.classes is not None and found.classes.new)
    return rest[:1] == ["support"] or ("concept" in rest and not found.features_differ)


def _by_features(found: Evidence) -> list[str]:
    """Without target labels, or with too few: several explanations may be left."""
    if not found.features_differ:
        return ["label"] if found.labels_differ else ["none"]
    if found.matched_alike and not (found.label is not None and not found.labels_differ):
        return ["label", "covariate", *(["classes"] if found.classes is not None else [])]
    named = ["covariate"]
    if found.alignment_removes and found.spread_ratio >= SPREAD_RATIO:
        return ["scale"]
    if found.beyond_source:
        named = ["support", *named]
    if found.alignment_removes and found.mean_distance >= FAR_MEANS:
        named.append("scale")  # means that lie apart may be the target's own as well as an instrument's
    elif found.columns_changed:  # some of them at least: no choice of rows does that
        named = [*(kind for kind in named if kind != "covariate"), "scale"]
    return named


def rescaling_explains(found: Evidence) -> bool:
    """Whether, once rescaled, rows of one label look alike, and something speaks against the columns as they are.

    That is spreads that differ, a source model that predicts better on rescaled columns, or another relation. Two shifts, of
    scale and of label, are named only where the relation contradicts covariate shift.
    """
    mapped = found.rescaled
    if mapped is None or not fits(mapped.p_given_label, found.test_level) or found.alignment_parts:
        return False
    if found.labels_differ and not (found.relation_differs and found.comparable):
        return False
    if found.spread_ratio >= SPREAD_RATIO and mapped.p_worse > found.level:
        return True
    # where the source has no rows, less speaks for the columns as they are
    return (found.beyond_source and mapped.p_better <= found.level) or _needed(found, mapped)


def turning_explains(found: Evidence) -> bool:
    """Whether the same holds once some columns are turned round too."""
    mapped = found.turned
    if mapped is None or found.labels_differ or found.alignment_parts:
        return False
    return fits(mapped.p_given_label, found.test_level) and _needed(found, mapped)


def subspace_explains(found: Evidence) -> bool:
    """Whether rows of one label look alike in a subspace from which the source model predicts the target better."""
    part = found.subspace
    if part is None or not fits(part.p_same, found.test_level):
        return False
    return max(part.p_better, part.p_informative) <= found.test_level


def _needed(found: Evidence, mapped: Mapped) -> bool:
    if mapped.p_better <= found.test_level:
        return True
    return found.relation_differs and found.comparable and mapped.p_worse > found.level
