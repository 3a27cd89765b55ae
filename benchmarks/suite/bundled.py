"""Evaluation tasks on data that come with scikit-learn: shifts made on digits, breast cancer, wine and diabetes, of all kinds."""

from __future__ import annotations

from functools import cache, lru_cache, partial

import numpy as np
import parts as p
from parts import Task
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine

SETS = {
    "digits": (load_digits, "classification"),
    "cancer": (load_breast_cancer, "classification"),
    "wine": (load_wine, "classification"),
    "diabetes": (partial(load_diabetes, scaled=False), "regression"),
}


@cache
def rows(name):
    X, y = SETS[name][0](return_X_y=True)
    return X.astype(float), y.astype(int if SETS[name][1] == "classification" else float)


@lru_cache(maxsize=64)
def made(title, n_source, seed, **shift):
    """Parts of a set with a shift made; the set's name is the first word of the title."""
    name = title.split(":")[0]
    cut = p.several if "sources" in shift else p.shifted
    return cut(SETS[name][1], *rows(name), p.generator(title, seed), n_source, **shift)


@lru_cache(maxsize=16)
def by_stroke(title, n_source, seed):
    """Digits, the three tenths with the boldest strokes as the target."""
    X, y = rows("digits")
    bold = X.sum(axis=1) > np.quantile(X.sum(axis=1), 0.7)
    return p.cut("classification", {"ordinary": (X[~bold], y[~bold])}, (X[bold], y[bold]), p.generator(title, seed), n_source)


@lru_cache(maxsize=16)
def by_age(title, n_source, seed):
    """Diabetes, patients of 55 years and older as the target."""
    X, y = rows("diabetes")
    old = X[:, 0] >= 55
    return p.cut("regression", {"under 55": (X[~old], y[~old])}, (X[old], y[old]), p.generator(title, seed), n_source)


def task(title, n_source, budgets=(0, 20, 100), load=made, **shift):
    name = title.split(":")[0]
    return Task(title, name, SETS[name][1], budgets, partial(load, title, n_source, **shift))


def bundled_tasks():
    low = (0, 20)
    return [
        task("digits: turned by 15 degrees", 400, target=partial(p.turned, degrees=15)),
        task("digits: turned by 45 degrees", 400, target=partial(p.turned, degrees=45)),
        task("digits: turned by 30 degrees, 100 source rows", 100, target=partial(p.turned, degrees=30)),
        task("digits: blurred", 400, target=p.blurred),
        task("digits: low contrast", 400, target=partial(p.contrast, factor=0.4, offset=4.0)),
        task("digits: noise", 400, target=partial(p.noisy, size=0.8)),
        task("digits: bold strokes", 600, load=by_stroke),
        task("digits: dead pixels", 400, target=partial(p.dead_columns, share=0.25)),
        task("digits: label shift, 100 source rows", 100, choice=partial(p.by_label, strength=2.5)),
        task(
            "digits: turned by 20 degrees, five classes absent",
            200,
            target=partial(p.in_order, steps=(partial(p.without, classes=(1, 3, 5, 7, 9)), partial(p.turned, degrees=20))),
        ),
        task("digits: two classes swapped", 300, target=partial(p.swapped, first=3, second=8)),
        task("digits: no shift, 60 source rows", 60),
        task("digits: unrelated source", 300, source=p.unrelated),
        task(
            "digits: three sources turned by 0, 30 and 60 degrees",
            150,
            target=partial(p.turned, degrees=-15),
            sources=(p.unchanged, partial(p.turned, degrees=30), partial(p.turned, degrees=60)),
        ),
        task("cancer: covariate shift", 200, choice=partial(p.along_axis, strength=1.5)),
        task("cancer: label shift", 150, choice=partial(p.by_label, strength=3.0)),
        task("cancer: columns moved and scaled", 200, target=p.moved),
        task("cancer: space turned", 200, target=p.turned_space),
        task("cancer: columns mirrored", 200, target=p.mirrored),
        task("cancer: concept changed in part", 200, target=partial(p.changed_in_part, share=0.2)),
        task("cancer: missing support", 150, choice=partial(p.beyond, share=0.5)),
        task("cancer: noise columns, 40 source rows", 40, target=partial(p.noisy_columns, share=0.5)),
        task("cancer: no shift, 30 source rows", 30),
        task("cancer: unrelated source", 200, source=p.unrelated),
        task("cancer: a related and an unrelated source", 100, target=p.moved, sources=(p.unchanged, p.unrelated)),
        task("wine: label shift", 60, low, choice=partial(p.by_label, strength=4.0)),
        task("wine: columns bent", 60, low, target=p.bent),
        task(
            "wine: columns moved, a class absent",
            50,
            low,
            target=partial(p.in_order, steps=(partial(p.without, classes=(2,)), p.moved)),
        ),
        task("diabetes: patients of 55 and older", 280, low, load=by_age),
        task("diabetes: covariate shift", 150, choice=partial(p.along_axis, strength=1.5)),
        task("diabetes: label shift", 150, choice=partial(p.by_label, strength=1.5)),
        task("diabetes: columns moved and scaled", 150, target=p.moved),
        task("diabetes: columns mirrored", 150, target=partial(p.mirrored, share=0.5)),
        task("diabetes: concept changed in part", 150, target=p.changed_in_part),
        task("diabetes: missing support", 150, choice=p.beyond),
        task("diabetes: dead columns", 150, target=p.dead_columns),
        task("diabetes: no shift, 40 source rows", 40),
        task("diabetes: unrelated source", 150, source=p.unrelated),
    ]
