"""Is the kind of shift named right? Made shifts of a known kind: skada's `make_shifted_datasets`, and real rows shifted in one way.

Named right: the first kind that `measure` names is the one that was made. Exactly: it is the only one named (beside missing support:
covariate shift, which it is). Without target labels some kinds cannot be told apart, whatever the test: a concept that changed while the
features did not leaves no trace, a turned subspace or another scale looks like other features, new classes like other rows.
The kinds of real rows are made so, of two halves drawn at random (so no row is in both domains):

* none: nothing else is done.
* covariate: target rows are drawn with odds exp(1.5 z), where z is the place along one of the first three principal axes.
* label: target rows are drawn so that half of the classes are eight times rarer (of numbers: the upper half of them).
* concept: where another axis is positive, a label becomes the next class's (a number grows by a standard deviation, else falls by one).
* scale: each column of the target is multiplied by exp(u) and moved by v standard deviations, u and v uniform in -1 to 1.
* subspace: the first, fourth, seventh ... principal axes are turned round and moved by a standard deviation; the domains agree on the others.
* support: of rows beyond the middle of an axis the source has none, and the target nine in ten.
* partial: the target lacks half of the classes. open: the source does.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from sterna import Domains
from sterna.measures import measure

RESULTS = Path(__file__).parent / "results"
#: What skada's names are in ours: its conditional shift moves and shrinks all columns, whatever the class.
SKADA = {"covariate_shift": "covariate", "target_shift": "label", "conditional_shift": "scale", "subspace": "subspace"}
MADE = {kind: kind for kind in ("none", "covariate", "label", "concept", "scale", "subspace", "support")}
MADE |= {"partial": "classes", "open": "classes"}
MAX_ROWS = 500


def wilson(k, n, z=1.96):
    """Wilson's interval of a share of k in n."""
    centre, half = k / n + z**2 / (2 * n), z * np.sqrt(k / n * (1 - k / n) / n + z**2 / (4 * n**2))
    return max(0.0, (centre - half) / (1 + z**2 / n)), (centre + half) / (1 + z**2 / n)


def skada_domains(shift, seed, labelled, n=20, noise=0.3, label="binary"):
    from skada.datasets import make_shifted_datasets

    X, y, domain = make_shifted_datasets(
        n_samples_source=n, n_samples_target=n, shift=shift, noise=noise, label=label, random_state=seed, return_X_y=True
    )
    source = domain > 0
    return domains_of(X[source], y[source], X[~source], y[~source], label != "regression", labelled)


def domains_of(Xs, ys, Xt, yt, classes, labelled):
    task = "classification" if classes else "regression"
    ys, yt = (y.astype(int) if classes else y.astype(float) for y in (ys, yt))
    return Domains(source={"s": (Xs, ys)}, target={"t": (Xt, yt if labelled else None)}, task=task)


def drawn(rng, chance, n):
    return rng.choice(len(chance), min(n, np.count_nonzero(chance)), replace=False, p=chance / chance.sum())


def made_domains(X, y, kind, seed, labelled, classes):
    """Two halves of the rows, one of them shifted; None where this kind cannot be made of these rows."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(X))[: 2 * MAX_ROWS]
    X, y = X[rows], np.unique(y[rows], return_inverse=True)[1] if classes else y[rows]
    scaler = StandardScaler().fit(X)
    pca = PCA(random_state=0).fit(scaler.transform(X))
    axes = StandardScaler().fit_transform(pca.transform(scaler.transform(X)))
    half = len(X) // 2
    s, t = np.arange(half), np.arange(half, len(X))
    axis = axes[:, rng.integers(min(3, axes.shape[1]))] * rng.choice([-1, 1])
    if kind == "covariate":
        t = t[drawn(rng, np.exp(1.5 * axis[t]), half // 2)]
    elif kind == "label":
        t = t[drawn(rng, np.where(np.isin(y[t], upper(y, rng)) if classes else y[t] > np.median(y), 1.0, 1 / 8), half // 2)]
    elif kind == "support":
        s, inside = s[axis[s] <= np.median(axis)], t[axis[t] <= np.median(axis)]
        t = t[axis[t] > np.median(axis)]
        t = np.concatenate([t, inside[: len(t) // 9]])
    elif kind in ("partial", "open"):
        if not classes:
            return None
        kept = upper(y, rng)
        s, t = (s, t[np.isin(y[t], kept)]) if kind == "partial" else (s[np.isin(y[s], kept)], t)
        if kind == "open" and len(kept) < 2:
            return None
    Xs, ys, Xt, yt = X[s], y[s], X[t], y[t]
    if kind == "concept":
        side = np.where(axis[t] > 0, 1, -1)
        yt = np.where(side > 0, (yt + 1) % (y.max() + 1), yt) if classes else yt + y.std() * side
    elif kind == "scale":
        u, v = rng.uniform(-1, 1, (2, X.shape[1]))
        Xt = Xt * np.exp(u) + v * X.std(axis=0)
    elif kind == "subspace":
        turned = pca.components_[::3]
        places = scaler.transform(Xt) @ turned.T
        moved = -places + places.std(axis=0)
        Xt = scaler.inverse_transform(scaler.transform(Xt) + (moved - places) @ turned)
    return domains_of(Xs, ys, Xt, yt, classes, labelled)


def upper(y, rng):
    """Half of the classes, drawn, at least one."""
    classes = np.unique(y)
    return rng.permutation(classes)[: (len(classes) + 1) // 2]


def data_sets():
    """Name, rows, labels, and whether they are classes."""
    for name, load in (("digits", load_digits), ("breast cancer", load_breast_cancer), ("wine", load_wine)):
        X, y = load(return_X_y=True)
        yield name, X[:, X.std(axis=0) > 0], y, True
    folder = Path(os.environ.get("STERNA_DATA", "")) / "tabular_shift"
    if not folder.is_dir():
        print("STERNA_DATA names no folder with tabular_shift; the sets of it are left out")
        return
    import pandas as pd

    houses = pd.read_parquet(folder / "california_housing.parquet").select_dtypes("number").dropna()
    label = "MedHouseVal" if "MedHouseVal" in houses else "median_house_value"
    yield "california", houses.drop(columns=label).to_numpy(float), np.log(houses[label].to_numpy(float)), False
    hours = pd.read_parquet(folder / "bike_hour.parquet").select_dtypes("number")
    left_out = ["cnt", "casual", "registered", "instant"]
    columns = [column for column in hours if column not in left_out]
    yield "bike", hours[columns].to_numpy(float), np.log1p(hours["cnt"].to_numpy(float)), False


def judge(made, make, seeds):
    """One row of the table: how often the first kind named is the made one, and how often nothing else is named."""
    found = [make(seed) for seed in seeds]
    if found[0] is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        named = [measure(domains, random_state=0).kind for domains in found]
    first = sum(kinds[0] == made for kinds in named)
    exact = sum(set(kinds) == {made} | ({"covariate"} if made == "support" else set()) for kinds in named)
    also = Counter(kind for kinds in named if kinds[0] == made for kind in kinds[1:])
    misses = Counter("+".join(kinds) for kinds in named if kinds[0] != made)
    return first, exact, len(named), also, misses


def counted(counter):
    return ", ".join(f"{kind} {count}" for kind, count in counter.most_common()) or "-"


def line(cells, result):
    first, exact, n, also, misses = result
    low, high = wilson(first, n)
    return (
        "| "
        + " | ".join([*cells, f"{first}/{n} ({low:.0%} to {high:.0%})", f"{exact}/{n}", counted(also), counted(misses)])
        + " |"
    )


def table(rows):
    """`rows` holds (cells, made, make, seeds); prints each line as it is found."""
    lines, totals = [], np.zeros(3, dtype=int)
    for cells, made, make, seeds in rows:
        result = judge(made, make, seeds)
        if result is not None:
            totals += result[:3]
            lines.append(line([*cells, made], result))
            print(lines[-1], flush=True)
    low, high = wilson(*totals[[0, 2]])
    lines.append(
        f"\nIn all: {totals[0]} of {totals[2]} named right ({totals[0] / totals[2]:.1%}, {low:.1%} to {high:.1%}), {totals[1]} exactly."
    )
    print(lines[-1], flush=True)
    return lines


def skada_rows(labelled, seeds):
    for shift, made in SKADA.items():
        yield [shift], made, lambda seed, shift=shift: skada_domains(shift, seed, labelled), seeds


def real_rows(labelled, seeds):
    for name, X, y, classes in data_sets():
        for kind, made in MADE.items():
            make = partial(made_of_seed, X=X, y=y, kind=kind, labelled=labelled, classes=classes)
            yield [name, kind], made, make, seeds


def made_of_seed(seed, **options):
    return made_domains(seed=seed, **options)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=50, help="seeds 0, 1, ... of skada's sets")
    parser.add_argument("--real-seeds", type=int, default=20, help="seeds 10, 11, ... of the made shifts of real rows")
    parser.add_argument("--blind-seeds", type=int, default=5, help="of these without target labels")
    options = parser.parse_args()
    start, text = time.time(), ["# Is the kind of shift named right?", "", *__doc__.splitlines()[2:], ""]
    head = "made | expected | named right (Wilson, 95%) | exactly | also named | misses |"
    for known, labelled, n_real in (
        ("all target labels known", True, options.real_seeds),
        ("no target label known", False, options.blind_seeds),
    ):
        print(known, flush=True)
        rows = table(skada_rows(labelled, range(options.seeds)))
        text += [f"## skada, {known}", "", "| " + head, "|---" * 6 + "|", *rows, ""]
        rows = table(real_rows(labelled, range(10, 10 + n_real)))
        text += [f"## Real rows, {known}", "", "| data | " + head, "|---" * 7 + "|", *rows, ""]
    text.append(f"{time.time() - start:.0f} seconds in all. Seeds from 0 for skada's sets, from 10 for real rows.")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "kinds.md").write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    main()
