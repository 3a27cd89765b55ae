"""JS divergence by density ratio, against integrals of Gaussians."""

import numpy as np
import pytest
from scipy import sparse
from scipy.integrate import quad
from scipy.stats import norm

from sterna.measures import js_divergence


def integral(shift):
    """The entropy of the mixture less that of its parts, in bits."""

    def entropy(density):
        return quad(lambda x: -density(x) * np.log2(density(x) + 1e-300), -9, 13, limit=200)[0]

    return entropy(lambda x: (norm.pdf(x) + norm.pdf(x - shift)) / 2) - entropy(norm.pdf)


@pytest.mark.parametrize("shift", [0.0, 0.5, 1.0, 2.0, 4.0])
def test_agrees_with_the_integral_of_shifted_gaussians(shift):
    values = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        values.append(js_divergence(rng.normal(size=(800, 1)), rng.normal(size=(800, 1)) + shift, random_state=seed))
    assert np.mean(values) == pytest.approx(integral(shift), abs=0.03)


def test_half_of_the_target_where_the_source_has_nothing():
    """With half of the target apart: JS = 1 - H, H = (1 + 1/2) / 2 times the entropy of (2/3, 1/3) in bits."""
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(1000, 2)), rng.normal(size=(1000, 2))
    target[:500] += 12
    expected = 1 - 0.75 * (np.log2(3) - 2 / 3)
    # the logistic calibration costs a little
    assert expected - 0.08 < js_divergence(source, target, random_state=0) < expected + 0.02


def test_stays_within_its_bounds():
    rng = np.random.default_rng(0)
    assert 0.99 < js_divergence(np.zeros((500, 2)), np.ones((700, 2)), random_state=0) <= 1
    same = [js_divergence(rng.normal(size=(20, 2)), rng.normal(size=(20, 2)), random_state=seed) for seed in range(5)]
    assert min(same) >= 0


def test_sparse_rows_without_any_value_are_no_divergence():
    assert js_divergence(sparse.csr_array((10, 600)), sparse.csr_array((8, 600)), random_state=0) == 0.0
