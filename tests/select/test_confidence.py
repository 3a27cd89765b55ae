"""Estimates of target accuracy: atc, doc, average_confidence."""

from __future__ import annotations

import numpy as np
import pytest

from sterna.select import atc, average_confidence, doc

CLASSES = ["a", "b", "c"]


def made(n=400, seed=0, sharp=0.5):
    """Probabilities, and labels drawn from them: a calibrated model."""
    rng = np.random.default_rng(seed)
    proba = rng.dirichlet(np.full(3, sharp), size=n)
    return proba, np.array([rng.choice(CLASSES, p=row) for row in proba])


def accuracy(proba, y):
    return np.mean(np.array(CLASSES)[proba.argmax(axis=1)] == y)


def atc_as_published(target, source, right):
    """The search of the authors' code: the threshold at which as many wrong rows lie above as right ones below."""
    order = np.argsort(source)
    wrong_above, right_below = int(np.sum(~right)), 0
    best, threshold = np.inf, None
    for i in order:
        if abs(wrong_above - right_below) < best:
            best, threshold = abs(wrong_above - right_below), source[i]
        if right[i]:
            right_below += 1
        else:
            wrong_above -= 1
    return np.mean(target >= threshold)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("confidence", ["max probability", "negative entropy"])
def test_atc_equals_the_published_search(seed, confidence):
    source, y = made(seed=seed)
    target = made(seed=seed + 100, sharp=0.3)[0]
    score = {"max probability": lambda p: p.max(axis=1), "negative entropy": lambda p: (p * np.log(p)).sum(axis=1)}[confidence]
    right = np.array(CLASSES)[source.argmax(axis=1)] == y
    assert atc(target, source, y, CLASSES, confidence=confidence) == pytest.approx(
        atc_as_published(score(target), score(source), right)
    )


@pytest.mark.parametrize("scorer", [atc, doc])
def test_the_source_itself_gets_its_own_accuracy(scorer):
    proba, y = made()
    assert scorer(proba, proba, y, CLASSES) == pytest.approx(accuracy(proba, y))
    votes = np.round(4 * proba) / 4  # many ties, as in a small forest
    votes[:, 0] += 1 - votes.sum(axis=1)
    votes = np.abs(votes) / np.abs(votes).sum(axis=1, keepdims=True)
    assert scorer(votes, votes, y, CLASSES) == pytest.approx(accuracy(votes, y))


@pytest.mark.parametrize("scorer", [atc, doc])
def test_more_confidence_on_the_target_predicts_more_accuracy(scorer):
    source, y = made()
    values = [scorer(made(seed=1, sharp=sharp)[0], source, y, CLASSES) for sharp in (5.0, 1.0, 0.5, 0.1)]
    assert np.all(np.diff(values) > 0)


def test_estimates_of_a_calibrated_model_are_near_its_accuracy():
    source, y = made(4000)
    target, y_target = made(4000, seed=1, sharp=0.3)
    true = accuracy(target, y_target)
    assert average_confidence(target) == pytest.approx(true, abs=0.02)
    assert doc(target, source, y, CLASSES) == pytest.approx(true, abs=0.03)
    assert atc(target, source, y, CLASSES) == pytest.approx(true, abs=0.05)


def test_doc_forgives_overconfidence_that_is_alike_in_both_domains():
    source, y = made(4000)
    target, y_target = made(4000, seed=1)
    surer = [0.5 * p + 0.5 * np.eye(3)[p.argmax(axis=1)] for p in (source, target)]
    assert average_confidence(surer[1]) > accuracy(target, y_target) + 0.1
    assert doc(surer[1], surer[0], y, CLASSES) == pytest.approx(accuracy(target, y_target), abs=0.03)


@pytest.mark.parametrize("confidence", ["max probability", "negative entropy"])
def test_atc_where_no_or_every_source_row_is_wrong(confidence):
    source = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    target = np.array([[0.65, 0.35], [0.7, 0.3], [0.05, 0.95]])
    assert atc(target, source, [0, 1, 1], [0, 1], confidence=confidence) == pytest.approx(2 / 3)
    assert atc(target, source, [1, 0, 0], [0, 1], confidence=confidence) == 0.0


def test_an_unknown_confidence_is_refused():
    with pytest.raises(ValueError, match="confidence is 'margin'"):
        atc(np.eye(2), np.eye(2), [0, 1], [0, 1], confidence="margin")
