"""The same numbers however a comparison is run: on one core or two, killed and resumed, once or twice."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
from sklearn.ensemble import RandomForestClassifier

SCRIPT = """
import sys
import numpy as np, sterna

rng = np.random.default_rng(0)
Xs, Xt = rng.normal(size=(80, 3)), rng.normal(size=(40, 3)) + 0.3
w = np.array([2.0, -1.0, 0.5])
ys, yt = (np.where(X @ w + 0.5 * rng.normal(size=len(X)) > 0, "yes", "no") for X in (Xs, Xt))
sterna.compare(
    sterna.Domains({"s": (Xs, ys)}, {"t": (Xt, yt)}),
    strategies=["CORAL"],
    estimator="linear",
    n_splits=3,
    n_repeats=2,
    n_jobs=1,
    random_state=3,
    with_measure=False,
    out=sys.argv[1],
)
"""


def timeless(value):
    """A summary without what a clock or a memory gauge wrote, and without the run's folder."""
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items() if key not in ("seconds", "peak_mb", "use")}
    return [timeless(item) for item in value] if isinstance(value, list) else value


def results(folder):
    return json.loads((folder / "results.json").read_text())


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def done(pair, quick, tmp_path_factory):
    """A finished run, to be looked at only."""
    folder = tmp_path_factory.mktemp("done") / "run"
    quick(pair(), out=folder)
    return folder


@pytest.mark.parametrize("n_labelled", [None, 0])
def test_one_process_and_two_give_the_same_numbers(pair, quick, n_labelled):
    """A forest is there for what is random."""
    options = {"strategies": ["CORAL"], "label_budgets": [12], "estimator": RandomForestClassifier(5)}
    one, two = (quick(pair(n_labelled=n_labelled), n_jobs=n, **options) for n in (1, 2))
    assert timeless(one.summary) == timeless(two.summary)
    X = pair().target.X
    assert (one.best_estimator_.predict(X) == two.best_estimator_.predict(X)).all()


def test_another_seed_gives_other_numbers(pair, quick):
    first, second = quick(pair()), quick(pair(), random_state=1)
    assert timeless(first.summary["baselines"]) != timeless(second.summary["baselines"])


def run_and_kill(script, folder, n_cells):
    """Start a comparison and kill it as soon as so many of its cells are on disk; returns how many are."""
    process = subprocess.Popen([sys.executable, str(script), str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while len(list(folder.glob("cells/s*.json"))) < n_cells:
        assert process.poll() is None, process.stderr.read().decode()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stderr.close()
    return len(list(folder.glob("cells/s*.json")))


def test_a_killed_run_goes_on_where_it_was_and_gives_the_same_numbers(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(SCRIPT)
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    n_cells = run_and_kill(script, killed, 9)
    assert 9 <= n_cells < 36
    assert not (killed / "results.json").exists()
    kept = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in killed.glob("cells/s*.json")}
    command = [sys.executable, str(script)]
    subprocess.run([*command, str(killed)], check=True)
    for name, (content, when) in kept.items():
        path = killed / "cells" / name
        assert (path.read_bytes(), path.stat().st_mtime_ns) == (content, when), "a finished cell was run again"
    subprocess.run([*command, str(whole)], check=True)
    assert timeless(results(killed)) == timeless(results(whole))
    assert results(killed)["protocol"]["n_cells"] == 36


def test_the_same_run_again_gives_the_same_bytes(pair, quick, tmp_path):
    quick(pair(), out=tmp_path / "run", with_measure=True)
    first = files(tmp_path / "run")
    quick(pair(), out=tmp_path / "run", with_measure=True)
    again = files(tmp_path / "run")
    assert first.keys() == again.keys()
    different = [name for name in first if first[name] != again[name] and name != "model.skops"]  # a zip file holds the time
    assert different == []


def test_two_runs_differ_in_their_timings_only(pair, quick, done, tmp_path):
    quick(pair(), out=tmp_path / "run")
    assert timeless(results(tmp_path / "run")) == timeless(results(done))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"random_state": 1}, "random_state"),
        ({"metric": "balanced_accuracy"}, "metric"),
        ({"estimator": "forest"}, "estimator"),
        ({"strategies": ["CORAL", "TCA"]}, "strategies"),
        ({"n_repeats": 2}, "n_repeats"),
    ],
)
def test_a_folder_of_another_comparison_is_refused(pair, quick, done, change, named):
    before = files(done)
    with pytest.raises(FileExistsError, match=f"another {named} .*overwrite"):
        quick(pair(), out=done, **change)
    assert files(done) == before


def test_other_data_are_refused_and_overwriting_starts_anew(pair, quick, done, tmp_path):
    run = shutil.copytree(done, tmp_path / "run")
    with pytest.raises(FileExistsError, match="another target 't'"):
        quick(pair(n_labelled=39), out=run)
    comparison = quick(pair(n_labelled=39), out=run, overwrite=True)
    assert results(run) == comparison.summary
    assert comparison.summary["protocol"]["n_cells"] == 18


def test_a_foreign_folder_is_refused_before_any_work(pair, quick, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="not a sterna run"):
        quick(pair(), out=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_no_temporary_file_remains(done):
    assert not [name for name in files(done) if re.search(r"(^|/)\.", name)]
    assert {"config.json", "model.skops", "report.html", "report.md", "results.json"} <= set(files(done))
