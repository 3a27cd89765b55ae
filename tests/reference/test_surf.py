"""Published accuracies on Office-Caltech10 with SURF-800 histograms.

Protocol: all of the source for training, all of the target for testing, 1-NN by Euclidean distance; histograms are divided by
their sums and standardised by domain. TCA and JDA (Long et al., ICCV 2013, and their code): linear kernel f = K a
with ||a|| = 1, 100 components, lambda = 1; TCA on these rows as they are; JDA on rows of length 1, ten rounds, and the
projected rows scaled to length 1 before 1-NN. Both leave the 100 components at their natural spread (not at unit variance).
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from sterna.align import JDA, TCA
from sterna.baselines import SourceOnly

FILE = Path(os.environ.get("STERNA_DATA", "")) / "office_caltech10_surf" / "surf_l10_raw.npz"
pytestmark = pytest.mark.skipif(
    "STERNA_DATA" not in os.environ or not FILE.exists(), reason="needs Office-Caltech10 SURF under STERNA_DATA"
)

DOMAINS = {"C": "caltech", "A": "amazon", "W": "webcam", "D": "dslr"}
PAIRS = ("C-A", "C-W", "C-D", "A-C", "A-W", "A-D", "W-C", "W-A", "W-D", "D-C", "D-A", "D-W")
NEAREST = (23.70, 25.76, 25.48, 26.00, 29.83, 25.48, 19.86, 22.96, 59.24, 26.27, 28.50, 63.39)
# C-A is the published figure; the others are what this protocol gave in an independent program that reached it exactly.
TCA_TABLE = (38.20, 38.64, 41.40, 37.76, 37.63, 33.12, 29.30, 30.06, 87.26, 31.70, 32.15, 86.10)
JDA_TABLE = (44.78, 41.69, 45.22, 39.36, 37.97, 39.49, 31.17, 32.78, 89.17, 31.52, 33.09, 89.49)
QUICK = ("C-A", "A-W", "W-D")


def by_pair(table, quick=QUICK):
    """One parameter a pair; the pairs that are not quick belong to the slow tier."""
    rows = zip(PAIRS, table, strict=True)
    return [pytest.param(pair, value, marks=() if pair in quick else pytest.mark.slow, id=pair) for pair, value in rows]


def load(pair, unit_length=False):
    """The stacked rows, labels with NaN for the target, domains, and the target's rows and labels."""
    parts = []
    with np.load(FILE) as archive:
        for letter in pair.split("-"):
            X = archive[f"{DOMAINS[letter]}_X"].astype(float)
            X /= X.sum(axis=1, keepdims=True)
            deviation = X.std(axis=0)
            X = (X - X.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
            parts.append((Normalizer().transform(X) if unit_length else X, archive[f"{DOMAINS[letter]}_y"].astype(float)))
    (Xs, ys), (Xt, yt) = parts
    sample_domain = np.repeat([1, -2], [len(ys), len(yt)])
    return np.concatenate([Xs, Xt]), np.concatenate([ys, np.full(len(yt), np.nan)]), sample_domain, Xt, yt


def accuracy(model, pair, unit_length=False):
    X, y, sample_domain, Xt, yt = load(pair, unit_length)
    if "regularization" in model.get_params():
        model.set_params(regularization=(2000 / len(X)) ** 2)  # lambda = 1, see the Notes of TCA
    return 100 * model.fit(X, y, sample_domain=sample_domain).score(Xt, yt)


@pytest.mark.parametrize(("pair", "published"), by_pair(NEAREST, quick=PAIRS))
def test_nearest_neighbour_without_adaptation(pair, published):
    assert accuracy(SourceOnly(KNeighborsClassifier(1)), pair) == pytest.approx(published, abs=0.01)


@pytest.mark.parametrize(("pair", "published"), by_pair(TCA_TABLE))
def test_tca(pair, published):
    model = TCA(KNeighborsClassifier(1), n_components=100, standardize=False)
    assert accuracy(model, pair) == pytest.approx(published, abs=1.5)


@pytest.mark.parametrize(("pair", "published"), by_pair(JDA_TABLE))
def test_jda(pair, published):
    nearest = make_pipeline(Normalizer(), KNeighborsClassifier(1))
    model = JDA(nearest, n_components=100, standardize=False)
    assert accuracy(model, pair, unit_length=True) == pytest.approx(published, abs=1.5)
