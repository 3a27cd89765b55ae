"""Chi-square divergence by density ratio, against closed forms of Gaussians."""

import numpy as np
import pytest

from sterna.measures import chi2_divergence, overlap


@pytest.mark.parametrize("shift", [0.0, 0.5, 1.0])
def test_agrees_with_the_closed_form_of_shifted_gaussians(shift):
    """exp(shift^2) - 1."""
    values = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        values.append(chi2_divergence(rng.normal(size=(800, 1)), rng.normal(size=(800, 1)) + shift, random_state=seed))
    assert np.mean(values) == pytest.approx(np.expm1(shift**2), abs=0.04 + 0.2 * np.expm1(shift**2))


def test_agrees_with_the_closed_form_of_a_narrower_target():
    """1 + chi^2 = 1 / (s sqrt(2 - s^2)) for N(0, s^2) from N(0, 1); for s = 1/2, 0.51."""
    rng = np.random.default_rng(0)
    value = chi2_divergence(rng.normal(size=(1500, 1)), 0.5 * rng.normal(size=(1500, 1)), random_state=0)
    assert value == pytest.approx(1 / (0.5 * np.sqrt(1.75)) - 1, abs=0.08)


def test_is_what_overlap_tells_on_another_scale():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(500, 2)), rng.normal(size=(500, 2)) + 0.5
    share = 1 / (1 + chi2_divergence(source, target, random_state=0))
    assert share == pytest.approx(float(overlap(source, target, random_state=0)), abs=0.1)


def test_far_domains_get_a_large_finite_value():
    assert 100 < chi2_divergence(np.zeros((1000, 2)), np.ones((1000, 2)), random_state=0) < np.inf
