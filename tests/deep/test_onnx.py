"""ONNX files give what the model gives, and carry what is needed to use them."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

from networks import pictures, small_cnn  # noqa: E402
from sterna.backbones import load_backbone  # noqa: E402
from sterna.deep import Training, _onnx, load_deep  # noqa: E402
from sterna.finetune import FineTune  # noqa: E402

IMAGES = [
    "resnet10t",
    "mobilenetv2_050",
    "convnext_atto",
    "vit_tiny_patch16_224",
    "squeezenet1_0",
    "regnetx_002",
    "cifar_resnet20",
]


def fitted(backbone, size=32, task=None):
    """A backbone with random weights after one step of training."""
    X, y = pictures(8, size=size)
    y = np.arange(8) / 7 if task == "regression" else y
    return FineTune(backbone, task=task, training=Training(1, 8, progress=False), random_state=0).fit(X, y), X


def answers(path, **inputs):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


@pytest.mark.parametrize("name", IMAGES)
def test_images(name, tmp_path):
    torch.manual_seed(0)
    model, X = fitted(load_backbone(name, pretrained=False, image_size=32))
    path = model.export(tmp_path / "model.onnx")
    for n in (1, 5):
        np.testing.assert_allclose(answers(path, pixels=X[:n]), model.predict_proba(X[:n]), atol=1e-4)


def test_the_file_says_its_classes_and_preprocessing(tmp_path):
    model, _ = fitted(load_backbone(small_cnn(), image_size=16, mean=(0.5,) * 3, std=(0.5,) * 3), 16)
    path = model.export(tmp_path / "model.onnx")
    told = json.loads({entry.key: entry.value for entry in onnx.load(path).metadata_props}["sterna"])
    assert told["classes"] == ["a", "b", "c"]
    assert told["preprocessing"]["preprocessing"]["mean"] == [0.5] * 3
    assert told["temperature"] == 1.0


def test_regression_and_tables(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 4)).astype(np.float32)
    model = FineTune("mlp", task="regression", training=Training(2, 8, progress=False), random_state=0).fit(X, 5 + X[:, 0])
    path = model.export(tmp_path / "model.onnx")
    np.testing.assert_allclose(answers(path, inputs=X), model.predict(X), atol=1e-4)


def test_a_text_network(tmp_path):
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad", "film", "book", "a", "small", "example"]
    plain = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=plain, pad_token="[PAD]", unk_token="[UNK]")
    config = transformers.BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
    )
    torch.manual_seed(0)
    transformers.BertModel(config).save_pretrained(tmp_path / "bert")
    tokenizer.save_pretrained(tmp_path / "bert")
    texts = ["good film", "bad book", "a good small book", "bad film"]
    model = FineTune(str(tmp_path / "bert"), training=Training(1, 4, progress=False), random_state=0).fit(texts, [1, 0, 1, 0])
    path = model.export(tmp_path / "model.onnx")
    given = {name: value.numpy() for name, value in model.network_.backbone.prepare(texts).items()}
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = {one.name for one in session.get_inputs()}
    found = session.run(None, {name: value for name, value in given.items() if name in names})[0]
    np.testing.assert_allclose(found, model.predict_proba(texts), atol=1e-4)
    # a saved text model carries its tokeniser
    np.testing.assert_allclose(
        load_deep(model.save(tmp_path / "saved.safetensors")).predict_proba(texts), model.predict_proba(texts), atol=1e-6
    )


def test_a_file_that_differs_is_not_written(tmp_path, monkeypatch):
    model, _ = fitted(load_backbone(small_cnn(), image_size=16), 16)
    monkeypatch.setattr(_onnx, "_difference", lambda *args: 0.01)
    with pytest.raises(ValueError, match=r"differs from the model by 0\.01"):
        model.export(tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()
    with pytest.raises(ValueError, match=r"does not end in \.onnx"):
        model.export(tmp_path / "model.pb")
