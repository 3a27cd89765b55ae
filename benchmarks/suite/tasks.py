"""The tasks of the suite: `all_tasks` to judge on, `development_tasks` to design with; the two share no data."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import lru_cache, partial

import numpy as np
import pandas as pd
import parts as p
from bundled import bundled_tasks
from parts import Parts, Task
from pictures_and_words import picture_and_word_tasks
from shared import DATA, shared_tasks
from sklearn import datasets as made
from sklearn.feature_extraction.text import CountVectorizer

import sterna

__all__ = ["Parts", "Task", "all_tasks", "development_tasks", "domains_of"]

SETS = {
    "two classes": partial(made.make_classification, n_features=20, n_informative=6, n_redundant=4, class_sep=1.2, flip_y=0.05),
    "five classes": partial(made.make_classification, n_features=40, n_informative=12, n_classes=5, n_clusters_per_class=1),
    "moons": partial(made.make_moons, noise=0.25),
    "blobs": partial(made.make_blobs, n_features=6, centers=6, cluster_std=4.0),
    "linear": partial(made.make_regression, n_features=15, n_informative=6, noise=40.0),
    "friedman1": partial(made.make_friedman1, n_features=8, noise=1.0),
    "friedman2": partial(made.make_friedman2, noise=60.0),
    "friedman3": partial(made.make_friedman3, noise=0.1),
}
TOPICS = (
    *("banking", "travel", "kitchen_and_dining", "home"),
    *("credit_cards", "work", "auto_and_commute", "utility", "small_talk", "meta"),
)
QUANTITIES = ("linear", "friedman1", "friedman2", "friedman3")


def all_tasks() -> list[Task]:
    """Evaluation tasks; those on data that are not there are left out, with a line that says so."""
    return bundled_tasks() + shared_tasks()


def domains_of(task: Task, parts: Parts, n_labels: int) -> sterna.Domains:
    """The sources and the target, of which the first `n_labels` rows show their labels."""
    labels = np.full(len(parts.y_adapt), None, dtype=object)
    labels[:n_labels] = parts.y_adapt[:n_labels].tolist()
    return sterna.Domains(parts.sources, {"target": (parts.X_adapt, labels if n_labels else None)}, task=task.kind)


@lru_cache(maxsize=16)
def generated(title, n_source, n_target, seed, **shift):
    """Parts of a generated set with a shift made; the set's name is the first word or two of the title."""
    name, rng = title.split(":")[0], p.generator(title, seed)
    X, y = SETS[name](n_samples=n_source + n_target, random_state=int(rng.integers(2**31)))
    kind = "regression" if name in QUANTITIES else "classification"
    cut = p.several if "sources" in shift else p.shifted
    return cut(kind, X, y.astype(float if kind == "regression" else int), rng, n_source, **shift)


def task(title, n_source, n_target=1400, **shift):
    kind = "regression" if title.split(":")[0] in QUANTITIES else "classification"
    budgets = (0, 20, 100) if n_target >= 300 else (0, 20)
    return Task(title, "generated", kind, budgets, partial(generated, title, n_source, n_target, **shift))


@lru_cache(maxsize=8)
def of_skada(kind, shift, seed):
    """One of the four shifts that skada makes, in the plane."""
    from skada.datasets import make_shifted_datasets

    label = "regression" if kind == "regression" else "binary"
    state = int(p.generator(f"skada {shift} {kind}", seed).integers(2**31))
    X, y, codes = make_shifted_datasets(50, 100, shift, noise=0.4, label=label, random_state=state)
    y = y.astype(float if kind == "regression" else int)
    rng = p.generator(shift, seed)
    return p.cut(kind, {"source": (X[codes > 0], y[codes > 0])}, (X[codes < 0], y[codes < 0]), rng)


def skada_tasks():
    kinds = [("classification", s) for s in ("covariate_shift", "target_shift", "conditional_shift", "subspace")]
    kinds += [("regression", "covariate_shift"), ("regression", "conditional_shift")]
    return [Task(f"skada: {s}, {k}", "skada", k, (0, 20, 100), partial(of_skada, k, s)) for k, s in kinds]


@lru_cache(maxsize=8)
def intents(topics, seed):
    """Topics of requests by words: half of all intents in the source, the others in the target.

    Whether the 300 most frequent words of the source and of the target rows to learn from stand in a request.
    """
    table = pd.read_parquet(DATA / "clinc150" / "clinc150.parquet")
    table = table[table["domain"].isin(topics)]
    texts, y = table["text"].to_numpy(dtype=object), np.searchsorted(sorted(topics), table["domain"])
    names, intent = np.unique(table["intent"], return_inverse=True)
    rng = p.generator(" ".join(topics), seed)
    there = (rng.permutation(len(names)) < len(names) / 2)[intent]
    parts = p.cut("classification", {"some": (texts[~there], y[~there])}, (texts[there], y[there]), rng)
    texts, y = parts.sources["some"]
    words = CountVectorizer(max_features=300, binary=True, dtype=float).fit([*texts, *parts.X_adapt])
    X, X_adapt, X_test = (words.transform(part).toarray() for part in (texts, parts.X_adapt, parts.X_test))
    return replace(parts, sources={"some": (X, y)}, X_adapt=X_adapt, X_test=X_test)


@lru_cache(maxsize=8)
def colours(seed):
    """Aeroplanes, birds and frogs by the mean colours of 4 x 4 fields; the target's pictures are half grey and darker."""
    with np.load(DATA / "cifar10" / "cifar10_subset.npz") as held:
        X, y = np.concatenate([held["train_X"], held["test_X"]]) / 255.0, np.concatenate([held["train_y"], held["test_y"]])
    kept = np.isin(y, (0, 2, 6))
    X, y = X[kept].reshape(-1, 4, 8, 4, 8, 3).mean(axis=(2, 4)), y[kept].astype(int)

    def faded(X, y, rng):
        pictures = X.reshape(len(X), 16, 3)
        return (0.35 * (pictures + pictures.mean(axis=2, keepdims=True))).reshape(X.shape), y

    return p.shifted("classification", X.reshape(len(X), -1), y, p.generator("colours", seed), 300, target=faded)


@lru_cache(maxsize=8)
def alphabets(seed):
    """Four alphabets told apart by single characters at 7 x 7 pixels; the target's are turned by 20 degrees."""
    with np.load(DATA / "omniglot" / "omniglot28.npz") as held:
        images, y = held["images"], held["alphabet"].astype(int)
    kept = np.isin(y, (0, 1, 2, 3))
    X = images[kept].reshape(-1, 7, 4, 7, 4).mean(axis=(2, 4)).reshape(-1, 49) / 255.0
    rng = p.generator("alphabets", seed)
    return p.shifted("classification", X, y[kept], rng, 600, target=partial(p.turned, degrees=20))


def shared_development_tasks():
    found = {
        "clinc150": [
            ("clinc150: other intents of 4 topics", partial(intents, TOPICS[:4])),
            ("clinc150: other intents of 10 topics", partial(intents, TOPICS)),
        ],
        "cifar10": [("cifar10: faded colours", colours)],
        "omniglot": [("omniglot: alphabets turned by 20 degrees", alphabets)],
    }
    there = [folder for folder in found if "STERNA_DATA" in os.environ and (DATA / folder).is_dir()]
    if len(there) < len(found):
        print(f"no tasks of {', '.join(f for f in found if f not in there)}: STERNA_DATA names no folder that holds them")
    return [Task(title, "shared", "classification", (0, 20, 100), load) for folder in there for title, load in found[folder]]


def development_tasks() -> list[Task]:
    """Tasks for designing: generated sets with shifts of all kinds, skada's shifts, and real sets that are not judged on."""
    generated_ones = [
        task("two classes: covariate shift", 300, choice=partial(p.along_axis, strength=1.5)),
        task("two classes: label shift", 200, choice=partial(p.by_label, strength=3.0)),
        task("two classes: columns moved and scaled", 300, target=p.moved),
        task("two classes: columns mirrored", 300, target=p.mirrored),
        task("two classes: concept changed in part", 300, target=p.changed_in_part),
        task("two classes: no shift, 30 source rows", 30),
        task("two classes: unrelated source", 200, source=p.unrelated),
        task("five classes: space turned", 500, target=partial(p.turned_space, angle=0.1)),
        task("five classes: missing support", 400, choice=p.beyond),
        task("five classes: noise columns", 200, target=p.noisy_columns),
        task("five classes: a related and an unrelated source", 200, 1600, target=p.moved, sources=(p.unchanged, p.unrelated)),
        task("moons: plane turned", 150, target=partial(p.turned_space, angle=0.4)),
        task("moons: no shift", 100, 150),
        task(
            "blobs: columns moved, two classes absent",
            300,
            target=partial(p.in_order, steps=(partial(p.without, classes=(1, 4)), partial(p.moved, shift=0.5, scale=0.3))),
        ),
        task("blobs: label shift", 100, 200, choice=partial(p.by_label, strength=2.5)),
        task("linear: columns mirrored", 200, target=partial(p.mirrored, share=0.2)),
        task("linear: concept changed in part", 200, target=p.changed_in_part),
        task("linear: unrelated source", 200, source=p.unrelated),
        task("friedman1: columns moved and scaled", 300, target=p.moved),
        task("friedman1: no shift, 30 source rows", 30),
        task("friedman2: label shift", 150, choice=partial(p.by_label, strength=1.5)),
        task("friedman2: dead column", 100, 150, target=p.dead_columns),
        task(
            "friedman3: three sources, two of them mirrored",
            100,
            1600,
            target=p.moved,
            sources=(p.unchanged, p.mirrored, p.mirrored),
        ),
        task("friedman3: missing support", 200, choice=p.beyond),
    ]
    return generated_ones + skada_tasks() + shared_development_tasks() + picture_and_word_tasks()
