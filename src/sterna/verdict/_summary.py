"""The one summary of a comparison, in plain JSON types: what the report renders and `results.json` holds."""

from __future__ import annotations

import platform
from collections import Counter
from dataclasses import asdict
from typing import Any

import numpy as np

from sterna._version import __version__
from sterna.domains import Domains
from sterna.domains._media import NOUNS
from sterna.select._candidates import FLOOR
from sterna.verdict._analysis import Analysis, Outcome
from sterna.verdict._cells import Plan
from sterna.verdict._metrics import Metric
from sterna.verdict._statistics import Interval
from sterna.verdict._store import library_versions

CORRECTION = (
    "Intervals hold for all strategies at once (largest |t| of correlated comparisons). Their width counts the sampling of the labelled "
    "rows, the split and the seed; they speak of models trained on parts of these labelled rows, tested on new rows."
)


def describe_domains(domains: Domains) -> list[dict[str, Any]]:
    """Size, labels and fingerprint of every domain."""
    described = []
    for domain in (*domains.sources, domains.target):
        known = np.array(domain.known.tolist())
        classes = summary = None
        if domains.task == "classification":
            classes = {str(label): int(count) for label, count in zip(*np.unique(known, return_counts=True), strict=True)}
        elif len(known):
            summary = {
                "mean": float(known.mean()),
                "std": float(known.std()),
                "min": float(known.min()),
                "max": float(known.max()),
            }
        described.append(
            {
                "name": domain.name,
                "role": domain.role,
                "n_rows": len(domain.y),
                "n_labelled": len(known),
                "n_features": None if domains.kind in NOUNS else len(domains.columns),
                "classes": classes,
                "label_summary": summary,
                "fingerprint": domains.fingerprint(domain),
            }
        )
    return described


def describe_metric(metric: Metric) -> dict[str, Any]:
    """Name, direction and unit."""
    return {"name": metric.name, "greater_is_better": metric.greater_is_better, "unit": metric.unit}


def describe_outcomes(analysis: Analysis, skipped: dict[str, str], families: dict[str, str]) -> list[dict[str, Any]]:
    """One entry a strategy, best first, those left out last."""
    scored = [o for o in analysis.outcomes.values() if o.mean is not None]
    failed = [o for o in analysis.outcomes.values() if o.mean is None]
    scored.sort(key=lambda o: (-float(np.nanmean(o.gains)) if o.gains is not None else 0.0, o.name))
    entries = [_entry(outcome) for outcome in [*scored, *failed]]
    missing = [Outcome(name, families.get(name, ""), reason=reason) for name, reason in skipped.items()]
    return entries + [_entry(outcome) for outcome in missing]


def _entry(outcome: Outcome) -> dict[str, Any]:
    mean = outcome.mean
    return {
        "name": outcome.name,
        "family": outcome.family,
        "mean": mean.mean if mean else None,
        "low": mean.low if mean else None,
        "high": mean.high if mean else None,
        "difference": _dict(outcome.difference),
        "verdict": outcome.difference.word if outcome.difference else None,
        "adaptation_difference": _dict(outcome.adaptation),
        "adaptation": outcome.adaptation.word if outcome.adaptation else None,
        "seconds": float(np.median([cell["seconds"] for cell in outcome.cells])) if outcome.cells else None,
        "peak_mb": float(np.max([cell["peak_mb"] for cell in outcome.cells])) if outcome.cells else None,
        "health": merge_health([cell["health"] for cell in outcome.cells]),
        "warnings": merge_warnings([cell["warnings"] for cell in outcome.cells]),
        "label_free": None,
        "reason": outcome.reason,
    }


def _dict(interval: Interval | None) -> dict[str, float] | None:
    return interval.to_dict() if interval is not None else None


def merge_health(healths: list[dict[str, Any]]) -> dict[str, Any]:
    """The mean of numbers over the splits, the share of truths, the most frequent word."""
    merged: dict[str, Any] = {}
    for name in dict.fromkeys(name for health in healths for name in health):
        values = [health[name] for health in healths if health.get(name) is not None]
        if not values:
            merged[name] = None
        elif all(isinstance(value, bool) for value in values):
            merged[name] = values[0] if len(set(values)) == 1 else f"{sum(values)} of {len(values)} splits"
        elif all(isinstance(value, int | float) for value in values):
            merged[name] = float(np.mean(values))
        else:
            merged[name] = Counter(map(str, values)).most_common(1)[0][0]
    return merged


def merge_warnings(warnings: list[list[str]]) -> list[str]:
    """The three most frequent warnings, each with the number of splits it came in."""
    counted = Counter(text for cell in warnings for text in cell)
    return [f"{text} (in {count} of {len(warnings)} splits)" for text, count in counted.most_common(3)]


def add_confusions(plan: Plan, analysis: Analysis, best: str) -> dict[str, Any] | None:
    """Confusion counts of the control and of the best strategy, summed over the splits."""
    classes = plan.domains.classes
    if classes is None:
        return None
    models = {}
    for name in dict.fromkeys([analysis.control, best]):
        if name not in analysis.outcomes:
            continue
        matrices = [cell["confusion"] for cell in analysis.outcomes[name].cells if cell["confusion"] is not None]
        if matrices:
            models[name] = np.sum(matrices, axis=0).tolist()
    return {"classes": [str(label) for label in classes.tolist()], "models": models} if models else None


def curve_point(budget: int, analysis: Analysis) -> dict[str, Any]:
    """One budget of the learning curve."""
    shown = {name: o for name, o in analysis.outcomes.items() if o.mean is not None and name != FLOOR}
    return {
        "budget": budget,
        "strategies": {name: _dict(o.mean) for name, o in shown.items()},
        "differences": {n: o.difference.to_dict() | {"verdict": o.difference.word} for n, o in shown.items() if o.difference},
    }


def how_to_use(folder: str | None, domains: Domains) -> dict[str, str]:
    """Code that loads the model and predicts."""
    run = folder or "RUN"
    if domains.kind in NOUNS:
        text = domains.kind == "text"
        rows = f"new_rows.csv --text {domains.columns[0]}" if text else "new_folder/"
        told = "a list of texts" if text else "a list of paths"
        return {
            "python": f'import sterna\n\nmodel = sterna.load("{run}")\nmodel.predict(new_rows)  # {told}',
            "shell": f"sterna predict {run} {rows} --out predictions.csv",
        }
    return {
        "python": f'import sterna\n\nmodel = sterna.load("{run}")\nmodel.predict(new_rows)  # rows of the target, columns by name',
        "shell": f"sterna predict {run} new_rows.csv --out predictions.csv",
    }


def how_to_reproduce(command: str | None, options: dict[str, Any]) -> dict[str, Any]:
    """The command or call, and the versions."""
    given = ", ".join(f"{name}={value!r}" for name, value in options.items())
    return {
        "command": command,
        "python": f"sterna.compare(domains{', ' + given if given else ''})",
        "versions": library_versions(),
        "platform": f"Python {platform.python_version()}, {platform.system()} {platform.machine()}",
    }


def short_repr(estimator: Any) -> str:
    """An estimator with its changed parameters on one line."""
    return " ".join(estimator.__repr__(N_CHAR_MAX=120).split())


def header(domains: Domains, metric: Metric) -> dict[str, Any]:
    """Title, task, metric, domains and findings."""
    return {
        "sterna": __version__,
        "title": f"{domains.target.name} from {', '.join(domain.name for domain in domains.sources) or 'a pretrained network'}",
        "subject": "source" if domains.sources else "pretrained network",
        "task": domains.task,
        "metric": describe_metric(metric),
        "domains": describe_domains(domains),
        "findings": [asdict(finding) for finding in domains.findings],
    }


def preprocessing_sentence(kind: str, encoded: bool = False) -> str:
    """What the rows went through, in words; `encoded` where an encoder made features of files or texts first."""
    scope = "fitted within each split on the rows that training may see"
    if encoded:
        return f"an encoder makes features of the rows; the features are scaled, {scope}"
    if kind == "table":
        return f"missing numbers become the median, numbers are standardised, categories become columns; {scope}"
    if kind == "sparse":
        return f"columns scaled by their largest value (100 singular components for strategies that need dense rows); {scope}"
    return f"missing values become the median, columns are standardised; {scope}"
