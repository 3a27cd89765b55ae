import numpy as np
import pytest
from scipy.optimize import check_grad
from scipy.stats import norm

from sterna.measures import hdh_divergence, proxy_a_distance
from sterna.measures._hdh_pairs import agreement_gap, best_pair, with_ones


def gaussians(n, shift=0.0, spread=1.0, seed=0, d=1):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), spread * rng.normal(size=(n, d)) + shift


def mean_value(*arguments, **options):
    return np.mean([hdh_divergence(*gaussians(*arguments, seed=seed, **options), random_state=seed) for seed in range(3)])


def test_spread_is_seen_by_a_slab_and_not_by_a_line():
    """Two thresholds that enclose the source's bulk: twice the total variation of N(0, 1) and N(0, 9)."""
    edge = np.sqrt(2 * np.log(3) / (1 - 1 / 9))  # the densities cross here
    variation = 2 * (norm.cdf(edge) - norm.cdf(edge / 3))
    assert mean_value(1500, spread=3.0) == pytest.approx(2 * variation, abs=0.06)
    assert mean_value(1500, spread=1 / 3) == pytest.approx(2 * variation, abs=0.06)
    assert proxy_a_distance(*gaussians(1500, spread=3.0), random_state=0) < 0.6 * variation


@pytest.mark.parametrize("shift", [0.5, 1.0, 2.0])
def test_shift_is_seen_by_one_line(shift):
    assert mean_value(1500, shift) == pytest.approx(2 * (2 * norm.cdf(shift / 2) - 1), abs=0.08)


def test_dependence_is_seen_by_a_cross():
    """P(x y > 0) of two normal columns of correlation r is 1/2 + arcsin(r) / pi (Sheppard)."""
    rng = np.random.default_rng(0)
    source, target = (rng.multivariate_normal([0, 0], [[1, r], [r, 1]], size=2000) for r in (0.8, -0.8))
    value = hdh_divergence(source, target, random_state=0)
    assert value == pytest.approx(4 * np.arcsin(0.8) / np.pi, abs=0.08)
    assert proxy_a_distance(source, target, random_state=0) < 0.1


@pytest.mark.parametrize("seed", range(3))
def test_the_pair_found_is_as_good_as_all_pairs_of_thresholds(seed):
    """One column, the target a mixture on both sides of the source: exhaustive search over pairs of thresholds."""
    rng = np.random.default_rng(seed)
    source, target = rng.normal(size=400), np.append(rng.normal(size=200) - 2, rng.normal(size=200) * 0.5 + 1)
    cuts = np.append(np.inf, np.quantile(np.append(source, target), np.linspace(0, 1, 80)))
    above = [(part[:, None] > cuts).astype(float) for part in (source, target)]  # (n, n_cuts)
    apart = [(A.T @ (1 - A) + (1 - A).T @ A) / len(A) for A in above]  # disagreement of each two thresholds
    best = 2 * np.abs(apart[0] - apart[1]).max()
    parts = source[:, None], target[:, None]
    found = agreement_gap(best_pair(*parts, np.ones(1)), *map(with_ones, parts))
    assert 0.93 * best <= found <= 1.03 * best  # the search goes by quantiles


def test_the_gap_is_twice_the_difference_of_disagreements():
    rng = np.random.default_rng(0)
    source, target, pair = rng.normal(size=(30, 2)), rng.normal(size=(40, 2)) + 1, rng.normal(size=(2, 3))
    apart = [np.mean((with_ones(X) @ pair[0] > 0) != (with_ones(X) @ pair[1] > 0)) for X in (source, target)]
    assert agreement_gap(pair, with_ones(source), with_ones(target)) == pytest.approx(2 * (apart[0] - apart[1]))


def test_the_gradient_is_that_of_finite_differences(monkeypatch):
    caught = []

    def catch(function, start, **options):
        caught.append((lambda x: function(x)[0], lambda x: function(x)[1], start))
        return type("Found", (), {"x": start})

    monkeypatch.setattr("sterna.measures._hdh_pairs.minimize", catch)
    source, target = gaussians(20, shift=0.5, spread=2.0, d=3)
    best_pair(source, target, np.ones(3))
    assert len(caught) == 4
    for value, gradient, start in caught:
        assert check_grad(value, gradient, start + 0.1) < 1e-5


def test_rows_held_out_judge():
    """Pairs fitted to 60 rows of 20 columns tell these apart nearly wholly, though nothing differs."""
    source, target = gaussians(60, d=20)
    found = agreement_gap(best_pair(source, target, np.ones(20)), with_ones(source), with_ones(target))
    assert found > 0.8
    assert mean_value(60, d=20) < 0.25


def test_wide_rows_keep_the_line_that_tells_them_apart():
    source, target = gaussians(200, d=300)
    target[:, 7] += 3
    assert hdh_divergence(source, target, random_state=0) > 1


def test_bad_options_get_a_sentence():
    with pytest.raises(ValueError, match="cv is 0; give a whole number of 2 or more"):
        hdh_divergence(*gaussians(10), cv=0)
