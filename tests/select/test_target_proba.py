"""Scores of the target's predictions alone, against naive loops and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import log_loss

from sterna.select import bnm, entropy, information_maximisation, mano, mcc


def predictions(n=30, n_classes=4, sharp=0.3, seed=0):
    return np.random.default_rng(seed).dirichlet(np.full(n_classes, sharp), size=n)


def test_entropy_is_the_expected_log_loss_of_a_calibrated_model():
    proba = predictions()
    expected = [sum(row[k] * log_loss([k], [row], labels=range(4)) for k in range(4)) for row in proba]
    assert entropy(proba) == pytest.approx(-np.mean(expected))


def test_entropy_of_certain_and_of_flat_predictions():
    assert entropy(np.eye(3)) == 0.0
    assert entropy(np.full((5, 4), 0.25)) == pytest.approx(-math.log(4))


@pytest.mark.parametrize("counts", [(5, 5, 5), (10, 4, 1), (15, 0, 0)])
def test_bnm_of_certain_predictions_is_the_sum_of_roots_of_class_counts(counts):
    proba = np.repeat(np.eye(3), counts, axis=0)
    assert bnm(proba) == pytest.approx(sum(math.sqrt(c) for c in counts) / math.sqrt(15 * 3))


def test_bnm_is_the_trace_of_the_root_of_the_gram_matrix():
    from scipy.linalg import sqrtm

    proba = predictions(50)
    assert bnm(proba) == pytest.approx(np.trace(sqrtm(proba.T @ proba)).real / math.sqrt(50 * 4))


def test_bnm_does_not_depend_on_the_number_of_rows():
    proba = predictions(40)
    assert bnm(np.vstack([proba] * 5)) == pytest.approx(bnm(proba))


def test_bnm_of_fewer_rows_than_classes_reaches_one():
    assert bnm(np.eye(6)[:2]) == pytest.approx(1.0)


def mcc_by_loops(proba, temperature):
    n, K = proba.shape
    logits = np.log(proba)
    Y = [[math.exp(logits[i][k] / temperature) for k in range(K)] for i in range(n)]
    Y = [[value / sum(row) for value in row] for row in Y]
    weights = [1 + math.exp(sum(y * math.log(y) for y in row)) for row in Y]
    weights = [n * w / sum(weights) for w in weights]
    loss = 0.0
    for j in range(K):
        correlations = [sum(weights[i] * Y[i][j] * Y[i][k] for i in range(n)) for k in range(K)]
        loss += sum(correlations[k] for k in range(K) if k != j) / sum(correlations)
    return -loss / K


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_mcc_equals_naive_loops(temperature):
    proba = predictions(sharp=2.0)
    assert mcc(proba, temperature=temperature) == pytest.approx(mcc_by_loops(proba, temperature))


def test_mcc_of_a_class_without_probability_is_the_limit_of_a_vanishing_one():
    absent = np.tile([0.7, 0.3, 0.0], (8, 1))
    small = np.tile([0.7, 0.3 - 1e-13, 1e-13], (8, 1))
    assert mcc(absent, temperature=1.0) == pytest.approx(mcc(small, temperature=1.0))
    assert mcc(np.repeat([[1.0, 0.0, 0.0]], 9, axis=0)) == pytest.approx(-2 / 3)


@pytest.mark.parametrize("seed", range(5))
def test_mano_equals_naive_loops_on_both_sides_of_the_threshold(seed):
    proba = predictions(sharp=0.5, seed=seed)
    rows = []
    for row in proba:
        logits = [math.log(max(p, 1e-12)) for p in row]
        shifted = [q - min(logits) for q in logits]
        values = [1 + q + q * q / 2 for q in shifted]
        rows += [[v / sum(values) for v in values]]
    by_polynomial = (sum(v**4 for row in rows for v in row) / proba.size) ** 0.25
    phi = -sum(math.log(max(p, 1e-12)) for p in proba.ravel()) / proba.size
    assert mano(proba, threshold=phi + 1e-6) == pytest.approx(by_polynomial)
    assert mano(proba, threshold=phi - 1e-6) == pytest.approx((np.abs(proba) ** 4).mean() ** 0.25)


@pytest.mark.parametrize("threshold", [np.inf, 0.0])
@pytest.mark.parametrize("n_classes", [2, 5])
def test_mano_rises_with_confidence(threshold, n_classes):
    """Also for two classes, where the published polynomial of centred logits falls again beyond 0.94."""
    scores = []
    for top in (0.5, 0.7, 0.9, 0.95, 0.99, 0.9999, 1.0):
        proba = np.full((6, n_classes), (1 - top) / (n_classes - 1))
        proba[:, 0] = top
        scores += [mano(proba, threshold=threshold)]
    assert np.all(np.diff(scores) > 0)


def test_the_threshold_is_the_mean_of_minus_log_p():
    proba = np.tile([0.9, 0.1], (4, 1))
    criterion = -np.log(proba).mean()
    assert mano(proba, threshold=criterion - 0.01) == pytest.approx((proba**4).mean() ** 0.25)
    assert mano(proba, threshold=criterion + 0.01) < mano(proba, threshold=criterion - 0.01)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mcc(np.eye(2), temperature=0.0), "temperature is 0.0"),
        (lambda: mano(np.eye(2), order=0), "order is 0"),
    ],
)
def test_bad_options_get_a_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_information_of_a_float32_model_is_that_of_float64():
    proba = predictions(200)
    assert information_maximisation(proba.astype(np.float32)) == pytest.approx(information_maximisation(proba), abs=1e-6)
