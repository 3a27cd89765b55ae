"""Label-free scores against closed forms, and the guard against collapsed models."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.metrics import mutual_info_score

from sterna.select import collapse_reason, importance_weights, information_maximisation


def test_importance_weights_of_two_gaussians_follow_the_true_density_ratio():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(3000, 1)), rng.normal(loc=0.8, size=(3000, 1))
    weights = importance_weights(source, target)
    true = np.exp(0.8 * source[:, 0] - 0.32)
    assert weights.mean() == pytest.approx(1.0)
    assert np.corrcoef(np.log(weights), np.log(true))[0, 1] > 0.99
    assert np.average(source[:, 0], weights=weights) == pytest.approx(0.8, abs=0.1)


def test_importance_weights_where_there_is_no_shift_are_about_one():
    rng = np.random.default_rng(0)
    weights = importance_weights(rng.normal(size=(1000, 3)), rng.normal(size=(200, 3)))
    assert np.all((weights > 0.5) & (weights < 2))


def test_no_row_gets_more_than_twenty_times_the_weight_of_an_even_one():
    rng = np.random.default_rng(0)
    source = np.vstack([rng.normal(size=(500, 2)), [[9.0, 9.0]]])
    weights = importance_weights(source, rng.normal(loc=9.0, size=(500, 2)))
    ratios = weights / weights.min()
    assert np.isfinite(weights).all()
    assert weights.sum() == pytest.approx(501)
    assert ratios.argmax() == 500


def test_importance_weights_of_sparse_rows_are_about_those_of_dense_ones():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(60, 3)), rng.normal(size=(50, 3)) + 1
    dense = importance_weights(source, target, random_state=1)
    weights = importance_weights(sparse.csr_array(source), sparse.csr_array(target), random_state=1)
    assert np.corrcoef(np.log(weights), np.log(dense))[0, 1] > 0.9


@pytest.mark.parametrize(("n_source", "n_target"), [(1, 5), (5, 1), (2, 2), (3, 40)])
def test_importance_weights_of_a_few_rows(n_source, n_target):
    rng = np.random.default_rng(0)
    weights = importance_weights(rng.normal(size=(n_source, 2)), rng.normal(size=(n_target, 2)))
    assert weights.shape == (n_source,)
    assert weights.mean() == pytest.approx(1.0)


def test_information_of_certain_predictions_is_the_mutual_information_of_labels():
    codes = np.random.default_rng(0).integers(0, 3, 200)
    assert information_maximisation(np.eye(3)[codes]) == pytest.approx(mutual_info_score(codes, codes))


@pytest.mark.parametrize("proba", [np.full((10, 4), 0.25), np.tile([1.0, 0.0], (10, 1)), np.tile([0.7, 0.3], (10, 1))])
def test_information_of_equal_rows_is_zero(proba):
    assert information_maximisation(proba) == pytest.approx(0.0)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 20), st.integers(2, 6), st.integers(0, 1000))
def test_information_is_between_zero_and_the_log_of_the_classes(n_rows, n_classes, seed):
    proba = np.random.default_rng(seed).dirichlet(np.full(n_classes, 0.3), size=n_rows)
    information = information_maximisation(proba)
    assert -1e-12 <= information <= np.log(n_classes) + 1e-12
    mean = proba.mean(axis=0)
    divergences = [np.sum(row[row > 0] * np.log(row[row > 0] / mean[row > 0])) for row in proba]
    assert information == pytest.approx(np.mean(divergences))  # the other form of mutual information


SOURCE = np.repeat(["a", "b", "c", "d"], 25)


@pytest.mark.parametrize(
    ("prediction", "said"),
    [
        (["a"] * 100, "predicts 1 of 4 classes only"),
        (["a"] * 97 + ["b", "c", "d"], "predicts 'a' for 97 % of the target, against 25 % in the source"),
        (["a"] * 50 + ["b"] * 50, None),
        (list(SOURCE), None),
    ],
)
def test_collapsed_classes(prediction, said):
    reason = collapse_reason(np.array(prediction), SOURCE, "classification")
    assert reason is None if said is None else said in reason


def test_a_common_class_may_be_predicted_often():
    source = np.repeat(["well", "ill"], [90, 10])
    assert collapse_reason(np.repeat(["well", "ill"], [98, 2]), source, "classification") is None
    assert collapse_reason(np.repeat(["well"], 100), source, "classification") is None
    assert "ill" in collapse_reason(np.repeat(["ill", "well"], [98, 2]), source, "classification")


def test_rare_classes_need_not_be_predicted():
    source = np.repeat(["a", "b", "c", "d", "e"], [100, 100, 2, 1, 1])
    assert collapse_reason(np.repeat(["a", "b"], 20), source, "classification") is None


@pytest.mark.parametrize(
    ("prediction", "said"),
    [
        (np.full(50, 3.0), "almost the same value"),
        (np.linspace(0, 10, 50), None),
        (np.linspace(4, 6, 50), None),
        (np.linspace(100, 200, 50), "100 % of its predictions lie far outside"),
        (np.r_[np.linspace(0, 10, 30), np.linspace(100, 200, 20)], None),
        (np.r_[np.linspace(0, 10, 20), np.linspace(-200, -100, 30)], "60 % of its predictions"),
    ],
)
def test_collapsed_values(prediction, said):
    reason = collapse_reason(prediction, np.linspace(0, 10, 100), "regression")
    assert reason is None if said is None else said in reason


def test_numbers_are_written_plainly():
    reason = collapse_reason(np.repeat([7, 1], [97, 3]), np.repeat([1, 7], [60, 40]), "classification")
    assert reason == "predicts 7 for 97 % of the target, against 40 % in the source"
