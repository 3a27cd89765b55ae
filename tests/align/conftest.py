"""Stacks that the tests of this family share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import rotate
from sklearn.datasets import load_digits


@dataclass(frozen=True)
class Case:
    """A source and a target with their true labels; `stack` hides all but the first `n_labelled` target labels."""

    Xs: Any
    ys: Any
    Xt: Any
    yt: Any

    def stack(self, n_labelled=0):
        y = np.concatenate([self.ys, self.yt]).astype(float)
        y[len(self.ys) + n_labelled :] = np.nan
        return np.concatenate([self.Xs, self.Xt]), y, np.repeat([1, -2], [len(self.ys), len(self.yt)])

    def first(self, n):
        """Only the first n rows of each domain."""
        return Case(self.Xs[:n], self.ys[:n], self.Xt[:n], self.yt[:n])

    def fit(self, model, n_labelled=0):
        X, y, sample_domain = self.stack(n_labelled)
        return model.fit(X, y, sample_domain=sample_domain)

    def score(self, model, n_labelled=0):
        """The score on the target rows whose labels are hidden."""
        return self.fit(model, n_labelled).score(self.Xt[n_labelled:], self.yt[n_labelled:])


@pytest.fixture(scope="session")
def case():
    return Case


@pytest.fixture(scope="session")
def rotated_digits():
    """The 8x8 digits: half of them as they are, the other half turned by 30 degrees."""
    X, y = load_digits(return_X_y=True)
    turned = np.array([rotate(row.reshape(8, 8), 30, reshape=False).ravel() for row in X])

    def make(seed):
        order = np.random.default_rng(seed).permutation(len(X))
        source, target = order[:900], order[900:]
        return Case(X[source], y[source], turned[target], y[target])

    return make


@pytest.fixture(scope="session")
def small():
    """Gaussian rows of any shape with correlated features, their labels in three classes, and a shifted target."""

    def make(seed=0, n_s=30, n_t=24, d=5):
        rng = np.random.default_rng(seed)
        mixing = rng.normal(size=(d, d)) / np.sqrt(d) + np.diag(np.linspace(2, 0.5, d))
        ys, yt = rng.integers(3, size=n_s), rng.integers(3, size=n_t)
        ys[:3] = yt[:3] = range(3)
        Xs = (rng.normal(size=(n_s, d)) + 2 * np.eye(3, d)[ys]) @ mixing
        Xt = (rng.normal(size=(n_t, d)) + 2 * np.eye(3, d)[yt]) @ mixing + rng.normal(size=d)
        return Case(Xs, ys, Xt, yt)

    return make
