"""Summaries for all tests: the three situations, one with everything at its worst, one without anything."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

made = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("made_summary.py"))))

NASTY = "<script>alert('x')</script>&\"'`|*_[a](http://evil.example/)@you \u202e\x00\x1b]\u2028{{ 7*7 }}{% raw %}"


def everything():
    """60 strategies, 100 classes, 5000 columns, names of every kind, numbers of every size."""
    rng = np.random.default_rng(2)
    summary = made.few_labels()
    summary["title"] = f"{NASTY} from " + ", ".join(f"a_rather_long_domain_name_{i}_of_a_hospital_somewhere" for i in range(6))
    rows = summary["strategies"]
    for i in range(len(rows), 59):
        mean = float(rng.normal(0.85, 0.03))
        rows.append(
            made.strategy(
                f"Method{i}",
                "align",
                mean,
                0.02,
                made.estimate(mean - 0.846, 0.02),
                made.estimate(mean - 0.879, 0.02),
                10.0 ** (i % 6),
                10.0 ** (i % 5),
            )
        )
    rows.append(
        made.strategy(
            "Diverged" + "X" * 60,
            NASTY,
            0.1,
            0.4,
            made.estimate(-0.75, 0.4),
            made.estimate(-0.78, 0.4),
            1.0,
            1.0,
            health={NASTY: NASTY, "list": [1, 2.5], "bad": float("nan")},
            warnings=[NASTY * 3],
        )
    )
    classes = [NASTY, *(f"class {i} with a long name" for i in range(99))]
    matrix = rng.poisson(0.3, size=(100, 100)) + np.diag(rng.integers(20, 90, size=100))
    summary["confusion"] = {
        "classes": classes,
        "models": {NASTY: matrix.tolist(), "CORAL": (matrix + np.diag(rng.integers(0, 20, 100))).tolist()},
    }
    names = [f"hospital_{letter}" for letter in "abcd"] + [NASTY]
    summary["domains"] = [
        made.domain(name, "target" if name == "hospital_c" else "source", 10**6, 10**5, dict.fromkeys(classes, 10))
        for name in names
    ]
    summary["findings"] = [{"code": NASTY, "domain": NASTY, "column": "y" * 300, "message": NASTY} for _ in range(40)]
    measure = summary["measure"]
    measure["drift"] = made.columns(5000, names=[NASTY + str(i) for i in range(5000)])
    measure["map"] = made.places(names, n=3000)
    shares = rng.dirichlet(np.ones(100))
    measure["label_shift"] = {
        "p_value": 1e-9,
        "source": dict.fromkeys(classes, 0.01),
        "target": dict(zip(classes, shares.tolist(), strict=True)),
    }
    summary["use"] = {"python": NASTY + "\n```\n" + "x" * 400, "shell": NASTY}
    summary["reproduce"] = {"command": NASTY, "python": NASTY, "versions": {NASTY: NASTY}, "platform": NASTY}
    return summary


def bare():
    """Everything that may be null is null."""
    return dict.fromkeys(made.few_labels())


MAKERS = {
    "few_labels": made.few_labels,
    "regression": made.regression,
    "unsupervised": made.unsupervised,
    "everything": everything,
    "bare": bare,
}


@pytest.fixture(scope="session")
def make():
    """Make a summary by name, a new one each time."""
    return lambda name: MAKERS[name]()


@pytest.fixture
def nasty():
    return NASTY


@pytest.fixture(params=list(MAKERS))
def summary(request):
    return MAKERS[request.param]()


@pytest.fixture(params=["few_labels", "regression", "unsupervised"])
def situation(request):
    return MAKERS[request.param]()
