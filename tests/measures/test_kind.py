"""The named kinds on made shifts, over seeds."""

from collections import Counter

import pytest

from sterna import Domains
from sterna.measures import measure

KINDS = {"none": "none", "covariate": "covariate", "label": "label", "concept": "concept", "scale": "subspace"}
TASKS = ("classification", "regression")


def named(made, kind, seeds, tasks=TASKS, **options):
    return [measure(made(kind, task, seed, **options), random_state=seed).kind for seed in seeds for task in tasks]


@pytest.mark.parametrize("kind", KINDS)
def test_the_right_kind_is_named_with_target_labels(made, kind):
    found = named(made, kind, range(5), tasks=TASKS[:1]) + named(made, kind, range(5, 10), tasks=TASKS[1:])
    assert sum(KINDS[kind] in kinds for kinds in found) >= 9, Counter(map("+".join, found))
    if kind != "none":
        assert not any("none" in kinds for kinds in found)
    if kind == "covariate":
        assert sum("concept" in kinds for kinds in found) <= 2
    if kind == "concept":
        assert sum("covariate" in kinds or "label" in kinds for kinds in found) <= 2


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_right_kind_is_named_over_many_seeds(made, kind, task):
    found = named(made, kind, range(100, 130), tasks=(task,), n=400)
    counts = Counter(map("+".join, found))
    assert sum(KINDS[kind] in kinds for kinds in found) >= 27, counts
    if kind != "none":
        assert counts["none"] == 0
    if kind not in ("concept", "none"):
        assert sum("concept" in kinds for kinds in found) <= 3, counts


@pytest.mark.parametrize("kind", ["none", "covariate", "scale"])
def test_the_features_tell_without_target_labels(made, kind):
    found = named(made, kind, range(2), n_labelled=0)
    assert sum(KINDS[kind] in kinds for kinds in found) >= 3
    assert not any("concept" in kinds for kinds in found)


def test_label_shift_is_thought_of_without_target_labels(made):
    found = named(made, "label", range(4), tasks=("classification",), n_labelled=0)
    assert sum("label" in kinds for kinds in found) >= 3
    assert all("covariate" in kinds for kinds in found if "label" in kinds)  # neither can be ruled out


def test_few_labels_still_tell_a_changed_concept(made):
    found = named(made, "concept", range(2), n_labelled=40)
    assert sum("concept" in kinds for kinds in found) >= 3


def test_sentences_claim_no_more_than_was_seen(made):
    blind = " ".join(measure(made("none", "classification", 0, n_labelled=0)).sentences)
    assert "whether the label depends on them otherwise was not tested" in blind
    few = measure(made("none", "regression", 0, n_labelled=20)).sentences
    assert any("only a large change would show" in sentence for sentence in few)
    five = measure(made("none", "classification", 0, n_labelled=5)).sentences
    assert any("Too few target labels" in sentence for sentence in five)
    shifted = measure(made("concept", "regression", 0)).sentences
    assert any("consistent with concept shift" in sentence for sentence in shifted)
    scaled = measure(made("scale", "regression", 0)).sentences
    assert any("another scale" in sentence and "error on the target goes from" in sentence for sentence in scaled)


def test_a_source_model_that_extrapolates_is_not_called_a_new_concept():
    """y = x^2 everywhere, but the source knows x near 0 and the target lies near 8."""
    import numpy as np

    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(300, 2)), rng.normal(size=(300, 2)) + [8, 0]
    ys, yt = (X[:, 0] ** 2 + 0.1 * rng.normal(size=300) for X in (Xs, Xt))
    found = measure(Domains(source={"a": (Xs, ys)}, target={"b": (Xt, yt)}))
    assert "support" in found.kind
    assert "concept" not in found.kind
    assert any("these data cannot tell" in sentence for sentence in found.sentences)
