import numpy as np
import ot
import pytest
from scipy import sparse, stats

from sterna.measures import sliced_wasserstein_distance
from sterna.measures._sliced_wasserstein_distance import _directions


@pytest.mark.parametrize("p", [1, 2, 3.5])
@pytest.mark.parametrize("n_target", [30, 45, 41])
def test_equals_transport_plans_along_the_same_directions(p, n_target):
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(30, 4)), rng.exponential(size=(n_target, 4))
    directions = _directions(4, 6, np.random.RandomState(0))
    works = [ot.emd2(ot.unif(30), ot.unif(n_target), np.abs((X @ v)[:, None] - Y @ v) ** p) for v in directions.T]
    value = sliced_wasserstein_distance(X, Y, p=p, n_projections=6, random_state=0)
    assert value == pytest.approx(np.mean(works) ** (1 / p), rel=1e-7)


def test_agrees_with_independent_directions():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(200, 5)), rng.normal(size=(150, 5)) * [1, 2, 3, 1, 1] + 0.5
    expected = ot.sliced_wasserstein_distance(X, Y, n_projections=3000, seed=0)
    assert sliced_wasserstein_distance(X, Y, n_projections=1000, random_state=0) == pytest.approx(expected, rel=0.03)
    assert sliced_wasserstein_distance(sparse.csr_array(X), Y, n_projections=1000, random_state=0) == pytest.approx(
        expected, rel=0.03
    )


def test_equals_scipy_in_one_dimension():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(400, 1)), rng.exponential(size=(251, 1))
    expected = stats.wasserstein_distance(X.ravel(), Y.ravel())
    assert sliced_wasserstein_distance(X, Y, p=1) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("d", "n_projections"), [(2, 1), (3, 100), (50, 7)])
def test_directions_are_orthogonal_sets_on_the_sphere(d, n_projections):
    directions = _directions(d, n_projections, np.random.RandomState(0))
    assert directions.shape[1] >= n_projections
    size = min(d, n_projections)
    for first in range(0, directions.shape[1], size):
        inner = directions[:, first : first + size].T @ directions[:, first : first + size]
        np.testing.assert_allclose(inner, np.eye(size), atol=1e-12)


@pytest.mark.parametrize("d", [2, 20])
def test_a_pure_shift_has_its_closed_form(d):
    rng = np.random.default_rng(0)
    X, shift = rng.normal(size=(100, d)) + 1e4, rng.normal(size=d)
    value = sliced_wasserstein_distance(X, X[::-1] + shift, random_state=0)
    assert value == pytest.approx(np.linalg.norm(shift) / np.sqrt(d), rel=1e-6)


def test_takes_many_rows_and_draws_of_more():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(20_000, 2)), 2 * rng.normal(size=(20_001, 2))
    value = sliced_wasserstein_distance(source, target, n_projections=10, random_state=0)
    assert value == pytest.approx(1.0, abs=0.03)  # along each direction the difference of the deviations
    few = [sliced_wasserstein_distance(source, target, max_rows=200, random_state=seed) for seed in (0, 0, 1)]
    assert few[0] == few[1] != few[2]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"n_projections": 0}, "n_projections is 0"), ({"p": 0.5}, "p is 0.5"), ({"max_rows": 1}, "max_rows")],
)
def test_bad_options_get_a_sentence(options, message):
    with pytest.raises(ValueError, match=message):
        sliced_wasserstein_distance(np.ones((5, 1)), np.ones((5, 1)), **options)
