"""Where the pages are, and a comparison cut down: the pages' calls and commands run on one strategy, once."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

import sterna

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def hospitals(tmp_path_factory):
    """The files of examples/hospitals.py."""
    folder = tmp_path_factory.mktemp("hospitals")
    runpy.run_path(str(ROOT / "examples" / "hospitals.py"))["write_hospitals"](folder)
    return folder


@pytest.fixture
def quick_compare(monkeypatch):
    """`sterna.compare` with what a call leaves open decided in favour of speed; what it asks for is kept."""
    compare = sterna.compare

    def quick(domains, *more, **options):
        small = {"strategies": ["CORAL"], "estimator": "linear", "n_repeats": 1}
        options |= {name: value for name, value in small.items() if options.get(name) is None}
        return compare(domains, *more, **options | {"n_jobs": 1})

    monkeypatch.setattr(sterna, "compare", quick, raising=False)


@pytest.fixture
def readers_arrays():
    """The arrays that the README takes as the reader's own."""
    rng = np.random.default_rng(0)
    Xa, Xb, Xc, X_new = (rng.normal(size=(n, 4)) for n in (60, 50, 40, 5))
    ya, yb, yc = (np.where(X[:, 0] > 0, "yes", "no") for X in (Xa, Xb, Xc))
    return {
        "Xa": Xa,
        "ya": ya,
        "Xb": Xb,
        "yb": yb,
        "Xc": Xc,
        "yc_partly_known": np.where(np.arange(40) < 20, yc, None),
        "X_new": X_new,
    }
