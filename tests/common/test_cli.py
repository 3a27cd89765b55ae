"""The command line, as people use it: real processes for the main path, one process for the many ways to go wrong."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import FunctionTransformer
from typer.testing import CliRunner

import sterna
from sterna.cli import app

COMMANDS = ("compare", "measure", "fit", "predict", "list", "report", "demo")
SCRIPT = Path(sys.executable).with_name("sterna")
LITTLE = "--estimator linear --strategy CORAL --n-splits 3 --n-repeats 1 --jobs 1"


def make_table(seed, n, shift=0.0, with_label=True):
    """Ages, a number with gaps, a text, a date; whether a disease comes back."""
    rng = np.random.default_rng(seed)
    age, dose = rng.normal(50, 10, n).round(1), rng.normal(shift, 1, n).round(3)
    table = pd.DataFrame({"age": age, "dose": dose, "sex": rng.choice(["f", "m"], n)})
    table["seen"] = pd.date_range("2024-01-01", periods=n).strftime("%Y-%m-%d")
    label = np.where((age - 50) / 10 + dose - shift > 0, "yes", "no")
    table.loc[::9, "dose"] = np.nan
    return table.assign(back=label) if with_label else table


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with two hospitals, a third, and new rows."""
    folder = tmp_path_factory.mktemp("hospitals")
    make_table(0, 50).to_csv(folder / "a.csv", index=False)
    make_table(1, 40).to_csv(folder / "b.csv", index=False)
    target = make_table(2, 36, shift=0.5)
    target.loc[30:, "back"] = None
    target.to_csv(folder / "c.csv", index=False)
    make_table(3, 12, shift=0.5, with_label=False).to_csv(folder / "new.csv", index=False)
    return folder


def run(arguments, folder, ok=True):
    """A real process."""
    command = [str(SCRIPT)] if SCRIPT.exists() else [sys.executable, "-m", "sterna.cli"]
    result = subprocess.run([*command, *arguments.split()], cwd=folder, capture_output=True, text=True, timeout=300)
    assert (result.returncode == 0) == ok, result.stderr
    assert "Traceback" not in result.stderr + result.stdout
    return result


@pytest.fixture
def invoke(folder, monkeypatch):
    """A command in this process, in the folder."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "200")

    def call(arguments):
        return CliRunner().invoke(app, arguments if isinstance(arguments, list) else arguments.split())

    return call


@pytest.fixture(scope="module")
def compared(folder):
    """What a comparison prints; its run is in `run`."""
    return run(f"compare -s a.csv -s b.csv -t c.csv -l back -o run {LITTLE}", folder).stdout


def test_compare_prints_the_verdict_and_writes_the_run(folder, compared):
    summary = json.loads((folder / "run" / "results.json").read_text())
    assert summary["verdict"]["sentence"] in compared.replace("\n", " ")
    assert summary["adaptation"]["sentence"] in compared.replace("\n", " ")
    assert f"report: {folder / 'run' / 'report.html'}" in compared
    for name in ("CORAL", "TargetOnly", "SourceOnly", "Pooled", "Constant"):
        assert name in compared
    assert summary["reproduce"]["command"] == f"sterna compare -s a.csv -s b.csv -t c.csv -l back -o run {LITTLE}"
    assert summary["title"] == "c from a, b"
    assert {path.name for path in (folder / "run").iterdir()} >= {
        "config.json",
        "model.skops",
        "report.html",
        "report.md",
        "results.json",
    }


def test_predict_as_a_process(folder, compared):
    said = run("predict run new.csv --out out.csv", folder).stdout
    assert "12 predictions: out.csv" in said
    table = pd.read_csv(folder / "out.csv")
    assert list(table.columns) == ["prediction", "probability_no", "probability_yes"]
    assert set(table["prediction"]) <= {"yes", "no"}
    np.testing.assert_allclose(table["probability_no"] + table["probability_yes"], 1.0)
    model = sterna.load(folder / "run")
    np.testing.assert_array_equal(table["prediction"], model.predict(pd.read_csv(folder / "new.csv")))


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches(command, invoke):
    text = invoke(f"{command} --help").stdout
    assert "Usage: sterna" in re.sub(r"\x1b\[[0-9;]*m", "", text) or "Usage" in text
    rows = [line for line in text.splitlines() if re.search(r"(^|\s)--[a-z]", line) and line.strip().startswith(("│", "-"))]
    assert rows
    for line in rows:
        words = re.split(r"\s{2,}|[│|]", line.strip())
        assert len([word for word in words if word.strip()]) >= 2, f"{command}: {line} explains nothing"
    assert len(text) > 300


def test_help_and_version(invoke):
    text = invoke("--help").stdout
    assert all(command in text for command in COMMANDS)
    assert invoke("--version").stdout == f"sterna {sterna.__version__}\n"
    assert "Example: sterna compare" in invoke("compare --help").stdout
    assert "Example: sterna fit" in invoke("fit --help").stdout


def test_a_bare_call_shows_the_help(invoke):
    assert "compare" in invoke("").output


def test_fit_then_predict(folder, invoke):
    result = invoke("fit --strategy CORAL --set regularization=0.5 --estimator linear -s a.csv -t c.csv -l back -o fitted")
    assert result.exit_code == 0, result.output
    assert "predict with: sterna predict fitted new_rows.csv" in result.output
    assert sterna.load(folder / "fitted")[-1].regularization == 0.5
    assert invoke("predict fitted new.csv -o fitted.csv").exit_code == 0
    assert len(pd.read_csv(folder / "fitted.csv")) == 12


def test_measure_prints_and_writes(folder, invoke):
    result = invoke("measure -s a.csv -t c.csv -l back -o figures.json")
    assert result.exit_code == 0, result.output
    figures = json.loads((folder / "figures.json").read_text())
    assert sorted(figures) == ["measure", "situation"]
    assert figures["situation"]["sentence"] in result.stdout.replace("\n", " ")
    again = invoke("measure -s a.csv -t c.csv -l back -o figures.json")
    assert again.exit_code == 2
    assert "figures.json is there already" in again.stderr
    assert invoke("measure -s a.csv -t c.csv -l back -o figures.json --overwrite").exit_code == 0


def test_rank_of_sources(invoke, folder):
    result = invoke("rank --sources a.csv,b.csv -t c.csv -l back -o ranking.json")
    assert result.exit_code == 0, result.output
    found = json.loads((folder / "ranking.json").read_text())
    assert {candidate["name"] for candidate in found["candidates"]} == {"a", "b", "(target alone)"}
    assert found["sentence"] in result.stdout.replace("\n", " ")
    assert "ranking.json is there already" in invoke("rank --sources a.csv,b.csv -t c.csv -l back -o ranking.json").stderr
    assert "give either --backbones or --sources" in invoke("rank -t c.csv -l back").stderr
    assert "the domains are tables; use rank_sources" in invoke("rank --backbones resnet18 -t c.csv -l back").stderr


def test_list(invoke):
    text = invoke("list").stdout
    for name, cls in sterna.all_strategies().items():
        assert re.search(rf"^{name} +{cls.family} ", text, re.MULTILINE), name
    few = invoke("list --family align").stdout
    assert "CORAL" in few
    assert "Pooled" not in few
    assert all(name in invoke("list --measures").stdout for name in sterna.all_measures())
    assert "there is no family 'algin'; there are align, baselines" in invoke("list --family algin").stderr


def test_names_are_whole_on_a_narrow_terminal(invoke, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    text = invoke("list").stdout
    assert all(name in text for name in sterna.all_strategies())


def test_report_again(folder, compared, invoke):
    page = folder / "run" / "report.html"
    before = page.read_bytes()
    page.unlink()
    result = invoke("report run")
    assert result.exit_code == 0
    assert str(page) in result.stdout
    assert page.read_bytes() == before


def test_column_order_and_extra_columns_do_not_matter(folder, compared, invoke):
    rows = pd.read_csv(folder / "new.csv")
    shuffled = rows[["seen", "sex", "dose", "age"]].assign(back="?", note="any")
    shuffled.to_csv(folder / "shuffled.csv", index=False)
    rows.to_parquet(folder / "new.parquet")
    rows.to_csv(folder / "new.tsv", sep="\t", index=False)
    for source, name in [("new.csv", "p1"), ("shuffled.csv", "p2"), ("new.parquet", "p3"), ("new.tsv", "p4")]:
        assert invoke(f"predict run {source} -o {name}.csv").exit_code == 0
        assert (folder / f"{name}.csv").read_text() == (folder / "p1.csv").read_text(), source


def test_dates_and_numbers_as_text_are_read_as_in_training(folder, compared, invoke):
    rows = pd.read_csv(folder / "new.csv")
    written = rows.astype({"age": str}).assign(seen=pd.to_datetime(rows["seen"]))
    written["age"] = "  " + written["age"]
    written.to_parquet(folder / "written.parquet")
    one_row = rows.head(1)
    one_row.to_csv(folder / "one.csv", index=False)
    assert invoke("predict run new.csv -o plain.csv").exit_code == 0
    result = invoke("predict run written.parquet -o written.csv")
    assert result.exit_code == 0, result.stderr
    assert (folder / "written.csv").read_text() == (folder / "plain.csv").read_text()
    assert invoke("predict run one.csv -o one_out.csv").exit_code == 0
    assert (folder / "one_out.csv").read_text().splitlines()[1] == (folder / "plain.csv").read_text().splitlines()[1]


def test_words_never_seen_and_missing_values_are_predicted(folder, compared, invoke):
    rows = pd.read_csv(folder / "new.csv")
    rows.loc[0, "sex"] = "unknown"
    rows.loc[1, ["age", "dose", "sex", "seen"]] = None
    rows.to_csv(folder / "odd.csv", index=False)
    assert invoke("predict run odd.csv -o odd_out.csv").exit_code == 0
    assert pd.read_csv(folder / "odd_out.csv").notna().all().all()


@pytest.fixture
def spoiled(folder):
    """Files that cannot be used."""
    rows = pd.read_csv(folder / "new.csv")
    rows.drop(columns="dose").to_csv(folder / "lacking.csv", index=False)
    rows.assign(age="old").to_csv(folder / "words.csv", index=False)
    rows.head(0).to_csv(folder / "none.csv", index=False)
    (folder / "empty.csv").touch()
    (folder / "broken.skops").write_bytes(b"PK\x03\x04 no model")
    (folder / "mine").mkdir(exist_ok=True)
    (folder / "mine" / "thesis.tex").write_text("x")


BASE = "-s a.csv -t c.csv -l back"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("compare -s a.csv -t d.csv -l back -o x", "there is no file d.csv"),
        ("compare -s a.csv -t c.csv -l bakc -o x", "'bakc'; did you mean 'back'?"),
        ("compare -s a.csv -t a.csv -l back -o x", "the same file is given twice"),
        (f"compare {BASE} --strategy Coral -o x", "strategy 'Coral' is unknown; did you mean CORAL"),
        (f"compare {BASE} --metric rmse -o x", "metric 'rmse' is not one for classification; allowed are accuracy"),
        (f"compare {BASE} --metric roc_auc --estimator svm -o x", "needs probabilities, which SVC does not give"),
        (f"compare {BASE} --estimator lasso -o x", "estimator 'lasso' is unknown; allowed are linear"),
        (f"compare {BASE} --label-budgets 10,many -o x", "--label-budgets is '10,many'; give whole numbers"),
        (f"compare {BASE} --label-budgets 10,-5 -o x", "label_budgets holds -5"),
        (f"compare {BASE} --task ranking -o x", "task is 'ranking'; allowed are"),
        (f"compare {BASE} --task regression -o x", "the labels are text"),
        (f"compare {BASE} --confidence 95 -o x", "confidence is 95"),
        (f"compare {BASE} --drop ages -o x", "'ages', which no domain has"),
        (f"compare {BASE} -o mine", "mine is not empty and not a sterna run"),
        (f"compare {BASE} -o mine --overwrite", "mine is not empty and not a sterna run"),
        (f"compare {BASE} -o a.csv", "a.csv is a file, but --out needs a folder there; give another folder"),
        ("demo -o a.csv/run", "a.csv is a file, but --out needs a folder there"),
        ("fit -s a.csv -t nothing.csv --auto -o a.csv", "a.csv is a file, but --out needs a folder there"),
        ("fit -s a.csv -t nothing.csv --auto -o a.csv/model", "a.csv is a file, but --out needs a folder there"),
        ("measure -s a.csv -t nothing.csv -o a.csv/figures.json", "a.csv is a file, but --out needs a folder there"),
        ("rank --sources a.csv,b.csv -t nothing.csv -o a.csv/r.json", "a.csv is a file, but --out needs a folder there"),
        ("rank --sources a.csv,b.csv -t nothing.csv -o mine --overwrite", "mine is a folder, but --out needs a file there"),
        ("predict nowhere new.csv -o a.csv/p.csv", "a.csv is a file, but --out needs a folder there"),
        ("predict nowhere new.csv -o mine", "mine is a folder, but --out needs a file there; give the path of a file"),
        ("predict nowhere new.csv -o mine --overwrite", "mine is a folder, but --out needs a file there"),
        ("export nowhere -o mine --overwrite", "mine is a folder, but --out needs a file there"),
        (f"fit {BASE} --strategy CORAL --budget 5 -o x", "--budget and --jobs are for --auto; leave them out with --strategy"),
        (f"fit {BASE} --strategy CORAL --jobs 2 -o x", "--budget and --jobs are for --auto"),
        ("measure -s a.csv -t empty.csv -l back", "the file empty.csv is empty"),
        (f"fit {BASE} --strategy Coral -o x", "did you mean CORAL"),
        (f"fit {BASE} --strategy CORAL --set regularisation=1 -o x", "Invalid parameter 'regularisation'"),
        (f"fit {BASE} --strategy CORAL --set regularization=-1 -o x", "must be a float in the range"),
        (f"fit {BASE} --strategy CORAL --set regularization -o x", "write name=value"),
        (f"fit {BASE} --strategy TrAdaBoostR2 -o x", "TrAdaBoostR2 is for regression only"),
        ("fit -s a.csv -t new.csv -l back --strategy TargetOnly -o x", "TargetOnly needs target labels"),
        ("predict run nothing.csv -o x.csv", "there is no file nothing.csv"),
        ("predict run lacking.csv -o x.csv", "lacks the column 'dose'"),
        ("predict run words.csv -o x.csv", "'age'"),
        ("predict run none.csv -o x.csv", "no rows"),
        ("predict run empty.csv -o x.csv", "is empty"),
        ("predict nowhere new.csv -o x.csv", "there is no model file nowhere"),
        ("predict broken.skops new.csv -o x.csv", "broken.skops is not a skops model file"),
        ("predict mine new.csv -o x.csv", "there is no model file mine"),
        ("predict run new.csv -o new.csv", "new.csv is there already"),
        ("report nowhere", "there is no nowhere/results.json"),
        ("report mine", "there is no mine/results.json"),
    ],
)
def test_errors_are_one_sentence_and_change_nothing(arguments, said, folder, compared, spoiled, invoke):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    result = invoke(arguments)
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit | None)
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("error: ")
    assert said in lines[0]
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.parametrize("place", ["locked/x", "locked"])
def test_a_folder_that_cannot_be_written_to_is_said_before_anything_is_read(folder, invoke, monkeypatch, place):
    (folder / "locked").mkdir(exist_ok=True)
    monkeypatch.setattr("os.access", lambda path, mode: not (mode & os.W_OK and Path(path).name == "locked"))
    result = invoke(f"fit -s nothing.csv -t c.csv -l back --auto -o {place}")
    assert result.exit_code == 2
    assert f"nothing can be written in the folder {folder / 'locked'}; give another --out" in result.stderr


@pytest.mark.parametrize("command", ["compare", "measure", "rank", "fit --strategy CORAL"])
def test_a_seed_below_zero_is_refused_by_its_option(command, invoke):
    result = invoke(f"{command} {BASE} --seed -1")
    assert result.exit_code == 2
    assert "'--seed'" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "finished", "goes_on"),
    [
        ("compare", "cells", True),
        ("compare", "", False),
        ("compare --overwrite", "cells", False),
        ("fit --strategy FineTune", "training", True),
        ("fit --strategy CORAL", "", False),
        ("fit --auto", "training", False),
        ("measure", "", False),
    ],
)
def test_an_interrupted_command_says_whether_it_goes_on(arguments, finished, goes_on, invoke, monkeypatch, tmp_path):
    (tmp_path / "stopped" / finished).mkdir(parents=True)
    out = tmp_path / "stopped" / ("figures.json" if arguments == "measure" else "")

    def interrupted(*given, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("sterna.Domains.from_files", interrupted)
    result = invoke(f"{arguments} {BASE} -o {out}")
    assert result.exit_code == 130
    assert result.stderr.startswith("stopped; ")
    assert ("what was finished is kept: the same command goes on from there" in result.stderr) == goes_on
    assert ("the same command starts anew" in result.stderr) != goes_on


@pytest.mark.parametrize(
    ("given", "expected"), [("", (300.0, None)), ("--budget 7.5 --jobs 2", (7.5, 2)), ("--budget 0 -j -1", (None, -1))]
)
def test_the_budget_and_the_jobs_of_auto(given, expected, invoke):
    result = invoke(f"fit {BASE} --auto --estimator linear --set strategies=CORAL {given} --overwrite -o timed")
    assert result.exit_code == 0, result.output
    auto = sterna.load("timed")[-1]
    assert (auto.budget, auto.n_jobs) == expected


def test_an_error_of_a_real_process(folder, compared):
    result = run("predict run new.csv -o new.csv", folder, ok=False)
    assert result.returncode == 2
    assert result.stderr == "error: new.csv is there already; give another --out, or --overwrite\n"
    assert result.stdout == ""


def test_nothing_is_overwritten_unasked(folder, compared, invoke):
    assert invoke(f"fit {BASE} --strategy CORAL --estimator linear -o kept").exit_code == 0
    result = invoke(f"fit {BASE} --strategy CORAL --estimator linear -o kept")
    assert result.exit_code == 2
    assert "kept holds a model already; give another folder, or --overwrite" in result.stderr
    assert invoke(f"fit {BASE} --strategy CORAL --estimator linear -o kept --overwrite").exit_code == 0
    other = invoke(f"compare -s a.csv -s b.csv -t c.csv -l back -o run {LITTLE} --seed 1")
    assert other.exit_code == 2
    assert "holds a comparison with another random_state" in other.stderr
    assert json.loads((folder / "run" / "results.json").read_text())["protocol"]["random_state"] == 0


def test_the_same_command_goes_on_and_gives_the_same_results(folder, compared, monkeypatch, invoke):
    command = f"compare -s a.csv -s b.csv -t c.csv -l back -o run {LITTLE}"
    before = (folder / "run" / "results.json").read_bytes()
    monkeypatch.setattr(sys, "argv", ["sterna", *command.split()])
    assert invoke(command).exit_code == 0
    assert (folder / "run" / "results.json").read_bytes() == before


def test_findings_are_said(folder, invoke):
    table = make_table(5, 40).assign(constant=1.0, patient=[f"p{i:03d}" for i in range(40)])
    table.to_csv(folder / "odd_source.csv", index=False)
    result = invoke(f"compare -s odd_source.csv -t c.csv -l back -o noted {LITTLE}")
    assert result.exit_code == 0, result.output
    assert "note: " in result.output
    assert "constant" in result.output


def test_a_target_without_labels(folder, invoke):
    result = invoke(f"compare -s a.csv -t new.csv -l back -o unlabelled {LITTLE}")
    assert result.exit_code == 0, result.output
    assert "unproven" in result.output
    assert (folder / "unlabelled" / "report.html").exists()


def test_regression_from_npz(folder, invoke):
    rng = np.random.default_rng(0)
    for name, n in (("r1", 60), ("r2", 30)):
        X = rng.normal(size=(n, 3))
        np.savez(folder / f"{name}.npz", X=X, y=X @ [1.0, 2.0, 3.0] + rng.normal(size=n))
    np.savez(folder / "r3.npz", X=rng.normal(size=(5, 3)))
    result = invoke(f"compare -s r1.npz -t r2.npz -o regression {LITTLE}")
    assert result.exit_code == 0, result.output
    assert "rmse" in result.output
    assert invoke("predict regression r3.npz -o r3.csv").exit_code == 0
    assert list(pd.read_csv(folder / "r3.csv").columns) == ["prediction"]


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Folders of dark and light photos, and an encoder that stands in for the default one."""
    image = pytest.importorskip("PIL.Image", reason="needs Pillow")
    rng = np.random.default_rng(0)
    for domain, n in (("web", 10), ("phone", 12)):
        for name, level in (("dark", 110), ("light", 140)):
            (tmp_path / domain / name).mkdir(parents=True)
            for i in range(n):
                pixels = (level + rng.integers(-90, 90, (3, 3, 3))).astype(np.uint8)
                image.fromarray(pixels).save(tmp_path / domain / name / f"{i}.png")
    monkeypatch.setattr("sterna.domains._encoding.find_encoder", found_encoder)
    monkeypatch.setattr("sterna.verdict._compare.find_encoder", found_encoder)
    monkeypatch.setattr("sterna.verdict._single.find_encoder", found_encoder)
    monkeypatch.setattr("sterna.measures._measure.find_encoder", found_encoder)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found_encoder(encoder, domains, weights=None):
    """Brightness by a function of this module, which skops may load where it is named."""
    return FunctionTransformer(brightness) if domains.kind == "image" else None


def brightness(paths):
    from PIL import Image

    return np.array([np.asarray(Image.open(path)).reshape(-1, 3).mean(axis=0) for path in paths])


def run_here(arguments):
    return CliRunner().invoke(app, arguments.split())


def test_photos_from_the_command_line(photos, monkeypatch):
    load = sterna.load
    monkeypatch.setattr("sterna.load", lambda path: load(path, trusted=[f"{__name__}.brightness"]))
    result = run_here(f"compare -s web -t phone -o run {LITTLE}")
    assert result.exit_code == 0, result.output
    assert "source 'web': 20 photos; target 'phone': 24 photos, 24 labelled" in result.output
    results = json.loads((photos / "run" / "results.json").read_text())
    assert results["rows_are"] == "photos"
    assert results["encoder"]["name"].startswith("FunctionTransformer(")
    result = run_here("predict run phone -o new.csv")
    assert result.exit_code == 0, result.output
    table = pd.read_csv(photos / "new.csv")
    assert table.columns.tolist() == ["file", "prediction", "probability_dark", "probability_light", "label"]
    assert len(table) == 24
    result = run_here("export run --format onnx -o m.onnx")
    assert result.exit_code == 2
    assert "which cannot be exported; only strategies that train a network can" in result.stderr
    assert "allowed is onnx" in run_here("export run --format tflite").stderr


def test_backbones_are_ranked_on_photos(photos):
    found = sterna.rank_backbones(sterna.Domains.from_files([], "phone", None), {"bright": FunctionTransformer(brightness)})
    assert found.candidates[0].name == "bright"
    assert found.candidates[0].value > 0.9
    assert "only candidate" in found.sentence


def test_photos_are_measured_and_bad_ones_left_out(photos):
    (photos / "phone" / "dark" / "x.png").write_bytes(b"no photo")
    result = run_here("measure -s web -t phone")
    assert result.exit_code == 2
    assert "x.png cannot be read" in result.stderr
    result = run_here("measure -s web -t phone --skip-bad")
    assert result.exit_code == 0, result.output
    assert "x.png of target 'phone' cannot be read" in result.output
    assert "photos, as 3 features, in every domain" in result.output


def test_fit_of_photos_without_a_source(photos):
    result = run_here("fit --strategy TargetOnly -t phone -o only")
    assert result.exit_code == 0, result.output
    assert "sterna predict only new_folder/ --out predictions.csv" in result.output
    result = run_here("fit --strategy CORAL -t phone -o coral")
    assert result.exit_code == 2
    assert "CORAL needs a source" in result.stderr


def test_a_text_column_is_asked_for(invoke):
    result = invoke("measure -s a.csv -t c.csv -l back --text sexx")
    assert result.exit_code == 2
    assert "source 'a' has no text column 'sexx'" in result.stderr


def test_deep_strategies_are_found_without_importing_any():
    # torch itself says nothing here: skops imports it where it is installed
    code = (
        "import sys, sterna; from sterna.discovery import deep_strategies; n = deep_strategies(); "
        "assert n and not set(n) & set(sterna.all_strategies(deep=False)); sterna.all_measures(); "
        "assert not [m for m in sys.modules if m.startswith(('sterna.deep', 'sterna.backbones', 'sterna.finetune.'))]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_deep_strategies_are_listed_where_torch_is_absent(invoke, monkeypatch):
    from sterna import discovery

    monkeypatch.setattr(discovery, "_has_extra", lambda extra: False)
    assert set(sterna.all_strategies()) == set(sterna.all_strategies(deep=False))
    text = invoke("list").stdout
    for name, family in discovery.deep_strategies().items():
        assert re.search(rf"^{name} +{family} .*the extra deep", text, re.MULTILINE), name
    result = invoke("fit --strategy FineTune -s a.csv -t c.csv -l back")
    assert "'FineTune' trains a network; install what it needs with pip install 'sterna[deep]'" in result.stderr
