import math

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from sterna.measures import ben_david_bound, hdh_divergence
from sterna.measures._ben_david_bound import BenDavidBound


def classes(n, rng, distance=2.0, shift=0.0):
    """Two Gaussian classes, `distance` apart in the first column: the best line errs with probability Phi(-distance / 2)."""
    y = rng.integers(2, size=n)
    X = rng.normal(size=(n, 2)) + np.outer(y - 0.5, [distance, 0.0]) + [0.0, shift]
    return X, y


def test_parts_of_gaussian_classes_are_their_closed_forms():
    rng = np.random.default_rng(0)
    bound = ben_david_bound(*classes(2000, rng), *classes(2000, rng, shift=1.0), random_state=0)
    assert bound.source_error == pytest.approx(norm.cdf(-1), abs=0.02)
    assert bound.joint_error == pytest.approx(2 * norm.cdf(-1), abs=0.03)
    assert bound.divergence == pytest.approx(2 * (2 * norm.cdf(0.5) - 1), abs=0.08)
    assert bound.value == pytest.approx(bound.source_error + bound.divergence / 2 + bound.joint_error)
    assert float(bound) == bound.value
    assert not bound.vacuous


def test_labels_turned_round_have_a_joint_error_of_one():
    """Whatever a model says, it is wrong in one of the domains."""
    rng = np.random.default_rng(0)
    (Xs, ys), (Xt, yt) = classes(600, rng, distance=8.0), classes(600, rng, distance=8.0)
    bound = ben_david_bound(Xs, ys, Xt, 1 - yt, random_state=0)
    assert 0.95 <= bound.joint_error <= 1
    assert bound.divergence < 0.1
    assert bound.value > 0.9


def test_source_error_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    X, y = classes(300, rng, distance=1.0)
    predicted = cross_val_predict(LogisticRegression(C=0.1), X, y, cv=5)
    bound = ben_david_bound(X, y, X + 1, random_state=0)
    assert bound.source_error == pytest.approx(np.mean(predicted != y), abs=0.03)


def test_few_labelled_target_rows_weigh_as_much_as_many_source_rows():
    """The source's labels follow the first column, the target's the second: one line serves both, if 40 rows are heard."""
    rng = np.random.default_rng(0)
    y_source, y_target = rng.integers(2, size=2000), rng.integers(2, size=40)
    source, target = rng.normal(size=(2000, 2)) * 0.3, rng.normal(size=(40, 2)) * 0.3
    source[:, 0] += 2 * y_source - 1
    target[:, 1] += 2 * y_target - 1
    bound = ben_david_bound(source, y_source, target, y_target, random_state=0)
    assert bound.joint_error < 0.1


def test_the_error_of_a_source_model_lies_below_the_bound():
    for seed in range(5):
        rng = np.random.default_rng(seed)
        (Xs, ys), (Xt, yt) = classes(800, rng), classes(800, rng, shift=0.5 * seed)
        error = 1 - LogisticRegression().fit(Xs, ys).score(Xt, yt)
        assert error <= ben_david_bound(Xs, ys, Xt, yt, random_state=0).value


def test_sampling_term_is_theorem_2_s():
    rng = np.random.default_rng(0)
    (Xs, ys), (Xt, _) = classes(400, rng), classes(500, rng)
    bound = ben_david_bound(Xs, ys, Xt, vc_dimension=3, confidence=0.9, random_state=0)
    assert bound.sampling == pytest.approx(4 * math.sqrt((2 * 3 * math.log(2 * 400) + math.log(2 / 0.1)) / 400))
    assert bound.value == pytest.approx(bound.source_error + bound.divergence / 2 + bound.sampling)
    fewer = ben_david_bound(Xs, ys, Xt, vc_dimension=3, confidence=0.9, max_rows=100, random_state=0)
    assert fewer.sampling > 1.5 * bound.sampling


def test_divergence_is_that_of_hdh_divergence():
    rng = np.random.default_rng(0)
    (Xs, ys), (Xt, _) = classes(300, rng), classes(300, rng, shift=1.0)
    found = ben_david_bound(Xs, ys, Xt, random_state=0).divergence
    assert found == pytest.approx(hdh_divergence(Xs, Xt, random_state=1), abs=0.1)


def test_without_enough_labels_the_joint_error_is_not_known():
    rng = np.random.default_rng(0)
    (Xs, ys), (Xt, yt) = classes(200, rng), classes(200, rng)
    some = np.where(np.arange(200) < 7, yt.astype(float), np.nan)
    bound = ben_david_bound(Xs, ys, Xt, some, random_state=0)
    assert bound.joint_error is None
    assert bound.n_labelled == 7
    assert "7 of the target's rows have labels and it takes 8 or more" in str(bound)
    assert ben_david_bound(Xs, ys, Xt, np.where(np.arange(200) < 8, yt, np.nan), random_state=0).joint_error is not None


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        (
            (0.41, 0.1, 0.4, 0.11, None, 50),
            "A linear model's error in the target is at most 0.41 (source error 0.10 + half of the divergence 0.20 + joint error 0.11) "
            "by estimate.",
        ),
        (
            (1.55, 0.1, 1.2, 0.15, 0.7, 50),
            "The bound of a linear model's error in the target is vacuous, since no error exceeds 1: 1.55 (source error 0.10 + half "
            "of the divergence 0.60 + joint error 0.15 + sampling term 0.70).",
        ),
        (
            (0.3, 0.1, 0.4, None, None, 1),
            "A linear model's error in the target is at most 0.30 (source error 0.10 + half of the divergence 0.20) and the joint error "
            "besides by estimate; the joint error is not known, since 1 of the target's rows has a label and it takes 8 or more.",
        ),
    ],
)
def test_a_bound_in_words(parts, sentence):
    assert str(BenDavidBound(*parts)) == sentence


def test_labels_and_features_of_any_kind():
    rng = np.random.default_rng(0)
    (Xs, ys), (Xt, yt) = classes(60, rng), classes(70, rng)
    first = ben_david_bound(Xs, ys, Xt, yt, random_state=0)
    names = np.array(["no", "yes"])
    assert ben_david_bound(Xs, names[ys], Xt, names[yt].astype(object).tolist(), random_state=0) == first
    assert ben_david_bound(pd.DataFrame(Xs), pd.Series(ys), Xt, yt == 1, random_state=0) == first
    thin = ben_david_bound(sparse.csr_array(Xs), ys, sparse.csr_array(Xt), yt, random_state=0)
    assert thin.source_error == pytest.approx(first.source_error, abs=0.05)
    assert thin.joint_error == pytest.approx(first.joint_error, abs=0.1)


def test_few_rows_and_constant_columns_give_a_value():
    assert np.isfinite(ben_david_bound([[0.0], [1.0]], [0, 1], [[0.0], [1.0]], random_state=0).value)
    constant = ben_david_bound(np.ones((20, 2)), np.arange(20) % 2, np.ones((9, 2)), np.arange(9) % 2, random_state=0)
    assert constant.divergence == 0
    assert constant.source_error == pytest.approx(0.5, abs=0.11)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y_source": [0, 1, 2, 0]}, "y_source holds 3 classes; the bound is for two"),
        ({"y_source": [0, 0, 0, 0]}, "one class only"),
        ({"y_source": [0, 1, None, 0]}, "no label in row 2"),
        ({"y_source": [0, 1]}, "shape .2,., but features has 4 rows"),
        ({"y_target": [0, 1, 5, 0]}, "y_target holds 5, but y_source holds 0 and 1"),
        ({"y_target": [0, 1]}, "y_target has the shape .2,., but X_target has 4 rows"),
        ({"X_target": np.ones((4, 3))}, "X_source has 2 columns but X_target has 3"),
        ({"X_target": np.full((4, 2), np.nan)}, "X_target holds NaN"),
        ({"confidence": 1.0}, "confidence is 1.0; give a number between 0 and 1"),
        ({"vc_dimension": 0}, "vc_dimension is 0; give a whole number of 1 or more"),
        ({"cv": 1}, "cv is 1"),
    ],
)
def test_bad_input_is_told_in_one_sentence(change, message):
    given = {"X_source": np.eye(4)[:, :2], "y_source": [0, 1, 0, 1], "X_target": np.eye(4)[:, :2]} | change
    with pytest.raises(ValueError, match=message):
        ben_david_bound(**given)
