"""All benchmarks, one after the other: methods, calibration, and (where STERNA_DATA is set) real data."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main():
    names = ["methods.py", "calibration.py"]
    if os.environ.get("STERNA_DATA"):
        names.append("real_data.py")
    else:
        print("STERNA_DATA is not set: real_data.py is left out")
    for name in names:
        subprocess.run([sys.executable, HERE / name], check=True)


if __name__ == "__main__":
    main()
