"""KMM on PyTorch tensors: the same as on numpy's arrays, and nothing of the rows on the host."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge

from sterna import CollapseWarning
from sterna.reweight import KMM
from sterna.reweight._base import effective_sample_size
from sterna.reweight._qp import BoxAndSlab
from tensors import dispatched, integer_labels, on_device, tensor, torch

BASE = LogisticRegression(C=1e-2, tol=1e-9, max_iter=10_000)


@pytest.mark.parametrize("n_components", [None, 40])
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize(("dtype", "atol"), [(np.float64, 1e-6), (np.float32, 5e-3)])
def test_the_same_as_numpy_without_a_copy(curved, n_components, standardize, dtype, atol):
    X, y, sample_domain, new, _ = curved(0, n=150)
    X, y, new = X.astype(dtype), integer_labels(y), new.astype(dtype)
    model = KMM(BASE, n_components=n_components, standardize=standardize, random_state=0)
    on_numpy = clone(model).fit(X, y, sample_domain=sample_domain)
    with on_device(149):
        on_torch = clone(model).fit(tensor(X), tensor(y), sample_domain=tensor(sample_domain))
        probabilities, predicted = on_torch.predict_proba(tensor(new)), on_torch.predict(tensor(new))
    assert type(on_torch.weights_) is type(predicted) is torch.Tensor
    np.testing.assert_allclose(on_torch.weights_.numpy(), on_numpy.weights_, atol=10 * atol)
    np.testing.assert_allclose(probabilities.numpy(), on_numpy.predict_proba(new), atol=atol)
    assert np.mean(predicted.numpy() == on_numpy.predict(new)) > 0.99
    expected = {name: on_numpy.health_[name] for name in on_torch.health_}  # numpy's rows are looked at more closely
    assert on_torch.health_ == pytest.approx(expected, rel=1e-2, abs=1e-6)
    assert on_torch.bandwidth_ == pytest.approx(on_numpy.bandwidth_, rel=1e-6)


def test_labelled_target_rows_and_regression(cubic):
    X, y, sample_domain, new, _ = cubic(0, n=100)
    y[-20:] = X[-20:, 0] ** 3 - X[-20:, 0]
    on_numpy = KMM(Ridge(solver="svd"), random_state=0).fit(X, y, sample_domain=sample_domain)
    with dispatched():
        on_torch = KMM(Ridge(solver="svd"), random_state=0).fit(tensor(X), tensor(y), sample_domain=sample_domain)
        predicted = on_torch.predict(tensor(new))
    np.testing.assert_allclose(predicted.numpy(), on_numpy.predict(new), atol=1e-6)


@pytest.mark.parametrize("slack", [0.0, 0.3])
def test_projection_and_least_value(slack):
    v = 5 * np.random.default_rng(0).normal(size=60)
    feasible = BoxAndSlab(4.0, 60 * (1 - slack), 60 * (1 + slack))
    with on_device(0):
        point, least = feasible.project(tensor(v)), feasible.least(tensor(v))
    np.testing.assert_allclose(point.numpy(), feasible.project(v), atol=1e-12)
    assert least == pytest.approx(feasible.least(v))


@pytest.mark.filterwarnings("ignore:KMM may have collapsed")
def test_warns_of_weights_on_few_rows():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(200, 2)), rng.normal(3.5, 0.1, size=(100, 2))])
    y = np.concatenate([X[:200, 0] > 0, np.full(100, -1)]).astype(int)
    sample_domain = np.repeat([1, -2], [200, 100])
    model = KMM(max_weight=1000.0, bandwidth=0.5, random_state=0)
    with pytest.warns(CollapseWarning, match="few rows"):
        on_numpy = clone(model).fit(X, y, sample_domain=sample_domain)
    with on_device(99), pytest.warns(CollapseWarning, match="few rows"):
        on_torch = clone(model).fit(tensor(X), tensor(y), sample_domain=sample_domain)
    assert effective_sample_size(on_torch.weights_) == pytest.approx(on_numpy.health_["effective_sample_size"], rel=1e-3)


def test_cross_validation_of_the_bandwidth_refuses_tensors(curved):
    X, y, sample_domain, _, _ = curved(0, n=20)
    with dispatched(), pytest.raises(TypeError, match="takes numpy arrays; with tensors give it a number or None"):
        KMM(bandwidth="iwcv").fit(tensor(X), y, sample_domain=sample_domain)
