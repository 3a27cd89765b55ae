"""task2vec: a task as the Fisher information that a network's filters have about its labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

from sterna.domains._stack import Array
from sterna.measures._checks import sample_rows
from sterna.measures._labelled import check_labelled
from sterna.measures._parameters import check_count

_BATCH = 32  # rows whose features are taken at a time


def task2vec(
    backbone: Any,
    items: Any,
    y: Any,
    *,
    n_draws: int | None = 1,
    max_rows: int = 1000,
    device: str = "auto",
    random_state: Any = None,
) -> Array:
    """Embed a labelled task: the Fisher information of each filter of a pretrained network about the labels.

    Tasks that lean on the same filters in the same proportions are near each other by `task2vec_distance`, whatever their
    classes are called and however many there are. When to use it: to choose among many source tasks, or models trained on
    them, for a new one: embed each once by one network. What it cannot tell: how well a model will do (see `linear_probe`);
    and embeddings by different networks, or by other weights of one, do not compare.

    Parameters
    ----------
    backbone : str, Module or Backbone
        As `sterna.backbones.load_backbone` takes it, the same for all tasks. It is not changed.
    items : sequence of length n_samples
        Rows as the backbone takes them: file names, pictures, texts, rows of numbers.
    y : array-like of shape (n_samples,)
        Classes.
    n_draws : int or None, default=1
        Labels drawn for each row from the head's probabilities. None takes the expectation over all classes exactly, which
        costs as much as n_classes draws.
    max_rows : int, default=1000
        Used at most, drawn at random.
    device : str, default="auto"
        "auto": a GPU if there is one.
    random_state : int, RandomState or None, default=None
        Draws rows and labels.

    Returns
    -------
    ndarray of shape (n_filters,)
        One value for each output channel of each convolution and linear layer, in the network's order; 0 or more.

    Notes
    -----
    The diagonal of F = E_x E_{y ~ p(y | x)} [g g'] with g = d log p(y | x) / dw, averaged over the weights of each filter
    (section 2 of the paper). p is a multinomial logistic regression on the frozen features, fitted to the labels; labels
    are then drawn from it and those of the data are not used. Departures: the head is fitted to convergence on standardised
    features with a penalty, in place of ten epochs of Adam; gradients are squared row by row, as the definition has it,
    where the authors' Monte Carlo code squares the mean of a batch; their variational estimate is not here; normalisation
    layers keep their statistics and have no entries; biases have none either. The noise of one draw a row averages out over
    the rows. Cost: n_draws backward passes a row, one row at a time (0.4 seconds each for a ResNet-18 at 224 pixels on one core);
    memory of three copies of the weights.

    References
    ----------
    A. Achille, M. Lam, R. Tewari, A. Ravichandran, S. Maji, C. Fowlkes, S. Soatto, P. Perona (2019), Task2Vec: task embedding for
    meta-learning, ICCV.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from sterna.measures import task2vec
    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    >>> pictures = np.random.default_rng(0).random((20, 1, 8, 8)).astype("float32")
    >>> task2vec(network, pictures, np.arange(20) % 2, random_state=0).shape  # the last layer is the head, cut off
    (4,)
    """
    if n_draws is not None:
        check_count("n_draws", n_draws, 1)
    check_count("max_rows", max_rows, 2)
    from sterna.measures._task2vec_network import Probe

    probe = Probe(backbone, device)
    items = probe.rows_of(items)
    data = check_labelled("task2vec", np.zeros((len(items), 1)), y)
    rng = check_random_state(random_state)
    rows = sample_rows(len(data.y), max_rows, rng)
    features = np.concatenate([probe.features(items, rows[i : i + _BATCH]) for i in range(0, len(rows), _BATCH)])
    if not np.isfinite(features).all():
        raise ValueError("task2vec: the backbone's features hold NaN or infinite values; check its weights and the items")
    weights, bias = head(features, data.y[rows])
    total = np.zeros(probe.n_filters)
    for i in range(len(rows)):
        total += probe.squared_gradients(items, rows[i : i + 1], weights, bias, n_draws, rng)
    return total / len(rows)


def head(features: Array, codes: Array) -> tuple[Array, Array]:
    """A multinomial logistic regression on standardised features, as weights of the features themselves.

    Parameters
    ----------
    features : ndarray of shape (n_samples, n_features)
    codes : ndarray of int of shape (n_samples,)

    Returns
    -------
    weights : ndarray of shape (n_classes, n_features)
    bias : ndarray of shape (n_classes,)
    """
    present = np.unique(codes)
    if len(present) < 2:
        raise ValueError("task2vec: the rows drawn hold one class only; raise max_rows")
    scaler = StandardScaler().fit(features.astype(np.float64))
    model = LogisticRegression(tol=1e-8, max_iter=1000).fit(scaler.transform(features), codes)
    weights, bias = model.coef_ / scaler.scale_, model.intercept_
    if len(present) == 2:  # one line of log odds
        weights, bias = np.concatenate([np.zeros_like(weights), weights]), np.append(0.0, bias)
    return weights, bias - weights @ scaler.mean_
