"""compare_layers: against activations computed by hand, at networks that are the same, changed in one layer, and different."""

from __future__ import annotations

import copy
import sys

import numpy as np
import pandas as pd
import pytest

from networks import pictures, small_cnn
from sterna.measures import cka, compare_layers, rsa, svcca
from sterna.measures._layer_outputs import _pooled

torch = pytest.importorskip("torch")
nn = torch.nn

X = pictures(n=40, size=8)[0]


def two_layers(seed=0, width=8, n_inputs=5):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(n_inputs, width), nn.ReLU(), nn.Linear(width, 6))


def rows(n=60, d=5, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def values(found, column="cka"):
    return dict(zip(found["layer"], found[column], strict=True))


# against activations computed by hand


def hsic_by_hand(K, L):
    """The unbiased estimate of Song et al. (2012), equation 4, by its sums over pairs."""
    n = len(K)
    K, L = K - np.diag(np.diag(K)), L - np.diag(np.diag(L))
    one = np.ones(n)
    total = np.trace(K @ L) + (one @ K @ one) * (one @ L @ one) / ((n - 1) * (n - 2)) - 2 / (n - 2) * (one @ K @ L @ one)
    return total / (n * (n - 3))


def cka_by_hand(A, B):
    K, L = A @ A.T, B @ B.T
    return hsic_by_hand(K, L) / np.sqrt(hsic_by_hand(K, K) * hsic_by_hand(L, L))


def activations(network, X, pool):
    """The three stages of `small_cnn`, layer after layer."""
    network = copy.deepcopy(network).eval()
    with torch.no_grad():
        first = network.bn1(network.conv1(torch.as_tensor(X)))
        second = network.bn2(network.conv2(network.pool1(torch.relu(first))))
        last = network.fc(torch.relu(second).mean(dim=(2, 3)))
    found = {"conv1": first, "conv2": second, "fc": last}
    features = {name: (map_.mean(dim=(2, 3)) if pool and map_.ndim == 4 else map_.flatten(1)) for name, map_ in found.items()}
    return {name: feature.double().numpy() for name, feature in features.items()}


@pytest.mark.parametrize("pool", [True, False])
def test_the_likeness_is_that_of_the_activations(pool):
    before, after = small_cnn(seed=0), small_cnn(seed=1)
    for network in (before, after):  # statistics that are not those at the start
        network.train()
        network(torch.as_tensor(X) + 0.3)
    found = compare_layers(before, after, X, [cka, svcca, rsa], pool=pool, batch_size=16)
    first, second = activations(before, X, pool), activations(after, X, pool)
    assert found["layer"].tolist() == ["conv1", "conv2", "fc"]
    assert found.columns.tolist() == ["layer", "cka", "svcca", "rsa", "reason"]
    assert (found["reason"] == "").all()
    for name, value in values(found).items():
        assert value == pytest.approx(cka_by_hand(first[name], second[name]), abs=1e-5)
    for name, value in values(found, "svcca").items():
        assert value == pytest.approx(svcca(first[name], second[name]), abs=1e-4)
    for name, value in values(found, "rsa").items():
        assert value == pytest.approx(rsa(first[name], second[name]), abs=1e-4)


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_the_size_of_batches_does_not_matter(batch_size):
    before, after = small_cnn(seed=0), small_cnn(seed=1)
    expected = values(compare_layers(before, after, X))
    assert values(compare_layers(before, after, X, batch_size=batch_size)) == pytest.approx(expected, abs=1e-5)


# the same, changed, different


@pytest.mark.parametrize("pool", [True, False])
@pytest.mark.parametrize("measure", [cka, svcca, rsa])
def test_a_network_is_like_itself_at_every_layer(measure, pool):
    network = small_cnn()
    for after in (network, copy.deepcopy(network)):
        found = compare_layers(network, after, X, measure, pool=pool)
        np.testing.assert_allclose(found[measure.__name__], 1.0, atol=1e-9)


@pytest.mark.parametrize(("changed", "alike"), [("fc", ["conv1", "conv2"]), ("conv2", ["conv1"]), ("conv1", [])])
def test_the_layer_that_was_changed_is_where_likeness_falls(changed, alike):
    before = small_cnn()
    after = copy.deepcopy(before)
    with torch.no_grad():
        torch.manual_seed(5)
        weight = getattr(after, changed).weight
        weight.copy_(torch.randn_like(weight))
    found = values(compare_layers(before, after, X))
    for name in alike:
        assert found[name] == pytest.approx(1.0, abs=1e-9)
    assert found[changed] < 0.99
    assert list(found).index(changed) == len(alike)


def test_a_rotation_of_a_layer_changes_nothing():
    before = two_layers()
    after = copy.deepcopy(before)
    rotation = torch.linalg.qr(torch.randn(6, 6))[0]
    with torch.no_grad():
        after[2].weight.copy_(rotation @ before[2].weight)
        after[2].bias.copy_(rotation @ before[2].bias)
    np.testing.assert_allclose(compare_layers(before, after, rows())["cka"], 1.0, atol=1e-6)


def test_networks_of_different_architecture_are_compared_in_all_pairs():
    before = two_layers()
    after = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 2))
    found = compare_layers(before, after, rows(), all_pairs=True)
    assert found.columns.tolist() == ["layer", "layer_after", "cka", "reason"]
    assert list(zip(found["layer"], found["layer_after"], strict=True)) == [(a, b) for a in "02" for b in "024"]
    with torch.no_grad():
        X = torch.as_tensor(rows(), dtype=torch.float32)
        expected = cka_by_hand(before[0](X).double().numpy(), after(X).double().numpy())
    assert found["cka"].iloc[2] == pytest.approx(expected, abs=1e-6)
    by_name = compare_layers(before, after, rows())
    assert by_name["layer"].tolist() == ["0", "2", "4"]
    assert by_name["reason"].tolist() == ["", "", "only after has this layer"]
    assert np.isnan(by_name["cka"].iloc[2])


def test_chosen_layers_may_be_any_modules():
    before, after = small_cnn(seed=0), small_cnn(seed=1)
    found = compare_layers(before, after, X, layers=["pool1", "conv1"])
    assert found["layer"].tolist() == ["pool1", "conv1"]
    with torch.no_grad():
        first, second = (
            net.pool1(torch.relu(net.bn1(net.conv1(torch.as_tensor(X))))).mean(dim=(2, 3)).double().numpy()
            for net in (before.eval(), after.eval())
        )
    assert found["cka"].iloc[0] == pytest.approx(cka_by_hand(first, second), abs=1e-5)


# strategies


def test_a_fitted_strategy_is_compared_with_the_backbone_that_it_began_with():
    from sterna.backbones import load_backbone
    from sterna.deep import Training
    from sterna.finetune import FeatureExtraction, FineTune, GradualUnfreezing

    images, y = pictures(n=30, size=8)
    network = small_cnn()
    before = load_backbone(copy.deepcopy(network))
    options = Training(max_epochs=2, learning_rate=0.5, batch_size=10)
    frozen = GradualUnfreezing(copy.deepcopy(network), epochs_per_stage=1, training=options, random_state=0).fit(images, y)
    tuned = FineTune(copy.deepcopy(network), training=options, random_state=0).fit(images, y)
    kept, changed = compare_layers(before, frozen, images), compare_layers(before, tuned, images)
    assert kept["layer"].tolist() == ["conv1", "conv2", "head"]
    assert kept["reason"].iloc[2] == "only after has this layer"
    assert kept["cka"].iloc[0] == pytest.approx(1.0, abs=1e-6), "the second epoch reached the second stage only"
    assert kept["cka"].iloc[1] < 0.999
    assert (changed["cka"].iloc[:2] < 0.999).all()
    both = compare_layers(frozen, tuned, list(images))
    assert both["cka"].notna().all()
    for strategy in (FineTune(), FeatureExtraction()):
        with pytest.raises(
            ValueError, match=f"after is a {type(strategy).__name__} that holds no trained network; fit it first, or"
        ):
            compare_layers(frozen, strategy, images)


# leaves everything as it was


def test_modes_hooks_weights_and_gradients_are_left_alone():
    network = small_cnn()
    network.train()
    network.bn1.eval()
    before = copy.deepcopy(network.state_dict())
    modes = [module.training for module in network.modules()]
    compare_layers(network, network, X)
    assert [module.training for module in network.modules()] == modes
    assert not any(module._forward_hooks for module in network.modules())
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(p.grad is None for p in network.parameters())
    with pytest.raises(RuntimeError):
        compare_layers(network, network, X[:, :2])
    assert not any(module._forward_hooks for module in network.modules())
    assert [module.training for module in network.modules()] == modes


@pytest.mark.parametrize(
    "given", [rows(), rows().astype(np.float32), torch.as_tensor(rows()), pd.DataFrame(rows()), list(rows())], ids=type
)
def test_rows_of_any_kind_give_the_same(given):
    expected = values(compare_layers(two_layers(0), two_layers(1), rows()))
    assert values(compare_layers(two_layers(0), two_layers(1), given)) == pytest.approx(expected, abs=1e-5)


# layouts of outputs


def test_features_are_found_in_maps_and_sequences():
    values = torch.as_tensor(np.random.default_rng(0).normal(size=(4, 6, 5, 7)))
    for width, axes in ((6, (2, 3)), (7, (1, 2)), (None, (2, 3)), (99, (2, 3))):
        np.testing.assert_allclose(_pooled(values, None, width), values.numpy().mean(axis=axes))
    sequence = values[:, :, 0]
    for width, axis in ((6, 2), (7, 1), (None, 1)):
        np.testing.assert_allclose(_pooled(sequence, None, width), sequence.numpy().mean(axis=axis))
    mask = torch.as_tensor(np.arange(6) < np.array([[6], [3], [1], [2]]))
    expected = [sequence.numpy()[i, :n].mean(axis=0) for i, n in enumerate((6, 3, 1, 2))]
    np.testing.assert_allclose(_pooled(sequence, mask, 7), expected)


class Words(nn.Module):
    """Embeds lists of numbers, padded to the longest of a batch."""

    def __init__(self, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.embedding = nn.Embedding(20, 4)
        self.layer = nn.Linear(4, 3)

    def prepare(self, items):
        length = max(len(item) for item in items)
        tokens = torch.as_tensor([[*item, *[19] * (length - len(item))] for item in items])
        mask = torch.as_tensor([[1] * len(item) + [0] * (length - len(item)) for item in items])
        return {"tokens": tokens, "attention_mask": mask}

    def forward(self, inputs):
        return {"last": self.layer(self.embedding(inputs["tokens"])), "more": None}


def test_padding_is_left_out():
    rng = np.random.default_rng(0)
    texts = [rng.integers(0, 19, size=rng.integers(1, 9)).tolist() for _ in range(30)]
    first, second = Words(0), Words(1)
    by_hand = []
    for network in (first, second):
        with torch.no_grad():
            outputs = [network.layer(network.embedding(torch.as_tensor(text))).mean(dim=0).double().numpy() for text in texts]
        by_hand.append(np.array(outputs))
    for batch_size in (1, 4, 30):
        found = values(compare_layers(first, second, texts, batch_size=batch_size))
        assert found["layer"] == pytest.approx(cka_by_hand(*by_hand), abs=1e-5)
    flat = compare_layers(first, second, texts, batch_size=4, pool=False).set_index("layer")["reason"]["layer"]
    assert "before: its outputs are of" in flat
    assert "lengths; leave pool as it is" in flat


# undefined


class Odd(nn.Module):
    """A layer that is never called, one that gives no entry a row, one that gives no tensor, and one that gives NaN."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Linear(5, 4)
        self.unused = nn.Linear(5, 4)
        self.turned = Turn()
        self.empty = Nothing()
        self.broken = Broken()
        self.last = nn.LSTM(4, 3, batch_first=True)

    def forward(self, x):
        x = self.first(x)
        self.turned(x), self.empty(x), self.broken(x)
        return self.last(x[:, None])


class Turn(nn.Linear):
    def __init__(self):
        super().__init__(1, 1)

    def forward(self, x):
        return x.T[:, :3]


class Nothing(Turn):
    def forward(self, x):
        return None


class Broken(Turn):
    def forward(self, x):
        return x * float("nan")


def test_what_is_not_defined_is_said_with_its_reason():
    network = Odd()
    found = compare_layers(network, network, rows()).set_index("layer")
    assert found.loc["first", "cka"] == pytest.approx(1.0)
    assert found.loc["last", "cka"] == pytest.approx(1.0), "of several outputs the first"
    undefined = found[found["cka"].isna()]
    assert undefined.index.tolist() == ["unused", "turned", "empty", "broken"]
    assert "before: no call with a tensor as output was seen; after: no call" in found.loc["unused", "reason"]
    assert "its output has the shape (4, 3), which is no entry for each of 60 rows" in found.loc["turned", "reason"]
    assert "no call with a tensor as output" in found.loc["empty", "reason"]
    assert "cka: first holds NaN or infinite values" in found.loc["broken", "reason"]
    assert (found.loc[["first", "last"], "reason"] == "").all()


def test_a_layer_that_tells_no_row_from_another_is_undefined():
    before = two_layers()
    after = copy.deepcopy(before)
    nn.init.zeros_(after[2].weight)
    found = compare_layers(before, after, rows(), [cka, rsa])
    assert found["cka"].iloc[0] == pytest.approx(1.0)
    assert found[["cka", "rsa"]].iloc[1].isna().all()
    assert found["reason"].iloc[1] == "after: all rows get the same output"
    found = compare_layers(before, before, rows(), lambda first, second: float("nan"))
    assert found["reason"].tolist() == ["<lambda> is not defined for these outputs"] * 2


def test_maps_too_large_to_flatten_are_refused_with_their_size(monkeypatch):
    monkeypatch.setattr("sterna.measures._layer_outputs.MAX_VALUES", 40 * 300)
    found = compare_layers(small_cnn(0), small_cnn(1), X, pool=False).set_index("layer")
    assert found["cka"].notna().tolist() == [False, True, True]
    assert "before: its 512 values for each of 40 rows take 0.0 GiB; leave pool" in found.loc["conv1", "reason"]
    assert compare_layers(small_cnn(0), small_cnn(1), X)["cka"].notna().all()


# bad input


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"X": rows(3)}, ValueError, "X has 3 rows; give four or more"),
        ({"batch_size": 0}, ValueError, "batch_size is 0; give a whole number of 1 or more"),
        ({"measure": "cka"}, TypeError, "measure is 'cka'; give sterna.measures.cka, svcca or rsa, or a list of them"),
        ({"measure": []}, TypeError, r"measure is \[\]; give"),
        ({"layers": ["3"]}, ValueError, "layers names '3', which before has not; its stages are 0, 2, and any module of named"),
        ({"after": object()}, TypeError, "after is a object; give a torch module, or a fitted strategy that trains a network"),
        ({"X": ["a", "b", "c", "d"]}, ValueError, "before takes a batch of numbers, which X is not"),
        ({"after": nn.Linear(5, 2)}, ValueError, "before has the layers 0, 2, after .*, none in common; give all_pairs=True"),
    ],
)
def test_bad_input_gets_a_sentence(changes, error, message):
    given = {"before": two_layers(0), "after": two_layers(1), "X": rows()} | changes
    with pytest.raises(error, match=message):
        compare_layers(**given)


def test_torch_is_asked_for_in_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(
        ModuleNotFoundError, match=r"^compare_layers needs torch; install it with pip install 'sterna\[deep\]'$"
    ):
        compare_layers(object(), object(), rows())
