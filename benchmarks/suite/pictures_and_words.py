"""Development tasks of pictures (frozen networks, pixels) and of words, found in the folder that STERNA_DATA names."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial

import numpy as np
import pandas as pd
import parts as p
from parts import Task
from scipy.ndimage import gaussian_filter, grey_dilation, rotate
from shared import DATA
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from sterna.encoders import ImageEncoder

#: The superclass of each class of CIFAR-100, in the order of the class names (Krizhevsky 2009).
SUPERCLASS = np.fromstring(
    "4 1 14 8 0 6 7 7 18 3 3 14 9 18 7 11 3 9 7 11 6 11 5 10 7 6 13 15 3 15 0 11 1 10 12 14 16 9 11 5 5 19 8 8 15 13 14 17 18 10 "
    "16 4 17 4 2 0 17 4 18 17 10 3 2 12 12 16 12 1 9 19 2 10 0 1 16 12 9 13 15 13 16 19 2 4 6 19 5 5 8 19 18 1 2 15 6 0 17 8 14 13",
    dtype=int,
    sep=" ",
)


def noisy(X, rng):
    return X + 30 * rng.normal(size=X.shape)


def flat(X, rng):
    middle = X.mean(axis=(1, 2, 3), keepdims=True)
    return 0.3 * (X - middle) + middle


def blurred(X, rng):
    return gaussian_filter(X, (0, 1.2, 1.2, 0))


def dark(X, rng):
    return 0.25 * X


def grey(X, rng):
    return np.repeat(X.mean(axis=3, keepdims=True), 3, axis=3)


def bold(X, rng):
    return grey_dilation(X, (1, 3, 3))


def turned(X, rng):
    return rotate(X, 20, axes=(1, 2), reshape=False)


def pictures(folder):
    with np.load(DATA / folder / f"{folder}_subset.npz") as held:
        return [np.concatenate([held[f"train_{part}"], held[f"test_{part}"]]).astype(float) for part in "Xy"]


def seen(X):
    """As a ResNet-20 of CIFAR-10 sees them, shape (n, 64)."""
    weights = DATA / "cifar_resnets" / "resnet20_cifar10.pt"
    rows = list(np.clip(X, 0, 255).round().astype(np.uint8))
    return ImageEncoder("cifar_resnet20", str(weights)).fit_transform(rows).astype(float)


@lru_cache(maxsize=32)
def photos(change, seed):
    """CIFAR-10 as the network was trained on it, and changed."""
    X, y = pictures("cifar10")
    return p.shifted(
        "classification",
        X,
        y.astype(int),
        p.generator(f"photos {change.__name__}", seed),
        300,
        source=lambda X, y, rng: (seen(X), y),
        target=lambda X, y, rng: (seen(change(X, rng)), y),
    )


@lru_cache(maxsize=32)
def superclasses(n, seed):
    """Superclasses of CIFAR-100 by three of their classes, in the target by the two others."""
    X, y = pictures("cifar100")
    rng, group = p.generator(f"superclasses {n}", seed), SUPERCLASS[y.astype(int)]
    kept = rng.permutation(20)[:n]
    known = np.concatenate([rng.permutation(np.flatnonzero(k == SUPERCLASS))[:3] for k in kept])
    here = np.isin(y, known)
    there = np.isin(group, kept) & ~here
    return p.cut("classification", {"known": (seen(X[here]), group[here])}, (seen(X[there]), group[there]), rng)


@lru_cache(maxsize=32)
def characters(change, seed):
    """Ten characters of an alphabet at 14 x 14 pixels; other people drew the target's, which are changed."""
    rng = p.generator(f"characters {change.__name__}", seed)
    with np.load(DATA / "omniglot" / "omniglot28.npz") as held:
        images, character, drawer, alphabet = (held[name] for name in ("images", "character", "drawer", "alphabet"))
    names = np.unique(character[alphabet == rng.integers(alphabet.max() + 1)])
    kept = np.isin(character, rng.permutation(names)[:10])
    X, y, here = images[kept].astype(float), character[kept].astype(int), drawer[kept] <= 8

    def small(Z):
        return np.clip(Z, 0, 255).reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(len(Z), -1)

    return p.cut("classification", {"some": (small(X[here]), y[here])}, (small(change(X[~here], rng)), y[~here]), rng)


@lru_cache(maxsize=32)
def opinions(source, target, seed):
    """Sentiment of short texts by 100 latent topics of their words, which both domains taught."""
    table = pd.read_parquet(DATA / "sentence_classification" / "sentence_classification.parquet")
    found = [table[table["dataset"] == name] for name in (source, target)]
    (X, y), there = [(part["text"].to_numpy(), part["label"].to_numpy().astype(int)) for part in found]
    parts = p.cut("classification", {source: (X, y)}, there, p.generator(f"opinions {source} {target}", seed), 600)
    texts, y = parts.sources[source]
    topics = make_pipeline(TfidfVectorizer(sublinear_tf=True, min_df=2), TruncatedSVD(100, random_state=0), Normalizer())
    topics.fit([*texts, *parts.X_adapt])
    X, X_adapt, X_test = (topics.transform(part) for part in (texts, parts.X_adapt, parts.X_test))
    return replace(parts, sources={source: (X, y)}, X_adapt=X_adapt, X_test=X_test)


def picture_and_word_tasks() -> list[Task]:
    """Those whose data are there; labels are few, as these are for the choice without any."""
    found = {
        "cifar_resnets": [
            (f"cifar10: {change.__name__}", partial(photos, change)) for change in (noisy, flat, blurred, dark, grey)
        ],
        "cifar100": [(f"cifar100: other classes of {n} superclasses", partial(superclasses, n)) for n in (4, 8, 20)],
        "omniglot": [(f"omniglot: ten characters {change.__name__}", partial(characters, change)) for change in (bold, turned)],
        "sentence_classification": [
            (f"sentences: {source} -> {target}", partial(opinions, source, target))
            for source, target in (("mr", "cr"), ("cr", "mpqa"), ("mpqa", "mr"))
        ],
    }
    return [
        Task(title, "pictures and words", "classification", (0, 20), load)
        for folder, tasks in found.items()
        if (DATA / folder).is_dir()
        for title, load in tasks
    ]
