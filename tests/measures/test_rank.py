"""Rankings: the better one first, intervals that cover, and a plain word where chance could turn it round."""

from __future__ import annotations

import numpy as np
import pytest

import sterna
from sterna.measures import rank_features
from sterna.measures._ranking import ranking


def shifted(rule, n, rng, offset=0.0):
    X = rng.normal(size=(n, 4)) + offset
    return X, (X @ rule + 0.3 * rng.normal(size=n) > offset * np.sum(rule)).astype(int)


def domains(n_labelled=60, seed=0):
    """Source "same" has the target's rule, "other" one at right angles, nearer to the target's rows."""
    rng = np.random.default_rng(seed)
    rule, other = np.array([1.0, 1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0, -1.0])
    X, y = shifted(rule, 200, rng)
    y = np.where(np.arange(200) < n_labelled, y, np.nan)
    return sterna.Domains(
        source={"other": shifted(other, 150, rng), "same": shifted(rule, 150, rng, 0.5)}, target={"t": (X, y)}
    )


def test_the_source_with_the_target_s_rule_is_first():
    found = sterna.rank_sources(domains())
    names = [candidate.name for candidate in found.candidates]
    assert names[-1] == "other"
    assert set(names[:2]) == {"same", "(target alone)"}
    last = found.candidates[-1]
    assert last.behind[1] > 0
    assert last.value == pytest.approx(0.5, abs=0.15)
    assert found.n_rows == 60
    assert "other" not in found.sentence


def test_without_labels_the_nearest_source_is_first_and_it_is_said():
    found = sterna.rank_sources(domains(n_labelled=3))
    assert [candidate.name for candidate in found.candidates] == ["other", "same"]
    assert "nearest" in found.sentence
    assert "eight labelled" in found.sentence
    area = found.candidates[1].other["domain_auc"]
    assert found.candidates[1].value == pytest.approx(2 * (1 - area))


def test_a_source_that_holds_the_target_s_rows_is_at_nearness_one_at_most():
    rows = np.random.default_rng(0).normal(size=(300, 3))
    y = (rows[:, 0] > 0).astype(float)
    given = {"copy": (rows, y), "far": (rows + 1, y)}
    found = sterna.rank_sources(sterna.Domains(source=given, target={"t": (rows[:150], np.full(150, np.nan))}))
    copy, far = found.candidates
    assert (copy.name, far.name) == ("copy", "far")
    assert copy.value == pytest.approx(1, abs=0.1)
    assert far.value < 0.7
    assert max(copy.value, copy.high) <= 1


def test_sources_of_values():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    y = X @ [1.0, 2.0, 0.0] + 0.1 * rng.normal(size=300)
    given = {"same": (X[:100], y[:100]), "turned": (X[100:200], -y[100:200])}
    found = sterna.rank_sources(sterna.Domains(source=given, target={"t": (X[200:], y[200:])}, task="regression"))
    assert found.candidates[-1].name == "turned"
    assert found.candidates[-1].value < 0
    assert "R^2" in found.score


def test_equal_candidates_are_not_resolved():
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=100)
    X = y[:, None] + rng.normal(size=(100, 3))
    found = rank_features({"a": X, "b": X + 0.3 * rng.normal(size=X.shape)}, y)
    assert not found.resolved
    assert "not resolved" in found.sentence
    assert "label more target rows" in found.sentence


def test_pairs_are_wrongly_told_apart_in_five_of_a_hundred_at_most():
    """Six candidates of one quality: any pair of them that is told apart counts as wrong."""
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(300):
        scores = {str(i): (rng.random(80) < 0.7).astype(float) for i in range(6)}
        found = ranking("accuracy", scores, {name: {} for name in scores})
        wrong += any(candidate.behind[1] > 0 for candidate in found.candidates[1:])
    assert wrong <= 0.05 * 300 + 3 * np.sqrt(300 * 0.05 * 0.95)


def test_a_ranking_as_a_table_and_as_plain_values():
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=60)
    found = rank_features({"good": y[:, None] + 0.1 * rng.normal(size=(60, 2)), "noise": rng.normal(size=(60, 2))}, y)
    frame = found.to_frame()
    assert list(frame["name"]) == ["good", "noise"]
    assert np.isnan(frame["behind"][0])
    assert frame["logme"][0] > frame["logme"][1]
    assert found.summary()["candidates"][1]["behind"][0] == pytest.approx(found.candidates[0].value - found.candidates[1].value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rank_features({}, [0, 1]), "nothing to rank"),
        (lambda: rank_features({"resnet": np.full((9, 2), np.nan)}, np.arange(9) % 2), "resnet: linear_probe: .*NaN"),
        (lambda: sterna.rank_backbones(domains(), ["resnet18"]), "the domains are tables; use rank_sources"),
        (lambda: sterna.rank_backbones(domains(3), ["resnet18"]), "has 3 labels; ranking backbones needs eight"),
        (lambda: sterna.rank_sources(sterna.Domains(None, {"t": (np.eye(9), np.arange(9) % 2)})), "no source"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
