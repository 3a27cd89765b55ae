"""The embedding against Fisher information by other means: backpropagation by hand, and differences of the log probability."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from torch import nn  # noqa: E402

from networks import pictures, small_cnn, tiny_text  # noqa: E402
from sterna.backbones import freeze, load_backbone  # noqa: E402
from sterna.measures import measure_interval, task2vec, task2vec_distance  # noqa: E402
from sterna.measures._task2vec import head  # noqa: E402


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def flat_network():
    """One hidden layer, features of four units."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(12, 5), nn.Tanh(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2))


def small_task(n=30, n_classes=3, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    X = rng.normal(size=(n, 12)).astype(np.float32)
    X[np.arange(n), y] += 1.5
    return X, y


@pytest.mark.parametrize("n_classes", [2, 3])
def test_exact_embedding_equals_a_loop_with_gradients_by_hand(n_classes):
    network = flat_network()
    X, y = small_task(n_classes=n_classes)
    W1, b1, W2, b2 = (part.detach().double().numpy() for part in list(network.parameters())[:4])
    hidden = np.tanh(X @ W1.T + b1)
    features = np.maximum(hidden @ W2.T + b2, 0)
    V, c = head(features, y)
    p = softmax(features @ V.T + c)
    fisher = [np.zeros_like(W1), np.zeros_like(W2)]
    for i in range(len(X)):
        for label in range(n_classes):
            by_feature = V.T @ (np.eye(n_classes)[label] - p[i]) * (features[i] > 0)
            by_hidden = W2.T @ by_feature * (1 - hidden[i] ** 2)
            fisher[0] += p[i, label] * np.outer(by_hidden, X[i]) ** 2 / len(X)
            fisher[1] += p[i, label] * np.outer(by_feature, hidden[i]) ** 2 / len(X)
    expected = np.concatenate([part.mean(axis=1) for part in fisher])
    assert task2vec(network, X, y, n_draws=None) == pytest.approx(expected, rel=1e-3, abs=1e-9)


def test_exact_embedding_of_convolutions_equals_differences_of_the_log_probability():
    network = small_cnn().double()
    for module in network.modules():  # statistics of its own, in evaluation mode
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    X, y = pictures(9, size=8)
    found = task2vec(network.float(), X, y, n_draws=None)
    assert found.shape == (8 + 16,)
    body = network[:-1].double().eval()
    inputs = torch.as_tensor(X).double()
    with torch.no_grad():
        V, c = head(body(inputs).numpy(), np.unique(y, return_inverse=True)[1])

        def log_p():
            return np.log(softmax(body(inputs).numpy() @ V.T + c))

        p = np.exp(log_p())
        weight = body[0].weight  # (8, 3, 3, 3)
        squares = []
        for j in range(weight[5].numel()):
            entry, values = weight[5].view(-1)[j : j + 1], []
            for step in (1e-5, -2e-5):
                entry += step
                values.append(log_p())
            entry += 1e-5
            slope = (values[0] - values[1]) / 2e-5  # (n, n_classes)
            squares.append(np.mean(np.sum(p * slope**2, axis=1)))
    assert found[5] == pytest.approx(np.mean(squares), rel=1e-3)


def test_many_draws_come_to_the_exact_embedding():
    X, y = small_task()
    exact = task2vec(flat_network(), X, y, n_draws=None)
    drawn = [task2vec(flat_network(), X, y, n_draws=n, random_state=0) for n in (1, 200)]
    errors = [np.abs(part - exact).sum() / exact.sum() for part in drawn]
    assert errors[1] < 0.1 < 0.2 < errors[0] < 0.8


def test_the_head_predicts_as_scikit_learn_does():
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    for n_classes in (2, 4):
        X, y = rng.normal(size=(60, 3)), np.arange(60) % n_classes
        weights, bias = head(X, y)
        scaled = (X - X.mean(axis=0)) / X.std(axis=0)
        expected = LogisticRegression(tol=1e-8, max_iter=1000).fit(scaled, y).predict_proba(scaled)
        assert softmax(X @ weights.T + bias) == pytest.approx(expected, abs=1e-6)


def test_like_tasks_are_nearer_than_unlike_ones():
    """Two halves of one task against a task about other columns."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 2))
    X = np.random.default_rng(0).normal(size=(400, 12)).astype(np.float32)
    one, other = X[:, :3].sum(axis=1) > 0, X[:, 9:].sum(axis=1) > 0
    first, second = slice(200), slice(200, 400)
    a, b, c = (task2vec(network, X[rows], y[rows], n_draws=None) for rows, y in ((first, one), (second, one), (second, other)))
    assert task2vec_distance(a, b) < task2vec_distance(a, c)


def test_names_of_classes_do_not_matter_and_the_same_seed_gives_the_same():
    X, y = small_task()
    first = task2vec(flat_network(), X, y, random_state=3)
    assert np.array_equal(task2vec(flat_network(), X, np.array(["ant", "bee", "cat"])[y], random_state=3), first)
    assert np.array_equal(task2vec(flat_network(), pd.DataFrame(X), pd.Series(y), random_state=3), first)


def test_the_backbone_is_not_changed_and_may_be_frozen():
    backbone = load_backbone(small_cnn())
    freeze(backbone)
    before = copy.deepcopy(backbone.state_dict())
    X, y = pictures(8, size=8)
    found = task2vec(backbone, X, y, random_state=0)
    assert np.all(found >= 0)
    assert found.sum() > 0
    assert all(torch.equal(value, before[name]) for name, value in backbone.state_dict().items())
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    assert all(parameter.grad is None for parameter in backbone.parameters())


def test_texts_are_embedded_too(tmp_path):
    backbone = load_backbone(tiny_text(tmp_path, "distilbert"))
    found = task2vec(backbone, np.array(["a tern", "far", "a tern flies", "flies far"], dtype=object), [0, 1, 0, 1])
    assert np.isfinite(found).all()
    assert found.sum() > 0


def test_no_more_rows_than_asked_for():
    X, y = small_task(60)
    assert np.isfinite(task2vec(flat_network(), X, y, max_rows=10, random_state=0)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": [0, 1]}, "y has the shape .2,., but features has 30 rows"),
        ({"y": np.zeros(30)}, "one class only"),
        ({"y": [None] + [0, 1] * 14 + [0]}, "no label in row 0"),
        ({"y": np.linspace(0.1, 1, 30)}, "a value and not a class"),
        ({"backbone": small_cnn(), "items": "photos"}, "one str was given, but an encoder takes many rows"),
        ({"n_draws": 0}, "n_draws is 0; give a whole number of 1 or more"),
        ({"backbone": nn.Sequential(nn.Tanh(), nn.Linear(12, 2))}, "has no convolution and no linear layer"),
        ({"items": np.full((30, 12), np.nan, dtype=np.float32)}, "features hold NaN"),
    ],
)
def test_bad_input_is_told_in_one_sentence(change, message):
    X, y = small_task()
    with pytest.raises(ValueError, match=message):
        task2vec(**({"backbone": flat_network(), "items": X, "y": y} | change))


def test_distance_equals_its_definition():
    rng = np.random.default_rng(0)
    a, b, t = rng.random((3, 40))
    cosine = sum((x / (x + y)) * (y / (x + y)) for x, y in zip(a, b, strict=True))
    cosine /= np.sqrt(sum((x / (x + y)) ** 2 for x, y in zip(a, b, strict=True)))
    cosine /= np.sqrt(sum((y / (x + y)) ** 2 for x, y in zip(a, b, strict=True)))
    assert task2vec_distance(a, b) == pytest.approx(1 - cosine)
    assert task2vec_distance(a, b) == pytest.approx(task2vec_distance(b, a))
    assert task2vec_distance(a, a) == pytest.approx(0, abs=1e-12)
    asymmetric = task2vec_distance(a, b, trivial=t, alpha=0.3)
    assert asymmetric == pytest.approx(task2vec_distance(a, b) - 0.3 * task2vec_distance(a, t))


def test_distance_of_empty_filters_is_defined():
    assert task2vec_distance([1.0, 0.0, 2.0], [1.0, 0.0, 2.0]) == pytest.approx(0, abs=1e-12)
    assert task2vec_distance([0.0, 0.0], [1.0, 2.0]) == 1
    assert task2vec_distance([0.0, 0.0], [0.0, 0.0]) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: task2vec_distance([1.0], [1.0, 2.0]), "first has 1 filters but second has 2; embed both by the same network"),
        (lambda: task2vec_distance([1.0], [-1.0]), "second holds NaN, infinite or negative values"),
        (lambda: task2vec_distance([[1.0]], [1.0]), "first has the shape .1, 1."),
        (lambda: task2vec_distance(["a"], [1.0]), "first holds values that are no numbers"),
        (lambda: task2vec_distance([1.0], [1.0], trivial=[1.0, 2.0]), "trivial has 2"),
        (lambda: task2vec_distance([1.0], [1.0], alpha=2), "alpha is 2; give a number from 0 to 1"),
        (lambda: measure_interval(task2vec_distance, [1.0], [1.0]), "takes embeddings, which have no rows to draw"),
    ],
)
def test_bad_embeddings_are_told_in_one_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()
