"""The command line: each command calls one function of the library."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

import sterna
from sterna._terminal import console, plain_errors, show_comparison, show_findings, show_ranking
from sterna.io import write_atomically

app = typer.Typer(
    name="sterna",
    help="Transfer learning with an honest verdict: which strategy helps on your target, proved against no transfer at all.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _show_version(shown: bool) -> None:
    if shown:
        console.print(f"sterna {sterna.__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Transfer learning with an honest verdict: which strategy helps on your target, proved against no transfer at all."""
    from sterna.verdict._run import transport_with_numpy_only

    transport_with_numpy_only()


Sources = Annotated[
    list[Path],
    typer.Option(
        "--source", "-s", help="A source's file (CSV, TSV, Parquet, npz) or folder of images or clips; repeat for several."
    ),
]
NoSources = Annotated[
    list[Path] | None,
    typer.Option("--source", "-s", help="A source's file or folder; repeat for several. Some strategies need none."),
]
Target = Annotated[Path, typer.Option("--target", "-t", help="The target's file; labels may be missing in part or altogether.")]
Label = Annotated[
    str | None, typer.Option("--label", "-l", help="The column that holds the labels (npz files hold them as y).")
]
Task = Annotated[str | None, typer.Option(help="classification or regression; inferred from the labels where not given.")]
Drop = Annotated[list[str] | None, typer.Option(help="A column to leave out; repeat for several.")]
Keep = Annotated[list[str] | None, typer.Option(help="A column to keep although it looks like an identifier or never varies.")]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, help="Seeds everything that is random.")]
Estimator = Annotated[
    str | None,
    typer.Option(
        help="The base model: linear, forest, boosting, knn, svm or kernel; linear or forest is chosen on the source where not given."
    ),
]
Text = Annotated[str | None, typer.Option("--text", help="The column whose text is a row; other columns are left out.")]
Encoder = Annotated[
    str | None,
    typer.Option("--encoder", "--backbone", help="Of images, clips and texts: the network that makes features of them."),
]
Weights = Annotated[Path | None, typer.Option("--weights", help="A file of weights for that network (.pt, .safetensors).")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave out files that cannot be read, and list them.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]


@app.command()
def compare(
    target: Target,
    source: NoSources = None,
    label: Label = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The run's folder; a killed run goes on where it was.")] = Path(
        "runs/compare"
    ),
    strategy: Annotated[
        list[str] | None,
        typer.Option(help="Only this strategy (and the baselines); repeat for several; all: every one that applies."),
    ] = None,
    auto: Annotated[
        bool, typer.Option("--auto", help="Also compare AutoTransfer, which chooses among the strategies by itself.")
    ] = False,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--set", help="A parameter of a named strategy, STRATEGY.name=value; repeat for several."),
    ] = None,
    estimator: Estimator = None,
    metric: Annotated[str | None, typer.Option(help="accuracy, balanced_accuracy, roc_auc, log_loss; rmse, mae.")] = None,
    label_budgets: Annotated[str, typer.Option(help="Also draw a learning curve with so many target labels: 10,50,200.")] = "",
    task: Task = None,
    drop: Drop = None,
    keep: Keep = None,
    text: Text = None,
    encoder: Encoder = None,
    weights: Weights = None,
    skip_bad: SkipBad = False,
    n_splits: Annotated[int, typer.Option(min=2, help="Parts of the cross-validation of the labelled target.")] = 5,
    n_repeats: Annotated[
        int | None, typer.Option(min=1, help="How often it is repeated; 5, 3 or 2 by the number of labels.")
    ] = None,
    confidence: Annotated[float, typer.Option(help="Of all intervals together.")] = 0.95,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Processes; -1: one a core.")] = -1,
    time_budget: Annotated[
        float | None, typer.Option(help="Seconds; slow strategies are left out to keep it, and it is said which.")
    ] = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
) -> None:
    """[bold]Which strategy helps on the target, and does any help at all?[/]

    Every strategy that applies is compared with the target's own labels alone and with the best plain model, in the same repeated
    splits, with intervals that hold for all of them together. Ends with a report, results.json and the best model in the run's folder.

    Without a source it asks whether a pretrained network helps on folders of images: FeatureExtraction and FineTune against FromScratch.

    Example: sterna compare --source hospital_a.csv --source hospital_b.csv --target hospital_c.csv --label disease --out runs/c
    """
    with plain_errors(kept=None if overwrite else out / "cells"):
        from sterna.select._candidates import with_parameters

        _require_folder(out)
        domains = _domains(source, target, label, task, drop, keep, text=text, skip_bad=skip_bad)
        budgets = _budgets(label_budgets)
        show_findings(domains)
        options: dict[str, Any] = {
            "strategies": with_parameters(strategy or None, _parameters(parameter)),
            "estimator": estimator,
            "metric": metric,
            "label_budgets": budgets,
        }
        comparison = sterna.compare(
            domains,
            _encoder(encoder, weights, domains),
            **options,
            n_splits=n_splits,
            n_repeats=n_repeats,
            confidence=confidence,
            random_state=seed,
            n_jobs=jobs,
            time_budget=time_budget,
            out=out,
            overwrite=overwrite,
            auto=auto,
            command=_command(),
        )
        show_comparison(comparison, out)


@app.command()
def measure(
    source: Sources,
    target: Target,
    label: Label = None,
    task: Task = None,
    drop: Drop = None,
    keep: Keep = None,
    text: Text = None,
    encoder: Encoder = None,
    weights: Weights = None,
    skip_bad: SkipBad = False,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Also write the figures to this JSON file.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """[bold]How far are the domains apart, and in what way?[/]"""
    with plain_errors():
        if out is not None:
            _require_file(out, overwrite)
        domains = _domains(source, target, label, task, drop, keep, text=text, skip_bad=skip_bad)
        show_findings(domains)
        measurement = sterna.measure(domains, _encoder(encoder, weights, domains), random_state=seed)
        console.print(escape(str(measurement)), soft_wrap=True)
        if out is not None:
            write_atomically(out, json.dumps(measurement.summary(), indent=1) + "\n")
            console.print(f"figures: {out}")


@app.command()
def rank(
    target: Target,
    source: Annotated[
        list[Path] | None, typer.Option("--source", "--sources", "-s", help="Files or folders, repeated or with commas.")
    ] = None,
    backbones: Annotated[str, typer.Option(help="Names with commas; NAME=FILE takes the weights from a file.")] = "",
    label: Label = None,
    task: Task = None,
    drop: Drop = None,
    keep: Keep = None,
    text: Text = None,
    encoder: Encoder = None,
    weights: Weights = None,
    skip_bad: SkipBad = False,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Also write the figures to this JSON file.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """[bold]Which pretrained network, or which source, suits the target best?[/]

    Networks are ranked by a cross-validated linear model on their frozen features, sources by how a model of each predicts the
    target's labels. Differences have intervals; a ranking that chance could turn round is called not resolved.

    Example: sterna rank --backbones resnet18,mobilenetv2_100 --target photos/

    Example: sterna rank --sources a.csv,b.csv --target c.csv --label disease
    """
    with plain_errors():
        if out is not None:
            _require_file(out, overwrite)
        sources = [Path(part) for path in source or [] for part in str(path).split(",") if part]
        names = [name.strip() for name in backbones.split(",") if name.strip()]
        if bool(names) == bool(sources):
            raise ValueError("give either --backbones or --sources: what is to be ranked")
        domains = _domains(sources, target, label, task, drop, keep, text=text, skip_bad=skip_bad)
        show_findings(domains)
        if names:
            found = sterna.rank_backbones(domains, names, random_state=seed, progress=True)
        else:
            found = sterna.rank_sources(domains, _encoder(encoder, weights, domains), random_state=seed)
        show_ranking(found)
        if out is not None:
            write_atomically(out, json.dumps(found.summary(), indent=1) + "\n")
            console.print(f"figures: {out}")


@app.command()
def fit(
    target: Target,
    strategy: Annotated[str | None, typer.Option(help="Its name, as in sterna list.")] = None,
    auto: Annotated[
        bool, typer.Option("--auto", help="Choose the strategy: by target labels, or by scores that need none.")
    ] = False,
    source: NoSources = None,
    label: Label = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder for the model.")] = Path("runs/fit"),
    parameter: Annotated[
        list[str] | None, typer.Option("--set", help="A parameter of the strategy, name=value; repeat for several.")
    ] = None,
    estimator: Estimator = None,
    task: Task = None,
    drop: Drop = None,
    keep: Keep = None,
    text: Text = None,
    encoder: Encoder = None,
    weights: Weights = None,
    skip_bad: SkipBad = False,
    budget: Annotated[
        float | None, typer.Option(min=0, help="Seconds that --auto may choose for; 300 where not given, 0: without end.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", help="Processes of --auto; one where not given, -1: one a core.")
    ] = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
) -> None:
    """[bold]Fit one strategy, or let AutoTransfer choose, and save the model.[/]

    AutoTransfer says what it chose and why, and hands over the best plain model where transfer does worse.

    Example: sterna fit --auto --source a.csv --target c.csv --label disease --out runs/auto

    Example: sterna fit --strategy CORAL --set regularization=0.5 --source a.csv --target c.csv --label disease --out runs/coral
    """
    with plain_errors(kept=None if auto else out / "training"):
        from sterna.verdict import fit_strategy

        if (strategy is None) != auto:
            raise ValueError("give either --strategy NAME, of those that sterna list shows, or --auto")
        chosen = _auto_parameters(auto, budget, jobs)
        _require_folder(out)
        if any((out / name).exists() for name in ("model.skops", "model.safetensors")) and not overwrite:
            raise ValueError(f"{out} holds a model already; give another folder, or --overwrite")
        domains = _domains(source, target, label, task, drop, keep, text=text, skip_bad=skip_bad)
        show_findings(domains)
        options: dict[str, Any] = {"estimator": estimator, "encoder": encoder, "weights": weights, "random_state": seed}
        options["folder"] = out / "training"
        parameters = _parameters(parameter) | chosen
        model = fit_strategy(domains, "AutoTransfer" if auto else str(strategy), parameters=parameters, **options)
        path = sterna.save(model, out / "model.skops")
        if auto:
            console.print(escape(model[-1].explain()), soft_wrap=True)
        health = {name: value for name, value in model[-1].health_.items() if isinstance(value, int | float | str | bool)}
        console.print("health: " + (", ".join(f"{name} {value}" for name, value in health.items()) or "nothing to report"))
        console.print(f"model: {path}\npredict with: {_predict_command(out, domains)}", soft_wrap=True)


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="A run's folder or a model file.")],
    rows: Annotated[
        Path, typer.Argument(help="The file of target rows (CSV, TSV, Parquet, npz), or a folder of images or clips.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The CSV file to write.")] = Path("predictions.csv"),
    text: Text = None,
    overwrite: Overwrite = False,
) -> None:
    """[bold]Predict new rows of the target[/] with a model that compare or fit saved."""
    with plain_errors():
        from sterna.verdict import predict_file

        _require_file(out, overwrite)
        table = predict_file(sterna.load(model), rows, text)
        write_atomically(out, table.to_csv(index=False))
        console.print(f"{len(table)} predictions: {out}")
        known = table[table["label"].notna()] if "label" in table else table[:0]
        if len(known):
            right = known["prediction"].astype(str) == known["label"].astype(str)
            console.print(f"{int(right.sum())} of {len(known)} labelled files are predicted right: {100 * right.mean():.1f} %")


@app.command()
def export(
    model: Annotated[Path, typer.Argument(help="A run's folder or a model file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write.")] = Path("model.onnx"),
    form: Annotated[str, typer.Option("--format", help="onnx.")] = "onnx",
    overwrite: Overwrite = False,
) -> None:
    """[bold]Write a model in a format that other programs read.[/]"""
    with plain_errors():
        if form != "onnx":
            raise ValueError(f"--format is {form!r}; allowed is onnx")
        _require_file(out, overwrite)
        loaded = sterna.load(model)
        if not hasattr(loaded, "export"):
            raise ValueError(
                f"{model} holds a {_model_name(loaded)}, which cannot be exported; only strategies that train a network can, for "
                "instance FineTune"
            )
        console.print(f"exported: {loaded.export(out)}", soft_wrap=True)


@app.command("list")
def list_strategies(
    family: Annotated[str | None, typer.Option(help="Only this family.")] = None,
    measures: Annotated[bool, typer.Option("--measures", help="List the measures instead.")] = False,
) -> None:
    """[bold]List the strategies[/] with what they need, or the measures."""
    with plain_errors():
        from sterna.discovery import deep_strategies

        if measures:
            table = Table("measure", "direction", "needs labels", box=None, pad_edge=False)
            for name, function in sterna.all_measures().items():
                table.add_row(
                    name, str(getattr(function, "direction", "")), "yes" if getattr(function, "needs_labels", False) else "no"
                )
            console.print(table)
            return
        found = sterna.all_strategies(family)
        absent = {name: own for name, own in deep_strategies(installed=False).items() if family in (None, own)}
        if not found and not absent:
            families = ", ".join(
                sorted({c.family for c in sterna.all_strategies(deep=False).values()} | {*deep_strategies().values()})
            )
            raise ValueError(f"there is no family {family!r}; there are {families}")
        table = Table("strategy", "family", "tasks", "needs", "reference", box=None, pad_edge=False)
        for name, cls in found.items():
            table.add_row(name, cls.family, ", ".join(cls.tasks), ", ".join(sorted(cls.needs)), cls.reference)
        for name, own in absent.items():
            table.add_row(name, own, "", "the extra deep", "")
        console.print(table)


@app.command()
def report(run: Annotated[Path, typer.Argument(help="A run's folder.")]) -> None:
    """[bold]Write a run's report again[/] from its results.json (report.html, report.md) and print its path."""
    with plain_errors():
        from sterna.report import write_report

        results = run / "results.json"
        if not results.exists():
            raise FileNotFoundError(f"there is no {results}; give the folder of a finished run of sterna compare")
        write_report(json.loads(results.read_text()), run)
        console.print(f"report: {(run / 'report.html').resolve()}", soft_wrap=True)


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="The run's folder.")] = Path("runs/demo"),
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Processes; -1: one a core.")] = -1,
) -> None:
    """[bold]Run the main job on real data[/] that comes with scikit-learn: from ordinary handwriting to bold strokes, 30 labels."""
    with plain_errors(kept=out / "cells"):
        from sterna.datasets import load_digits_by_stroke

        _require_folder(out)
        domains = load_digits_by_stroke(n_labelled=30)
        console.print(f"{domains!r}", soft_wrap=True)
        comparison = sterna.compare(domains, label_budgets=[12], n_jobs=jobs, out=out, command="sterna demo")
        show_comparison(comparison, out)


def _domains(
    source: list[Path] | None,
    target: Path,
    label: str | None,
    task: str | None,
    drop: list[str] | None,
    keep: list[str] | None,
    *,
    text: str | None,
    skip_bad: bool,
) -> sterna.Domains:
    columns = {"drop": drop or (), "keep": keep or (), "text": text}
    return sterna.Domains.from_files(source or (), target, label, task=task, skip_bad=skip_bad, **columns)


def _encoder(name: str | None, weights: Path | None, domains: sterna.Domains) -> Any:
    from sterna.domains._encoding import find_encoder

    return name if weights is None else find_encoder(name, domains, weights)


def _model_name(model: Any) -> str:
    return type(model[-1] if hasattr(model, "steps") else model).__name__


def _predict_command(out: Path, domains: sterna.Domains) -> str:
    from sterna.verdict._summary import how_to_use

    return how_to_use(str(out), domains)["shell"]


def _budgets(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise ValueError(f"--label-budgets is {text!r}; give whole numbers with commas, for instance 10,50,200") from None


def _parameters(given: list[str] | None) -> dict[str, Any]:
    """name=value pairs; a value is read as JSON where it is, else taken as text."""
    parameters: dict[str, Any] = {}
    for pair in given or []:
        name, found, value = pair.partition("=")
        if not found:
            raise ValueError(f"--set is {pair!r}; write name=value, for instance regularization=0.5")
        try:
            parameters[name] = json.loads(value)
        except json.JSONDecodeError:
            parameters[name] = value
    return parameters


def _command() -> str:
    import shlex

    return shlex.join(["sterna", *sys.argv[1:]])


def _auto_parameters(auto: bool, budget: float | None, jobs: int | None) -> dict[str, Any]:
    """The parameters of AutoTransfer that have options of their own."""
    given = {} if budget is None else {"budget": budget or None}
    given |= {} if jobs is None else {"n_jobs": jobs}
    if given and not auto:
        raise ValueError("--budget and --jobs are for --auto; leave them out with --strategy")
    return {"progress": sys.stderr.isatty()} | given if auto else {}


def _require_file(path: Path, overwrite: bool) -> None:
    """Refuse a place where no file can be written, or one is that nobody asked to replace."""
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, but --out needs a file there; give the path of a file")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} is there already; give another --out, or --overwrite")
    _require_folder(path.parent)


def _require_folder(path: Path) -> None:
    """Refuse a place where no folder is, or can be made, that files can be written in."""
    there = next(place for place in (path, *path.parents) if os.path.exists(place))
    if not there.is_dir():
        raise NotADirectoryError(f"{there} is a file, but --out needs a folder there; give another folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(f"nothing can be written in the folder {there.absolute()}; give another --out")


if __name__ == "__main__":
    app()
