"""Evaluation tasks on real pairs of domains, found in the folder that STERNA_DATA names."""

from __future__ import annotations

import io
import os
from functools import cache, lru_cache, partial
from itertools import pairwise, permutations
from pathlib import Path

import numpy as np
import pandas as pd
from parts import Task, cut, generator
from PIL import Image
from scipy import sparse
from scipy.ndimage import zoom

from sterna.encoders import AudioEncoder, ImageEncoder

DATA = Path(os.environ.get("STERNA_DATA", "data"))
ALL, LOW = (0, 20, 100), (0, 20)
REGIONS = ("INLAND", "<1H OCEAN", "NEAR OCEAN", "NEAR BAY")
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
BACKBONE = "mobilenetv2_100?pad_type=same&mean=0.5&std=0.5&image_size=96"  # as the weights' provenance says
AMAZON = (
    ("books", "dvd"),
    ("dvd", "electronics"),
    ("electronics", "kitchen"),
    ("kitchen", "books"),
    ("books", "electronics"),
    ("kitchen", "dvd"),
)
BIKE = {
    "2011 -> 2012": ("yr", (0,), 1),
    "other seasons -> winter": ("season", (2, 3, 4), 1),
    "dry hours -> rain and snow": ("weathersit", (1, 2), 3),
}


@cache
def surf_domain(name):
    """Histograms over their sum."""
    with np.load(DATA / "office_caltech10_surf" / "surf_l10_raw.npz") as held:
        X, y = held[f"{name}_X"].astype(float), held[f"{name}_y"].astype(int)
    return X / X.sum(axis=1, keepdims=True), y


@lru_cache(maxsize=24)
def surf(source, target, seed):
    rng = generator(f"surf {source} {target}", seed)
    return cut("classification", {source: surf_domain(source)}, surf_domain(target), rng)


def surf_tasks():
    names = ("caltech", "amazon", "webcam", "dslr")
    return [
        Task(f"surf: {s} -> {t}", "surf", "classification", LOW if t == "dslr" else ALL, partial(surf, s, t))
        for s, t in permutations(names, 2)
    ]


@cache
def digit_domain(name):
    """Ten thousand MNIST digits, cut to their inner 20 x 20 pixels as USPS is, or all of USPS; at 8 x 8 pixels from 0 to 1."""
    with np.load(DATA / name / f"{name}.npz") as held:
        y = held["train_y"].astype(int)[:10000]
        if name == "mnist":
            X = zoom(held["train_X"][:10000, 4:24, 4:24].astype(float) / 255, (1, 0.8, 0.8), order=1)
        else:
            X = (held["train_X"].astype(float) / 1000 + 1) / 2
    return X.reshape(-1, 8, 2, 8, 2).mean(axis=(2, 4)).reshape(-1, 64), y


@lru_cache(maxsize=16)
def digits(source, target, n_source, seed):
    rng = generator(f"digits {source} {n_source}", seed)
    return cut("classification", {source: digit_domain(source)}, digit_domain(target), rng, n_source)


def digits_tasks():
    return [
        Task(f"handwriting: {s} -> {t}, {n} source rows", "handwriting", "classification", ALL, partial(digits, s, t, n))
        for s, t in permutations(("mnist", "usps"))
        for n in (200, 800)
    ]


@lru_cache(maxsize=16)
def bike(title, seed):
    """Rentals an hour; the column that cuts is left out."""
    column, sources, target = BIKE[title]
    table = pd.read_parquet(DATA / "tabular_shift" / "bike_hour.parquet")
    X = table.drop(columns=["instant", "dteday", "casual", "registered", "cnt", column])
    y, where = table["cnt"].to_numpy(float), table[column].to_numpy()
    found = {f"{column} {k}": (X[where == k], y[where == k]) for k in sources}
    return cut("regression", found, (X[where == target], y[where == target]), generator(title, seed))


def bike_tasks():
    return [Task(f"bike: {title}", "bike", "regression", ALL, partial(bike, title)) for title in BIKE]


@lru_cache(maxsize=16)
def california(target, seed):
    """House values in thousands; the other regions are three sources."""
    table = pd.read_parquet(DATA / "tabular_shift" / "california_housing.parquet")
    X, y = table.drop(columns=["median_house_value", "ocean_proximity"]), table["median_house_value"].to_numpy() / 1000
    found = {
        region: (X[where], y[where]) for region in REGIONS if (where := (table["ocean_proximity"] == region).to_numpy()).any()
    }
    return cut("regression", {k: v for k, v in found.items() if k != target}, found[target], generator(target, seed))


def california_tasks():
    return [Task(f"california: others -> {r}", "california", "regression", ALL, partial(california, r)) for r in REGIONS]


@cache
def reviews(name, part):
    """Words and word pairs as 0/1, sparse of shape (n, 5000), and labels."""
    with np.load(DATA / "amazon_msda" / "amazon_msda5000.npz") as held:
        columns, starts = (held[f"{name}_{part}_{key}"].astype(np.int32) for key in ("indices", "indptr"))
        y = held[f"{name}_{part}_y"].astype(int)
    return sparse.csr_array((np.ones(len(columns)), columns, starts), shape=(len(y), 5000)), y


@lru_cache(maxsize=16)
def amazon(source, target, seed):
    """The 400 words that are in the most of the training reviews of both domains; judged on the target's other file."""
    frequent = np.argsort(-(reviews(source, "train")[0].sum(axis=0) + reviews(target, "train")[0].sum(axis=0)), kind="stable")
    read = {key: (X[:, frequent[:400]].toarray(), y) for key, (X, y) in _three(source, target).items()}
    rng = generator(f"amazon {source} {target}", seed)
    return cut("classification", {source: read["source"]}, read["target"], rng, test=read["test"])


def _three(source, target):
    return {"source": reviews(source, "train"), "target": reviews(target, "train"), "test": reviews(target, "test")}


def amazon_tasks():
    return [Task(f"amazon: {s} -> {t}", "amazon", "classification", ALL, partial(amazon, s, t)) for s, t in AMAZON]


@lru_cache(maxsize=16)
def corn(source, target, seed):
    """Moisture by 175 means of four wavelengths; 40 samples are measured on both instruments, the other 40 on the target's are judged."""
    with np.load(DATA / "corn_nir" / "corn_nir.npz") as held:
        own, other = (held[name].astype(float).reshape(80, 175, 4).mean(axis=2) for name in (source, target))
        y = held["Y"][:, 0].astype(float)
    rng = generator(f"corn {source} {target}", seed)
    order = rng.permutation(80)
    seen, judged = order[:40], order[40:]
    return cut("regression", {source: (own[seen], y[seen])}, (other[seen], y[seen]), rng, test=(other[judged], y[judged]))


def corn_tasks():
    pairs = permutations(("m5", "mp5", "mp6"), 2)
    return [Task(f"corn: {s} -> {t}", "corn", "regression", LOW, partial(corn, s, t)) for s, t in pairs]


@lru_cache(maxsize=16)
def school(k, seed):
    """The k-th largest school, 0 to 3; the ten that come after the fourth are ten sources."""
    with np.load(DATA / "school_mtl" / "school.npz") as held:
        X, y, school = held["X"].astype(float), held["y"].astype(float), held["task"]
    by_size = np.argsort(-np.bincount(school), kind="stable")
    found = {f"school {i}": (X[school == i], y[school == i]) for i in by_size[4:14]}
    own = school == by_size[k]
    return cut("regression", found, (X[own], y[own]), generator(f"school {k}", seed))


def school_tasks():
    return [Task(f"school: others -> {k + 1}", "school", "regression", ALL, partial(school, k)) for k in range(4)]


@cache
def spoken():
    """Log-mel statistics of 3000 clips, digits and speakers."""
    with np.load(DATA / "fsdd" / "fsdd.npz") as held:
        audio, offset = held["audio"], held["offset"]  # each access reads the file again
        y, speaker = held["digit"].astype(int), held["speaker_names"][held["speaker"]]
    clips = [(audio[a:b], 8000) for a, b in pairwise(offset)]
    return AudioEncoder("log-mel", sampling_rate=8000).fit_transform(clips).astype(float), y, speaker


@lru_cache(maxsize=16)
def speakers(target, seed):
    X, y, speaker = spoken()
    found = {name: (X[speaker == name], y[speaker == name]) for name in SPEAKERS}
    own = found.pop(target)
    return cut("classification", found, own, generator(f"fsdd {target}", seed))


def speakers_tasks():
    return [Task(f"fsdd: others -> {name}", "fsdd", "classification", ALL, partial(speakers, name)) for name in SPEAKERS]


@cache
def photos(domain):
    """Features of a frozen MobileNetV2, shape (n, 1280); the second time they come from the encoder's cache."""
    with np.load(DATA / "pacs" / f"pacs96_{domain}.npz") as held:
        offset, content, y = held["offset"], held["jpeg"], held["y"].astype(int)
    rows = np.empty(len(y), dtype=object)
    for i, (a, b) in enumerate(pairwise(offset)):
        rows[i] = np.asarray(Image.open(io.BytesIO(content[a:b].tobytes())).convert("RGB"))
    weights = str(DATA / "imagenet_weights" / "mobilenetv2_100_timm.pt")
    return ImageEncoder(BACKBONE, weights).fit_transform(rows).astype(float), y


@lru_cache(maxsize=8)
def pacs(source, target, seed):
    rng = generator(f"pacs {source}", seed)
    return cut("classification", {source: photos(source)}, photos(target), rng)


def pacs_tasks():
    pairs = permutations(("photo", "art_painting"))
    return [Task(f"pacs: {s} -> {t}", "pacs", "classification", ALL, partial(pacs, s, t)) for s, t in pairs]


FOLDERS = {
    "office_caltech10_surf": surf_tasks,
    "amazon_msda": amazon_tasks,
    "mnist": digits_tasks,
    "corn_nir": corn_tasks,
    "tabular_shift": lambda: bike_tasks() + california_tasks(),
    "school_mtl": school_tasks,
    "fsdd": speakers_tasks,
    "pacs": pacs_tasks,
}


def shared_tasks():
    """The tasks whose data are there."""
    if "STERNA_DATA" not in os.environ:
        print(f"STERNA_DATA is not set: no tasks of {', '.join(FOLDERS)}")
        return []
    found = []
    for folder, tasks in FOLDERS.items():
        if (DATA / folder).is_dir():
            found += tasks()
        else:
            print(f"{DATA / folder} does not exist: no tasks of it")
    return found
