"""The named kinds on made shifts, over seeds."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from sterna import Domains
from sterna.measures import _measure, measure
from sterna.measures._kind import kinds

KINDS = {"none": "none", "covariate": "covariate", "label": "label", "concept": "concept", "scale": "scale"}
TASKS = ("classification", "regression")


def named(made, kind, seeds, tasks=TASKS, **options):
    return [measure(made(kind, task, seed, **options), random_state=seed).kind for seed in seeds for task in tasks]


@pytest.mark.parametrize("kind", KINDS)
def test_the_right_kind_is_named_with_target_labels(made, kind):
    found = named(made, kind, range(3), tasks=TASKS[:1], n=250) + named(made, kind, range(5, 8), tasks=TASKS[1:], n=250)
    assert sum(KINDS[kind] == kinds[0] for kinds in found) >= 5, Counter(map("+".join, found))
    if kind != "none":
        assert not any("none" in kinds for kinds in found)
    if kind == "covariate":
        assert sum("concept" in kinds for kinds in found) <= 1
    if kind == "concept":
        assert sum("covariate" in kinds or "label" in kinds for kinds in found) <= 2


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_right_kind_is_named_over_many_seeds(made, kind, task):
    found = named(made, kind, range(100, 130), tasks=(task,), n=400)
    counts = Counter(map("+".join, found))
    assert sum(KINDS[kind] == kinds[0] for kinds in found) >= 27, counts
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
    found = named(made, "label", range(8), tasks=("classification",), n_labelled=0)
    assert sum("label" in kinds for kinds in found) >= 5
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
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(300, 2)), rng.normal(size=(300, 2)) + [8, 0]
    ys, yt = (X[:, 0] ** 2 + 0.1 * rng.normal(size=300) for X in (Xs, Xt))
    found = measure(Domains(source={"a": (Xs, ys)}, target={"b": (Xt, yt)}))
    assert "support" in found.kind
    assert "concept" not in found.kind
    assert any("these data cannot tell" in sentence for sentence in found.sentences)


def blobs(rng, n, turned=False):
    """Three classes in the plane; of turned rows the sum of the columns keeps its place, their difference does not."""
    y = np.arange(n) % 3
    X = np.array([[-1.0, 1.0], [1.5, 0.5], [2.5, 3.0]])[y] + 0.4 * rng.normal(size=(n, 2))
    return (X[:, ::-1] if turned else X), np.array(["a", "b", "c"])[y]


def test_a_common_subspace_is_named():
    """The columns are swapped: only their sum tells the same in both domains."""
    rng = np.random.default_rng(0)
    found = measure(Domains(source={"s": blobs(rng, 240)}, target={"t": blobs(rng, 240, turned=True)}))
    assert found.kind == ["subspace"]
    assert any("subspace shift" in sentence for sentence in found.sentences)
    assert "CORAL" in found.suited["subspace"]


def test_columns_turned_round_are_a_map_of_the_columns():
    """Classes 1 and 2 change places with 3 and 4 in every direction, so that no common subspace tells them apart."""
    rng = np.random.default_rng(0)
    centres = 2.0 * np.array([[0.2, 1], [1, 0.5], [-1, -0.5], [0.3, -1]])
    y = np.arange(240) % 4
    Xs, Xt = (centres[y] + 0.3 * rng.normal(size=(240, 2)) for _ in range(2))
    found = measure(Domains(source={"s": (Xs, y)}, target={"t": (-Xt, y)}))
    assert found.kind == ["subspace"]
    assert any("turned round" in sentence for sentence in found.sentences)


@pytest.mark.parametrize(
    ("lacks", "words"), [("target", "none of the target's labels is 'c'"), ("source", "show 'c', which the source lacks")]
)
def test_class_sets_that_differ_are_named_with_the_classes(lacks, words):
    rng = np.random.default_rng(0)
    X, y = blobs(rng, 300)
    rest = [part[y != "c"] for part in (X, y)]
    Xt, yt = blobs(rng, 300)
    domains = (
        Domains(source={"s": tuple(rest)}, target={"t": (Xt, yt)})
        if lacks == "source"
        else Domains(source={"s": (Xt, yt)}, target={"t": tuple(rest)})
    )
    found = measure(domains)
    assert found.kind == ["classes"]
    assert any(words in sentence and "class sets differ" in sentence for sentence in found.sentences)


def test_no_common_class_leaves_nothing_else_to_look_for():
    rng = np.random.default_rng(0)
    X, y = blobs(rng, 90)
    found = measure(Domains(source={"s": (X, y)}, target={"t": (X + 0.1, np.char.add(y, "!"))}))
    assert found.kind == ["classes"]
    assert any("Too few labelled rows of classes in common" in sentence for sentence in found.sentences)


def test_absent_classes_are_only_a_possibility_without_target_labels():
    rng = np.random.default_rng(0)
    X, y = blobs(rng, 300)
    Xs, ys = blobs(rng, 300)
    found = measure(Domains(source={"s": (Xs, ys)}, target={"t": (X[y != "c"], None)}))
    assert found.kind == ["label", "covariate", "classes"]
    assert any(
        "may lack 'c'" in sentence and "cannot be known without target labels" in sentence for sentence in found.sentences
    )


def test_covariate_shift_that_leaves_a_class_out_comes_before_the_classes():
    """Rows where the first column is large are hardly drawn; all of class c lie there, and half of class b."""
    rng = np.random.default_rng(0)
    X, y = blobs(rng, 1500)
    kept = rng.random(1500) < 1 / (1 + np.exp(8 * (X[:, 0] - 1.2)))
    kept &= y != "c"
    found = measure(Domains(source={"s": blobs(rng, 300)}, target={"t": (X[kept][:250], y[kept][:250])}))
    assert found.kind[:2] == ["covariate", "classes"]


def test_a_class_that_is_called_otherwise_is_a_changed_concept():
    """The target's rows lie where the source's do; those of a are called b, and those of c a: no row is missing."""
    rng = np.random.default_rng(0)
    Xt, yt = blobs(rng, 300)
    found = measure(Domains(source={"s": blobs(rng, 300)}, target={"t": (Xt, np.where(yt == "c", "a", "b"))}))
    assert found.kind[0] == "concept"
    assert found.kind[-1] == "classes"


def test_missing_support_comes_before_the_classes_that_lie_there():
    """The source has rows with a small first column only; all of class c lie beyond, and half of the others."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(900, 3))
    y = np.where(X[:, 0] > 1.0, "c", np.where(X[:, 1] + 0.5 * rng.normal(size=900) > 0, "a", "b"))
    low = X[:, 0] < 0
    found = measure(Domains(source={"s": (X[low], y[low])}, target={"t": (X[~low], y[~low])}))
    assert found.kind == ["support", "covariate", "classes"]


def test_missing_support_comes_before_covariate_shift():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(800, 4))
    y = X[:, 1] + 0.5 * rng.normal(size=800)
    low = X[:, 0] < 0
    found = measure(Domains(source={"s": (X[low], y[low])}, target={"t": (X[~low], y[~low])}))
    assert found.kind == ["support", "covariate"]
    assert any("Support is missing" in sentence for sentence in found.sentences)
    assert any("No sign that the source model does worse" in sentence for sentence in found.sentences)


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_no_shift_is_called_one_no_more_often_than_the_level(made, task):
    """100 times at level 0.05: eleven or more alarms come by chance in 1 of 100 cases."""
    found = named(made, "none", range(100), tasks=(task,), n=120)
    assert sum(kinds != ["none"] for kinds in found) <= 10, Counter(map("+".join, found))


def test_equal_means_that_part_the_domains_are_no_scale(made, monkeypatch):
    """Of values of few kinds, say: moved beside the source's they tell the domains apart better than before."""
    seen = []
    monkeypatch.setattr(_measure, "kinds", lambda found: seen.append(found) or kinds(found))
    assert measure(made("scale", "classification", 0)).kind[0] == "scale"
    before = seen[0].auc
    apart = replace(before, value=min(1.0, before.value + 0.1), low=before.value + 0.01)
    assert kinds(replace(seen[0], auc_aligned=apart))[0] == "scale"
    assert "scale" not in kinds(replace(seen[0], auc_aligned=apart, coarse=True))


def test_another_unit_in_some_columns_is_thought_of_without_target_labels():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 6)) + rng.normal(size=(600, 1)) + 10
    y = (X[:, 0] + rng.normal(size=600) > 10).astype(int)
    there = X[300:] * np.where(np.arange(6) == 2, 2.54, 1)
    found = measure(Domains(source={"a": (X[:300], y[:300])}, target={"b": (there, None)}), random_state=0)
    assert "scale" in found.kind
    assert "covariate" not in found.kind
    assert any("unit" in sentence for sentence in found.sentences)
