"""CORAL against matrix functions of the regularised covariances."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import inv, sqrtm
from sklearn.base import clone
from sklearn.neighbors import KNeighborsClassifier

from sterna.align import CORAL
from sterna.baselines import SourceOnly


def regularized_covariance(X, regularization):
    C = np.zeros((X.shape[1], X.shape[1]))
    for row in X - X.mean(axis=0):
        C += np.outer(row, row) / len(X)
    return C + regularization * np.trace(C) / len(C) * np.eye(len(C))


@pytest.mark.parametrize("d", [3, 20, 60])
@pytest.mark.parametrize("regularization", [0.1, 1.0])
def test_equals_the_matrix_functions(small, d, regularization):
    """Fewer features than rows, than one domain's rows, and more than all rows."""
    case = small(d=d)
    model = case.fit(CORAL(regularization=regularization))
    C_S, C_T = (regularized_covariance(X, regularization) for X in (case.Xs, case.Xt))
    expected = (case.Xs - case.Xs.mean(axis=0)) @ inv(sqrtm(C_S)) @ sqrtm(C_T) + case.Xt.mean(axis=0)
    np.testing.assert_allclose(model._map_source(case.Xs), np.real(expected), atol=1e-8)
    assert (model.coloring_ is None) == (d == 60)
    np.testing.assert_array_equal(model.represent(case.Xt), case.Xt)


@pytest.mark.parametrize("d", [4, 60])
def test_distance_is_the_papers_loss(small, d):
    case = small(d=d)
    model = case.fit(CORAL())
    C_S, C_T = (np.cov(X, rowvar=False, bias=True) for X in (case.Xs, case.Xt))
    assert model.health_["covariance_distance"] == pytest.approx(np.sum((C_S - C_T) ** 2) / (4 * d**2))


def test_without_mean_alignment_the_source_mean_stays(small):
    case = small()
    model = case.fit(CORAL(align_mean=False))
    np.testing.assert_allclose(model._map_source(case.Xs).mean(axis=0), case.Xs.mean(axis=0))


def test_unit_of_the_data_changes_nothing(small, case):
    data = small()
    scaled = case(1e4 * data.Xs, data.ys, 1e4 * data.Xt, data.yt)
    model = CORAL(KNeighborsClassifier(1))
    np.testing.assert_allclose(data.fit(model).coloring_, scaled.fit(clone(model)).coloring_, atol=1e-9)


def test_cures_another_scale_and_mixing(case):
    gains = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        Xs, Xt = rng.normal(size=(2, 300, 4))
        mixing = np.diag([0.3, 3.0, 1.0, 5.0])
        ys, yt = ((X @ [2.0, 1.0, 0.0, 0.5] > 0).astype(int) for X in (Xs, Xt))
        data = case(Xs, ys, Xt @ mixing + 3, yt)
        gains.append(data.score(CORAL(regularization=0.01)) - data.score(SourceOnly()))
    assert min(gains) > 0.1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fragile_inputs(small, case, dtype):
    data = small()
    Xs, Xt = (np.column_stack([X, np.full(len(X), 7.0)]).astype(dtype) for X in (data.Xs, data.Xt))
    model = case(Xs, data.ys, Xt, data.yt).fit(CORAL())
    assert np.isfinite(model.predict_proba(Xt)).all()
    one_row = case(Xs, data.ys, Xt[:1], data.yt[:1]).fit(CORAL())
    assert one_row.predict(Xt).shape == (len(Xt),)
