"""Contracts that every scorer keeps; scorers are found by their facts."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import sterna
from sterna.select._facts import EVIDENCE

SCORERS = sterna.all_scorers()
CLASSES = np.array(["ant", "bee", "cat"])

each_scorer = pytest.mark.parametrize("name", SCORERS)


def needing(word):
    return pytest.mark.parametrize("name", [name for name, scorer in SCORERS.items() if word in scorer.needs])


def one_hot(codes, certainty=0.95, n_classes=3):
    proba = np.full((len(codes), n_classes), (1 - certainty) / (n_classes - 1))
    proba[np.arange(len(codes)), codes] = certainty
    return proba


def blobs(codes, seed):
    """Three groups of rows around the corners of a triangle."""
    centres = 4 * np.array([[1.0, 0.0], [-0.5, 0.9], [-0.5, -0.9]])
    return centres[codes] + 0.4 * np.random.default_rng(seed).normal(size=(len(codes), 2))


def flat(X):
    """Hardly sure of anything, and that without sense."""
    values = np.exp(0.1 * np.sin(1000 * np.asarray(X) @ np.array([[1.0, 2.0, 3.0], [3.0, 1.0, 2.0]])))
    return values / values.sum(axis=1, keepdims=True)


def evidence(kind="good", n_target=90, n_source=60, seed=0):
    """What a service gathers of a model: "good" (right and sure), "flat", or "collapsed" on the target."""
    rng = np.random.default_rng(seed)
    codes, codes_source = rng.permutation(np.arange(n_target) % 3), rng.permutation(np.arange(n_source) % 3)
    features = blobs(codes, seed + 1)
    good = LogisticRegression().fit(blobs(np.arange(99) % 3, 5), np.arange(99) % 3)
    predict_proba = {
        "good": good.predict_proba,
        "flat": flat,
        "collapsed": lambda X: one_hot(np.zeros(len(X), dtype=int), 0.999),
    }[kind]
    proba_source = flat(blobs(codes_source, seed + 2)) if kind == "flat" else one_hot(codes_source)
    proba_source[: n_source // 10] = np.roll(proba_source[: n_source // 10], 1, axis=1)  # a tenth is wrong
    return {
        "proba_target": predict_proba(features),
        "proba_source": proba_source,
        "y_source": CLASSES[codes_source],
        "classes": CLASSES,
        "losses_source": -np.log(proba_source[np.arange(n_source), codes_source]),
        "weights": rng.gamma(4, 0.25, size=n_source),
        "features_target": features,
        "predict_proba": predict_proba,
    }


def score(name, gathered, **options):
    scorer = SCORERS[name]
    if "random_state" in inspect.signature(scorer).parameters:
        options = {"random_state": 0} | options
    return scorer(**{word: gathered[word] for word in scorer.needs}, **options)


@pytest.mark.parametrize(
    ("name", "parameter", "bad"),
    [
        (name, p.name, bad)
        for name, scorer in SCORERS.items()
        for p in inspect.signature(scorer).parameters.values()
        if p.kind == p.KEYWORD_ONLY and p.name not in ("random_state", "features_target")
        for bad in ("x", -1, float("nan"))
        if (name, p.name, bad) != ("mano", "threshold", -1)  # every number is a threshold
    ],
)
def test_bad_parameters_get_a_sentence_that_names_them(name, parameter, bad):
    with pytest.raises(ValueError, match=rf"{parameter} is {bad!r}"):
        score(name, evidence(), **{parameter: bad})


def test_discovery_finds_every_scorer():
    assert {
        "atc",
        "bnm",
        "class_ami",
        "dev",
        "devn",
        "doc",
        "entropy",
        "importance_weighted_validation",
        "mano",
        "mcc",
        "mixval",
        "rankme",
        "snd",
    } <= set(SCORERS)
    assert "collapse_reason" not in SCORERS


@each_scorer
def test_facts_are_declared(name):
    scorer = SCORERS[name]
    assert scorer.__name__ == name == name.lower()
    assert set(scorer.tasks) <= {"classification", "regression"}
    assert scorer.tasks
    assert scorer.bounds[0] < scorer.bounds[1]
    assert scorer.reference
    assert isinstance(scorer.fooled_by_collapse, bool)
    assert scorer.needs
    assert set(scorer.needs) <= set(EVIDENCE)
    for section in ("Parameters", "Returns", "Notes", "References", "Examples"):
        assert f"{section}\n    ---" in scorer.__doc__
    said = " ".join(scorer.__doc__.split())
    assert "When to use it" in said
    assert "When it misleads" in said
    assert "arger is better" in said


@each_scorer
@pytest.mark.parametrize("seed", range(6))
def test_random_evidence_is_scored_within_bounds(name, seed):
    rng = np.random.default_rng(seed)
    n, n_held = rng.integers(2, 40, size=2)
    sharp = 10.0 ** rng.uniform(-2, 1)
    table = rng.dirichlet(np.full(3, sharp), size=200)
    gathered = {
        "proba_target": table[:n],
        "proba_source": rng.dirichlet(np.full(3, sharp), size=n_held),
        "y_source": rng.choice(CLASSES, size=n_held),
        "classes": CLASSES,
        "losses_source": rng.exponential(size=n_held),
        "weights": rng.exponential(size=n_held),
        "features_target": rng.normal(size=(n, 4)),
        "predict_proba": lambda X: rng.dirichlet(np.full(3, sharp), size=len(X)),
    }
    value = score(name, gathered)
    assert isinstance(value, float)
    assert SCORERS[name].bounds[0] <= value <= SCORERS[name].bounds[1]
    assert np.isfinite(value)


@each_scorer
def test_sharp_and_right_beats_flat(name):
    good, poor = evidence("good"), evidence("flat")
    if name == "rankme":  # looks at the representation alone: one that tells no row from another
        poor["features_target"] = np.ones_like(poor["features_target"])
    if name == "snd":  # flat rows lie together, as collapsed ones do: rows that lie apart
        poor["proba_target"] = np.random.default_rng(0).dirichlet(np.ones(3), size=len(poor["proba_target"]))
    assert score(name, good) > score(name, poor)


@each_scorer
def test_a_collapsed_model_fools_those_that_say_so_and_no_other(name):
    fooled = score(name, evidence("collapsed")) >= score(name, evidence("good")) - 1e-12
    assert fooled == SCORERS[name].fooled_by_collapse


@each_scorer
def test_same_seed_same_value(name):
    assert score(name, evidence()) == score(name, evidence())


@each_scorer
def test_never_writes_to_the_arrays(name):
    gathered = evidence()
    for value in gathered.values():
        if isinstance(value, np.ndarray):
            value.setflags(write=False)
    score(name, gathered)


@each_scorer
def test_lists_and_float32_give_the_same(name):
    gathered = evidence()
    narrow = {
        word: value if callable(value) else value.tolist() if value.dtype.kind == "U" else value.astype(np.float32)
        for word, value in gathered.items()
    }
    assert score(name, narrow) == pytest.approx(score(name, gathered), abs=1e-4)


@each_scorer
def test_two_rows_give_a_value(name):
    assert np.isfinite(score(name, evidence(n_target=2, n_source=2)))


@each_scorer
def test_one_class_gives_a_value(name):
    n = 12
    gathered = evidence(n_target=n, n_source=n) | {
        "proba_target": np.ones((n, 1)),
        "proba_source": np.ones((n, 1)),
        "y_source": np.array(["ant"] * n),
        "classes": np.array(["ant"]),
        "predict_proba": lambda X: np.ones((len(X), 1)),
    }
    value = score(name, gathered)
    assert SCORERS[name].bounds[0] <= value <= SCORERS[name].bounds[1]


@needing("y_source")
@pytest.mark.parametrize("classes", [np.array([-1, 1, 7]), np.array([0.5, 1.5, 2.0]), np.array([1, "b", None], dtype=object)])
def test_labels_of_any_type_give_the_same(name, classes):
    gathered = evidence()
    codes = np.searchsorted(CLASSES, gathered["y_source"])
    named = gathered | {"classes": classes, "y_source": classes[codes]}
    assert score(name, named) == score(name, gathered)


@needing("y_source")
def test_the_order_of_columns_does_not_matter(name):
    gathered = evidence()
    turned = {word: gathered[word][:, ::-1] for word in ("proba_target", "proba_source")} | {"classes": CLASSES[::-1]}
    assert score(name, gathered | turned) == pytest.approx(score(name, gathered))


def bad(word, gathered):
    """Faults of one word of the evidence, each with what the sentence must say."""
    value = gathered[word]
    if word == "classes":
        return [
            (value[:2], "classes names 2"),
            (np.array(["ant", "ant", "bee"]), "2 different labels in 3"),
            ("ant", "dimension"),
        ]
    if word == "y_source":
        return [(np.append(value[:-1], "dog"), "'dog'"), (value[:-3], "labels but proba_source"), (value[:, None], "shape")]
    if word == "predict_proba":
        return [(None, "predict_proba"), (lambda X: np.full((len(X), 3), np.nan), "NaN"), (lambda X: np.eye(3), "rows")]
    broken = value.copy()
    broken.flat[1] = np.nan
    infinite = value.copy()
    infinite.flat[1] = np.inf
    cases = [
        (broken, f"{word} holds NaN"),
        (infinite, f"{word} holds NaN or infinite"),
        (np.full(value.shape, "x"), "no numbers"),
    ]
    if word.startswith("proba"):
        return [
            *cases,
            (10 * value, "sums to 10"),
            (value - 0.5, "between 0 and 1"),
            (value[:, 0], "shape"),
            (value[:0], "0 rows"),
        ]
    if word in ("losses_source", "weights"):
        return [*cases, (value - 9, f"{word} holds -"), (value[:-2], "give one weight a row"), (value[:, None], "shape")]
    return [*cases, (value[:1], "1 rows"), (value[:, :0], "0 columns"), (value[:, 0], "shape")]


@each_scorer
def test_bad_evidence_gets_a_sentence_that_names_it(name):
    scorer = SCORERS[name]
    for word in scorer.needs:
        for value, message in bad(word, evidence()):
            with pytest.raises((ValueError, TypeError), match=message) as caught:
                score(name, evidence() | {word: value})
            said = str(caught.value)
            assert word in said or (word == "predict_proba" and "predict_proba" in said)
            assert "\n" not in said


@needing("y_source")
def test_a_missing_label_is_refused(name):
    gathered = evidence()
    codes = np.searchsorted(CLASSES, gathered["y_source"]).astype(float)
    codes[4] = np.nan
    with pytest.raises(ValueError, match="y_source holds nan"):
        score(name, gathered | {"y_source": codes, "classes": [0, 1, 2]})


@needing("proba_source")
def test_other_classes_in_source_and_target_are_refused(name):
    gathered = evidence()
    with pytest.raises(ValueError, match="proba_source has 2 columns but proba_target has 3"):
        score(name, gathered | {"proba_source": np.full((60, 2), 0.5)})


@needing("weights")
def test_weights_that_are_all_zero_are_refused(name):
    with pytest.raises(ValueError, match="weights are all 0"):
        score(name, evidence() | {"weights": np.zeros(60)})


def test_what_no_service_gathers_cannot_be_required():
    from sterna.select._facts import scorer_facts

    facts = scorer_facts(tasks=("classification",), bounds=(0.0, 1.0), reference="-", fooled_by_collapse=False)
    with pytest.raises(TypeError, match="colour, which no service gathers"):

        @facts
        def odd(colour):
            return 0.0
