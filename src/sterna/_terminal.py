"""What the commands print: tables and sentences."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import sterna

console = Console() if sys.stdout.isatty() else Console(width=140)


@contextmanager
def plain_errors(kept: Path | None = None) -> Iterator[None]:
    """Turn what a user can mend into one sentence and exit status 2; an interrupted command goes on where `kept` is there."""
    try:
        yield
    except (ValueError, TypeError, OSError) as error:
        Console(stderr=True).print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        goes_on = kept is not None and kept.exists()
        then = "what was finished is kept: the same command goes on from there" if goes_on else "the same command starts anew"
        Console(stderr=True).print(f"[bold]stopped[/]; {then}", soft_wrap=True)
        raise typer.Exit(130) from None


def show_findings(domains: sterna.Domains) -> None:
    """The domains, and what was found in them."""
    console.print(f"{domains!r}", soft_wrap=True, markup=False)
    for finding in domains.findings:
        console.print(f"[yellow]note:[/] {escape(finding.message)}", soft_wrap=True)


def show_ranking(ranking: Any) -> None:
    """Candidates with their intervals, and what the ranking says."""
    others = list(dict.fromkeys(name for candidate in ranking.candidates for name in candidate.other))
    table = Table("candidate", ranking.score, "behind the first", *others, box=None, pad_edge=False)
    for candidate in ranking.candidates:
        gap = "" if candidate.behind is None else "{:.3f} [{:.3f}, {:.3f}]".format(*candidate.behind)
        own = f"{candidate.value:.3f} [{candidate.low:.3f}, {candidate.high:.3f}]"
        told = [f"{candidate.other[name]:.3f}" if name in candidate.other else "" for name in others]
        table.add_row(candidate.name, own, gap, *told)
    console.print(table)
    console.print(f"[bold]{escape(ranking.sentence)}[/]", soft_wrap=True)


def show_comparison(comparison: sterna.Comparison, out: Path) -> None:
    """The strategies' scores, the verdicts, and where the report is."""
    from sterna.verdict._metrics import find_metric
    from sterna.verdict._words import amount, spelled_gap

    summary = comparison.summary
    metric = find_metric(summary["metric"]["name"], summary["task"])
    label_free = all(entry["mean"] is None for entry in summary["strategies"])
    control = "target only" if comparison.verdict.control == "TargetOnly" else comparison.verdict.control
    titles = ["label-free scores"] if label_free else [metric.name, f"against {control}", "", "against best plain", ""]
    table = Table("strategy", *titles, box=None, pad_edge=False)
    for entry in summary["strategies"]:
        if entry["reason"] is not None:
            continue
        if label_free:
            table.add_row(
                entry["name"], ", ".join(f"{name} {value:.3g}" for name, value in (entry["label_free"] or {}).items())
            )
            continue
        gaps = [spelled_gap(entry["difference"], metric), entry["verdict"] or ""]
        gaps += [spelled_gap(entry["adaptation_difference"], metric), entry["adaptation"] or ""]
        table.add_row(entry["name"], amount(entry["mean"], metric), *gaps)
    console.print(table)
    skipped: dict[str, list[str]] = {}
    for entry in summary["strategies"]:
        if entry["reason"] is not None:
            skipped.setdefault(entry["reason"], []).append(entry["name"])
    if skipped:
        told = "; ".join(f"{', '.join(names)} ({reason})" for reason, names in skipped.items())
        console.print(f"left out: {escape(told)}", soft_wrap=True)
    colours = {"helps": "green", "hurts": "red"}
    asked = f"does the {summary['subject']} help?"
    for title, verdict in ((asked, comparison.verdict), ("does adapting help?", comparison.adaptation)):
        colour = colours.get(verdict.word, "yellow")
        console.print(f"[bold]{title}[/] [{colour} bold]{verdict.word}[/] {escape(verdict.sentence)}", soft_wrap=True)
    console.print(f"[bold]model:[/] {escape(summary['best']['reason'])}", soft_wrap=True)
    console.print(f"[bold]report:[/] {(out / 'report.html').resolve()}", soft_wrap=True)
