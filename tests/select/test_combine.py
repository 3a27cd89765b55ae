"""Several scores as one ranking."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import friedmanchisquare

from sterna.select import combine_scores


def table(values):
    return {f"m{i}": {f"s{j}": value for j, value in enumerate(row)} for i, row in enumerate(values)}


@pytest.mark.parametrize("ties", [False, True])
def test_agreement_is_friedmans_statistic_scaled(ties):
    values = np.random.default_rng(0).normal(size=(6, 4))
    values = values.round() if ties else values
    chi2 = friedmanchisquare(*values).statistic  # corrected for ties as W is
    assert combine_scores(table(values)).agreement == pytest.approx(chi2 / (4 * 5))


def test_scores_that_contradict_each_other_agree_in_nothing():
    found = combine_scores(table([[1, 3], [2, 2], [3, 1]]))
    assert found.agreement == 0
    assert set(found.mean_rank.values()) == {2.0}
    assert found.order == ["m0", "m1", "m2"]  # by name


def test_scales_do_not_matter_and_equal_values_share_a_rank():
    found = combine_scores(table([[0.1, 2000], [0.1, 1000], [0.3, 3000]]))
    assert found.order == ["m2", "m0", "m1"]
    assert found.mean_rank == {"m0": (2.5 + 2) / 2, "m1": (2.5 + 3) / 2, "m2": 1.0}


def test_a_model_without_a_score_is_last_by_it():
    found = combine_scores({"a": {"x": 1.0, "y": 1.0}, "b": {"x": 2.0}, "c": {"x": 0.0, "y": 0.0}})
    assert found.mean_rank["b"] == (1 + 3) / 2


def test_void_models_come_last_and_count_in_no_rank():
    scores = table([[9, 9], [1, 2], [2, 1]])
    found = combine_scores(scores, {"m0": "predicts one class"})
    assert found.order[-1] == "m0"
    assert found.mean_rank == combine_scores({name: scores[name] for name in ("m1", "m2")}).mean_rank
    assert found.void == {"m0": "predicts one class"}


def test_too_little_to_agree_on():
    assert np.isnan(combine_scores({"a": {"x": 1.0, "y": 2.0}}).agreement)
    assert np.isnan(combine_scores({"a": {"x": 1.0}, "b": {"x": 2.0}}).agreement)
    assert np.isnan(combine_scores(table([[1, 1], [1, 1]])).agreement)
    assert combine_scores({}).order == []


def test_bad_input_is_told():
    with pytest.raises(ValueError, match="void names 'z', which has no scores"):
        combine_scores({"a": {"x": 1.0}}, {"z": "why"})
    with pytest.raises(ValueError, match="x of 'a' is NaN"):
        combine_scores({"a": {"x": np.nan}})


@pytest.mark.parametrize(
    ("scores", "void", "message"),
    [
        ([("a", 1.0)], None, "scores is a list; give a mapping of model to scores"),
        ({"a": {"x": 1.0}}, ["a"], "void is a list; give a mapping of model to reason"),
        ({"a": 3.0}, None, "the scores of 'a' are 3.0; give a mapping"),
        ({"a": {"x": "good"}}, None, "x of 'a' is 'good'; give a number"),
    ],
)
def test_what_is_no_mapping_of_numbers_is_told(scores, void, message):
    with pytest.raises(TypeError, match=message):
        combine_scores(scores, void)
