"""LogME beside a plain transcription of its published algorithm: seconds, and the difference of the values.

The transcription takes the singular value decomposition of F'F and loops over the classes, as algorithm 3 of You et al. (2021) and the
authors' code do (its rank, not the number of features, stands in the evidence where rows are fewer: see the Notes of `logme`).
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from sterna.measures import linear_probe, logme

RESULTS = Path(__file__).parent / "results"
GRID = [
    (1000, 2048, 10),
    (10_000, 512, 10),
    (10_000, 2048, 100),
    (50_000, 512, 100),
    (50_000, 2048, 100),
]  # rows, features, classes


def published(F, y):
    """The mean over classes of the log evidence per row, by the published fixed point."""
    F = F.astype(np.float64)
    n = len(F)
    if n > F.shape[1]:
        _, squares, V = np.linalg.svd(F.T @ F)
        s = np.sqrt(squares)
        kept = s > 1e-10
        s, U = s[kept], (F @ V[kept].T) / s[kept]
    else:
        U, s, _ = np.linalg.svd(F, full_matrices=False)
        kept = s > 1e-10 * s[0]
        U, s = U[:, kept], s[kept]
    sigma, values = s**2, []
    for c in range(int(y.max()) + 1):
        label = (y == c).astype(np.float64)
        x2 = (U.T @ label) ** 2
        rest = max(label.sum() - x2.sum(), 0.0)
        alpha = beta = 1.0
        for _ in range(200):
            ratio = alpha / beta
            gamma = np.sum(sigma / (sigma + ratio))
            m2 = np.sum(sigma * x2 / (ratio + sigma) ** 2)
            error = np.sum(x2 / (1 + sigma / ratio) ** 2) + rest
            alpha, beta = gamma / m2, (n - gamma) / error
            if abs(alpha / beta - ratio) / ratio < 1e-7:
                break
        ratio = alpha / beta
        m2 = np.sum(sigma * x2 / (ratio + sigma) ** 2)
        error = np.sum(x2 / (1 + sigma / ratio) ** 2) + rest
        logs = len(sigma) * np.log(alpha) + n * np.log(beta / (2 * np.pi)) - np.sum(np.log(alpha + beta * sigma))
        values.append((logs - beta * error - alpha * m2) / (2 * n))
    return float(np.mean(values))


def measured(function, *arguments):
    start = time.perf_counter()
    value = function(*arguments)
    return float(value), time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    lines = [
        "| rows | features | classes | published, s | ours, s | times faster | difference | float32 features, s | times faster | "
        "difference | linear probe, s | its accuracy |",
        "|---" * 12 + "|",
    ]
    with threadpool_limits(options.threads):
        for n, d, n_classes in GRID:
            rng = np.random.default_rng(0)
            y = np.arange(n) % n_classes
            F = rng.standard_normal((n, d), dtype=np.float32) + 0.3 * rng.standard_normal((n_classes, d), dtype=np.float32)[y]
            double = F.astype(np.float64)
            theirs, plain = measured(published, double, y)
            ours, seconds = measured(logme, double, y)
            single, quick = measured(logme, F, y)
            accuracy, probe = measured(partial(linear_probe, max_rows=n, random_state=0), F, y)
            lines.append(
                f"| {n} | {d} | {n_classes} | {plain:.2f} | {seconds:.2f} | {plain / seconds:.1f} | {ours - theirs:.1e} | {quick:.2f} | "
                f"{plain / quick:.1f} | {single - theirs:.1e} | {probe:.2f} | {100 * accuracy:.1f} |"
            )
            print(lines[-1], flush=True)
    about = f"`benchmarks/logme.py --threads {options.threads}`; wall time, one run each, published and ours after one another."
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "logme.md").write_text(f"# LogME\n\n{about}\n\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
