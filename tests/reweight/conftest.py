"""Shifts that weights can cure: a straight model of a curved rule, seen elsewhere in the source than in the target."""

from __future__ import annotations

import numpy as np
import pytest


def _stack(Xs, ys, Xt):
    unknown = np.full(len(Xt), np.nan)
    return np.vstack([Xs, Xt]), np.concatenate([ys, unknown]), np.repeat([1, -2], [len(Xs), len(Xt)])


@pytest.fixture
def cubic():
    """Shimodaira's regression y = x^3 - x + noise: x ~ N(0.5, 0.5^2) in the source, N(0, 0.3^2) in the target."""

    def make(seed, n=300, n_noise=1):
        rng = np.random.default_rng(seed)
        Xs, Xt = rng.normal(0.5, 0.5, (n, 1)), rng.normal(0.0, 0.3, (2 * n, 1))
        ys, yt = (X[:, 0] ** 3 - X[:, 0] + 0.2 * rng.normal(size=len(X)) for X in (Xs, Xt))
        noise = rng.normal(size=(3 * n, n_noise))
        Xs, Xt = np.hstack([Xs, noise[:n]]), np.hstack([Xt, noise[n:]])
        return *_stack(Xs, ys, Xt[:n]), Xt[n:], yt[n:]

    return make


@pytest.fixture
def curved():
    """The class is x2 > x1^2; the source spreads over x1 evenly, the target lies around x1 = 1."""

    def make(seed, n=400):
        rng = np.random.default_rng(seed)
        Xs = np.column_stack([rng.uniform(-2, 2, n), rng.normal(1, 1, n)])
        Xt = np.column_stack([rng.normal(1, 0.4, 2 * n), rng.normal(1, 1, 2 * n)])
        ys, yt = ((X[:, 1] > X[:, 0] ** 2).astype(float) for X in (Xs, Xt))
        return *_stack(Xs, ys, Xt[:n]), Xt[n:], yt[n:]

    return make
