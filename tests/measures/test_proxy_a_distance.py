import numpy as np
import pytest
from scipy import sparse
from scipy.stats import norm
from sklearn.model_selection import cross_val_score
from sklearn.svm import LinearSVC

from sterna.measures import proxy_a_distance


@pytest.mark.parametrize("shift", [0.5, 1.0, 2.0])
def test_agrees_with_the_closed_form_of_two_gaussians(shift):
    """The best linear classifier errs with probability Phi(-shift / 2)."""
    values = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        source, target = rng.normal(size=(1500, 2)), rng.normal(size=(1500, 2)) + [shift, 0]
        values.append(proxy_a_distance(source, target, random_state=seed))
    assert np.mean(values) == pytest.approx(2 * (1 - 2 * norm.cdf(-shift / 2)), abs=0.06)


def test_agrees_with_a_support_vector_machine():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(300, 4)), rng.normal(size=(300, 4)) + [0.7, 0, -0.7, 0]
    X, domain = np.vstack([source, target]), np.repeat([0, 1], 300)
    error = 1 - cross_val_score(LinearSVC(C=0.1), X, domain, cv=5).mean()
    assert proxy_a_distance(source, target, random_state=0) == pytest.approx(2 * (1 - 2 * error), abs=0.1)


def test_sizes_do_not_matter():
    """Always naming the larger domain would be right for 95 % of the rows."""
    rng = np.random.default_rng(0)
    assert proxy_a_distance(rng.normal(size=(1900, 2)), rng.normal(size=(100, 2)), random_state=0) < 0.3
    value = proxy_a_distance(rng.normal(size=(1900, 2)), rng.normal(size=(100, 2)) + [2, 0], random_state=0)
    assert value == pytest.approx(2 * (1 - 2 * norm.cdf(-1)), abs=0.2)


def test_exchanging_the_domains_changes_nothing():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(50, 3)), rng.normal(size=(70, 3)) + 0.5
    there, back = (proxy_a_distance(*pair, random_state=3) for pair in ((source, target), (target, source)))
    assert there == pytest.approx(back, abs=1e-9)


def test_no_value_below_zero():
    """Where held-out rows are told apart worse than by chance."""
    values = [proxy_a_distance(np.array([[0.0], [1.0]]), np.array([[0.1], [0.9]]), random_state=seed) for seed in range(20)]
    assert min(values) == 0.0


def test_wide_sparse_text_counts():
    rng = np.random.default_rng(0)
    source = sparse.random(80, 5000, 0.01, random_state=0, format="csr")
    words = sparse.csr_array((np.arange(5000) < 20).astype(float)[None].repeat(60, axis=0))
    target = sparse.random(60, 5000, 0.01, random_state=1, format="csr") + words
    assert proxy_a_distance(source, target, random_state=0) > 1.8
    assert proxy_a_distance(source, source[rng.permutation(80)], random_state=0) < 0.8


def test_sparse_rows_without_any_value_are_no_distance():
    assert proxy_a_distance(sparse.csr_array((10, 600)), sparse.csr_array((8, 600)), random_state=0) == 0.0
