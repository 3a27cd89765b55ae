"""logme: the log evidence of a Bayesian linear model on frozen features."""

from __future__ import annotations

from typing import Any

import numpy as np

from sterna.domains._stack import Array
from sterna.measures._facts import transferability_facts
from sterna.measures._gram import gram_spectrum
from sterna.measures._labelled import Labelled, check_labelled

_MAX_ITER = 200
_CLOSE = 1e-7  # relative change of alpha / beta at which the iteration stops


@transferability_facts(
    bounds=(-np.inf, np.inf), takes="features and labels", tasks=("classification", "regression"), reference="You et al. 2021"
)
def logme(features: Any, y: Any) -> float:
    """Logarithm of maximum evidence: how well a linear model on these features explains the labels, per row and label column.

    When to use it: to rank pretrained encoders on one labelled target, for classes or values, without training and without
    folds. When it cannot tell: how accurate a model will be (see `linear_probe`), or how far fine-tuning moves the features.
    Values of different targets, or of different rows, cannot be compared.

    Parameters
    ----------
    features : array-like of shape (n_samples, n_features)
        float32 or float64; sums are in float64 for both.
    y : array-like of shape (n_samples,)
        Classes, or values.

    Returns
    -------
    float
        In nats. Classes: the mean over indicator columns. Minus infinity never comes: where the features explain the labels
        without error, the noise variance is held at 1e-12 of the labels' mean square.

    Notes
    -----
    y ~ N(F w, 1/beta), w ~ N(0, 1/alpha); log p(y | F, alpha, beta) / n at its maximum over alpha and beta, found by MacKay's
    fixed point (algorithm 1), equations 2 to 4 of the paper. Departures: the eigenvalues of the smaller Gram matrix and all
    label columns at once instead of a singular value decomposition and a loop; where rows are fewer than features the sums run
    over the rank, as the evidence has it (the authors' code takes the number of features there, which is another value); the
    iteration goes on until alpha / beta changes by less than 1e-7. No column of ones is added: centre the features and add one
    for an intercept. Time O(n d min(n, d)), memory one Gram matrix of the smaller side.

    References
    ----------
    K. You, Y. Liu, J. Wang, M. Long (2021), LogME: practical assessment of pre-trained models for transfer learning, ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.measures import logme
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(3, size=300)
    >>> good = np.eye(3)[y] + 0.3 * rng.normal(size=(300, 3))
    >>> logme(good, y) > logme(rng.normal(size=(300, 3)), y)
    True
    """
    data = check_labelled("logme", features, y, classes_only=False)
    values, squares, total = _projections(data)
    return float(np.mean(_evidence(values, squares, total, len(data.y))))


def _projections(data: Labelled) -> tuple[Array, Array, Array]:
    """Eigenvalues (rank,), squared projections of each label column on their vectors (rank, n_columns), its square (n_columns,)."""
    X = data.X
    n, d = X.shape
    if data.classes is None:
        total = np.array([data.y @ data.y])
        products = (data.y @ X)[:, None] if n >= d else data.y[:, None]
    else:
        total = data.counts.astype(np.float64)
        products = data.class_sums().T if n >= d else np.eye(len(data.classes))[data.y]
    values, vectors = gram_spectrum(X)
    squares = np.asarray(vectors.T @ products) ** 2
    return values, (squares / values[:, None] if n >= d else squares), total


def _evidence(values: Array, squares: Array, total: Array, n: int) -> Array:
    """The largest log evidence per row of each label column, shape (n_columns,)."""
    rest = np.maximum(total - squares.sum(axis=0), 0.0)  # outside the span of the features
    least = 1e-12 * np.maximum(total, np.finfo(float).tiny) / n
    alpha, beta = np.ones(len(total)), np.ones(len(total))
    for _ in range(_MAX_ITER):
        ratio = alpha / beta
        shrunk = values[:, None] / (ratio + values[:, None])  # (rank, n_columns)
        gamma = shrunk.sum(axis=0)
        length = np.sum(shrunk**2 * squares / values[:, None], axis=0)  # ||m||^2
        error = np.sum((1 - shrunk) ** 2 * squares, axis=0) + rest
        alpha = gamma / np.maximum(length, 1e-300)
        beta = np.maximum(n - gamma, 1e-12 * n) / np.maximum(error, n * least)
        alpha, beta = np.minimum(alpha, 1e12 * beta * max(values.max(initial=0.0), 1e-300)), np.minimum(beta, 1 / least)
        if np.all(np.abs(alpha / beta - ratio) <= _CLOSE * ratio):
            break
    shrunk = values[:, None] / (alpha / beta + values[:, None])
    error = np.sum((1 - shrunk) ** 2 * squares, axis=0) + rest
    length = np.sum(shrunk**2 * squares / values[:, None], axis=0)
    determinant = np.log1p(beta / alpha * values[:, None]).sum(axis=0)
    return (n * np.log(beta / (2 * np.pi)) - determinant - beta * error - alpha * length) / (2 * n)
