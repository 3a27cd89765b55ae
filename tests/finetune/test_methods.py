"""Each fine-tuning method against its formula, computed another way."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from networks import pictures, small_cnn  # noqa: E402
from sterna import all_strategies  # noqa: E402
from sterna.backbones import load_backbone  # noqa: E402
from sterna.deep import Batch, Network, Part, Training, TransferModule  # noqa: E402
from sterna.deep._network import linear_head  # noqa: E402
from sterna.deep._tasks import find_task  # noqa: E402
from sterna.domains._stack import take_apart  # noqa: E402
from sterna.finetune import (  # noqa: E402
    BSS,
    DELTA,
    EWC,
    L2SP,
    BitFit,
    BiTuning,
    CoTuning,
    FineTune,
    FromScratch,
    GradualUnfreezing,
    JointFineTune,
    LinearProbeFineTune,
    LoRA,
    LwF,
    ModelSoup,
    WiSEFT,
)

METHODS = [
    BSS,
    BiTuning,
    BitFit,
    CoTuning,
    DELTA,
    EWC,
    FineTune,
    FromScratch,
    GradualUnfreezing,
    L2SP,
    LinearProbeFineTune,
    LoRA,
    LwF,
    ModelSoup,
    WiSEFT,
]


def training(max_epochs=2, **options):
    return Training(max_epochs, 16, progress=False, **options)


def built(method, X, y):
    """A method's module before training, as `fit` makes it."""
    method.seed_, method.health_ = 0, {}
    method.task_ = find_task(y, None, method.training_options())
    data = take_apart(X, y, np.full(len(y), -1))
    torch.manual_seed(0)
    backbone = load_backbone(method.backbone)
    module = TransferModule(Network(backbone, linear_head(backbone.n_features, method.task_.n_outputs)), method, method.task_)
    method.before_fit(module, data)
    part = Part(backbone.prepare(X), method.task_.encode(y), torch.arange(len(y)))
    return module, Batch(None, part, None), data


@pytest.mark.parametrize("method", METHODS)
def test_learns_a_simple_task(method):
    X, y = pictures(60)
    rates = {} if method in (FromScratch, LoRA) else {"backbone_rate": 1.0}
    rates |= {"mixing": 1.0} if method is WiSEFT else {}
    model = method(small_cnn(), training=training(30, learning_rate=0.02), random_state=0, **rates).fit(X, y)
    assert model.score(X, y) > 0.6, "chance is a third"
    assert np.isfinite([value for epoch in model.history_ for value in epoch.values()]).all()
    assert not any("lora" in name for name in model.network_.state_dict())


def test_discovery_finds_them_all():
    found = all_strategies("finetune")
    assert {m.__name__ for m in METHODS} | {"FeatureExtraction", "JointFineTune"} == set(found)
    for cls in found.values():
        assert cls.takes_raw
        assert cls.reference


def test_frozen_stages_do_not_move_and_do_not_drift():
    X, y = pictures()
    cnn = small_cnn()
    model = FineTune(cnn, freeze_until="all", training=training(3, learning_rate=0.1), random_state=0).fit(X, y)
    before = load_backbone(cnn).state_dict()
    for name, value in model.network_.backbone.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_gradual_unfreezing_goes_from_the_head_down():
    X, y = pictures()
    method = GradualUnfreezing(small_cnn(), epochs_per_stage=1, training=training(20))
    module, _, _ = built(method, X, y)
    names = [name for name, _ in module.network.stages()]
    for epoch in range(len(names) + 2):
        assert method.trainable(module, epoch) == set(names[-1 - min(epoch, len(names) - 1) :])
    default = GradualUnfreezing(small_cnn(), training=training(9))
    assert default.trainable(module, 0) == {"head"}
    module.method, module.training_options = default, default.training_options()
    assert default.trainable(module, 8) == set(names)


def test_the_probe_comes_first_and_leaves_the_backbone():
    X, y = pictures()
    cnn = small_cnn()
    method = LinearProbeFineTune(cnn, probe_share=0.5, training=training(4))
    module, _, _ = built(method, X, y)
    assert [method.trainable(module, epoch) for epoch in range(4)] == [{"head"}, {"head"}, None, None]
    assert method.phases(4) == [2]


def test_l2sp_by_loops():
    X, y = pictures(16)
    method = L2SP(small_cnn(), start_weight=0.3, head_weight=0.2, training=training())
    module, batch, _ = built(method, X, y)
    rng = np.random.default_rng(0)
    moved = 0.0
    for parameter in module.network.backbone.parameters():
        step = rng.normal(size=tuple(parameter.shape)).astype(np.float32)
        parameter.data += torch.as_tensor(step)
        moved += float((step.astype(float) ** 2).sum())
    losses = method.losses(module, batch)
    assert float(losses["start"].detach()) == pytest.approx(0.15 * moved, rel=1e-4)
    norm = sum(float((p.detach().double() ** 2).sum()) for p in module.network.head.parameters())
    assert float(losses["head"].detach()) == pytest.approx(0.1 * norm, rel=1e-4)


def test_bss_by_numpy():
    X, y = pictures(16)
    method = BSS(small_cnn(), shrinkage_weight=0.5, n_singular=2, training=training())
    module, batch, _ = built(method, X, y)
    features = module.network.backbone(batch.target.x).detach().double().numpy()
    values = np.sort(np.sqrt(np.abs(np.linalg.eigvalsh(features @ features.T))))[-min(features.shape) :]
    assert float(method.losses(module, batch)["shrinkage"].detach()) == pytest.approx(
        0.5 * (values[:2] ** 2).sum(), rel=1e-2, abs=1e-6
    )


def test_delta_is_nought_at_the_start_and_by_loops_afterwards():
    X, y = pictures(12)
    method = DELTA(small_cnn(norm=False), behaviour_weight=1.0, attention=False, training=training())
    module, batch, _ = built(method, X, y)
    assert float(method.losses(module, batch)["behaviour"].detach()) == 0
    for parameter in module.network.backbone.parameters():
        parameter.data += 0.01
    expected = 0.0
    for now, before in zip(
        _convolved(module.network.backbone, batch.target.x), _convolved(method._start, batch.target.x), strict=True
    ):
        difference = (now - before).detach().double().numpy()
        for i in range(12):
            expected += sum(np.mean(np.ravel(difference[i, c]) ** 2) for c in range(difference.shape[1])) / 12
    assert float(method.losses(module, batch)["behaviour"].detach()) == pytest.approx(expected, rel=1e-4)


def _convolved(backbone, x):
    """The outputs of both convolutions of the small network."""
    found = []
    for layer in (m for m in backbone.modules() if not list(m.children())):
        x = layer(x)
        if isinstance(layer, torch.nn.Conv2d):
            found.append(x)
    return found


def test_delta_gives_more_weight_to_a_channel_that_tells_the_classes_apart():
    """Two channels pass the input on, one with the signal and one with noise: the first must weigh more."""
    from torch import nn

    rng = np.random.default_rng(0)
    X = rng.normal(0.5, 0.01, size=(40, 3, 8, 8)).astype(np.float32)
    y = np.tile([0, 1], 20)
    X[:, 0] += y[:, None, None]
    net = nn.Sequential(nn.Conv2d(3, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    net[0].weight.data = torch.eye(3)[:, :, None, None]
    net[0].bias.data.zero_()
    method = DELTA(net, training=training())
    built(method, X, y)
    for weights in method._weights:
        assert int(weights.argmax()) == 0
        assert float(weights.mean()) == pytest.approx(1.0)


def test_cotuning_relation_by_loops():
    X, y = pictures(20)
    method = CoTuning(small_cnn(), training=training())
    module, batch, _ = built(method, X, y)
    cnn = small_cnn().eval()
    with torch.no_grad():
        proba = cnn(torch.as_tensor(load_backbone(cnn).prepare(X))).double().softmax(1).numpy()
    for i, label in enumerate("abc"):
        np.testing.assert_allclose(method._relation[i].numpy(), proba[y == label].mean(axis=0), rtol=1e-4)
    module.eval()
    with torch.no_grad():
        losses = method.losses(module, batch)
    codes = np.searchsorted(["a", "b", "c"], y)
    expected = -np.mean([(method._relation[codes[i]].double().numpy() * np.log(proba[i])).sum() for i in range(20)])
    assert float(losses["source"].detach()) == pytest.approx(2.3 * expected, rel=1e-4)


def test_lwf_is_nought_at_the_start_and_a_divergence_afterwards():
    X, y = pictures(10)
    method = LwF(small_cnn(), temperature=3.0, training=training())
    module, batch, _ = built(method, X, y)
    module.eval()
    assert float(method.losses(module, batch)["old"].detach()) == pytest.approx(0, abs=1e-6)
    module.extra["source_head"].bias.data += torch.tensor([1.0, 0, 0, 0])
    with torch.no_grad():
        now = (module.extra["source_head"](module.network.backbone(batch.target.x)) / 3).double().softmax(1).numpy()
    old = (method._old / 3).double().softmax(1).numpy()
    assert float(method.losses(module, batch)["old"].detach()) == pytest.approx(
        9 * np.mean((old * np.log(old / now)).sum(axis=1)), rel=1e-4
    )


def test_fisher_information_of_a_linear_model_is_that_of_softmax_regression():
    """For features that are one weight times the input, F = E[(sum_c (p_c - 1[c = y]) w_c x)^2] under y ~ p."""
    from torch import nn

    from sterna.finetune._ewc import fisher_information

    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.tensor([1.5]))

        def prepare(self, rows):
            return torch.as_tensor(rows, dtype=torch.float32)

        def forward(self, x):
            return x * self.weight

    head = nn.Linear(1, 3, bias=False)
    head.weight.data = torch.tensor([[1.0], [-0.5], [0.2]])
    x = np.random.default_rng(0).normal(size=(4000, 1))
    measured = float(fisher_information(Scale(), head, x, 0)[0])
    w = head.weight.detach().double().numpy()[:, 0]
    logits = 1.5 * x * w
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    exact = np.mean((p * (w[None] * x - (p * w).sum(axis=1, keepdims=True) * x) ** 2).sum(axis=1))
    assert measured == pytest.approx(exact, rel=0.1)


def test_bitfit_moves_biases_only():
    X, y = pictures()
    cnn = small_cnn()
    model = BitFit(cnn, training=training(2, learning_rate=0.05), random_state=0).fit(X, y)
    before = dict(load_backbone(cnn).named_parameters())
    for name, value in model.network_.backbone.named_parameters():
        assert torch.equal(value, before[name]) != name.endswith("bias"), name


@pytest.mark.parametrize("dora", [False, True])
def test_lora_changes_are_of_low_rank_and_merged(dora):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 12)).astype(np.float32), rng.integers(0, 2, 60)
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Linear(12, 16), torch.nn.ReLU(), torch.nn.Linear(16, 16), torch.nn.ReLU(), torch.nn.Linear(16, 5)
    )
    model = LoRA(net, rank=2, dora=dora, training=training(5, learning_rate=0.05), random_state=0).fit(X, y)
    before = dict(load_backbone(net).named_parameters())
    changed = 0
    for name, value in model.network_.backbone.named_parameters():
        difference = (value - before[name]).detach()
        if name.endswith("weight") and float(difference.abs().max()) > 0:
            changed += 1
            if not dora:
                assert int((torch.linalg.svdvals(difference) > 1e-5).sum()) <= 2
        if name.endswith("bias"):
            assert float(difference.abs().max()) == 0
    assert changed == 2
    assert {type(layer).__name__ for layer in model.network_.modules() if not list(layer.children())} <= {
        "Linear",
        "ReLU",
        "Identity",
    }


def test_wiseft_is_the_mean_of_probe_and_fine_tuned():
    X, y = pictures()
    ends = [
        WiSEFT(small_cnn(), mixing=m, training=training(4), random_state=0).fit(X, y).network_.state_dict()
        for m in (0.0, 0.25, 1.0)
    ]
    for name in ends[0]:
        if ends[0][name].is_floating_point():
            torch.testing.assert_close(ends[1][name], 0.75 * ends[0][name] + 0.25 * ends[2][name])
    probe = LinearProbeFineTune(small_cnn(), training=training(4), random_state=0).fit(X, y).network_.state_dict()
    assert all(torch.equal(probe[name], ends[2][name]) for name in probe), "mixing=1 is LP-FT itself"
    for name, value in load_backbone(small_cnn()).state_dict().items():
        if value.is_floating_point():
            assert torch.equal(ends[0][f"backbone.{name}"], value), "mixing=0 keeps the pretrained backbone"


def test_the_soup_is_a_mean_of_runs_and_never_worse_on_the_held_out_rows():
    X, y = pictures(60)
    model = ModelSoup(small_cnn(), rates=(0.5, 1.0, 2.0), training=training(3, learning_rate=0.02), random_state=0).fit(X, y)
    assert 1 <= len(model.ingredients_) <= 3
    assert model.health_["ingredients"] == len(model.ingredients_)


def test_contrasts_by_loops():
    from sterna.finetune._bituning import class_contrast, row_contrast

    rng = np.random.default_rng(0)
    F = rng.normal(size=(7, 4))
    F /= np.linalg.norm(F, axis=1, keepdims=True)
    y = np.array([0, 0, 1, 1, 1, 2, 0])
    total, counted = 0.0, 0
    for i in range(7):
        others = [j for j in range(7) if j != i]
        same = [j for j in others if y[j] == y[i]]
        if same:
            share = sum(np.exp(F[i] @ F[j] / 0.5) for j in others)
            total -= np.mean([np.log(np.exp(F[i] @ F[j] / 0.5) / share) for j in same])
            counted += 1
    assert float(row_contrast(torch.as_tensor(F), torch.as_tensor(y), 0.5)) == pytest.approx(total / counted)
    S = rng.normal(size=(7, 3))
    expected = -np.mean([np.log(np.exp(S[i, y[i]]) / np.exp(S[:, y[i]]).sum()) for i in range(7)])
    assert float(class_contrast(torch.as_tensor(S), torch.as_tensor(y))) == pytest.approx(expected)


def test_joint_loss_is_the_weighted_sum_and_a_harmful_source_is_weighted_low():
    (Xs, ys), (Xt, yt) = pictures(60, seed=1), pictures(40, seed=2)
    X, codes = np.concatenate([Xs, Xt]), np.repeat([1, -1], [60, 40])
    wrong = np.concatenate([np.roll(ys, 1), yt])
    rotated = {"a": "b", "b": "c", "c": "a"}
    wrong = np.array(
        [rotated[label] if code > 0 else label for label, code in zip(np.concatenate([ys, yt]), codes, strict=True)]
    )
    options = training(10, learning_rate=0.02)
    model = JointFineTune(small_cnn(), backbone_rate=1.0, training=options, random_state=0).fit(X, wrong, sample_domain=codes)
    assert model.source_weight_ <= 0.3
    assert sorted(model.history_[0]) == ["source", "target"]
    with pytest.raises(ValueError, match="labelled source rows and labelled target rows"):
        JointFineTune(small_cnn(), training=options).fit(Xt, yt)


def test_from_scratch_forgets_the_weights():
    X, y = pictures()
    first, second = (FromScratch(small_cnn(seed=s), training=training(1), random_state=0).fit(X, y) for s in (0, 1))
    a, b = first.network_.state_dict(), second.network_.state_dict()
    assert all(torch.equal(a[name], b[name]) for name in a), "the same seed, whatever the pretrained weights"
