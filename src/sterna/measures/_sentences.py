"""The evidence in plain sentences. They say what was seen and what it is consistent with, not what is the case."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sterna.measures._domain_auc import DomainAUC
from sterna.measures._evidence import FEW_LABELS, Evidence
from sterna.measures._kind import rescaling_explains, subspace_explains
from sterna.measures._relation import MIN_LABELS


def sentences(found: Evidence, kind: list[str], drift: pd.DataFrame, classes: Any, n_source: int) -> list[str]:
    """One finding a sentence: features, classes, label, relation, scale, support.

    Parameters
    ----------
    found : Evidence
    kind : list of str
        As `kinds(found)` gives.
    drift : DataFrame
        As `column_drift` gives.
    classes : ndarray or None
        None for regression.
    n_source : int
        The number of source rows.

    Returns
    -------
    list of str
    """
    parts = [_features(found, drift), _classes(found, classes)]
    if found.classes is not None and found.classes.seen:
        if found.common is None:
            return [*parts, "Too few labelled rows of classes in common to look for another kind of shift."]
        found, kind = found.common, [one for one in kind if one != "classes"] or ["none"]
        parts.append(
            f"The rest is about rows of the classes in common: there the domain classifier's AUC is {auc_text(found.auc)}."
        )
    parts += [_covariate(found, kind), _label(found, kind, classes), _relation(found, kind)]
    parts += [_scale(found, kind), _subspace(found, kind), _support(found, kind, n_source), _none(found, kind)]
    return [part for part in parts if part]


def auc_text(auc: DomainAUC) -> str:
    """Write 0.83 (0.80 to 0.86)."""
    return f"{auc.value:.2f} ({auc.low:.2f} to {auc.high:.2f})"


def p_text(p_value: float | None) -> str:
    """Write p = 0.03, or p < 0.001."""
    if p_value is None:
        return "not tested"
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.2g}" if p_value < 0.0995 else f"p = {p_value:.2f}"


def number_text(value: float) -> str:
    """Write three digits, or whole numbers from 1000 on."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def share_text(value: float) -> str:
    """Write a percentage; a share that is not none does not read as 0 %."""
    return "under 1%" if 0 < value < 0.01 else f"{value:.0%}"


def _features(found: Evidence, drift: pd.DataFrame) -> str:
    drifted = drift[drift["drifted"]]
    tells = f"a classifier tells target rows from source rows with an AUC of {auc_text(found.auc)}, where 0.5 is chance and 1 certainty"
    columns = f"taken one by one, {len(drifted)} of {len(drift)} {'column differs' if len(drift) == 1 else 'columns differ'}"
    if len(drifted):
        most = ", ".join(repr(name) for name in drifted["column"][:3])
        columns += f", most {most}" if len(drifted) > 3 else f" ({most})"
    test = f"MMD test {p_text(found.mmd.p_value)}, means along principal axes {p_text(found.p_axes)}"
    if found.features_differ:
        return f"The features differ: {tells}{'' if found.auc_low > 0.5 else f'; {test}'}; {columns}."
    if found.auc_low > 0.5 or min(found.mmd.p_value, found.p_axes) <= found.test_level or len(drifted):
        return f"The features differ slightly, if at all: {tells}; {test}; {columns}."
    return f"No sign that the features differ: {tells}; {test}; {columns}."


def _classes(found: Evidence, classes: Any) -> str:
    sets = found.classes
    if sets is None:
        return ""
    absent, new = (_listed(classes[numbers]) for numbers in (sets.absent, sets.new))
    if not sets.seen:
        return (
            f"The target may lack {absent} (partial class sets): with class shares estimated without target labels, hardly a row "
            "is left for them. That holds only if rows of one class look alike in both domains; whether the target has classes that "
            "the source lacks cannot be known without target labels."
        )
    parts = (
        [f"the target's labels show {new}, which the source lacks (open): no model of the source can predict them"]
        if sets.new
        else []
    )
    if sets.absent:
        parts.append(
            f"none of the target's labels is {absent}, though the source has such rows (partial), by chance in under 1 of 20 cases"
        )
    return f"The class sets differ: {'; '.join(parts)}."


def _listed(names: Any) -> str:
    shown = [repr(str(name)) for name in names[:4]]
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1] if shown else ""])) + (
        f" and {len(names) - 4} more" if len(names) > 4 else ""
    )


def _covariate(found: Evidence, kind: list[str]) -> str:
    if "covariate" not in kind:
        return ""
    if found.p_relation is not None and "concept" in kind:
        return "Covariate shift may be part of it, but nothing shows that it is all."
    if found.p_relation is not None and not found.comparable:
        return (
            "This is consistent with covariate shift, but hardly a source row lies where the target lies, so whether the label depends "
            "on the features as it does in the source cannot be compared."
        )
    if found.p_relation is None:
        return (
            "This is consistent with covariate shift; whether the label depends on the features as it does in the source cannot "
            f"be checked without target labels ({MIN_LABELS} or more)."
        )
    return "This is consistent with covariate shift: there is no sign that the label depends on the features otherwise than in the source."


def _label(found: Evidence, kind: list[str], classes: Any) -> str:
    if found.label is None:
        return _label_unseen(found, classes)
    same = "rows with the same label" if classes is None else "rows of the same class"
    test = p_text(found.label.p_value)
    if not found.labels_differ:
        return f"{_sign(found.label.p_value, found)} of label shift ({test})."
    how = _means(found.label.source, found.label.target) if classes is None else _shares(found.label.source, found.label.target)
    if found.p_relation is None:
        return f"The labels differ ({how}; {test}); fewer than {MIN_LABELS} of them are too few to tell why."
    if found.p_given_label is None:
        return f"The labels differ ({how}; {test}); too few rows of both domains have the same label to compare their features."
    if "label" in kind:
        return (
            f"This is consistent with label shift: the labels differ ({how}; {test}), and there is no sign that {same} look "
            f"different in the target ({p_text(found.p_given_label)})."
        )
    if found.alike_given_label:
        return f"The labels differ ({how}; {test}), but not as in label shift, which would have changed the features too."
    return f"The labels differ ({how}; {test}), but not by label shift alone: {same} look different too ({p_text(found.p_given_label)})."


def _label_unseen(found: Evidence, classes: Any) -> str:
    if found.auc_matched is None or found.shares is None:
        return "Without target labels, nothing can be said about how the label is distributed."
    top = np.argsort(-found.shares, kind="stable")[:3]
    shares = ", ".join(f"{str(classes[c])!r} {found.shares[c]:.0%}" for c in top) + (" ..." if len(found.shares) > 3 else "")
    if found.matched_alike:
        return (
            f"Label shift would explain the features as well: with other class shares ({shares}, estimated without target labels) "
            f"the AUC is {auc_text(found.auc_matched)}. Without target labels the two cannot be told apart."
        )
    return (
        f"Label shift alone would not explain the features: with the class shares that fit best ({shares}) the AUC is still "
        f"{auc_text(found.auc_matched)}."
    )


def _shares(source: dict[str, float], target: dict[str, float]) -> str:
    """The classes whose share differs most; of two, one says it all."""
    names = sorted(source, key=lambda name: -abs(source[name] - target[name]))[: 1 if len(source) == 2 else 3]
    return "; ".join(f"{name!r} {source[name]:.0%} in the source, {target[name]:.0%} in the target" for name in names)


def _means(source: dict[str, float], target: dict[str, float]) -> str:
    parts = [f"{number_text(y['mean'])} (std {number_text(y['std'])})" for y in (source, target)]
    return f"mean {parts[0]} in the source, {parts[1]} in the target"


def _relation(found: Evidence, kind: list[str]) -> str:
    if found.p_relation is None:
        few = f"Too few target labels to check whether the label depends on the features otherwise ({MIN_LABELS} are needed)."
        return "" if found.label is None else few
    if not found.comparable and "support" in kind:
        return _carried(found)
    compared = f"{_compared(found)}; given the features, does the label differ: {p_text(found.p_relation)}"
    if "concept" in kind:
        return f"This is consistent with concept shift, the label depending otherwise on the features: {compared}."
    if not found.relation_differs:
        few = " With so few labels only a large change would show." if found.n_labels < FEW_LABELS else ""
        return f"{_sign(found.p_relation, found)} of concept shift: {compared}.{few}"
    if "label" in kind:
        return f"No sign of concept shift beyond what label shift explains: {compared}."
    if "scale" in kind or "subspace" in kind:
        what = "another scale" if "scale" in kind else "a map of the columns"
        return f"No sign of concept shift beyond what {what} explains (see below): {compared}."
    return _carried(found)


def _carried(found: Evidence) -> str:
    """Whether the source model does as well on a target that lies where the source has hardly a row."""
    compared = _compared(found) + ("" if found.p_carries is None else f" ({p_text(found.p_carries)})")
    if found.carries:
        return f"No sign that the source model does worse on the target: {compared}."
    worse = (found.error_target or 0.0) > (found.error_source or 0.0)
    return (
        f"{'The source model does not carry over as it is' if worse else 'The source model errs otherwise in the target'}: "
        f"{compared}. Either the label depends otherwise on the features (concept "
        "shift), or the model extrapolates badly: hardly any source row lies where the target lies, so these data cannot tell."
    )


def _sign(p_value: float, found: Evidence) -> str:
    """How strong a sign a p-value is that is above the level of one test."""
    return "No sign" if p_value > found.level else "A weak sign, which may be chance,"


def _compared(found: Evidence) -> str:
    weighted = ""
    if found.error_weighted is not None:
        weighted = f", {_error(found, found.error_weighted)} when weighted to look like the target"
    verb = "errs on" if _is_share(found) else "is off on average by"
    return (
        f"a model of the source {verb} {_error(found, found.error_target)} {'of' if _is_share(found) else 'on'} {found.n_labels} labelled "
        f"target rows, {_error(found, found.error_source)} {'of' if _is_share(found) else 'on'} source rows held out{weighted}"
    )


def _is_share(found: Evidence) -> bool:
    return found.label is not None and found.label.task == "classification"


def _error(found: Evidence, error: float | None) -> str:
    return "?" if error is None else f"{error:.0%}" if _is_share(found) else number_text(error)


def _scale(found: Evidence, kind: list[str]) -> str:
    if "scale" not in kind:
        return ""
    if found.columns_changed and not found.alignment_removes:
        return (
            "Some columns seem to be measured otherwise (another unit, scale or instrument): hardly a target row could be a row of the "
            "source, or columns fit each other no more; a choice of rows does not do that. See which columns differ most."
        )
    text = (
        "This is consistent with another scale, unit or instrument (columns are moved or stretched, whatever the label): once each "
        "column has the same mean and spread in both domains"
    )
    auc = "" if found.auc_aligned is None else f", the AUC is {auc_text(found.auc_aligned)} instead of {found.auc.value:.2f}"
    if found.rescaled is None or not rescaling_explains(found):
        return text + auc + "."
    return (
        f"{text}, there is no sign that {_same(found)} look different ({p_text(found.rescaled.p_given_label)}){auc}, and the source "
        f"model's error on the target goes from {_error(found, found.error_target)} to {_error(found, found.rescaled.error)}."
    )


def _same(found: Evidence) -> str:
    return "rows of the same class" if _is_share(found) else "rows with the same label"


def _subspace(found: Evidence, kind: list[str]) -> str:
    if "subspace" not in kind:
        return ""
    if subspace_explains(found) and found.subspace is not None:
        n, p, error = found.subspace.n_dimensions, found.subspace.p_same, found.subspace.error
        where = f"in a common subspace of {n} {'dimension' if n == 1 else 'dimensions'}, found with half of the labelled rows,"
        return (
            f"This is consistent with a subspace shift: {where} there is no sign that {_same(found)} look different ({p_text(p)}), and a "
            f"source model there errs on the target by {_error(found, error)} instead of {_error(found, found.error_target)}."
        )
    assert found.turned is not None
    return (
        "This is consistent with a subspace shift, a map of the columns: with some columns turned round, so that they go with the label "
        f"as in the source, there is no sign that {_same(found)} look different ({p_text(found.turned.p_given_label)}), and the source "
        f"model's error on the target goes from {_error(found, found.error_target)} to {_error(found, found.turned.error)}."
    )


def _support(found: Evidence, kind: list[str], n_source: int) -> str:
    share = found.overlap.value
    worth = f"weighted to look like the target, the {n_source} source rows are worth about {max(1, round(share * n_source))}"
    if "support" not in kind:
        explained = {"scale", "subspace"} & set(kind)
        return f"The domains overlap: {worth}." if found.features_differ and not explained and share >= 0.1 else ""
    return (
        f"Support is missing: {found.beyond:.0%} of the target rows lie where fewer than 1 of 100 source rows do ({worth}); reweighting "
        "alone has little to work with."
    )


def _none(found: Evidence, kind: list[str]) -> str:
    if kind != ["none"]:
        return ""
    if found.p_relation is None:
        return "In all: no sign of a shift of the features; whether the label depends on them otherwise was not tested."
    return "In all: no sign of a shift, neither of the features, nor of the label, nor of the relation between them."
