"""WordVectors against a loop over words."""

from __future__ import annotations

import gzip
import re

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import sterna
from sterna.encoders import WordVectors

VECTORS = {
    "good": [1.0, 0.0, 2.0],
    "bad": [-1.0, 1.0, 0.5],
    "film": [0.0, 3.0, 1.0],
    "don't": [2.0, 2.0, 2.0],
    "été": [1.0, 1.0, 0.0],
}
TEXTS = ["Good good film!", "a bad film", "I don't", "été", "nothing known", "", "good bad film film"]


def by_hand(texts, vectors, idf=None):
    rows = []
    for text in texts:
        total, weight = np.zeros(3), 0.0
        for word in re.findall(r"[\w'é]+", text.lower()):
            if word in vectors:
                w = 1.0 if idf is None else idf[word]
                total += w * np.array(vectors[word])
                weight += w
        rows.append(total / weight if weight else total)
    return np.array(rows)


def test_equals_a_loop():
    got = WordVectors(VECTORS).fit_transform(TEXTS)
    assert got.dtype == np.float32
    assert np.abs(got - by_hand(TEXTS, VECTORS)).max() < 1e-6


def test_idf_of_the_rows_of_fit():
    encoder = WordVectors(VECTORS, idf=True).fit(TEXTS)
    holding = {word: sum(word in text.lower() for text in TEXTS) for word in VECTORS}
    idf = {word: np.log((1 + len(TEXTS)) / (1 + n)) + 1 for word, n in holding.items()}
    new = ["film good", "bad été été"]
    assert np.abs(encoder.transform(new) - by_hand(new, VECTORS, idf)).max() < 1e-6
    assert encoder.learns_from_data
    assert not WordVectors(VECTORS).learns_from_data


def write_glove(path, header=False, opener=open):
    with opener(path, "wt", encoding="utf-8") as file:
        if header:
            file.write(f"{len(VECTORS)} 3\n")
        for word, vector in VECTORS.items():
            file.write(f"{word} {' '.join(map(str, vector))}\n")
    return path


@pytest.mark.parametrize("kind", ["glove", "word2vec", "gz", "npz", "two arrays"])
def test_every_source_gives_the_same(tmp_path, kind):
    arrays = {"words": np.array(list(VECTORS)), "vectors": np.array(list(VECTORS.values()))}
    np.savez(tmp_path / "v.npz", **arrays)
    source = {
        "glove": lambda: write_glove(tmp_path / "v.txt"),
        "word2vec": lambda: str(write_glove(tmp_path / "v.vec", header=True)),
        "gz": lambda: write_glove(tmp_path / "v.txt.gz", opener=gzip.open),
        "npz": lambda: tmp_path / "v.npz",
        "two arrays": lambda: arrays,
    }[kind]()
    assert np.abs(WordVectors(source).fit_transform(TEXTS) - by_hand(TEXTS, VECTORS)).max() < 1e-6


def test_words_with_blanks_and_words_that_come_twice(tmp_path):
    (tmp_path / "v.txt").write_text("good 1 2 3\n. . . 4 5 6\ngood 7 8 9\n")
    assert WordVectors(tmp_path / "v.txt").fit_transform(["good"]).tolist() == [[1, 2, 3]]


def test_bad_files_are_named(tmp_path):
    cases = {
        "short.txt": (b"good 1 2 3\nbad 1 2\n", "line 2"),
        "words.txt": (b"good 1 2 3\nbad x y z\n", "line 2"),
        "latin.txt": ("good 1 2\nété 1 2\n".encode("latin-1"), "line 2: not UTF-8"),
        "empty.txt": (b"", "0 words"),
        "nan.txt": (b"good 1 nan\n", "'good' is not finite"),
        "broken.npz": (b"hello", "broken.npz"),
    }
    for name, (content, message) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=message):
            WordVectors(tmp_path / name).fit(["good"])
    np.savez(tmp_path / "lacks.npz", words=["a"])
    with pytest.raises(ValueError, match="lacks the array"):
        WordVectors(tmp_path / "lacks.npz").fit(["a"])
    np.savez(tmp_path / "pickle.npz", words=np.array(["a"], dtype=object), vectors=np.ones((1, 2)))
    with pytest.raises(ValueError, match="without pickles"):
        WordVectors(tmp_path / "pickle.npz").fit(["a"])
    with pytest.raises(FileNotFoundError, match=r"absent\.txt"):
        WordVectors(tmp_path / "absent.txt").fit(["a"])
    with pytest.raises(ValueError, match="several lengths"):
        WordVectors({"a": [1.0], "b": [1.0, 2.0]}).fit(["a"])


def test_rows_that_are_no_text():
    with pytest.raises(ValueError, match="row 1 is None"):
        WordVectors(VECTORS).fit(TEXTS).transform(["good", None])


def test_few_known_words_are_a_warning():
    with pytest.warns(UserWarning, match="only 10% of the words"):
        encoder = WordVectors(VECTORS).fit(["good a b c d e f g h i"])
    assert encoder.coverage_ == pytest.approx(0.1)


@pytest.mark.parametrize("idf", [False, True])
def test_saved_with_its_pipeline(tmp_path, idf):
    file = write_glove(tmp_path / "v.txt")
    for source in (VECTORS, file):
        model = make_pipeline(WordVectors(source, idf=idf), LogisticRegression()).fit(TEXTS, [0, 1, 0, 1, 0, 1, 0])
        path = sterna.save(model, tmp_path / "m.skops")
        loaded = sterna.load(path)
        assert np.array_equal(loaded.predict_proba(TEXTS), model.predict_proba(TEXTS))
        assert loaded[0].fingerprint() == model[0].fingerprint()
    file.write_text("good 1 2 3\n")
    with pytest.raises(ValueError, match=r"v\.txt has changed"):
        sterna.load(path).predict(TEXTS)


def test_real_vectors_know_what_is_alike(data_folder):
    encoder = WordVectors(data_folder / "glove_twitter_25d" / "glove_twitter_25d_12k.npz")
    got = encoder.fit_transform(["my dog sleeps", "the cat eats", "monday morning meeting"])
    got /= np.linalg.norm(got, axis=1, keepdims=True)
    assert encoder.coverage_ > 0.8
    assert got[0] @ got[1] > got[0] @ got[2]
