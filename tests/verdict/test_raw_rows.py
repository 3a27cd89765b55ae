"""Comparisons, measures and single fits of photos and texts, with tiny encoders and a strategy that takes raw rows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.feature_extraction.text import CountVectorizer

import sterna
from sterna.domains._encoding import FittedOn
from sterna.report import to_html, to_markdown
from sterna.verdict import fit_strategy, predict_file

WORDS = {"pos": ["good", "kind", "fine"], "neg": ["bad", "slow", "cold"]}
LETTERS = "abcdefghij"


def reviews(n, seed, other):
    """Texts of four words: three of the class, one of the domain; every fifth label is wrong."""
    rng = np.random.default_rng(seed)
    y = rng.choice(["pos", "neg"], n)
    texts = [f"{' '.join(rng.choice(WORDS[label], 3))} {rng.choice(other)} {seed}x{i}" for i, label in enumerate(y)]
    flipped = rng.random(n) < 0.2
    return texts, np.where(flipped, np.where(y == "pos", "neg", "pos"), y)


class Letters(TransformerMixin, BaseEstimator):
    """Counts of ten letters; keeps a list of how many rows it was asked for."""

    calls: list[int] = []

    def __init__(self, progress=None):
        self.progress = progress

    def fit(self, X, y=None):
        self.n_features_in_ = 1
        return self

    def transform(self, X):
        self.calls.append(len(X))
        return np.array([[text.count(letter) for letter in LETTERS] for text in X], dtype=float)

    def fingerprint(self):
        return "f" * 64


class Counts(CountVectorizer):
    """Learns its words from the rows; keeps every row that it learned from."""

    learns_from_data = True
    seen: list[list[str]] = []

    def fit(self, X, y=None):
        self.seen.append(list(X))
        return super().fit(X)


class Nearest(ClassifierMixin, BaseEstimator):
    """Stands for a strategy that trains a network: takes texts, knows the first word's class."""

    family, reference = "finetune", ""
    needs, label_space = frozenset({"source model"}), "different"
    tasks, assumes, accepts_sparse = ("classification",), (), False
    takes_raw, trains_on = True, "all"

    def fit(self, X, y, sample_domain=None):
        assert all(isinstance(text, str) for text in X)
        self.classes_, self.health_ = np.array(["neg", "pos"]), {}
        return self

    def predict(self, X):
        return np.array(["pos" if text.split()[0] in WORDS["pos"] else "neg" for text in X])


@pytest.fixture(scope="module")
def raw():
    return sterna.Domains(
        {"books": reviews(60, 0, ["page", "read"])}, {"food": reviews(40, 1, ["plate", "taste"])}, modality="text"
    )


def test_a_frozen_encoder_encodes_every_row_once_and_stands_before_the_model(raw, quick):
    Letters.calls.clear()
    comparison = quick(raw, encoder=Letters())
    assert sum(Letters.calls) == 100
    assert comparison.summary["encoder"] == {"name": "Letters()", "fingerprint": "f" * 64, "learns_from_data": False}
    encoded = raw.encoded(Letters())
    by_hand = quick(encoded)
    scores = [{e["name"]: e["mean"] for e in c.summary["strategies"]} for c in (comparison, by_hand)]
    assert {n: s for n, s in scores[0].items() if s is not None} == {n: s for n, s in scores[1].items() if s is not None}
    expected = by_hand.best_estimator_.predict(Letters().transform(raw.target.X))
    assert comparison.best_estimator_.predict(raw.target.X.tolist()).tolist() == expected.tolist()


def test_the_report_speaks_of_texts_and_names_the_encoder(raw, quick):
    summary = quick(raw, encoder=Letters(), with_measure=True).summary
    assert json.loads(json.dumps(summary)) == summary
    for page in (to_html(summary), to_markdown(summary)):
        assert "60 texts" in page
        assert "Letters()" in page
        assert "texts, as 10 features" in page
    assert summary["use"]["shell"].endswith("new_rows.csv --text text --out predictions.csv")
    assert summary["domains"][0]["fingerprint"] == raw.fingerprint(raw.sources[0])


def test_an_encoder_that_learns_never_sees_the_evaluation_rows(raw, quick):
    Counts.seen.clear()
    comparison = quick(raw, encoder=Counts(), n_splits=4)
    assert comparison.best_estimator_.predict(raw.target.X[:3]).shape == (3,)
    target = set(raw.target.X.tolist())
    n_target = [len(target & set(rows)) for rows in Counts.seen]
    # all rows only for the model that is handed over
    assert n_target.count(40) <= 1
    assert max(n for n in n_target if n < 40) == 30
    # the control learns from the target alone
    assert any(set(rows) <= target for rows in Counts.seen)


def test_fitted_on_takes_the_rows_that_may_be_seen(raw):
    X, y, sample_domain = raw.stack(labelled_rows=[0, 1])
    for fit_on, rows in (("source", X[:60]), ("target", X[60:62]), ("all", X)):
        encoder = FittedOn(CountVectorizer(), fit_on=fit_on).fit(X, y, sample_domain=sample_domain)
        assert encoder.encoder_.vocabulary_ == CountVectorizer().fit(rows).vocabulary_


def test_a_strategy_that_takes_raw_rows_gets_them(raw, quick):
    comparison = quick(raw, encoder=Letters(), strategies=[Nearest])
    entry = next(e for e in comparison.summary["strategies"] if e["name"] == "Nearest")
    assert entry["reason"] is None
    truth = raw.target.y == Nearest().fit([], []).predict(raw.target.X)
    assert entry["mean"] == pytest.approx(truth.mean())


def test_without_labels_raw_strategies_are_ranked_too(quick):
    X, _ = reviews(30, 1, ["plate"])
    domains = sterna.Domains({"books": reviews(60, 0, ["page"])}, {"food": (X, None)}, modality="text")
    for encoder in (Letters(), Counts()):
        comparison = quick(domains, encoder=encoder, strategies=["CORAL", Nearest])
        shown = {e["name"]: e["reason"] for e in comparison.summary["strategies"]}
        assert shown["Nearest"] is None, shown
        assert comparison.best_estimator_.predict(X[:2]).shape == (2,)


def test_deep_strategies_are_listed_as_left_out_unless_named(raw, quick):
    from sterna.discovery import deep_strategies

    assert not any(e["reason"] for e in quick(raw, encoder=Letters(), strategies=["CORAL"]).summary["strategies"])
    summary = quick(raw, encoder=Letters(), strategies=None, n_repeats=1, n_splits=2).summary
    left_out = {e["name"]: e for e in summary["strategies"] if e["reason"]}
    for name, family in deep_strategies(installed=True).items():
        assert left_out[name]["reason"] == "trains a network; name it to have it compared"
        assert left_out[name]["family"] == family


def test_measure_of_texts_is_that_of_their_features(raw):
    features = sterna.Domains(
        {d.name: (Letters().transform(d.X), d.y) for d in raw.sources},
        {raw.target.name: (Letters().transform(raw.target.X), raw.target.y)},
    )
    ours, plain = sterna.measure(raw, Letters()), sterna.measure(features)
    assert (ours.kind, ours.mmd.value, ours.classifier_auc.value) == (plain.kind, plain.mmd.value, plain.classifier_auc.value)
    assert "texts, as 10 features" in ours.situation.sentence


def test_refusals(raw, quick, pair):
    with pytest.raises(ValueError, match="an encoder is for files and texts, but the domains are tables"):
        quick(pair(), encoder=Letters())
    with pytest.raises(TypeError, match="encoder is a int"):
        quick(raw, encoder=3)
    alone = sterna.Domains(None, {"food": reviews(20, 1, ["plate"])}, modality="text")
    with pytest.raises(ValueError, match="the domains have no source; compare asks"):
        quick(alone, encoder=Letters())
    with pytest.raises(ValueError, match="the domains have no source; measure compares"):
        sterna.measure(alone, Letters())
    with pytest.raises(ValueError, match="CORAL needs a source"):
        fit_strategy(alone, "CORAL", encoder=Letters())


def test_fit_without_a_source_and_predict_a_file(tmp_path, raw):
    texts, y = reviews(30, 2, ["plate"])
    model = fit_strategy(sterna.Domains(None, {"food": (texts, y)}, modality="text"), "TargetOnly", encoder=Letters())
    path = tmp_path / "new.csv"
    path.write_text("id,review\n" + "\n".join(f"{i},{text}" for i, text in enumerate(raw.target.X)))
    table = predict_file(model, path, "review")
    assert table["prediction"].tolist() == model.predict(raw.target.X).tolist()
    assert np.allclose(table[["probability_neg", "probability_pos"]].sum(axis=1), 1)
    with pytest.raises(ValueError, match=r"no text column is named; name it with --text COLUMN \(it has id, review\)"):
        predict_file(model, path)


def test_predict_a_folder(tmp_path):
    image = pytest.importorskip("PIL.Image", reason="needs Pillow")
    rng = np.random.default_rng(0)
    for domain in ("a", "b"):
        for name, level in (("dark", 60), ("light", 190)):
            for i in range(6):
                (tmp_path / domain / name).mkdir(parents=True, exist_ok=True)
                pixels = (level + rng.integers(-50, 50, (4, 4, 3))).astype(np.uint8)
                image.fromarray(pixels).save(tmp_path / domain / name / f"{i}.png")
    model = fit_strategy(sterna.Domains.from_files([tmp_path / "a"], tmp_path / "b", None), "Pooled", encoder=Mean())
    table = predict_file(model, tmp_path / "b")
    assert table.columns.tolist() == ["file", "prediction", "probability_dark", "probability_light", "label"]
    assert table["file"].tolist() == sorted(str(path) for path in (tmp_path / "b").rglob("*.png"))
    assert table["prediction"].tolist() == [Path(path).parent.name for path in table["file"]]


class Mean(TransformerMixin, BaseEstimator):
    """The mean brightness of a photo."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        from PIL import Image

        return np.array([[np.asarray(Image.open(path)).mean()] for path in X])

    def __sklearn_is_fitted__(self):
        return True
