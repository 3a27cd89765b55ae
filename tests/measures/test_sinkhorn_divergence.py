import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import minimize
from scipy.spatial.distance import cdist
from sklearn.exceptions import ConvergenceWarning

from sterna.measures import sinkhorn_divergence, wasserstein_distance


def entropic(cost, epsilon):
    """The dual of entropic transport, climbed by a general optimiser."""
    n, m = cost.shape

    def loss(potentials):
        f, g = potentials[:n], potentials[n:]
        plan = np.exp((f[:, None] + g - cost) / epsilon) / (n * m)
        slope = np.concatenate([1 / n - plan.sum(axis=1), 1 / m - plan.sum(axis=0)])
        return -(f.mean() + g.mean() - epsilon * (plan.sum() - 1)), -slope

    found = minimize(loss, np.zeros(n + m), jac=True, method="L-BFGS-B", options={"maxiter": 5000, "ftol": 1e-15, "gtol": 1e-9})
    return -found.fun


@pytest.mark.parametrize("p", [1, 1.5, 2])
@pytest.mark.parametrize("regularization", [0.1, 0.5])
def test_equals_a_general_optimiser(p, regularization):
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(12, 3)), 2 * rng.normal(size=(9, 3)) + 0.5
    across, epsilon = cdist(X, Y) ** p, regularization * np.mean(cdist(X, Y) ** p)
    parts = [entropic(C, epsilon) for C in (across, cdist(X, X) ** p, cdist(Y, Y) ** p)]
    expected = parts[0] - parts[1] / 2 - parts[2] / 2
    assert sinkhorn_divergence(X, Y, p=p, regularization=regularization) == pytest.approx(expected, rel=1e-4)
    assert sinkhorn_divergence(sparse.csr_array(X), Y, p=p, regularization=regularization) == pytest.approx(expected, rel=1e-4)


def test_tends_to_the_exact_distance():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(20, 2)), rng.exponential(size=(20, 2)) + 1
    value = sinkhorn_divergence(X, Y, regularization=0.01)
    assert value == pytest.approx(wasserstein_distance(X, Y) ** 2, rel=0.05)


def test_tends_to_the_distance_of_the_means():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(40, 3)), 3 * rng.normal(size=(30, 3)) + [1, 2, 0]
    value = sinkhorn_divergence(X, Y, regularization=1e4)
    assert value == pytest.approx(np.sum((X.mean(axis=0) - Y.mean(axis=0)) ** 2), rel=1e-3)


def test_mass_that_must_go_far_is_paid_for_where_the_kernel_underflows():
    """Two heaps, 100 apart: 1 row in 100 of the source is in the far one, and 2 of the target."""
    rng = np.random.default_rng(0)
    X, Y = 0.1 * rng.normal(size=(100, 1)), 0.1 * rng.normal(size=(100, 1))
    X[99:] += 100
    Y[98:] += 100
    value = sinkhorn_divergence(X, Y, regularization=0.01)  # costs to 3000 times eps
    assert value == pytest.approx(wasserstein_distance(X, Y) ** 2, rel=0.05)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_scale_and_place_do_not_matter(scale):
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(50, 2)), rng.normal(size=(60, 2)) * [1, 2]
    value = sinkhorn_divergence(X, Y)
    assert sinkhorn_divergence(scale * (X + 100), scale * (Y + 100)) == pytest.approx(value * scale**2, rel=1e-4)
    assert sinkhorn_divergence(Y, X) == pytest.approx(value, rel=1e-4)
    assert sinkhorn_divergence(scale * X, scale * X[::-1]) == pytest.approx(0.0, abs=1e-6 * scale**2)


def test_is_less_noisy_than_the_exact_distance_in_many_columns():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(100, 30)), rng.normal(size=(100, 30))
    assert sinkhorn_divergence(X, Y) < 0.3 * wasserstein_distance(X, Y) ** 2


def test_a_fit_that_does_not_converge_warns(monkeypatch):
    from sterna.measures import _sinkhorn_divergence as module

    monkeypatch.setattr(module, "_SELF_ITERATIONS", 1)
    rng = np.random.default_rng(0)
    with pytest.warns(ConvergenceWarning, match=r"raise it, for instance to 0\.4"):
        sinkhorn_divergence(rng.normal(size=(50, 2)), rng.normal(size=(50, 2)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"p": 3}, "p is 3; give a number from 1 to 2"),
        ({"regularization": 0}, "regularization is 0"),
        ({"max_rows": 1}, "max_rows"),
    ],
)
def test_bad_options_get_a_sentence(options, message):
    with pytest.raises(ValueError, match=message):
        sinkhorn_divergence(np.ones((5, 1)), np.ones((5, 1)), **options)
