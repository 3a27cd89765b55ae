"""RidgeTransfer against normal equations, explicit leave-one-out, scikit-learn, and concept shift."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge, RidgeCV

from sterna.parameters import RidgeTransfer
from sterna.parameters._ridge import solve_ridge


def domains(seed=0, n_source=200, n_target=12, d=4, change=0.5, offset=2.0, noise=0.3):
    """A source, a target whose coefficients and offset differ, and target rows to test on."""
    rng = np.random.default_rng(seed)
    w = rng.normal(size=d)
    w_target = w + change * rng.normal(size=d) / np.sqrt(d)

    def draw(n, weights, shift):
        X = rng.normal(size=(n, d)) * np.geomspace(0.1, 10, d)
        return X, X / np.geomspace(0.1, 10, d) @ weights + shift + noise * rng.normal(size=n)

    return draw(n_source, w, 0.0), draw(n_target, w_target, offset), draw(500, w_target, offset)


def fit(model, source, target):
    (Xs, ys), (Xt, yt) = source, target
    return model.fit(np.vstack([Xs, Xt]), np.r_[ys, yt], sample_domain=np.repeat([1, -2], [len(ys), len(yt)]))


def scale_of(source, target):
    return np.sqrt((source[0].var(axis=0) + target[0].var(axis=0)) / 2)


def mse(model, test):
    return np.mean((model.predict(test[0]) - test[1]) ** 2)


@pytest.mark.parametrize(("n_target", "d"), [(12, 4), (5, 30)])
@pytest.mark.parametrize("penalty", [0.01, 1.0, 100.0])
def test_coefficients_solve_the_normal_equations(n_target, d, penalty):
    """The whole problem in (w, b) with the prior on the right-hand side, in place of residuals and an SVD."""
    source, target, _ = domains(n_target=n_target, d=d)
    model = fit(RidgeTransfer(penalty=penalty), source, target)
    scale = scale_of(source, target)
    design = np.c_[target[0] / scale, np.ones(n_target)]
    prior = np.r_[model.source_coef_ * scale, 0.0]
    pull = penalty * np.diag(np.r_[np.ones(d), 0.0])
    solution = np.linalg.solve(design.T @ design + pull, design.T @ target[1] + pull @ prior)
    np.testing.assert_allclose(model.coef_, solution[:-1] / scale, rtol=1e-6, atol=1e-9)
    assert model.intercept_ == pytest.approx(solution[-1], rel=1e-6)


@pytest.mark.parametrize(("n", "d"), [(15, 4), (6, 20)])
@pytest.mark.parametrize("penalty", [1e-3, 1.0, 1e3])
def test_leave_one_out_error_equals_refitting(n, d, penalty):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(n, d)), rng.normal(size=n)
    errors = []
    for i in range(n):
        rest = np.arange(n) != i
        errors.append((Ridge(alpha=penalty).fit(X[rest], y[rest]).predict(X[i : i + 1])[0] - y[i]) ** 2)
    assert solve_ridge(X, y, penalty).loo_error == pytest.approx(np.mean(errors), rel=1e-6)


def test_auto_takes_the_least_leave_one_out_error():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 5))
    y = X @ rng.normal(size=5) + rng.normal(size=30)
    chosen = solve_ridge(X, y, "auto")
    unit = np.mean(np.linalg.svd(X - X.mean(axis=0), compute_uv=False) ** 2)
    peer = RidgeCV(alphas=unit * np.logspace(-6, 6, 49)).fit(X, y)
    assert chosen.penalty == pytest.approx(peer.alpha_)
    np.testing.assert_allclose(chosen.coef, peer.coef_)


def test_a_fit_that_nearly_interpolates_is_never_chosen():
    """Twelve rows of ten columns: over 200 draws of pure noise the choice keeps a fifth of the degrees of freedom."""
    freedom = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        freedom.append(solve_ridge(rng.normal(size=(12, 10)), rng.normal(size=12), "auto").degrees_of_freedom)
    assert max(freedom) <= 0.8 * 11
    assert max(freedom) > 4


def test_without_domains_it_is_ridge_regression():
    _, (X, y), _ = domains(n_target=40)
    model = RidgeTransfer(penalty=2.0).fit(X, y)
    scale = X.std(axis=0)
    peer = Ridge(alpha=2.0).fit(X / scale, y)
    np.testing.assert_allclose(model.coef_, peer.coef_ / scale)
    np.testing.assert_allclose(model.predict(X), peer.predict(X / scale))


def test_the_source_solution_is_ridge_on_the_source():
    source, target, _ = domains()
    scale = scale_of(source, target)
    model = fit(RidgeTransfer(source_penalty=3.0), source, target)
    peer = Ridge(alpha=3.0).fit(source[0] / scale, source[1])
    np.testing.assert_allclose(model.source_coef_, peer.coef_ / scale)
    assert model.source_intercept_ == pytest.approx(peer.intercept_)


def test_limits_are_the_source_and_least_squares():
    source, target, _ = domains(n_target=12)
    held = fit(RidgeTransfer(penalty=1e12), source, target)
    np.testing.assert_allclose(held.coef_, held.source_coef_, rtol=1e-6)
    assert held.intercept_ == pytest.approx(np.mean(target[1] - target[0] @ held.coef_))
    assert held.health_["target_share"] == pytest.approx(0.0, abs=1e-6)
    free = fit(RidgeTransfer(penalty=0), source, target)
    design = np.c_[target[0], np.ones(12)]
    np.testing.assert_allclose(free.coef_, np.linalg.lstsq(design, target[1], rcond=None)[0][:-1], rtol=1e-6)
    assert free.health_["target_share"] == pytest.approx(1.0)


def test_units_of_columns_change_nothing():
    source, target, test = domains()
    units = np.array([1e4, 1e-3, 1.0, 7.0])
    plain = fit(RidgeTransfer(), source, target)
    other = fit(RidgeTransfer(), (source[0] * units, source[1]), (target[0] * units, target[1]))
    np.testing.assert_allclose(plain.predict(test[0]), other.predict(test[0] * units), rtol=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_beats_source_and_target_alone_with_few_labels(seed):
    """Twelve rows of ten columns; averaged over five draws by each seed."""
    errors = []
    for draw in range(5):
        source, target, test = domains(seed=100 * seed + draw, d=10, n_target=12, change=0.3)
        transfer = fit(RidgeTransfer(), source, target)
        alone, unchanged = RidgeTransfer().fit(*target), RidgeTransfer().fit(*source)
        errors.append([mse(model, test) for model in (transfer, alone, unchanged)])
    transfer, alone, unchanged = np.mean(errors, axis=0)
    assert transfer < 0.8 * alone
    assert transfer < 0.8 * unchanged


def test_an_opposite_source_is_left_when_labels_allow():
    rng = np.random.default_rng(0)
    X, w = rng.normal(size=(260, 5)), rng.normal(size=5)
    y = np.r_[X[:200] @ -w, X[200:] @ w] + 0.1 * rng.normal(size=260)
    model = RidgeTransfer().fit(X, y, sample_domain=np.repeat([1, -2], [200, 60]))
    np.testing.assert_allclose(model.coef_, w, atol=0.1)
    assert model.health_["target_share"] > 0.9
    assert model.health_["source_error"] > 10 * model.health_["loo_error"]


@pytest.mark.parametrize("n_target", [1, 2])
def test_one_or_two_labels_learn_the_offset(n_target):
    source, target, test = domains(n_target=n_target, change=0.0, offset=50.0)
    model = fit(RidgeTransfer(), source, target)
    assert mse(model, test) < 5.0
    assert np.isnan(model.health_["loo_error"]) == (n_target == 1)


def test_fragile_inputs():
    """A column constant everywhere, one constant in the target only, a copy of a column, huge means, integers."""
    source, target, test = domains(n_target=6)

    def spoil(X, level):
        return np.c_[X, np.full(len(X), 1e8 / 3), X[:, 0], level * np.arange(len(X)), X[:, 1] + 1e6]

    model = fit(RidgeTransfer(), (spoil(source[0], 1.0), source[1]), (spoil(target[0], 0.0), target[1]))
    assert np.isfinite(model.coef_).all()
    assert abs(model.coef_[4]) < 1e-12
    assert np.isfinite(model.predict(spoil(test[0], 0.0))).all()
    integers = fit(RidgeTransfer(), (np.arange(20).reshape(10, 2), np.arange(10)), (np.arange(6).reshape(3, 2), [1, 2, 3]))
    assert np.isfinite(integers.coef_).all()


def test_float32_agrees_with_float64():
    source, target, test = domains()
    single = fit(RidgeTransfer(), (source[0].astype(np.float32), source[1]), (target[0].astype(np.float32), target[1]))
    double = fit(RidgeTransfer(), source, target)
    np.testing.assert_allclose(single.predict(test[0]), double.predict(test[0]), rtol=1e-3, atol=1e-3)


def test_unlabelled_target_rows_set_the_scale_only():
    source, target, _ = domains()
    X = np.vstack([source[0], target[0], 5 * target[0]])
    y = np.r_[source[1], target[1], np.full(12, np.nan)]
    model = RidgeTransfer(penalty=1.0).fit(X, y, sample_domain=np.repeat([1, -2], [200, 24]))
    scale = np.sqrt((source[0].var(axis=0) + np.vstack([target[0], 5 * target[0]]).var(axis=0)) / 2)
    residual = target[1] - target[0] @ model.source_coef_
    difference = Ridge(alpha=1.0).fit(target[0] / scale, residual).coef_ / scale
    np.testing.assert_allclose(model.coef_, model.source_coef_ + difference)
