"""All benchmarks, one after the other; those on real data where STERNA_DATA is set. Hours on two cores: run one by its name instead."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main():
    names = [
        "methods.py",
        "calibration.py",
        "collapse.py",
        "logme.py",
        "cache.py",
        "deep_overhead.py",
        "kinds.py",
        "suite/run.py",
    ]
    real = [
        "real_data.py",
        "surf.py",
        "regression_transfer.py",
        "amazon_msda.py",
        "corn_transfer.py",
        "amazon_text.py",
        "speakers.py",
    ]
    real += ["hymenoptera.py", "cifar.py", "pacs.py"]
    if os.environ.get("STERNA_DATA"):
        names += real
    else:
        print(f"STERNA_DATA is not set: {', '.join(real)} are left out")
    for name in names:
        subprocess.run([sys.executable, HERE / name], check=True)


if __name__ == "__main__":
    main()
