"""JDA against the paper's loop over all rows, with matrices M_c written out and a solver for non-symmetric problems."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import eig, inv
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsClassifier

from sterna.align import JDA, TCA
from sterna.base import CollapseWarning
from sterna.baselines import SourceOnly


def naive_jda(X, ys, n_t, kernel, regularization, k, n_rounds):
    """Long et al., algorithm 1, with 1-NN; returns the projected rows and the pseudo-labels of every round."""
    n_s, n = len(ys), len(ys) + n_t
    Phi = X if kernel == "primal" else X @ X.T
    H = np.eye(n) - np.ones((n, n)) / n
    growth = n / 2000 if kernel == "primal" else (n / 2000) ** 2
    classes, labels, history = np.unique(ys), None, []
    for _ in range(n_rounds):
        e = np.concatenate([np.full(n_s, 1 / n_s), np.full(n_t, -1 / n_t)])
        M = len(classes) * np.outer(e, e)
        for c in classes if labels is not None else []:
            if np.any(labels == c):
                e = np.concatenate([(ys == c) / np.sum(ys == c), -1.0 * (labels == c) / np.sum(labels == c)])
                M += np.outer(e, e)
        M /= np.linalg.norm(M)
        left = Phi.T @ M @ Phi + regularization * growth * np.eye(Phi.shape[1])
        values, A = eig(inv(left) @ (Phi.T @ H @ Phi))
        A = A[:, np.argsort(-values.real)[:k]].real
        Z = Phi @ (A / np.linalg.norm(A, axis=0))
        labels = KNeighborsClassifier(1).fit(Z[:n_s], ys).predict(Z[n_s:])
        history.append(labels)
    return Z, history


def scaled(case):
    X = np.concatenate([case.Xs, case.Xt])
    return X / np.sqrt(np.mean(np.sum(X**2, axis=1)))


@pytest.mark.parametrize("kernel", ["linear", "primal"])
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_paper(small, kernel, seed):
    case = small(seed=seed)
    expected, history = naive_jda(scaled(case), case.ys, len(case.yt), kernel, 40.0, 3, 4)
    for n_rounds, labels in enumerate(history, start=1):
        model = JDA(
            KNeighborsClassifier(1), n_components=3, kernel=kernel, regularization=40.0, max_iter=n_rounds, standardize=False
        )
        np.testing.assert_array_equal(case.fit(model).pseudo_labels_, labels)
    ours = model._map_source(np.concatenate([case.Xs, case.Xt]))
    expected = expected / np.sqrt(np.mean((expected - expected.mean(axis=0)) ** 2))
    np.testing.assert_allclose(abs(ours), abs(expected), atol=1e-6)


def test_first_round_is_tca(small):
    case = small()
    X = np.concatenate([case.Xs, case.Xt])
    ours = case.fit(JDA(n_components=3, max_iter=1)).represent(X)
    np.testing.assert_allclose(abs(ours), abs(case.fit(TCA(n_components=3)).represent(X)), atol=1e-8)


def class_conditional(case, seed, n=300):
    """The second feature follows the label in the source and, less, its opposite in the target; the means agree."""
    rng = np.random.default_rng(seed)
    ys, yt = rng.choice([-1, 1], size=(2, n))
    Xs, Xt = (rng.normal(size=(n, 5)) for _ in range(2))
    Xs[:, :2] += np.outer(ys, [1.5, 1.5])
    Xt[:, :2] += np.outer(yt, [1.5, -0.5])
    return case(Xs, ys, Xt, yt)


@pytest.mark.parametrize("kernel", ["linear", "primal", "rbf"])
def test_cures_a_shift_within_classes(case, kernel):
    gains, over_tca = [], []
    for seed in range(5):
        data = class_conditional(case, seed)
        score = data.score(JDA(kernel=kernel))
        gains.append(score - data.score(SourceOnly()))
        over_tca.append(score - data.score(TCA(kernel=kernel)))
    assert min(gains) > 0.03
    assert np.mean(gains) > 0.08
    assert np.mean(over_tca) > 0.08


def test_health_says_whether_it_settled(case):
    data = class_conditional(case, 0)
    model = data.fit(JDA(max_iter=50))
    assert model.health_["converged"]
    assert model.health_["pseudo_label_change"] == 0
    assert 1 < model.health_["n_iter"] == model.n_iter_ < 50
    assert not data.fit(JDA(max_iter=1)).health_["converged"]


def test_pseudo_labels_that_do_not_settle_are_a_warning(small):
    class Fickle(KNeighborsClassifier):
        flips = 0

        def predict(self, X):
            Fickle.flips += 1
            return np.resize(np.roll(self.classes_, Fickle.flips), len(X))

    with pytest.warns(CollapseWarning, match="do not settle"):
        small().fit(JDA(Fickle(), max_iter=5))


def test_given_labels_stay(small):
    case = small()
    wrong = (case.yt + 1) % 3
    data = type(case)(case.Xs, case.ys, case.Xt, wrong)
    model = data.fit(JDA(), n_labelled=10)
    np.testing.assert_array_equal(model.pseudo_labels_[:10], wrong[:10])


def test_class_of_one_domain_only(small):
    case = small()
    X, y, sample_domain = case.stack(n_labelled=6)
    y[30:33] = 9  # known in the target only
    names = np.array([None if np.isnan(label) else f"a rather long name {label:.0f}" for label in y], dtype=object)
    model = JDA().fit(X, names, sample_domain=sample_domain)
    assert model.pseudo_labels_[0] == "a rather long name 9"
    kept = y[:30] != 2  # a class that no target row has once there is one class less in the source
    model = JDA().fit(
        np.concatenate([X[:30][kept], X[30:]]), np.concatenate([y[:30][kept], y[30:]]), np.repeat([1, -1], [kept.sum(), 24])
    )
    assert np.isfinite(model.components_).all()


def test_source_class_without_a_pseudo_label(case):
    """A class that the target lacks is left out of the contrasts: no division by zero."""
    rng = np.random.default_rng(0)
    ys = np.repeat([0, 1, 2], 40)
    yt = np.repeat([0, 1], 40)
    centres = np.array([[0, 0], [6, 0], [60, 60]])
    data = case(rng.normal(size=(120, 2)) + centres[ys], ys, rng.normal(size=(80, 2)) + centres[yt], yt)
    model = data.fit(JDA(KNeighborsClassifier(1), n_components=2))
    assert 2 not in model.pseudo_labels_
    assert np.isfinite(model.components_).all()


def test_landmarks_lose_less_than_two_points(rotated_digits):
    differences = []
    for seed in range(3):
        case = rotated_digits(seed).first(400)
        few, all_rows = (JDA(kernel="rbf", n_landmarks=m, random_state=seed, max_iter=3) for m in (200, 400))
        differences.append(case.score(few) - case.score(all_rows))
    assert abs(np.mean(differences)) < 0.02


def test_regressors_are_refused(small):
    with pytest.raises(ValueError, match="Ridge is no classifier"):
        small().fit(JDA(Ridge()))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fragile_inputs(small, case, dtype):
    data = small()
    Xs, Xt = (np.column_stack([X, np.full(len(X), 7.0)]).astype(dtype) for X in (data.Xs, data.Xt))
    for rows in (slice(None), slice(0, 1)):
        model = case(Xs, data.ys, Xt[rows], data.yt[rows]).fit(JDA())
        assert np.isfinite(model.predict_proba(Xt)).all()
