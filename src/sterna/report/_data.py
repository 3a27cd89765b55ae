"""What was compared and how it differs: domains, findings of the data checks, distances, drift, label shares."""

from __future__ import annotations

from typing import Any

from sterna.report._numbers import ABSENT, number, p_value, percent, shortened, significant
from sterna.report._plain import entries, pick, present

MOST_CLASSES, MOST_FINDINGS, MOST_DRIFT, MOST_SHARES = 5, 5, 20, 20


def domain_rows(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """One row a domain: role, counts, labels, fingerprint."""
    return [
        {
            "name": pick(item, "name", default="?"),
            "role": pick(item, "role", default=ABSENT),
            "rows": number(pick(item, "n_rows"), 0) + _noun(summary),
            "labelled": number(pick(item, "n_labelled"), 0),
            "features": number(pick(item, "n_features"), 0),
            "labels": _labels(item),
            "fingerprint": pick(item, "fingerprint", default=ABSENT),
        }
        for item in entries(summary, "domains")
    ]


def _noun(summary: dict[str, Any]) -> str:
    """What the rows are, where they are no rows of a table."""
    noun = pick(summary, "rows_are", default="rows")
    return "" if noun == "rows" else f" {noun}"


def _labels(item: dict[str, Any]) -> str:
    classes = pick(item, "classes")
    if classes:
        total = sum(count or 0 for count in classes.values()) or 1
        pairs = list(classes.items())
        if len(pairs) > MOST_CLASSES:
            pairs = sorted(pairs, key=lambda pair: -(pair[1] or 0))[: MOST_CLASSES - 1]
        shown = ", ".join(f"{shortened(name, 24)} {percent((count or 0) / total)}" for name, count in pairs)
        return shown if len(pairs) == len(classes) else f"{shown}, and {len(classes) - len(pairs)} other classes"
    mean, std, low, high = (pick(item, "label_summary", key) for key in ("mean", "std", "min", "max"))
    if mean is None:
        return "none known" if pick(item, "n_labelled") == 0 else ABSENT
    return f"mean {significant(mean)}, sd {significant(std)}, {significant(low)} to {significant(high)}"


def finding_groups(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Findings of the data checks by code: the first few in full, the others by their columns."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for item in entries(summary, "findings"):
        groups.setdefault(str(pick(item, "code", default="note")), []).append(item)
    out = []
    for code, items in groups.items():
        rest = items[MOST_FINDINGS:] if len(items) > MOST_FINDINGS + 1 else []
        shown = items[: len(items) - len(rest)]
        out.append({"code": code, "messages": [_finding(item) for item in shown], "n_more": len(rest)})
    return out


def _finding(item: dict[str, Any]) -> dict[str, Any]:
    where = [str(item[key]) for key in ("domain", "column") if item.get(key) is not None]
    return {"where": where, "message": pick(item, "message", default="")}


def measure_view(summary: dict[str, Any]) -> dict[str, Any] | None:
    """How far the domains are apart: sentences, distances, drift by column, label shares, the map's places."""
    measure = pick(summary, "measure")
    if not measure:
        return None
    return {
        "kinds": present(measure, "kind"),
        "sentences": present(measure, "sentences"),
        "distances": _distances(measure),
        "drift": _drift(entries(measure, "drift")),
        "labels": _label_shift(pick(measure, "label_shift")),
        "map": entries(measure, "map"),
        "map_axes": _sentence(pick(measure, "map_axes", default="")),
    }


def _sentence(text: str) -> str:
    text = text.strip().rstrip(".")
    return f"{text[0].upper()}{text[1:]}. " if text else ""


def _distances(measure: dict[str, Any]) -> list[dict[str, str]]:
    """Each distance with what it means; those not measured are left out."""
    rows = []
    auc = pick(measure, "classifier_auc", default={})
    if auc.get("mean") is not None:
        low, high = auc.get("low"), auc.get("high")
        decimals = 3 if low is not None and high is not None and high - low < 0.01 else 2
        interval = "" if low is None else f" ({number(low, decimals)} to {number(high, decimals)})"
        meaning = "how well a classifier tells source rows from target rows: 0.5 not at all, 1 perfectly"
        rows.append({"name": "Domain classifier, AUC", "value": number(auc["mean"], decimals) + interval, "meaning": meaning})
    mmd = pick(measure, "mmd", default={})
    if mmd.get("value") is not None:
        value = significant(mmd["value"]) + ("" if mmd.get("p_value") is None else f", p {_p_text(mmd['p_value'])}")
        meaning = "maximum mean discrepancy: 0 where the features have the same distribution"
        rows.append({"name": "MMD", "value": value, "meaning": meaning})
    size = pick(measure, "effective_sample_size", default={})
    if size.get("value") is not None:
        value = number(size["value"], 0 if size["value"] >= 10 else 1) + (
            "" if size.get("share") is None else f" rows, {percent(size['share'])} of the source"
        )
        meaning = "how many source rows are left once they are weighted to look like the target"
        rows.append({"name": "Effective sample size", "value": value, "meaning": meaning})
    return rows


def _p_text(value: float) -> str:
    text = p_value(value)
    return text if text.startswith("<") else f"= {text}"


def _drift(items: list[dict[str, Any]]) -> dict[str, Any] | None:
    if not items:
        return None
    # drifted columns first, the largest statistic first; ties keep the order of the columns
    ranked = sorted(items, key=lambda item: (not item.get("drifted"), -(pick(item, "statistic", default=0.0))))
    rows = [
        {
            "name": pick(item, "column", default="?"),
            "kind": pick(item, "kind", default=ABSENT),
            "value": pick(item, "statistic"),
            "statistic": number(pick(item, "statistic"), 2),
            "source": significant(pick(item, "source_mean")),
            "target": significant(pick(item, "target_mean")),
            "q": p_value(pick(item, "q_value", default=pick(item, "p_value"))),
            "drifted": bool(pick(item, "drifted", default=False)),
        }
        for item in ranked[:MOST_DRIFT]
    ]
    return {"rows": rows, "n": len(items), "n_drifted": sum(bool(item.get("drifted")) for item in items), "n_shown": len(rows)}


def _label_shift(shift: dict[str, Any] | None) -> dict[str, Any] | None:
    source, target = pick(shift, "source", default={}), pick(shift, "target", default={})
    names = list(dict.fromkeys([*source, *target]))
    if not names:
        return None
    if len(names) > MOST_SHARES:
        distance = {name: abs((source.get(name) or 0.0) - (target.get(name) or 0.0)) for name in names}
        names = sorted(names, key=lambda name: -distance[name])[:MOST_SHARES]
    rows = []
    for name in names:
        pair = [source.get(name), target.get(name)]
        shown = [None if share is None else 100 * share for share in pair]
        texts = [percent(share) for share in pair]
        text = f"source {texts[0]}, target {texts[1]}"
        rows.append({"name": name, "first": shown[0], "second": shown[1], "text": text, "values": texts})
    p = pick(shift, "p_value")
    n_all = len(dict.fromkeys([*source, *target]))
    return {"rows": rows, "p": None if p is None else _p_text(p), "n": n_all, "n_shown": len(rows)}
