from __future__ import annotations

import numpy as np
import pytest

from sterna.select import guard

SOURCE = np.repeat(["a", "b"], 50)


def test_a_sound_model_passes():
    weights = np.random.default_rng(0).uniform(0.5, 2, size=100)
    scores = {"source_score": 0.85, "plain_source_score": 0.9}
    assert guard(SOURCE, SOURCE, "classification", weights=weights, **scores) is None
    assert guard(SOURCE.tolist(), SOURCE.tolist(), "classification") is None
    assert guard(np.linspace(0, 9, 20), np.linspace(0, 10, 50), "regression") is None


@pytest.mark.parametrize(
    ("prediction", "task", "said"),
    [
        (["a"] * 100, "classification", "predicts 'a' for 100 % of the target, against 50 % in the source"),
        ([2.0] * 100, "regression", "predicts almost the same value everywhere"),
        ([np.nan] * 25 + [1.0] * 75, "regression", "25 % of its predictions are not finite"),
        ([np.inf] * 100, "regression", "100 % of its predictions are not finite"),
    ],
)
def test_collapse_and_values_that_are_none(prediction, task, said):
    assert guard(prediction, SOURCE if task == "classification" else np.linspace(0, 10, 50), task) == said


@pytest.mark.parametrize(("score", "void"), [(0.95, False), (0.81, False), (0.79, True), (float("nan"), True)])
def test_lost_source_accuracy(score, void):
    reason = guard(SOURCE, SOURCE, "classification", source_score=score, plain_source_score=0.9)
    assert (reason is not None) == void
    assert not void or f"{score:.2f}" in reason
    assert guard(SOURCE, SOURCE, "classification", source_score=score) is None
    assert guard(SOURCE, SOURCE, "classification", source_score=0.5, plain_source_score=0.9, margin=0.5) is None


@pytest.mark.parametrize(
    ("weights", "void"),
    [
        (np.r_[np.full(20, 5.0), np.zeros(80)], True),
        (np.r_[np.full(35, 5.0), np.zeros(65)], False),
        (np.ones(8), False),  # few rows, but the weights are not at fault
        ([1.0, 0.0, 0.0], True),
        ([1.0], False),
    ],
)
def test_low_effective_sample_size(weights, void):
    reason = guard(SOURCE, SOURCE, "classification", weights=weights)
    assert (reason is not None) == void
    assert not void or f"effective rows of {len(weights)}" in reason


def test_the_first_reason_is_given():
    reason = guard(["b"] * 9, SOURCE, "classification", source_score=0.1, plain_source_score=0.9, weights=[1.0, 0, 0])
    assert reason.startswith("predicts 'b'")


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((SOURCE, SOURCE, "ranking"), {}, "task is 'ranking'"),
        (([], SOURCE, "classification"), {}, r"prediction has the shape \(0,\)"),
        ((SOURCE, np.eye(2), "classification"), {}, "y_source has the shape"),
        ((SOURCE, SOURCE, "classification"), {"weights": [np.nan]}, "weights holds NaN"),
        ((SOURCE, SOURCE, "classification"), {"source_score": 1.0, "plain_source_score": np.nan}, "plain_source_score is nan"),
    ],
)
def test_bad_arguments_get_a_sentence(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        guard(*arguments, **options)
