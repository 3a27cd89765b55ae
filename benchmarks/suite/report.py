"""Tables of the suite: regret, falls under the plain models, single scores, always the same strategy, cost."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
from harness import interval

RESULTS = Path(__file__).parents[1] / "results"
PLAIN = ("SourceOnly", "TargetOnly", "Pooled")
#: Of the issue: mean regret at most, and how far under the plain model (without labels: source only) on which share of the tasks at most.
GOALS = {100: (1.0, 1.0, 0.0), 20: (2.0, 3.0, 0.0), 0: (3.0, 2.0, 0.05)}


class Scored:
    """A task with its labels, the mean over seeds: points of accuracy, or per cent of the best plain model's error."""

    def __init__(self, cells):
        self.cells, first = cells, cells[0]
        self.title, self.group, self.kind, self.n_labels = first["title"], first["group"], first["kind"], first["n_labels"]
        self.units = [self._unit(cell) for cell in cells]
        names = set.intersection(*[{n for n, s in cell["strategies"].items() if s["score"] is not None} for cell in cells])
        self.scores = {name: self.mean([cell["strategies"][name]["score"] for cell in cells]) for name in names}
        self.auto = self.mean([cell["auto"]["score"] for cell in cells])
        self.best = max(self.scores.values())
        self.best_by_seed = self.mean([max(cell["strategies"][name]["score"] for name in names) for cell in cells])
        self.plain = max(self.scores[name] for name in PLAIN if name in names)
        self.source = self.scores["SourceOnly"]

    def _unit(self, cell):
        if self.kind == "classification":
            return 1.0
        plain = [cell["strategies"][name]["score"] for name in PLAIN if name in cell["strategies"]]
        return 100 / -max(score for score in plain if score is not None)

    def mean(self, values):
        return float(np.mean([unit * value for unit, value in zip(self.units, values, strict=True)]))

    def chosen_by(self, score):
        """The mean of what a label-free score picks; None where it is not defined for a seed."""
        picked = [cell.get("picked", {}).get(score) for cell in self.cells]
        if None in picked:
            return None
        return self.mean([cell["strategies"][name]["score"] for cell, name in zip(self.cells, picked, strict=True)])


def picks(cell):
    """What each label-free score picks in a cell: ours among the strategies whose scores are not void."""
    found = {}
    for name, scores in cell["label_free"].items():
        for score, value in scores.items():
            void = not score.startswith("skada") and name in cell["void"]
            if not void and cell["strategies"][name]["score"] is not None:
                found.setdefault(score, {})[name] = value
    return {score: max(known, key=known.get) for score, known in found.items()}


def scored(results):
    """One `Scored` a task and number of labels."""
    groups = defaultdict(list)
    for cell in results:
        if cell["auto"]["score"] is not None:
            groups[cell["title"], cell["n_labels"]].append(cell)
    return [Scored(cells) for cells in groups.values()]


def line(name, tasks, values):
    """A row of the table of regret, over the tasks for which there is a value."""
    known = [(task, value) for task, value in zip(tasks, values, strict=True) if value is not None]
    regret = np.array([task.best - value for task, value in known])
    plain, source = (np.array([value - getattr(task, what) for task, value in known]) for what in ("plain", "source"))
    _, limit, _ = GOALS[tasks[0].n_labels]
    falls = int(np.sum((plain if tasks[0].n_labels else source) < -limit))
    ours = np.mean([task.best - task.auto for task, _ in known])
    cells = [name, str(len(known)), interval(regret, ".2f"), f"{ours:.2f}", f"{np.median(regret):.2f}", f"{regret.max():.1f}"]
    return "| " + " | ".join(
        [*cells, interval(plain, "+.2f"), interval(source, "+.2f"), f"{falls} ({falls / len(known):.0%})"]
    ) + " |", regret.mean()


def _seeds(tasks):
    """How many seeds their means are over."""
    counts = [len(task.cells) for task in tasks]
    least, most = min(counts), max(counts)
    return f"{most if least == most else f'{least} to {most}'} seed{'s' if most > 1 else ''}"


def table(tasks):
    """AutoTransfer, the plain models, single scores and always the same strategy."""
    n_labels = tasks[0].n_labels
    goal, limit, share = GOALS[n_labels]
    beside = "source only" if not n_labels else "the best plain model"
    lines = [
        f"## {n_labels} target labels: {len(tasks)} tasks, {_seeds(tasks)}",
        "",
        f"Goal: mean regret at most {goal:g}; more than {limit:g} under {beside} on {f'at most {share:.0%} of the tasks' if share else 'no task'}.",
        "",
        "| chosen by | tasks | regret [95 %] | AutoTransfer's on these tasks | median | largest | against the best plain model | against source only "
        f"| more than {limit:g} under {beside} |",
        "|---" * 9 + "|",
        line("**AutoTransfer**", tasks, [task.auto for task in tasks])[0],
    ]
    rows = [
        line(name, tasks, [task.scores.get(name) for task in tasks])
        for name in PLAIN
        if any(name in task.scores for task in tasks)
    ]
    if not n_labels:
        for name in sorted({score for task in tasks for cell in task.cells for score in cell.get("picked", {})}):
            guarded = "" if name.startswith("skada") else ", guarded"
            rows.append(line(f"{name}{guarded}", tasks, [task.chosen_by(name) for task in tasks]))
    always = {name for task in tasks for name in task.scores} - set(PLAIN)
    rows += [line(f"always {name}", tasks, [task.scores.get(name) for task in tasks]) for name in always]
    lines += [text for text, _ in sorted(rows, key=lambda row: row[1])]
    return [*lines, "", parted(tasks), ""]


def parted(tasks):
    """AutoTransfer's regret by kind of label, and against an oracle that may choose anew for every seed."""
    found = []
    for kind, noun in (("classification", "classes"), ("regression", "values")):
        regret = [task.best - task.auto for task in tasks if task.kind == kind]
        found += [f"{np.mean(regret):.2f} on {len(regret)} tasks of {noun}"] if regret else []
    by_seed = np.mean([task.best_by_seed - task.auto for task in tasks])
    return f"AutoTransfer's regret: {', '.join(found)}; against the best strategy of each seed, not of the task, {by_seed:.2f} in all."


def falls(tasks):
    """Every task on which AutoTransfer is further under the plain model than the goal allows."""
    _, limit, _ = GOALS[tasks[0].n_labels]
    lines = []
    for task in tasks:
        under = task.auto - (task.plain if task.n_labels else task.source)
        if under < -limit:
            lines.append(f"- {task.title}: {under:+.1f}, with {', '.join(task.cells[0]['auto'].get('weights', {}))}")
    return ["Further under than that:", "", *(lines or ["- none"]), ""]


def cost(results):
    """How long the choice takes, in CPU seconds on one thread."""
    found = [cell for cell in results if cell["auto"]["score"] is not None]
    each = [
        cell["auto"]["seconds"] / sum(cell["strategies"][n]["seconds"] for n in cell["auto"]["kept"] if n in cell["strategies"])
        for cell in found
    ]
    base = [
        cell["auto"]["seconds"] / (len(cell["auto"]["kept"]) * cell["strategies"]["SourceOnly"]["seconds"]) for cell in found
    ]
    seconds = [cell["auto"]["seconds"] for cell in found]
    return [
        "## Cost",
        "",
        f"AutoTransfer takes {np.median(seconds):.1f} s in the median, at most {max(seconds):.0f} s (CPU seconds, one thread): "
        f"{np.median(each):.1f} times one fit of each strategy that it tried, in the median (goal: 10), and "
        f"{np.median(base):.0f} times one fit of the source model for each strategy that it tried.",
        "",
    ]


def every(tasks):
    """All tasks: AutoTransfer, the best single strategy and the plain models."""
    lines = [
        "## Every task",
        "",
        "| task | labels | AutoTransfer | best single strategy | SourceOnly | TargetOnly | Pooled |",
        "|---" * 7 + "|",
    ]
    for task in sorted(tasks, key=lambda t: (t.group, t.title, -t.n_labels)):
        best = max(task.scores, key=task.scores.get)
        plain = " | ".join(f"{task.scores[name]:.1f}" if name in task.scores else "-" for name in PLAIN)
        lines.append(f"| {task.title} | {task.n_labels} | {task.auto:.1f} | {task.best:.1f} ({best}) | {plain} |")
    return lines


def write(results, options):
    """Print the tables, and write them where all tasks were run."""
    for cell in results:
        if "label_free" in cell:
            cell["picked"] = picks(cell)
    tasks = scored(results)
    lines = [
        "# AutoTransfer on the suite",
        "",
        f"`benchmarks/suite/run.py --seeds {options.seeds}`; {len({task.title for task in tasks})} tasks; intervals by Student's t over "
        "tasks. Points of accuracy, or (regression) per cent of the RMSE of the best plain model.",
        "",
        "Regret: the best single strategy by its score on the test rows, of the mean over seeds, minus what was chosen. A negative regret is "
        "a mixture better than any of its parts. Scores are guarded where it says so; skada's are used as they ship, and are for classes only.",
        "",
        f"{len(results)} of {options.planned} cells (a task, a number of labels, a seed) were run.",
        "",
    ]
    for n_labels in (100, 20, 0):
        some = [task for task in tasks if task.n_labels == n_labels]
        if some:
            lines += table(some) + falls(some)
    lines += cost(results) + every(tasks)
    print("\n".join(lines))
    if not options.only and not options.development:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "suite.md").write_text("\n".join(lines) + "\n")
        kept = [{key: value for key, value in cell.items() if key not in ("label_free", "void")} for cell in results]
        (RESULTS / "suite.json").write_text(json.dumps(kept) + "\n")
