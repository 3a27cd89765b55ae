"""TCA against the papers' matrices, written out over all rows and given to a solver for non-symmetric problems."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import eig, inv
from scipy.spatial.distance import cdist

import sterna.align._mmd_projection as module
from sterna.align import TCA
from sterna.base import CollapseWarning
from sterna.baselines import SourceOnly


def standardized(case):
    """All rows, centred, scaled by column and to a mean squared length of 1."""
    X = np.concatenate([case.Xs, case.Xt])
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    return X / np.sqrt(np.mean(np.sum(X**2, axis=1)))


def mmd_matrix(n_s, n_t):
    """The matrix L of Pan et al., entry by entry."""
    L = np.empty((n_s + n_t, n_s + n_t))
    for i in range(n_s + n_t):
        for j in range(n_s + n_t):
            if i < n_s and j < n_s:
                L[i, j] = 1 / n_s**2
            elif i >= n_s and j >= n_s:
                L[i, j] = 1 / n_t**2
            else:
                L[i, j] = -1 / (n_s * n_t)
    return L


def leading(left, right, k):
    """The k leading eigenvectors of left^-1 right, which is not symmetric."""
    values, vectors = eig(inv(left) @ right)
    order = np.argsort(-values.real)[:k]
    np.testing.assert_allclose(values[order].imag, 0, atol=1e-9)
    return vectors[:, order].real


def naive_projection(X, L, kernel, mu, k, gamma=None, landmarks=None):
    """Rows projected on unit directions: K a or X w, or Z b with a = Z G^-1 b for landmarks; not centred."""
    n = len(X)
    H = np.eye(n) - np.ones((n, n)) / n
    if kernel == "primal":
        W = leading(X.T @ L @ X + mu * np.eye(X.shape[1]), X.T @ H @ X, k)
        return X @ (W / np.linalg.norm(W, axis=0))
    if landmarks is None:
        K = X @ X.T if kernel == "linear" else np.exp(-gamma * cdist(X, X, "sqeuclidean"))
        A = leading(K @ L @ K + mu * np.eye(n), K @ H @ K, k)
        return K @ (A / np.linalg.norm(A, axis=0))
    values, vectors = np.linalg.eigh(np.exp(-gamma * cdist(landmarks, landmarks, "sqeuclidean")))
    Z = np.exp(-gamma * cdist(X, landmarks, "sqeuclidean")) @ vectors / np.sqrt(values)
    G = Z.T @ Z
    B = leading(Z.T @ L @ Z + mu * inv(G), Z.T @ H @ Z, k)
    return Z @ (B / np.linalg.norm(Z @ inv(G) @ B, axis=0))


def assert_same_up_to_signs(ours, expected, atol=1e-6):
    """Columns agree up to their signs, all by one factor: ours have mean variance 1."""
    expected = expected - expected.mean(axis=0)
    expected = expected / np.sqrt(np.mean(expected**2))
    signs = np.sign(np.sum(ours * expected, axis=0))
    np.testing.assert_allclose(ours, expected * signs, atol=atol)


@pytest.mark.parametrize(("kernel", "d"), [("linear", 5), ("linear", 70), ("primal", 5), ("primal", 70), ("rbf", 5)])
def test_equals_the_paper(small, kernel, d):
    case = small(d=d)
    model = case.fit(TCA(n_components=3, kernel=kernel, regularization=40.0))
    n_s, n_t = len(case.ys), len(case.yt)
    n = n_s + n_t
    growth = n / 2000 if kernel == "primal" else (n / 2000) ** 2
    mu = 40.0 * growth * (1 / n_s + 1 / n_t)
    expected = naive_projection(standardized(case), mmd_matrix(n_s, n_t), kernel, mu, 3, model.gamma_)
    assert_same_up_to_signs(model.represent(np.concatenate([case.Xs, case.Xt])), expected)


def test_landmark_form_equals_its_formula(small):
    case = small()
    model = case.fit(TCA(n_components=3, kernel="rbf", regularization=40.0, n_landmarks=12, random_state=0))
    assert len(model.landmarks_) == 12
    n_s, n_t = len(case.ys), len(case.yt)
    mu = 40.0 * ((n_s + n_t) / 2000) ** 2 * (1 / n_s + 1 / n_t)
    X, L = standardized(case), mmd_matrix(n_s, n_t)
    expected = naive_projection(X, L, "rbf", mu, 3, model.gamma_, model.landmarks_)
    assert_same_up_to_signs(model.represent(np.concatenate([case.Xs, case.Xt])), expected)


def test_bandwidth_is_the_median_distance(small):
    case = small()
    X = standardized(case)
    distances = cdist(X, X)[np.triu_indices(len(X), 1)]
    model = case.fit(TCA(kernel="rbf", bandwidth=2.0))
    assert model.gamma_ == pytest.approx(1 / (2 * (2 * np.median(distances)) ** 2))


def test_lanczos_and_blocks_change_nothing(rotated_digits, monkeypatch):
    case = rotated_digits(0)
    model = TCA(kernel="rbf", n_components=5, n_landmarks=100, random_state=0)
    expected = case.fit(model).represent(case.Xt)
    monkeypatch.setattr(module, "_DENSE", 10)
    monkeypatch.setattr(module, "_BLOCK", 10_000)  # 100 rows at a time
    ours = case.fit(TCA(kernel="rbf", n_components=5, n_landmarks=100, random_state=0)).represent(case.Xt)
    np.testing.assert_allclose(abs(ours), abs(expected), atol=1e-6)


def test_landmarks_lose_less_than_a_point(rotated_digits):
    differences = []
    for seed in range(3):
        case = rotated_digits(seed).first(400)
        few, all_rows = (TCA(kernel="rbf", n_landmarks=m, random_state=seed) for m in (200, 400))
        differences.append(case.score(few) - case.score(all_rows))
    assert abs(np.mean(differences)) < 0.01


def test_leading_directions_of_wide_data(small):
    case = small(d=70)
    exact = case.fit(TCA(n_components=2)).represent(case.Xt)
    model = case.fit(TCA(n_components=2, n_landmarks=26, random_state=0))  # 26 of 53 directions
    close = [np.corrcoef(a, b)[0, 1] ** 2 for a, b in zip(exact.T, model.represent(case.Xt).T, strict=True)]
    assert min(close) > 0.9


def test_default_leaves_out_where_the_means_differ(case):
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(2, 300, 4))
    Xt[:, 3] += 2
    data = case(Xs, Xs[:, 0] > 0, Xt, Xt[:, 0] > 0)
    model = data.fit(TCA())
    assert model.health_["n_components"] == 3
    assert model.health_["mmd_before"] > 100 * model.health_["mmd_after"]
    assert data.fit(TCA(n_components=4)).health_["n_components"] == 4
    # Without a shift nothing is left out.
    assert case(Xs, Xs[:, 0] > 0, Xt - [0, 0, 0, 2], Xt[:, 0] > 0).fit(TCA()).health_["n_components"] == 4


def test_unit_of_a_feature_changes_nothing(small, case):
    data = small()
    unit = np.array([1e5, 1.0, 1e-4, 1.0, 1.0])
    other = case(data.Xs * unit + 1e3, data.ys, data.Xt * unit + 1e3, data.yt)
    for kernel in ("linear", "primal", "rbf"):
        expected = data.fit(TCA(kernel=kernel)).predict_proba(data.Xt)
        np.testing.assert_allclose(other.fit(TCA(kernel=kernel)).predict_proba(other.Xt), expected, atol=1e-3)


@pytest.mark.parametrize("kernel", ["linear", "primal", "rbf"])
def test_cures_a_shift_of_nuisance_features(case, kernel):
    """Features that carry part of the label in the source are displaced in the target, others are not."""
    gains = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        ys, yt = rng.integers(2, size=(2, 300))
        Xs, Xt = (rng.normal(size=(300, 6)) + np.outer(2 * y - 1, [1.2, 1.2, 0.7, 0, 0, 0]) for y in (ys, yt))
        Xt[:, 2] -= 8
        data = case(Xs, ys, Xt, yt)
        gains.append(data.score(TCA(kernel=kernel)) - data.score(SourceOnly()))
    assert min(gains) > 0.1


@pytest.mark.parametrize("kernel", ["linear", "primal", "rbf"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fragile_inputs(small, case, kernel, dtype):
    data = small()
    Xs, Xt = (np.column_stack([X, np.full(len(X), 7.0)]).astype(dtype) for X in (data.Xs, data.Xt))
    for rows in (slice(None), slice(0, 1)):
        model = case(Xs, data.ys, Xt[rows], data.yt[rows]).fit(TCA(kernel=kernel))
        assert np.isfinite(model.predict_proba(Xt)).all()


def test_rows_that_are_all_alike_are_refused(case):
    data = case(np.ones((6, 2)), np.array([0, 1] * 3), np.ones((6, 2)), np.array([0, 1] * 3))
    with pytest.raises(ValueError, match="all alike"):
        data.fit(TCA())


def test_one_predicted_class_is_a_warning(case):
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(2, 100, 2))
    data = case(Xs, Xs[:, 0] > 0, Xt + [50, 0], Xt[:, 0] > 0)
    with pytest.warns(CollapseWarning, match="only 1 of 2 classes"):
        data.fit(TCA(n_components=2))
