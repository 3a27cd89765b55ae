"""LogisticTransfer against scikit-learn, finite differences, a general-purpose solver, and concept shift."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import approx_fprime, minimize
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold

from sterna.parameters import LogisticTransfer
from sterna.parameters._softmax import Linear, choose_penalty, fit_around


def domains(seed=0, n_source=300, n_target=30, d=5, n_classes=2, change=0.5, units=1.0):
    """A source, a target whose rule differs, and target rows to test on; noisy labels."""
    rng = np.random.default_rng(seed)
    W = 1.5 * rng.normal(size=(n_classes, d))
    W_target = W + change * rng.normal(size=W.shape)

    def draw(n, weights):
        X = rng.normal(size=(n, d)) + 0.5
        return X * units, (X @ weights.T + rng.gumbel(size=(n, n_classes))).argmax(axis=1)

    return draw(n_source, W), draw(n_target, W_target), draw(1000, W_target)


def fit(model, source, target):
    (Xs, ys), (Xt, yt) = source, target
    X = sparse.vstack([Xs, Xt], format="csr") if sparse.issparse(Xs) else np.vstack([Xs, Xt])
    return model.fit(X, np.r_[ys, yt], sample_domain=np.repeat([1, -2], [len(ys), len(yt)]))


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("penalty", [0.1, 1.0, 30.0])
def test_without_domains_it_is_logistic_regression(n_classes, penalty):
    (X, y), _, _ = domains(n_classes=n_classes, units=np.geomspace(0.1, 100, 5))
    model = LogisticTransfer(penalty=penalty).fit(X, y)
    scale = X.std(axis=0)
    peer = LogisticRegression(C=1 / penalty, max_iter=5000, tol=1e-8).fit((X - X.mean(axis=0)) / scale, y)
    np.testing.assert_allclose(model.coef_ * scale, peer.coef_, atol=2e-4)
    np.testing.assert_allclose(model.predict_proba(X), peer.predict_proba((X - X.mean(axis=0)) / scale), atol=1e-4)
    np.testing.assert_array_equal(model.source_coef_, 0.0)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_solution_is_that_of_a_solver_without_gradients(n_classes):
    """The objective written out in plain probabilities, from raw data, minimised by Powell's method."""
    source, target, _ = domains(n_classes=n_classes, d=2)
    model = fit(LogisticTransfer(penalty=2.0), source, target)
    scale = np.sqrt((source[0].var(axis=0) + target[0].var(axis=0)) / 2)
    X, y = (target[0] - target[0].mean(axis=0)) / scale, target[1]
    prior = np.c_[model.source_coef_ * scale, model.source_intercept_ + model.source_coef_ @ target[0].mean(axis=0)]

    def objective(flat):
        W = flat.reshape(prior.shape)
        scores = np.c_[X, np.ones(len(X))] @ W.T
        if n_classes == 2:
            scores = np.c_[np.zeros(len(X)), scores]
        proba = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        return -np.log(proba[np.arange(len(y)), y]).sum() + np.sum((W - prior) ** 2)

    best = minimize(objective, prior.ravel(), method="Powell", options={"xtol": 1e-8, "ftol": 1e-14, "maxiter": 10000})
    np.testing.assert_allclose(model.coef_ * scale, best.x.reshape(prior.shape)[:, :-1], atol=1e-3)


@pytest.mark.parametrize("n_rows", [1, 3])
@pytest.mark.parametrize("as_sparse", [False, True])
def test_the_gradient_vanishes_at_the_solution(n_rows, as_sparse):
    """Finite differences of the loss written out, with an offset carried along."""
    rng = np.random.default_rng(0)
    X, offset = rng.normal(size=(40, 4)), rng.normal(size=4)
    codes = rng.integers(max(n_rows, 2), size=40)
    prior = Linear(rng.normal(size=(n_rows, 4)), rng.normal(size=n_rows))
    rows = sparse.csr_matrix(X) if as_sparse else X
    model, _ = fit_around(prior, rows, offset, codes, 0.7, hold_intercept=True)

    def objective(flat):
        W = flat.reshape(n_rows, 5)
        scores = (X - offset) @ W[:, :4].T + W[:, 4]
        scores = np.c_[np.zeros(40), scores] if n_rows == 1 else scores
        step = W - np.c_[prior.coef, prior.intercept]
        return np.log(np.exp(scores).sum(axis=1)).sum() - scores[np.arange(40), codes].sum() + 0.35 * np.sum(step**2)

    gradient = approx_fprime(np.c_[model.coef, model.intercept].ravel(), objective, 1e-7)
    np.testing.assert_allclose(gradient, 0.0, atol=1e-3)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_limits_are_the_source_and_the_free_fit(n_classes):
    source, target, test = domains(n_classes=n_classes, n_target=150)
    held = fit(LogisticTransfer(penalty=1e9), source, target)
    scale = np.sqrt((source[0].var(axis=0) + target[0].var(axis=0)) / 2)
    peer = LogisticRegression(max_iter=5000, tol=1e-8).fit(source[0] / scale, source[1])
    np.testing.assert_allclose(held.predict_proba(test[0]), peer.predict_proba(test[0] / scale), atol=1e-4)
    free = fit(LogisticTransfer(penalty=1e-8), source, target)
    peer = LogisticRegression(C=np.inf, max_iter=5000, tol=1e-8).fit(*target)
    np.testing.assert_allclose(free.predict_proba(test[0]), peer.predict_proba(test[0]), atol=2e-3)


def test_units_of_columns_change_nothing():
    source, target, test = domains()
    units = np.array([1e4, 1e-3, 1.0, 7.0, 30.0])
    plain = fit(LogisticTransfer(), source, target)
    other = fit(LogisticTransfer(), (source[0] * units, source[1]), (target[0] * units, target[1]))
    np.testing.assert_allclose(plain.predict_proba(test[0]), other.predict_proba(test[0] * units), atol=1e-4)


def test_the_penalty_is_chosen_by_held_out_log_loss():
    """Refitted fold by fold with scikit-learn, prior zero."""
    (X, y), _, _ = domains(n_source=60)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    rows = np.argsort(y, kind="stable")
    chosen, loss = choose_penalty(Linear(np.zeros((1, 5)), np.zeros(1)), X, 0.0, y, hold_intercept=False)
    losses = {}
    for penalty in 60 * np.logspace(-4, 3, 15):
        held_out = np.zeros(60)
        for train, test in StratifiedKFold(5).split(X, y[rows]):
            peer = LogisticRegression(C=1 / penalty, max_iter=5000, tol=1e-8).fit(X[rows][train], y[rows][train])
            held_out[test] = -peer.predict_log_proba(X[rows][test])[np.arange(len(test)), y[rows][test]]
        losses[penalty] = held_out.mean()
    assert chosen == pytest.approx(min(losses, key=losses.get))
    assert loss == pytest.approx(min(losses.values()), abs=1e-4)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_beats_source_and_target_alone_with_few_labels(n_classes):
    """Thirty rows of ten columns; the mean log loss over ten draws."""
    losses = []
    for seed in range(10):
        source, target, test = domains(seed=seed, d=10, n_target=30, n_classes=n_classes, change=0.8)
        models = [
            fit(LogisticTransfer(), source, target),
            LogisticTransfer().fit(*target),
            LogisticTransfer(penalty=1.0).fit(*source),
        ]
        losses.append([log_loss(test[1], model.predict_proba(test[0])) for model in models])
    transfer, alone, unchanged = np.mean(losses, axis=0)
    assert transfer < 0.95 * alone
    assert transfer < 0.95 * unchanged


def test_classes_that_one_domain_lacks():
    """Source: a, b, c. Target: b, c and d; then a source of two classes and a target with a third."""
    rng = np.random.default_rng(0)
    centers = {"a": (0, 0), "b": (6, 0), "c": (0, 6), "d": (6, 6)}

    def draw(names, n):
        y = np.repeat(list(names), n)
        return np.array([centers[name] for name in y]) + rng.normal(size=(len(y), 2)), y

    for source_names, target_names in (("abc", "bcd"), ("ab", "bcd"), ("a", "ab"), ("ab", "b"), ("abc", "d")):
        model = fit(LogisticTransfer(penalty=1.0), draw(source_names, 40), draw(target_names, 6))
        assert list(model.classes_) == sorted(set(source_names + target_names))
        X, y = draw(source_names if len(source_names) > 1 else "ab", 30)
        assert np.isfinite(model.predict_proba(X)).all()
        X, y = draw(target_names, 30)
        assert model.score(X, y) > 0.8


def test_a_class_the_source_never_saw_has_prior_zero():
    source, target, _ = domains(n_classes=2)
    y_target = np.where(np.arange(30) < 5, 7, target[1])
    model = fit(LogisticTransfer(), source, (target[0], y_target))
    np.testing.assert_array_equal(model.source_coef_[2], 0.0)
    binary = fit(LogisticTransfer(), source, target)
    np.testing.assert_allclose(model.source_coef_[1] - model.source_coef_[0], binary.source_coef_[0], atol=1e-4)


@pytest.mark.parametrize("labels", [[0, 1], [0, 0, 1, 1], [1, 1, 1]])
def test_few_labels(labels):
    """One a class, two a class, and one class only: finite, and no worse than a coin on an easy source."""
    source, target, test = domains(n_target=100, change=0.0)
    rows = np.concatenate([np.flatnonzero(target[1] == c)[: labels.count(c)] for c in (0, 1)])
    model = fit(LogisticTransfer(), source, (target[0][rows], target[1][rows]))
    assert model.score(*test) > 0.7
    if labels == [0, 1]:
        assert model.penalty_ == 1.0
        assert np.isnan(model.health_["cv_log_loss"])


def test_sparse_rows_give_the_dense_model():
    source, target, test = domains(n_classes=3)
    dense = fit(LogisticTransfer(), source, target)
    by_csr = fit(LogisticTransfer(), (sparse.csr_matrix(source[0]), source[1]), (sparse.csr_matrix(target[0]), target[1]))
    np.testing.assert_allclose(by_csr.predict_proba(sparse.csr_matrix(test[0])), dense.predict_proba(test[0]), atol=1e-3)


def test_float32_agrees_with_float64():
    source, target, test = domains()
    single = fit(LogisticTransfer(), (source[0].astype(np.float32), source[1]), (target[0].astype(np.float32), target[1]))
    double = fit(LogisticTransfer(), source, target)
    np.testing.assert_allclose(single.predict_proba(test[0]), double.predict_proba(test[0]), atol=1e-3)


def test_fragile_inputs():
    """A column constant everywhere, one constant in the target only, a copy of a column, a huge mean."""
    source, target, test = domains()

    def spoil(X, level):
        return np.c_[X, np.full(len(X), 1e8 / 3), X[:, 0], level * np.arange(len(X)), X[:, 1] + 1e6]

    model = fit(LogisticTransfer(), (spoil(source[0], 1.0), source[1]), (spoil(target[0], 0.0), target[1]))
    assert model.score(spoil(test[0], 0.0), test[1]) > 0.6
    assert abs(model.coef_[0, 5]) < 1e-6


def test_health_tells_the_source_from_the_target():
    source, target, _ = domains(change=3.0, n_target=200)
    health = fit(LogisticTransfer(), source, target).health_
    assert health["converged"]
    assert health["source_log_loss"] > health["cv_log_loss"]
    assert health["source_distance"] > 0.1


def test_one_class_in_all_is_refused():
    source, target, _ = domains()
    with pytest.raises(ValueError, match="2 classes"):
        fit(LogisticTransfer(), (source[0], np.zeros(300, dtype=int)), (target[0], np.zeros(30, dtype=int)))
