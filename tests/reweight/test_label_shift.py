from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from sterna import CollapseWarning
from sterna.domains._simplex import nearest_mixture
from sterna.domains._stack import take_apart
from sterna.reweight import BBSE, RLLS, LabelShiftEM, MMDTargetShift
from sterna.reweight._label_shift import confusion, cross_fitted, log_of
from sterna.reweight._label_shift_em import calibration, expectation_maximisation
from sterna.reweight._mmd_target_shift import _exact, _nystrom
from sterna.reweight._rlls import penalised_ratios

METHODS = (LabelShiftEM, BBSE, RLLS, MMDTargetShift)
each_method = pytest.mark.parametrize("cls", METHODS, ids=lambda cls: cls.__name__)


def shifted(seed=0, n=400, source=(0.4, 0.4, 0.2), target=(0.1, 0.2, 0.7), spread=0.8):
    """Three classes around the corners of a triangle; X, y, sample_domain and the target's labels."""
    rng = np.random.default_rng(seed)
    y = np.concatenate([rng.choice(3, n, p=source), rng.choice(3, n, p=target)])
    X = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]])[y] + spread * rng.normal(size=(2 * n, 2))
    return X, np.r_[y[:n], np.full(n, -1)], np.repeat([1, -2], n), y[n:]


@each_method
def test_finds_the_shares_and_beats_the_source_alone(cls):
    gains, errors = [], []
    for seed in range(3):
        X, y, sample_domain, truth = shifted(seed)
        model = cls(random_state=0).fit(X, y, sample_domain=sample_domain)
        plain = LogisticRegression().fit(X[:400], y[:400])
        gains.append(model.score(X[400:], truth) - plain.score(X[400:], truth))
        errors.append(np.abs(model.target_shares_ - np.bincount(truth) / 400).max())
        assert model.health_["target_shares"]["2"] == pytest.approx(model.target_shares_[2])
        assert 1 <= model.health_["condition_number"] < 20
    assert np.mean(gains) > 0.02
    assert min(gains) > 0
    assert max(errors) < 0.08


@each_method
def test_no_shift_leaves_the_shares(cls):
    X, y, sample_domain, _ = shifted(source=(0.4, 0.4, 0.2), target=(0.4, 0.4, 0.2), n=800)
    model = cls(random_state=0).fit(X, y, sample_domain=sample_domain)
    np.testing.assert_allclose(model.class_weights_, 1, atol=0.2)
    assert model.health_["effective_share"] > 0.97


@each_method
@pytest.mark.parametrize("correction", ["weights", "posteriors"])
def test_both_forms_of_correction_agree(cls, correction):
    X, y, sample_domain, _ = shifted(n=800)
    model = cls(correction=correction, random_state=0).fit(X, y, sample_domain=sample_domain)
    other = cls(correction=({"weights", "posteriors"} - {correction}).pop(), random_state=0)
    other.fit(X, y, sample_domain=sample_domain)
    np.testing.assert_array_equal(model.target_shares_, other.target_shares_)
    assert np.mean(model.predict(X) == other.predict(X)) > 0.97
    if correction == "weights":
        weights = model.class_weights_[y[:800]]
        expected = LogisticRegression(max_iter=1000).fit(X[:800], y[:800], sample_weight=weights)
        np.testing.assert_allclose(model.estimator_.coef_, expected.coef_)
        assert np.mean(weights) == pytest.approx(1)


@each_method
def test_bases_that_cannot_are_refused_by_name(cls):
    X, y, sample_domain, _ = shifted(n=50)
    with pytest.raises(TypeError, match="KNeighborsClassifier does not accept sample_weight"):
        cls(KNeighborsClassifier(), correction="weights").fit(X, y, sample_domain=sample_domain)
    with pytest.raises(TypeError, match="LinearSVC gives no probabilities"):
        cls(LinearSVC(), correction="posteriors").fit(X, y, sample_domain=sample_domain)
    cls(KNeighborsClassifier(), correction="posteriors", random_state=0).fit(X, y, sample_domain=sample_domain)
    cls(LinearSVC(), correction="weights", random_state=0).fit(X, y, sample_domain=sample_domain)


@each_method
@pytest.mark.filterwarnings("ignore::sterna.CollapseWarning")
def test_fragile_sources(cls):
    X, _, _, _ = shifted(n=12)
    sample_domain = np.repeat([1, -2], 12)
    for y in (["a"] * 11 + ["b"], ["a"] * 10 + ["b", "c"], ["a", "b"] * 6):
        for rows in (X, X.astype(np.float32), np.hstack([X, np.ones((24, 1))]), np.ones((24, 2))):
            labels = np.array(y + [None] * 12, dtype=object)
            model = cls(DecisionTreeClassifier(random_state=0), random_state=0)
            model.fit(rows, labels, sample_domain=sample_domain)
            assert np.isfinite(model.target_shares_).all()
            assert model.target_shares_.sum() == pytest.approx(1)
            assert set(model.predict(rows)) <= set(y)


@each_method
@pytest.mark.parametrize("correction", ["weights", "posteriors"])
def test_labelled_target_rows_join_and_may_bring_a_class(cls, correction):
    X, y, sample_domain, truth = shifted(n=300, target=(0.3, 0.3, 0.4))
    y[300:330] = truth[:30]
    moved = np.flatnonzero(truth[:30] == 2)
    X[300 + moved] += 20
    y[300 + moved] = 3  # a class that no source has
    model = cls(correction=correction, random_state=0).fit(X, y, sample_domain=sample_domain)
    assert model.classes_.tolist() == [0, 1, 2, 3]
    assert len(model.target_shares_) == 3
    assert np.all(model.predict(X[300 + moved]) == 3)


def test_em_is_the_maximum_of_the_likelihood_found_otherwise():
    rng = np.random.default_rng(0)
    posteriors, old = rng.dirichlet([0.5, 0.5, 0.5], size=200), np.array([0.5, 0.3, 0.2])
    shares, _, change = expectation_maximisation(posteriors, old, 1e-10, 100_000)
    assert change <= 1e-10
    found = minimize(
        lambda q: -np.mean(np.log(posteriors / old @ q)),
        old,
        bounds=[(1e-9, 1)] * 3,
        constraints={"type": "eq", "fun": lambda q: q.sum() - 1},
        options={"ftol": 1e-14},
        method="SLSQP",
    )
    np.testing.assert_allclose(shares, found.x, atol=1e-4)


def test_em_with_true_posteriors_finds_true_shares_and_true_posteriors():
    rng = np.random.default_rng(0)
    y = rng.random(20_000) < 0.9
    x = y + rng.normal(size=20_000)
    density = norm.pdf(np.column_stack([x, x - 1]))
    shares, _, _ = expectation_maximisation(density / density.sum(axis=1, keepdims=True), np.array([0.5, 0.5]), 1e-8, 10_000)
    assert shares[1] == pytest.approx(y.mean(), abs=0.02)


def test_calibration_makes_sure_probabilities_honest():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 3000)
    logits = 1.5 * np.eye(3)[y] + rng.normal(size=(3000, 3))
    honest = LogisticRegression().fit(logits, y).predict_log_proba(logits)
    temperature, bias = calibration(3 * honest + [0.0, 1.0, -1.0], y)
    assert temperature == pytest.approx(1 / 3, abs=0.03)
    np.testing.assert_allclose(bias - bias.mean(), np.array([0, -1 / 3, 1 / 3]), atol=0.1)
    assert log_loss(y, np.exp(honest)) == pytest.approx(0.75, abs=0.2)
    temperature, bias = calibration(honest, y)
    assert temperature == pytest.approx(1, abs=0.05)


def test_bbse_solves_with_the_confusion_matrix():
    X, y, sample_domain, _ = shifted()
    model = BBSE(random_state=0).fit(X, y, sample_domain=sample_domain)
    data = take_apart(X, y, sample_domain)
    source, labels, target = cross_fitted(
        LogisticRegression(max_iter=1000), data, data.y_source, 5, False, np.random.RandomState(0)
    )
    C = np.zeros((3, 3))
    for predicted, label in zip(source.argmax(axis=1), labels, strict=True):
        C[predicted, label] += 1 / 400
    np.testing.assert_allclose(model.confusion_, C)
    w = np.linalg.solve(C, target.mean(axis=0))
    assert w.min() > 0
    np.testing.assert_allclose(model.class_weights_, w, rtol=1e-6)
    np.testing.assert_allclose(np.bincount(labels) / 400, C.sum(axis=0))


def test_no_row_is_predicted_by_a_classifier_that_has_seen_it():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(100, 3)), rng.integers(0, 2, 100)  # nothing to learn: a tree knows its own rows only
    data = take_apart(np.vstack([X, X]), np.r_[y, np.full(100, -1)], np.repeat([1, -2], 100))
    source, labels, target = cross_fitted(DecisionTreeClassifier(random_state=0), data, y, 5, True, np.random.RandomState(0))
    assert np.mean(source.argmax(axis=1) == labels) < 0.7
    assert np.mean(target.argmax(axis=1) == y) > 0.7  # most target copies are predicted by a tree of another fold


@pytest.mark.parametrize("rho", [1e-4, 0.01, 0.3, 5.0])
def test_rlls_is_the_minimum_found_otherwise(rho):
    rng = np.random.default_rng(1)
    C = confusion(rng.dirichlet([0.4] * 4, 200), rng.integers(0, 4, 200)) + 0.2 * np.diag([0.3, 0.3, 0.2, 0.2])
    m = C @ np.array([0.2, 0.5, 2.0, 1.5]) + 0.01 * rng.normal(size=4)
    value = lambda w: np.linalg.norm(C @ w - m) + rho * np.linalg.norm(w - 1)  # noqa: E731
    w = penalised_ratios(C, m, rho)
    tries = [minimize(value, start, bounds=[(0, None)] * 4, method="Powell").fun for start in (np.full(4, 0.9), np.abs(w))]
    assert value(w) <= min(tries) + 1e-4
    assert w.min() >= 0


def test_rlls_stays_with_the_source_where_classes_look_alike():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2))
    y = np.r_[np.tile([0, 1], 100), np.full(200, -1)]
    far = BBSE(KNeighborsClassifier(1), correction="posteriors", random_state=0)
    with pytest.warns(CollapseWarning, match="condition number .*RLLS"):
        far.fit(X + np.repeat([0, 1], 200)[:, None], y, sample_domain=np.repeat([1, -2], 200))
    near = RLLS(KNeighborsClassifier(1), regularization=1.0, correction="posteriors", random_state=0)
    near.fit(X + np.repeat([0, 1], 200)[:, None], y, sample_domain=np.repeat([1, -2], 200))
    assert np.abs(near.class_weights_ - 1).max() < 0.1
    assert far.health_["condition_number"] == pytest.approx(near.health_["condition_number"])


def test_mmd_shares_are_the_minimum_found_otherwise():
    X, y, sample_domain, _ = shifted(n=60)
    model = MMDTargetShift(bandwidth=1.0, shrinkage=0, standardize=False, random_state=0)
    model.fit(X, y, sample_domain=sample_domain)
    k = lambda a, b: np.exp(-np.sum((a - b) ** 2) / 2)  # noqa: E731
    sets = [X[:60][y[:60] == c] for c in range(3)]
    G = np.array([[np.mean([k(a, b) for a in A for b in B]) for B in sets] for A in sets])
    g = np.array([np.mean([k(a, b) for a in A for b in X[60:]]) for A in sets])
    found = minimize(
        lambda q: q @ G @ q - 2 * g @ q,
        np.full(3, 1 / 3),
        bounds=[(0, 1)] * 3,
        constraints={"type": "eq", "fun": lambda q: q.sum() - 1},
        options={"ftol": 1e-14},
        method="SLSQP",
    )
    np.testing.assert_allclose(model.target_shares_, np.maximum(found.x, 0), atol=0.01)
    np.testing.assert_allclose(nearest_mixture(G, g), found.x, atol=1e-4)
    own = np.mean([k(a, b) for a in X[60:] for b in X[60:]])
    assert model.health_["squared_mmd"] == pytest.approx(found.fun + own, abs=1e-5)


def test_mmd_of_a_factor_is_that_of_the_kernel():
    X, y, sample_domain, _ = shifted(n=400)
    exact, low = (MMDTargetShift(n_components=r, random_state=0).fit(X, y, sample_domain=sample_domain) for r in (None, 100))
    np.testing.assert_allclose(low.target_shares_, exact.target_shares_, atol=0.01)
    assert np.mean(low.predict(X) == exact.predict(X)) > 0.98


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n_components", [None, 60])
@pytest.mark.filterwarnings("ignore::sterna.CollapseWarning")
def test_mmd_shares_stay_near_the_source_where_classes_moved_instead(seed, n_components):
    """Even shares in both domains, another origin: without shrinkage the shares follow the move."""
    X, y, sample_domain, truth = shifted(seed, source=(1 / 3, 1 / 3, 1 / 3), target=(1 / 3, 1 / 3, 1 / 3))
    X[400:] += [3, 3]
    off = []
    for shrinkage in (0, "auto"):
        model = MMDTargetShift(n_components=n_components, shrinkage=shrinkage, random_state=0)
        model.fit(X, y, sample_domain=sample_domain)
        off.append(np.abs(model.target_shares_ - np.bincount(truth) / 400).sum() / 2)
    assert model.health_["explained"] < 0.5
    assert off[0] > 0.3
    assert off[1] < off[0] / 2


@pytest.mark.parametrize("rank", [None, 30])
def test_the_unbiased_discrepancy_by_hand(rank):
    """Pairs of different rows only; the factor of full rank is the kernel itself."""
    rng = np.random.default_rng(0)
    Xs, Xt, labels = rng.normal(size=(15, 2)), rng.normal(0.5, 1, size=(12, 2)), np.repeat([0, 1], [9, 6])
    member = np.eye(2)[labels] / np.bincount(labels)
    means = _exact(Xs, Xt, member, 1.0) if rank is None else _nystrom(Xs, Xt, member, 1.0, rank, np.random.RandomState(0))
    k = lambda a, b: np.exp(-np.sum((a - b) ** 2) / 2)  # noqa: E731
    shares, sets = np.array([0.3, 0.7]), [Xs[labels == 0], Xs[labels == 1]]
    pairs = lambda A: np.mean([k(a, b) for i, a in enumerate(A) for j, b in enumerate(A) if i != j])  # noqa: E731
    expected = 0.09 * pairs(sets[0]) + 0.49 * pairs(sets[1]) + 0.42 * np.mean([k(a, b) for a in sets[0] for b in sets[1]])
    expected += pairs(Xt) - 2 * sum(q * np.mean([k(a, b) for a in A for b in Xt]) for q, A in zip(shares, sets, strict=True))
    assert means.unbiased(shares) == pytest.approx(expected, abs=1e-6 if rank is None else 0.02)


def test_classes_that_look_alike_are_a_warning():
    X, y, sample_domain, _ = shifted(n=100)
    X[:] = np.random.default_rng(0).normal(size=(200, 2))
    with pytest.warns(CollapseWarning, match="condition number"):
        MMDTargetShift(bandwidth=50, random_state=0).fit(X, y, sample_domain=sample_domain)


def test_logarithms_of_zero_are_finite():
    np.testing.assert_allclose(log_of(np.array([[0.0, 1.0]], dtype=np.float32)), [[np.log(1e-12), 0.0]])
