"""Comparing on a folder of images without a source: does a pretrained network help?"""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")
from PIL import Image  # noqa: E402

import sterna  # noqa: E402
from networks import pictures  # noqa: E402
from sterna.backbones._cifar import CifarResNet  # noqa: E402
from sterna.deep import Training  # noqa: E402
from sterna.encoders import ImageEncoder  # noqa: E402
from sterna.finetune import FeatureExtraction, FineTune, FromScratch  # noqa: E402
from sterna.select._candidates import with_parameters  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    X, y = pictures(36, size=32)
    for i, (image, label) in enumerate(zip(X, y, strict=True)):
        (root / str(label)).mkdir(exist_ok=True)
        Image.fromarray((image.transpose(1, 2, 0) * 255).astype("uint8")).save(root / str(label) / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    weights = tmp_path_factory.mktemp("weights") / "random.pt"
    torch.manual_seed(0)
    torch.save(CifarResNet(3).state_dict(), weights)
    return ImageEncoder("cifar_resnet20", str(weights), cache=False)


def strategies(*names):
    quick = Training(1, 16, progress=False)
    made = {"FeatureExtraction": FeatureExtraction(n_views=0), "FineTune": FineTune(training=quick)}
    made["FromScratch"] = FromScratch(training=quick)
    return {name: made[name] for name in names}


def compare(folder, encoder, *names, **options):
    domains = sterna.Domains.from_files((), folder, None)
    return sterna.compare(domains, encoder, strategies=strategies(*names), n_splits=3, n_repeats=1, n_jobs=1, **options)


def test_the_control_is_the_same_network_from_scratch(folder, encoder, tmp_path):
    found = compare(folder, encoder, "FeatureExtraction", "FineTune", "FromScratch", out=tmp_path / "run")
    assert found.verdict.control == "FromScratch"
    assert "source" not in found.verdict.sentence
    assert found.adaptation.control == "FeatureExtraction"
    entries = {entry["name"]: entry for entry in found.summary["strategies"]}
    assert entries["FeatureExtraction"]["difference"] is not None
    assert entries["FeatureExtraction"]["adaptation_difference"] is None
    assert entries["FineTune"]["adaptation_difference"] is not None
    assert entries["SourceOnly"]["reason"] == "needs a source"
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Does the pretrained network help?" in page
    assert json.loads((tmp_path / "run" / "results.json").read_text())["subject"] == "pretrained network"


def test_without_the_control_the_first_question_stays_open(folder, encoder):
    found = compare(folder, encoder, "FeatureExtraction", "FineTune")
    assert found.verdict.word == "unproven"
    assert "FromScratch" in found.verdict.sentence
    assert found.adaptation.word in ("helps", "no evidence", "hurts")


def test_the_model_predicts_files(folder, encoder):
    found = compare(folder, encoder, "FeatureExtraction", "FromScratch", with_measure=False)
    files = sorted(map(str, folder.rglob("*.png")))[:4]
    assert set(found.best_estimator_.predict(np.array(files, dtype=object))) <= {"a", "b", "c"}


def test_too_few_labels_are_refused(encoder, tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        for i in range(2):
            Image.fromarray(np.full((8, 8, 3), 40 * i + ord(name), dtype="uint8")).save(tmp_path / name / f"{i}.png")
    with pytest.raises(ValueError, match="no source and 4 labelled target rows; give a source, or 8 labels or more"):
        compare(tmp_path, encoder, "FeatureExtraction")


def test_parameters_are_set_by_strategy():
    found = with_parameters(
        ["FineTune", "FromScratch"], {"FineTune.training__max_epochs": 3, "FromScratch.task": "classification"}
    )
    assert found["FineTune"].training.max_epochs == 3
    assert found["FromScratch"].training is None
    assert with_parameters(["CORAL"], {}) == ["CORAL"]
    with pytest.raises(ValueError, match=r"'CORAL\.regularization' is set, but no such strategy is named"):
        with_parameters(["FineTune"], {"CORAL.regularization": 1})
