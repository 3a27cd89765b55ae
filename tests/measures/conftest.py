"""Made shifts of a known kind, with a known relation between features and label."""

from __future__ import annotations

import numpy as np
import pytest

from sterna import Domains

WEIGHTS = np.array([2.0, -1.5, 1.0, 0.0, 0.0])


def labels(X, rng, task, weights=WEIGHTS):
    signal = X @ weights
    if task == "regression":
        return signal + rng.normal(size=len(X))
    return np.where(signal + rng.logistic(size=len(X)) > 0, "yes", "no")


def tilted(rng, task, n):
    """Rows of the source's distribution given the label, with other labels."""
    X = rng.normal(size=(20 * n, 5))
    y = labels(X, rng, task)
    chance = np.exp(0.6 * y) if task == "regression" else np.where(y == "yes", 0.85, 0.15)
    rows = rng.choice(len(X), n, replace=False, p=chance / chance.sum())
    return X[rows], y[rows]


@pytest.fixture(scope="session")
def made():
    """made(kind, task, seed, n, n_labelled) gives domains that differ in one way."""
    return make


def make(kind, task, seed, n=300, n_labelled=100):
    """Domains with `n` rows each and `n_labelled` target labels, differing in one way."""
    rng = np.random.default_rng(seed)
    Xs = rng.normal(size=(n, 5))
    ys = labels(Xs, rng, task)
    if kind == "label":
        Xt, yt = tilted(rng, task, n)
    else:
        Xt = rng.normal(size=(n, 5)) + (np.array([0.8, 0.8, 0, 0.8, 0]) if kind == "covariate" else 0.0)
        yt = labels(Xt, rng, task, np.array([-1.0, -1.5, 1.0, 1.5, 0.0]) if kind == "concept" else WEIGHTS)
    if kind == "scale":
        Xt = Xt * [3.0, 0.4, 2.5, 0.5, 3.0] + [1.0, 0.0, -2.0, 0.5, 0.0]
    hidden = yt.astype(object)
    hidden[n_labelled:] = None
    return Domains(source={"a": (Xs, ys)}, target={"b": (Xt, hidden)}, task=task)
