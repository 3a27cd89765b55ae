"""TextEncoder against sentence-transformers, and its n-grams against TF-IDF by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import sterna
from sterna.encoders import TextEncoder

pytest.importorskip("torch")
pytest.importorskip("transformers")

TEXTS = [
    "The tern flies to Antarctica every year.",
    "A seabird migrates to the far south.",
    "The central bank raised its interest rate.",
    "ok",
    "",
    "Naïve café: 海鳥は南へ飛ぶ 🐦",
    "word " * 300,
]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A tiny BERT with random weights and a vocabulary of its own, in a folder."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("tiny")
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *"abcdefghijklmnopqrstuvwxyz",
        *(f"##{c}" for c in "abcdefghijklmnop"),
    ]
    (folder / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=len(words), max_position_embeddings=32, **sizes)).save_pretrained(folder)
    return str(folder)


LETTERS = ["a", "a b", "a b c d e f", "z", "f e d c b a", "b b b b b b b b b", "q r s"]


@pytest.mark.parametrize("batch_size", [1, 2, 32])
def test_batch_mates_do_not_matter(tiny, batch_size):
    alone = np.concatenate([TextEncoder(tiny, cache=False).fit_transform([text]) for text in LETTERS])
    got = TextEncoder(tiny, cache=False, batch_size=batch_size).fit_transform(LETTERS)
    assert np.abs(got - alone).max() < 1e-6
    cached = TextEncoder(tiny, batch_size=batch_size).fit(LETTERS)
    for _ in range(2):
        assert np.abs(cached.transform(LETTERS[::-1])[::-1] - alone).max() < 1e-6


def test_fingerprint_stays_when_texts_were_read(tiny):
    """A tokeniser remembers how it padded; that is not a part of it."""
    encoder = TextEncoder(tiny, cache=False).fit(LETTERS)
    before = encoder.fingerprint()
    encoder.transform(LETTERS)
    assert encoder.fingerprint() == before == TextEncoder(tiny).fingerprint()


def test_not_a_text(tiny):
    encoder = TextEncoder(tiny).fit(LETTERS)
    for bad, shown in ((None, "None"), (float("nan"), "nan"), (3, "3"), (b"a", "b'a'")):
        with pytest.raises(ValueError, match=f"row 2 is {shown}"):
            encoder.transform(["a", "b", bad])
    with pytest.raises(ValueError, match="row 0 holds characters"):
        encoder.transform(["\ud800"])
    with pytest.raises(ValueError, match="row 1 is nan"):
        encoder.transform(pd.DataFrame({"text": ["a", float("nan")]}))


def test_ngrams_are_tfidf_of_the_same_mean_squared_norm(tiny):
    texts = ["good good film", "bad film", "good book", "bad bad book here", "unique"]
    encoder = TextEncoder(tiny, ngrams=True)
    got = encoder.fit_transform(texts)
    assert isinstance(got, sparse.csr_array)
    assert got.dtype == np.float32
    terms = ["bad", "book", "film", "good"]  # all pairs but none are in two texts
    assert encoder.get_feature_names_out()[16:].tolist() == [f"ngram: {term}" for term in terms]
    tfidf = np.zeros((5, 4))
    for i, text in enumerate(texts):
        for j, term in enumerate(terms):
            count = text.split().count(term)
            holding = sum(term in other.split() for other in texts)
            tfidf[i, j] = (1 + np.log(count)) * (np.log(6 / (1 + holding)) + 1) if count else 0
        tfidf[i] /= np.linalg.norm(tfidf[i]) or 1
    embedded = TextEncoder(tiny).fit_transform(texts)
    tfidf *= np.sqrt((embedded.astype(float) ** 2).sum() / (tfidf**2).sum())
    assert np.array_equal(got[:, :16].toarray(), embedded)
    assert np.abs(got[:, 16:].toarray() - tfidf).max() < 1e-5 * np.abs(tfidf).max()
    assert np.isclose((got[:, :16].toarray() ** 2).mean(axis=0).sum(), (got[:, 16:].toarray() ** 2).mean(axis=0).sum())
    assert abs(encoder.transform(texts) - got).max() < 1e-6
    assert encoder.transform(["never seen"]).shape == (1, 20)
    assert encoder.learns_from_data
    assert not TextEncoder(tiny).learns_from_data


def test_ngrams_of_few_texts(tiny):
    got = TextEncoder(tiny, ngrams=True).fit_transform(["one two", "three"])
    assert got.shape == (2, 16 + 4)
    with pytest.raises(ValueError, match="leave ngrams out"):
        TextEncoder(tiny, ngrams=True).fit(["a", "b"])


@pytest.mark.parametrize("ngrams", [False, True])
def test_saved_with_its_pipeline(tiny, tmp_path, ngrams):
    texts = ["good film", "bad film", "good book", "bad book"] * 2
    model = make_pipeline(TextEncoder(tiny, ngrams=ngrams), LogisticRegression(max_iter=1000)).fit(texts, [0, 1] * 4)
    loaded = sterna.load(sterna.save(model, tmp_path / "m.skops"))
    assert np.array_equal(loaded.predict_proba(texts), model.predict_proba(texts))
    loaded[0].set_params(cache=False)
    assert np.abs(loaded.predict_proba([*texts, "new film"])[:-1] - model.predict_proba(texts)).max() < 1e-6
    assert clone(loaded[0]).get_params()["ngrams"] is ngrams


def test_other_weights_in_the_same_folder_are_refused(tiny, tmp_path):
    import shutil

    import torch
    from transformers import BertModel

    folder = tmp_path / "copy"
    shutil.copytree(tiny, folder)
    model = make_pipeline(TextEncoder(str(folder)), LogisticRegression()).fit(["a b", "c d"], [0, 1])
    path = sterna.save(model, tmp_path / "m.skops")
    assert sterna.load(path).predict(["a b"]).shape == (1,)
    other = BertModel.from_pretrained(folder)
    with torch.no_grad():
        other.embeddings.word_embeddings.weight.add_(1)
    other.save_pretrained(folder)
    with pytest.raises(ValueError, match="other weights than when"):
        sterna.load(path).predict(["a b"])


def test_minilm_equals_sentence_transformers(minilm):
    from sentence_transformers import SentenceTransformer

    expected = SentenceTransformer(minilm, device="cpu").encode(TEXTS, show_progress_bar=False)
    for options in ({"cache": False, "batch_size": 2}, {}):
        got = TextEncoder(minilm, **options).fit_transform(TEXTS)
        assert np.abs(got - expected).max() < 1e-5


def test_minilm_knows_what_is_alike(minilm):
    got = TextEncoder(minilm).fit_transform(TEXTS[:3])
    alike = got @ got.T
    assert np.allclose(np.diag(alike), 1, atol=1e-5)
    assert alike[0, 1] > alike[0, 2] + 0.1
    assert alike[0, 1] > alike[1, 2] + 0.1
