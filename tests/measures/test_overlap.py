import numpy as np
import pytest

from sterna.measures import overlap


@pytest.mark.parametrize("shift", [0.0, 0.5, 1.0])
def test_agrees_with_the_closed_form_of_two_gaussians(shift):
    """E_s[w^2] = exp(shift^2), so the share is exp(-shift^2)."""
    shares = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        result = overlap(rng.normal(size=(800, 1)), rng.normal(size=(800, 1)) + shift, random_state=seed)
        shares.append(result.value)
    assert np.mean(shares) == pytest.approx(np.exp(-(shift**2)), abs=0.12)


def test_number_is_the_share_of_all_source_rows_also_where_few_are_drawn():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(5000, 2)), rng.normal(size=(300, 2)) + 0.5
    result = overlap(source, target, max_rows=400, random_state=0)
    assert result.n_effective == pytest.approx(5000 * result.value)


def test_weights_that_are_evenly_tiny_are_no_overlap():
    """The textbook estimate from the source rows alone would call this even."""
    rng = np.random.default_rng(0)
    far = overlap(rng.normal(size=(300, 3)), rng.normal(size=(300, 3)) + 8, random_state=0)
    assert far.value < 0.05
    assert far.uncovered > 0.95


def test_target_within_the_source_overlaps_more_than_the_source_within_the_target():
    rng = np.random.default_rng(0)
    wide, narrow = 3 * rng.normal(size=(600, 1)), rng.normal(size=(600, 1))
    assert overlap(wide, narrow, random_state=0).value > overlap(narrow, wide, random_state=0).value + 0.1


def test_half_of_the_target_without_counterpart():
    rng = np.random.default_rng(0)
    target = np.concatenate([rng.normal(size=(300, 2)), rng.normal(size=(300, 2)) + 10])
    assert overlap(rng.normal(size=(600, 2)), target, random_state=0).uncovered == pytest.approx(0.5, abs=0.05)
