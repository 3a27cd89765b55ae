"""Nothing of a test is left in the user's folders."""

from __future__ import annotations

import os
import tempfile

# encoders keep features; for workers of joblib too, hence the environment
os.environ["STERNA_CACHE"] = tempfile.mkdtemp(prefix="sterna-cache-")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
