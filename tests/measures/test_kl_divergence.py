"""KL divergence by density ratio, against closed forms of Gaussians."""

import numpy as np
import pytest
from scipy import sparse

from sterna.measures import kl_divergence


@pytest.mark.parametrize("shift", [0.0, 0.5, 1.0, 2.0])
def test_agrees_with_the_closed_form_of_shifted_gaussians(shift):
    """shift^2 / 2."""
    values = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        values.append(kl_divergence(rng.normal(size=(800, 1)), rng.normal(size=(800, 1)) + shift, random_state=seed))
    assert np.mean(values) == pytest.approx(shift**2 / 2, abs=0.02 + 0.1 * shift**2 / 2)


def test_is_of_the_target_from_the_source():
    """KL(N(0, s^2) || N(0, 1)) = (s^2 - 1) / 2 - log s: for s = 1/2 it is 0.32, the other way round 0.81."""
    rng = np.random.default_rng(0)
    wide, narrow = rng.normal(size=(1500, 1)), 0.5 * rng.normal(size=(1500, 1))
    assert kl_divergence(wide, narrow, random_state=0) == pytest.approx(np.log(2) - 3 / 8, abs=0.08)
    # too small in the tails, as the docstring owns up to
    assert 0.42 < kl_divergence(narrow, wide, random_state=0) < 3 / 2 - np.log(2)


def test_domains_that_are_told_apart_surely_get_a_finite_value():
    value = kl_divergence(np.zeros((1000, 2)), np.ones((1000, 2)), random_state=0)
    assert 5 < value < 20


def test_sizes_do_not_matter():
    rng = np.random.default_rng(0)
    assert kl_divergence(rng.normal(size=(1800, 2)), rng.normal(size=(200, 2)), random_state=0) < 0.05


def test_noise_is_no_divergence_and_wide_sparse_rows_are_taken():
    X = sparse.random(100, 3000, 0.01, random_state=0, format="csr")
    Y = sparse.random(80, 3000, 0.01, random_state=1, format="csr")
    assert 0 <= kl_divergence(X, Y, random_state=0) < 0.1
