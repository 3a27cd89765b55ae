"""Small domains for all; nothing of a test is left in the user's folders, or in scikit-learn's settings."""

from __future__ import annotations

import os
import tempfile

import pytest
import sklearn

# encoders keep features; for workers of joblib too, hence the environment
os.environ["STERNA_CACHE"] = tempfile.mkdtemp(prefix="sterna-cache-")
os.environ.setdefault("HF_HUB_OFFLINE", "1")


@pytest.fixture(autouse=True)
def _own_settings():
    """scikit-learn's settings as they are by default: importing skada switches metadata routing on for all that follows."""
    with sklearn.config_context(enable_metadata_routing=False, array_api_dispatch=False):
        yield


@pytest.fixture(scope="session")
def pair():
    """Make a pair of domains."""
    from pairs import make_pair

    return make_pair


@pytest.fixture(scope="session")
def quick():
    """Compare with little to do."""
    from pairs import quick_compare

    return quick_compare
