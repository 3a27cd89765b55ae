"""Reading comparisons."""

from __future__ import annotations

import pytest


@pytest.fixture
def entry():
    """The line of a strategy in a comparison's summary."""
    return lambda comparison, name: next(row for row in comparison.summary["strategies"] if row["name"] == name)
