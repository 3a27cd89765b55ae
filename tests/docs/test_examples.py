"""Every example runs as a program, from another folder, and says what it is there to say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))
SAYS = {
    "hospitals": ["60 labelled", "hurts", "There is no evidence that the source helps", "report: runs/hospitals/report.html"],
    "own_strategy": ["ScaleMatch", "Using the source helps", "Adapting helps"],
    "regression": ["60 labels: ", "0 labels: unproven", "rmse"],
}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example(example, tmp_path):
    result = subprocess.run(
        [sys.executable, "-W", "error", str(example)],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    assert not result.stderr
    for words in SAYS[example.stem]:
        assert words in result.stdout
    if example.stem == "hospitals":
        assert (tmp_path / "runs" / "hospitals" / "report.html").read_text().startswith("<!DOCTYPE html>")
