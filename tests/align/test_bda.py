"""BDA against JDA at its balance, and against the paper's matrices at others."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import eig, inv
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsClassifier

from sterna.align import BDA, JDA, TCA
from sterna.baselines import SourceOnly


def naive_bda(X, ys, n_t, mu, k, n_rounds, by_share=False):
    """Wang et al., algorithm 1 (`by_share`: W-BDA), linear kernel, with 1-NN; lambda = 40 for 2000 rows."""
    n_s, n, classes = len(ys), len(ys) + n_t, np.unique(ys)
    K, H, labels = X @ X.T, np.eye(len(X)) - 1 / len(X), None
    for _ in range(n_rounds):
        e = np.r_[np.full(n_s, 1 / n_s), np.full(n_t, -1 / n_t)]
        M_0, M_c = len(classes) * np.outer(e, e), np.zeros((n, n))
        for c in classes if labels is not None else []:
            if np.any(labels == c):
                e = np.r_[(ys == c) / np.sum(ys == c), -1.0 * (labels == c) / np.sum(labels == c)]
                if by_share:  # entry by entry: p / n^2, q / m^2 and - sqrt(p q) / (n m)
                    share = np.r_[np.full(n_s, np.mean(ys == c)), np.full(n_t, np.mean(labels == c))]
                    M_c += np.outer(e, e) * np.sqrt(np.outer(share, share))
                else:
                    M_c += np.outer(e, e)
        M = M_0 if labels is None else (1 - mu) * M_0 + mu * M_c
        left = K @ (M / np.linalg.norm(M)) @ K + 40 * (n / 2000) ** 2 * np.eye(n)
        values, A = eig(inv(left) @ K @ H @ K)
        A = A[:, np.argsort(-values.real)[:k]].real
        Z = K @ (A / np.linalg.norm(A, axis=0))
        labels = KNeighborsClassifier(1).fit(Z[:n_s], ys).predict(Z[n_s:])
    return Z, labels


@pytest.mark.parametrize("by_share", [False, True])
@pytest.mark.parametrize("mu", [0.1, 0.9, 1.0])
def test_equals_the_paper(small, mu, by_share):
    case = small(seed=1)
    X = np.concatenate([case.Xs, case.Xt])
    X = X / np.sqrt(np.mean(np.sum(X**2, axis=1)))
    expected, labels = naive_bda(X, case.ys, len(case.yt), mu, 3, 3, by_share)
    model = BDA(KNeighborsClassifier(1), n_components=3, balance=mu, regularization=40.0, max_iter=3, standardize=False)
    model.set_params(balance_classes=by_share)
    np.testing.assert_array_equal(case.fit(model).pseudo_labels_, labels)
    expected = expected / np.sqrt(np.mean((expected - expected.mean(axis=0)) ** 2))
    ours = model._map_source(np.concatenate([case.Xs, case.Xt]))
    np.testing.assert_allclose(abs(ours), abs(expected), atol=1e-6)


@pytest.mark.parametrize("kernel", ["linear", "primal", "rbf"])
def test_half_is_jda_and_none_is_tca(small, kernel):
    case = small()
    for mu, other in ((0.5, JDA(kernel=kernel, n_components=3)), (0.0, TCA(kernel=kernel, n_components=3))):
        model = case.fit(BDA(kernel=kernel, n_components=3, balance=mu))
        np.testing.assert_allclose(model.predict_proba(case.Xt), case.fit(other).predict_proba(case.Xt), atol=1e-6)


def test_classes_of_equal_size_change_the_balance_only(case):
    """Shares of 1 / C divide the terms of the classes by C; target labels are given, so that the shares are known."""
    ys = yt = np.repeat([0, 1, 2], 10)
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(30, 4)) + 2 * np.eye(3, 4)[ys], rng.normal(size=(30, 4)) + 2 * np.eye(3, 4)[yt] + 1
    data, mu = case(Xs, ys, Xt, yt), 0.8
    weighted = data.fit(BDA(n_components=2, balance=mu, balance_classes=True), n_labelled=30)
    plain = data.fit(BDA(n_components=2, balance=mu / 3 / (mu / 3 + 1 - mu)), n_labelled=30)
    np.testing.assert_allclose(abs(weighted.represent(Xt)), abs(plain.represent(Xt)), atol=1e-6)


def within_classes(case, seed, n=200, shares=(0.5, 0.5)):
    """The second feature follows the label in the source and, less, its opposite in the target; the means agree."""
    rng = np.random.default_rng(seed)
    ys, yt = (rng.choice([-1, 1], size=n, p=[1 - share, share]) for share in shares)
    Xs, Xt = (rng.normal(size=(n, 5)) for _ in range(2))
    Xs[:, :2] += np.outer(ys, [1.5, 1.5])
    Xt[:, :2] += np.outer(yt, [1.5, -0.5])
    return case(Xs, ys, Xt, yt)


@pytest.mark.parametrize("kernel", ["linear", "primal", "rbf"])
def test_cures_a_shift_within_classes(case, kernel):
    gains = []
    for seed in range(3):
        data = within_classes(case, seed)
        model = BDA(kernel=kernel)
        gains.append(data.score(model) - data.score(SourceOnly()))
        assert model.health_["balance_factor"] == model.balance_ > 0.6
    assert min(gains) > 0.03
    assert np.mean(gains) > 0.08


@pytest.mark.parametrize("kernel", ["linear", "primal"])
def test_cures_it_with_classes_of_unequal_size(case, kernel):
    gains = []
    for seed in range(3):
        data = within_classes(case, seed, shares=(0.3, 0.2))
        gains.append(data.score(BDA(kernel=kernel, balance_classes=True)) - data.score(SourceOnly()))
    assert min(gains) > 0.03
    assert np.mean(gains) > 0.08


def test_balance_falls_where_all_rows_are_displaced(case):
    """Over two classes, each as far apart as all rows are, it is 2 / 3."""
    rng = np.random.default_rng(0)
    ys, yt = rng.integers(2, size=(2, 300))
    Xs, Xt = (rng.normal(size=(300, 4)) + np.outer(y, [4, 0, 0, 0]) for y in (ys, yt))
    model = case(Xs, ys, Xt + [0, 0, 0, 6], yt).fit(BDA())
    assert model.balance_ == pytest.approx(2 / 3, abs=0.02)


@pytest.mark.parametrize("balance_classes", [False, True])
def test_class_of_one_domain_only(small, balance_classes):
    case = small()
    X, y, sample_domain = case.stack(n_labelled=24)
    y[30:] = 9  # all target rows have a class that the source lacks
    model = BDA(balance_classes=balance_classes).fit(X, y, sample_domain=sample_domain)
    assert model.balance_ == 0
    assert set(model.pseudo_labels_) == {9}


def test_regressors_are_refused(small):
    with pytest.raises(ValueError, match="BDA aligns classes, but Ridge is no classifier"):
        small().fit(BDA(Ridge()))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fragile_inputs(small, case, dtype):
    data = small()
    Xs, Xt = (np.column_stack([X, np.full(len(X), 7.0)]).astype(dtype) for X in (data.Xs, data.Xt))
    for rows in (slice(None), slice(0, 1), [0, 0, 0]):
        for balance_classes in (False, True):
            model = case(Xs, data.ys, Xt[rows], data.yt[rows]).fit(BDA(balance_classes=balance_classes))
            assert np.isfinite(model.predict_proba(Xt)).all()
