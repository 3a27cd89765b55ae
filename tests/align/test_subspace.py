"""SubspaceAlignment against principal component analysis of each domain."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

import sterna.align._subspace as module
from sterna.align import SubspaceAlignment
from sterna.baselines import SourceOnly


@pytest.mark.parametrize(("d", "k"), [(5, 2), (5, 5), (60, 10)])
def test_equals_the_paper(small, d, k):
    """Products of represented rows, in which the signs of the axes cancel."""
    case = small(d=d)
    model = case.fit(SubspaceAlignment(n_components=k, standardize=False))
    source, target = PCA(k, svd_solver="full").fit(case.Xs), PCA(k, svd_solver="full").fit(case.Xt)
    P_S, P_T = source.components_.T, target.components_.T
    Z_S, Z_T = source.transform(case.Xs) @ P_S.T @ P_T, target.transform(case.Xt)
    unit = np.mean(Z_T**2)
    ours_S, ours_T = model._map_source(case.Xs), model.represent(case.Xt)
    np.testing.assert_allclose(ours_S @ ours_T.T, Z_S @ Z_T.T / unit, atol=1e-9)
    np.testing.assert_allclose(ours_T @ ours_T.T, Z_T @ Z_T.T / unit, atol=1e-9)
    overlap = np.sum((P_S.T @ P_T) ** 2) / k
    assert model.health_["subspace_overlap"] == pytest.approx(overlap)


def test_share_of_variance_sets_the_number_of_axes(small):
    case = small(d=8)
    model = case.fit(SubspaceAlignment(n_components=0.8, standardize=False))
    counts = [PCA(0.8, svd_solver="full").fit(X).n_components_ for X in (case.Xs, case.Xt)]
    assert model.health_["n_components"] == max(counts)
    assert min(model.health_["source_variance_kept"], model.health_["target_variance_kept"]) >= 0.8


def test_number_of_axes_is_clipped_to_the_rank(small):
    case = small(n_t=4, d=6)
    assert case.fit(SubspaceAlignment(n_components=50)).health_["n_components"] == 3


def test_unit_of_a_feature_changes_nothing(small, case):
    data = small()
    unit = np.array([1e5, 1.0, 1e-4, 1.0, 1.0])
    other = case(data.Xs * unit, data.ys, data.Xt * unit, data.yt)
    expected = data.fit(SubspaceAlignment()).predict_proba(data.Xt)
    np.testing.assert_allclose(other.fit(SubspaceAlignment()).predict_proba(other.Xt), expected, atol=1e-6)


def test_randomised_form_agrees_with_the_exact_one(rotated_digits, monkeypatch):
    data = rotated_digits(0)
    exact = data.fit(SubspaceAlignment(n_components=10)).predict_proba(data.Xt)
    monkeypatch.setattr(module, "_MAX_RANK", 25)  # of 61
    model = data.fit(SubspaceAlignment(n_components=10, random_state=0))
    assert np.mean(model.predict_proba(data.Xt).argmax(axis=1) == exact.argmax(axis=1)) > 0.98


def test_cures_other_directions_of_variance(case):
    """The two directions that carry all the variance and the label are turned by 60 degrees towards unused ones."""
    gains = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        axes = np.linalg.qr(rng.normal(size=(10, 10)))[0]
        turned = np.cos(np.pi / 3) * axes[:, :2] + np.sin(np.pi / 3) * axes[:, 2:4]
        Z_S, Z_T = rng.normal(size=(2, 300, 2)) * [4, 2]
        ys, yt = ((Z @ [1, 2] > 0).astype(int) for Z in (Z_S, Z_T))
        noise_s, noise_t = 0.5 * rng.normal(size=(2, 300, 10))
        data = case(Z_S @ axes[:, :2].T + noise_s, ys, Z_T @ turned.T + noise_t + 2 * axes[:, 0], yt)
        model = SubspaceAlignment(n_components=2, standardize=False)
        gains.append(data.score(model) - data.score(SourceOnly()))
    assert min(gains) > 0.05


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fragile_inputs(small, case, dtype):
    data = small()
    Xs, Xt = (np.column_stack([X, np.full(len(X), 7.0)]).astype(dtype) for X in (data.Xs, data.Xt))
    model = case(Xs, data.ys, Xt, data.yt).fit(SubspaceAlignment())
    assert np.isfinite(model.predict_proba(Xt)).all()
    one_row = case(Xs, data.ys, Xt[:1], data.yt[:1]).fit(SubspaceAlignment())
    assert one_row.health_["n_components"] == 1
    assert np.isfinite(one_row.predict_proba(Xt)).all()
