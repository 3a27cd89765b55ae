"""The deep contract, over plain fine-tuning: what goes in, what comes out, and that runs are repeatable, resumable and honest."""

from __future__ import annotations

import copy
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

import sterna  # noqa: E402
from networks import pictures, small_cnn  # noqa: E402
from sterna.backbones import load_backbone  # noqa: E402
from sterna.deep import DeepEstimator, Training, TransferModule, load_deep  # noqa: E402
from sterna.deep._data import StepSampler  # noqa: E402
from sterna.finetune import FineTune  # noqa: E402


@pytest.fixture
def cnn():
    return small_cnn()


@pytest.fixture
def data():
    return pictures()


TESTS = str(Path(__file__).parents[1])


def quick(backbone, max_epochs=2, **options):
    training = Training(max_epochs=max_epochs, batch_size=16, progress=False, **options)
    return FineTune(backbone, training=training, random_state=0)


def weights(model):
    return {name: value.clone() for name, value in model.network_.state_dict().items()}


def assert_same(first, second, **tolerance):
    assert first.keys() == second.keys()
    for name in first:
        torch.testing.assert_close(
            first[name], second[name], msg=lambda m, name=name: f"{name}: {m}", **({"rtol": 0, "atol": 0} | tolerance)
        )


def test_fit_predict_score(cnn, data):
    X, y = data
    model = quick(cnn, 12, learning_rate=0.01).set_params(backbone_rate=1.0).fit(X, y)
    assert model.score(X, y) > 0.9
    assert model.classes_.tolist() == ["a", "b", "c"]
    proba = model.predict_proba(X[:5])
    assert proba.shape == (5, 3)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert model.predict(X[:5]).tolist() == model.classes_[proba.argmax(axis=1)].tolist()
    assert [sorted(epoch) for epoch in model.history_] == [["task"]] * 12
    assert model.history_[-1]["task"] < model.history_[0]["task"]


def test_the_users_network_and_arrays_stay_as_they_are(cnn, data):
    X, y = data
    before, rows = copy.deepcopy(cnn.state_dict()), X.copy()
    quick(cnn).fit(X, y)
    assert_same(dict(before), dict(cnn.state_dict()))
    np.testing.assert_array_equal(X, rows)


def test_the_same_seed_gives_the_same_bits_and_leaves_the_global_generator_alone(cnn, data):
    X, y = data
    torch.manual_seed(7)
    state = torch.get_rng_state()
    first = quick(cnn, mix="mixup").fit(X, y)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(8)
    assert_same(weights(first), weights(quick(cnn, mix="mixup").fit(X, y)))
    other = quick(cnn, mix="mixup").set_params(random_state=1).fit(X, y)
    assert not torch.equal(weights(first)["head.weight"], weights(other)["head.weight"])


def test_stacked_domains_train_on_the_target_and_never_read_withheld_labels(cnn, data):
    X, y = data
    codes = np.repeat([1, -1], 24)
    hidden = y.astype(object)
    hidden[36:] = None
    model = quick(cnn).fit(X, hidden, sample_domain=codes)
    alone = quick(cnn).fit(X[24:36], y[24:36])
    assert_same(weights(model), weights(alone))
    none = y.astype(object)
    none[24:] = None
    other = X.copy()
    other[24:] = 0
    assert_same(
        weights(quick(cnn).fit(X, none, sample_domain=codes)), weights(quick(cnn).fit(other, none, sample_domain=codes))
    )


@pytest.mark.parametrize("kind", ["tensor", "list", "dataset", "loader"])
def test_what_fit_takes(cnn, data, kind):
    X, y = data
    y = np.unique(y, return_inverse=True)[1]
    expected = weights(quick(cnn).fit(X, y))
    pairs = torch.utils.data.TensorDataset(torch.as_tensor(X), torch.as_tensor(y))
    given = {"tensor": (torch.as_tensor(X), torch.as_tensor(y)), "list": (list(X), list(y)), "dataset": (pairs, None)}
    given["loader"] = (torch.utils.data.DataLoader(pairs, batch_size=5), None)
    assert_same(expected, weights(quick(cnn).fit(*given[kind])))


def test_tables_and_regression():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(80, 3)), columns=list("abc"))
    y = 50 + 10 * table["a"].to_numpy() + 0.1 * rng.normal(size=80)
    model = quick("mlp", 40, learning_rate=0.01).set_params(task="regression", backbone_rate=1.0).fit(table, y)
    assert model.score(table, y) > 0.9
    with pytest.raises(AttributeError, match="regression; use predict"):
        model.predict_proba(table)


def test_several_labels_a_row(cnn, data):
    X, y = data
    Y = np.stack([y == "a", y != "c"], axis=1).astype(int)
    model = quick(cnn, 30, learning_rate=0.02).set_params(backbone_rate=1.0).fit(X, Y)
    assert model.predict(X).shape == (48, 2)
    assert (model.predict(X) == Y).mean() > 0.9


def test_class_weights_against_the_loss_by_hand(data):
    from sterna.deep._tasks import find_task

    y = np.array(["a"] * 6 + ["b"] * 2)
    outputs = torch.randn(8, 2, generator=torch.Generator().manual_seed(0))
    task = find_task(y, None, Training(class_weight="balanced"))
    log = outputs.double().log_softmax(1).numpy()
    by_row = np.array([8 / (2 * 6)] * 6 + [8 / (2 * 2)] * 2)
    codes = np.array([0] * 6 + [1] * 2)
    expected = -(by_row * log[np.arange(8), codes]).sum() / by_row.sum()
    assert float(task.value(outputs, task.encode(y))) == pytest.approx(expected, rel=1e-5)


def test_the_focal_loss_by_hand():
    from sterna.deep._tasks import find_task

    y = np.array([0, 1, 2, 1])
    outputs = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    task = find_task(y, None, Training(loss="focal"))
    p = outputs.double().softmax(1).numpy()[np.arange(4), y]
    assert float(task.value(outputs, task.encode(y))) == pytest.approx(np.mean(-((1 - p) ** 2) * np.log(p)), rel=1e-5)


@pytest.mark.parametrize(
    ("sizes", "batch", "steps"), [({"source": 50, "target": 7}, 16, 4), ({"target": 33}, 16, 2), ({"target": 3}, 16, 1)]
)
def test_steps_go_through_the_largest_part_once_and_through_smaller_ones_evenly(sizes, batch, steps):
    sampler = StepSampler(sizes, batch, seed=3)
    assert len(sampler) == steps
    seen = list(sampler)
    largest = max(sizes, key=sizes.get)
    assert sorted(np.concatenate([rows[largest] for _, rows in seen])) == list(range(sizes[largest]))
    for name, size in sizes.items():
        counts = np.bincount(np.concatenate([rows[name] for _, rows in seen]), minlength=size)
        assert counts.max() - counts.min() <= 1
        assert all(len(rows[name]) > 1 for _, rows in seen)
    sampler.set_epoch(1)
    assert not all(np.array_equal(a[1][largest], b[1][largest]) for a, b in zip(seen, sampler, strict=True))


def test_processes_share_each_step():
    whole = list(StepSampler({"target": 20}, 8, seed=0))
    parts = [list(StepSampler({"target": 20}, 8, seed=0, rank=r, world=2)) for r in range(2)]
    for (_, rows), *shares in zip(whole, *parts, strict=True):
        assert sorted(rows["target"]) == sorted(np.concatenate([share["target"] for _, share in shares]))


RUN = """
    import sys, warnings
    sys.path.insert(0, {tests!r})
    import torch
    torch.set_num_threads(1)
    from networks import pictures, small_cnn
    from sterna.deep import Training
    from sterna.finetune import {method}
    X, y = pictures(96)
    options = dict(max_epochs=6, batch_size=8, progress=False, folder={folder!r}, average={average})
    model = {method}(small_cnn(), training=Training(**options), random_state=0).fit(X, y)
    torch.save(model.network_.state_dict(), {out!r})
"""


def run(tmp_path, name, kill_after=None, method="GradualUnfreezing", average=None):
    """Train in a process of its own, killed after some seconds where asked; the weights, or None."""
    out = tmp_path / f"{name}.pt"
    script = RUN.format(tests=TESTS, folder=str(tmp_path / name), out=str(out), method=method, average=average)
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], env=os.environ | {"OMP_NUM_THREADS": "1"})
    if kill_after is not None:
        last = tmp_path / name / "checkpoints" / "last.ckpt"
        deadline = time.monotonic() + 60
        while not last.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(kill_after)
        process.send_signal(signal.SIGKILL)
        process.wait()
        return None
    assert process.wait(timeout=120) == 0
    return torch.load(out, weights_only=True)


def test_a_killed_run_resumes_to_the_same_bits(tmp_path):
    whole = run(tmp_path, "whole")
    run(tmp_path, "killed", kill_after=0.02)
    assert not (tmp_path / "killed.pt").exists(), "it was to be killed before its end"
    assert_same(whole, run(tmp_path, "killed"))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["GradualUnfreezing", "WiSEFT"])
def test_killed_at_twenty_random_moments(tmp_path, method):
    whole = run(tmp_path, "whole", method=method, average=0.9 if method == "GradualUnfreezing" else None)
    rng = np.random.default_rng(0)
    for i in range(10):
        name = f"killed{i}"
        run(
            tmp_path,
            name,
            kill_after=float(rng.uniform(0, 0.15)),
            method=method,
            average=0.9 if method == "GradualUnfreezing" else None,
        )
        assert_same(whole, run(tmp_path, name, method=method, average=0.9 if method == "GradualUnfreezing" else None))


def test_a_folder_of_another_run_is_refused(cnn, data, tmp_path):
    X, y = data
    quick(cnn, folder=tmp_path).fit(X, y)
    assert (tmp_path / "logs" / "metrics.csv").exists()
    with pytest.raises(ValueError, match="holds the training of another model"):
        quick(cnn, folder=tmp_path, learning_rate=0.5).fit(X, y)


def test_a_finished_run_is_taken_up_without_training(cnn, data, tmp_path):
    X, y = data
    first = quick(cnn, folder=tmp_path).fit(X, y)
    again = quick(cnn, folder=tmp_path).fit(X, y)
    assert_same(weights(first), weights(again))
    assert again.history_ == first.history_


DDP = """
    import sys
    sys.path.insert(0, {tests!r})
    import torch
    torch.set_num_threads(1)
    from networks import pictures, small_cnn
    from sterna.deep import Training
    from sterna.finetune import FineTune
    X, y = pictures(48)
    options = dict(max_epochs=2, batch_size=16, progress=False, accelerator="cpu", devices={devices}, strategy={strategy!r})
    model = FineTune(small_cnn(norm=False), training=Training(**options), random_state=0).fit(X, y)
    if int(__import__("os").environ.get("LOCAL_RANK", 0)) == 0:
        torch.save(model.network_.state_dict(), {out!r})
"""


def test_two_processes_give_the_result_of_one(tmp_path):
    found = []
    for devices, strategy in ((1, "auto"), (2, "ddp")):
        script, out = tmp_path / f"run{devices}.py", tmp_path / f"{devices}.pt"
        script.write_text(textwrap.dedent(DDP.format(tests=TESTS, devices=devices, strategy=strategy, out=str(out))))
        subprocess.run([sys.executable, str(script)], check=True, timeout=120, env=os.environ | {"OMP_NUM_THREADS": "1"})
        found.append(torch.load(out, weights_only=True))
    assert_same(*found, rtol=1e-4, atol=1e-6)


class Broken(FineTune):
    """Its loss is NaN from the second epoch on, or memory ends."""

    fault = "nan"

    def losses(self, module, batch):
        losses = super().losses(module, batch)
        if module.current_epoch == 1:
            if self.fault == "memory":
                raise torch.OutOfMemoryError("CUDA out of memory")
            losses["broken"] = losses["task"] * float("nan")
        return losses


def test_a_loss_that_is_not_a_number_ends_in_a_sentence_with_the_last_checkpoint(cnn, data, tmp_path):
    model = Broken(cnn, training=Training(3, 16, progress=False, folder=tmp_path), random_state=0)
    with pytest.raises(
        ValueError, match=r"not finite in epoch 2 \(task = [\d.]+, broken = nan\).*lower learning_rate.*last\.ckpt"
    ):
        model.fit(*data)
    assert torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)["epoch"] == 0


def test_out_of_memory_ends_in_a_sentence(cnn, data, monkeypatch):
    monkeypatch.setattr(Broken, "fault", "memory")
    with pytest.raises(MemoryError, match="batch_size=16: give 8 with accumulate=2"):
        Broken(cnn, training=Training(3, 16, progress=False), random_state=0).fit(*data)


def test_early_stopping_watches_rows_that_training_does_not_see(cnn, data):
    X, y = data
    model = quick(cnn, 30, validation_fraction=0.25, patience=2, learning_rate=0.05).fit(X, y)
    losses = [epoch["validation"] for epoch in model.history_]
    assert model.health_["stopped_early"] == (len(losses) < 30)
    if len(losses) < 30:
        assert int(np.argmin(losses)) == len(losses) - 3
    with pytest.raises(ValueError, match="patience needs rows"):
        quick(cnn, patience=2).fit(X, y)


def test_probabilities_are_calibrated_on_rows_that_training_does_not_see(cnn, data):
    """The temperature has the least log loss of a grid, on the rows that scikit-learn's split holds out."""
    from sklearn.metrics import log_loss
    from sklearn.model_selection import train_test_split

    X, y = data
    model = quick(cnn, 8, validation_fraction=0.4, learning_rate=0.05).set_params(backbone_rate=1.0).fit(X, y)
    _, held = train_test_split(np.arange(len(y)), test_size=0.4, random_state=model.seed_, stratify=y)
    own = log_loss(y[held], model.predict_proba(X[held]))
    temperature, model.temperature_ = model.temperature_, 1.0
    logits = np.log(model.predict_proba(X[held]))
    assert temperature != 1.0
    for other in np.geomspace(0.06, 16, 40):
        proba = np.exp(logits / other) / np.exp(logits / other).sum(axis=1, keepdims=True)
        assert own <= log_loss(y[held], proba) + 1e-6


def test_joint_and_apart_mean_different_batch_statistics(cnn):
    """With both domains in one pass the statistics are those of the mixture, checked against batch normalisation by hand."""
    from sterna.deep import Network, Part
    from sterna.deep._network import linear_head
    from sterna.deep._tasks import find_task

    (Xs, ys), (Xt, _yt) = ([x[:8] for x in pictures_pair] for pictures_pair in (pictures(16), pictures(16, shift=0.3)))
    outputs = {}
    for mode in ("joint", "per-domain"):
        method = quick(cnn, batch_norm=mode)
        backbone = load_backbone(copy.deepcopy(cnn))
        module = TransferModule(Network(backbone, linear_head(backbone.n_features, 3)), method, find_task(ys, None, Training()))
        module.train()
        parts = [Part(torch.as_tensor(X), None, torch.arange(8)) for X in (Xs, Xt)]
        outputs[mode] = module.features(*parts)
        backbone.train()
        both = torch.cat([torch.as_tensor(Xs), torch.as_tensor(Xt)])
        expected = backbone(both).split(8) if mode == "joint" else [backbone(part.x) for part in parts]
        for found, wanted in zip(outputs[mode], expected, strict=True):
            torch.testing.assert_close(found, wanted)
    assert not torch.allclose(outputs["joint"][0], outputs["per-domain"][0])


def test_frozen_batch_norm_keeps_its_statistics(cnn, data):
    model = quick(cnn, batch_norm="frozen").fit(*data)
    start = [m for m in cnn.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    end = [m for m in model.network_.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for a, b in zip(start, end, strict=True):
        assert torch.equal(a.running_mean, b.running_mean)
        assert not torch.equal(a.weight, b.weight)


@pytest.mark.parametrize("suffix", [".safetensors", ""])
def test_save_and_load(cnn, data, tmp_path, suffix):
    X, y = data
    model = FineTune(
        "resnet10t", training=Training(1, 16, progress=False), random_state=0, weights=_random_weights("resnet10t", tmp_path)
    ).fit(X, y)
    path = model.save(tmp_path / f"model{suffix}")
    again = load_deep(path)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert again.classes_.tolist() == model.classes_.tolist()
    assert again.history_ == model.history_
    assert (
        sterna.load(sterna.save(model, tmp_path / "other.safetensors")).predict(X[:3]).tolist() == model.predict(X[:3]).tolist()
    )


def _random_weights(name, folder):
    import timm

    torch.manual_seed(0)
    path = folder / f"{name}.pt"
    torch.save(timm.create_model(name, pretrained=False).state_dict(), path)
    return path


def test_files_that_are_no_models(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="not a model file of Sterna"):
        load_deep(path)
    with pytest.raises(FileNotFoundError, match="no model file"):
        load_deep(tmp_path / "none.safetensors")


def test_the_module_works_in_a_trainer_of_ones_own(cnn, data):
    import lightning.pytorch as lightning

    X, y = data
    model = quick(cnn).fit(X, y)
    module = model.module()
    before = weights(model)
    assert isinstance(module, lightning.LightningModule)
    torch.testing.assert_close(
        module(torch.as_tensor(model.network_.backbone.prepare(X[:4]))).softmax(1).detach().double().numpy(),
        model.predict_proba(X[:4]),
    )
    assert_same(before, weights(model))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": "sgdd"}, "optimizer"),
        ({"max_epochs": 0}, "max_epochs"),
        ({"loss": "mse"}, "loss is 'mse', but the task is classification; allowed are cross_entropy, focal"),
        ({"class_weight": {"z": 2.0}}, "class_weight names 'z'"),
    ],
)
def test_wrong_options(cnn, data, options, message):
    with pytest.raises(ValueError, match=message):
        quick(cnn, **options).fit(*data)


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop", "adagrad", "nadam", "radam", torch.optim.Adamax])
def test_optimisers(cnn, data, name):
    quick(cnn, 1, optimizer=name).fit(*data)


@pytest.mark.parametrize(
    "options",
    [
        {"accumulate": 2},
        {"average": 0.9},
        {"mix": "cutmix"},
        {"precision": "bf16-mixed"},
        {"schedule": "linear"},
        {"n_workers": 1},
    ],
)
def test_options_run(cnn, data, options):
    model = quick(cnn, 2, **options).fit(*data)
    assert np.isfinite(model.predict_proba(data[0])).all()


@pytest.mark.parametrize("augment", ["flip", "crop", "randaugment", "trivial"])
def test_augmentation_is_seeded(cnn, augment):
    X, y = pictures(16)
    X = (X.transpose(0, 2, 3, 1) * 255).astype(np.uint8)
    cnn = load_backbone(cnn, image_size=16)
    first, second = (weights(quick(cnn, 1, augment=augment).fit(X, y)) for _ in range(2))
    assert_same(first, second)


def test_facts():
    assert issubclass(FineTune, DeepEstimator)
    assert FineTune.family == "finetune"
