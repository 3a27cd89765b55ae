"""Whether the label depends on the features in the same way in both domains: a test of conditional independence."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances

from sterna.domains._stack import Array
from sterna.measures._checks import sample_rows
from sterna.measures._threads import single_threaded

N_SIGNS = 999
#: Rows of each domain that are looked at most, and centres of the kernel.
MAX_REGRESSION_ROWS = 1000
N_CENTRES = 200
#: The kernel's widths in median distances, and the penalties, from which leave-one-out chooses.
WIDTHS = (0.1, 0.2, 0.4, 0.8, 1.6)
PENALTIES = 10.0 ** np.arange(-2, 3)


@single_threaded
def same_given_features(
    source: Array, y_source: Array, target: Array, y_target: Array, n_classes: int | None, columns: Array, rng: Any
) -> tuple[float, float]:
    """The p-value of "given the features, the label does not depend on the domain", as covariate shift has it.

    Parameters
    ----------
    source : ndarray of shape (n_source, n_features)
    y_source : ndarray of shape (n_source,)
        Class numbers, or values.
    target : ndarray of shape (n_target, n_features)
    y_target : ndarray of shape (n_target,)
    n_classes : int or None
        None for regression.
    columns : ndarray of int
        The features along which a difference may change its sign.
    rng : RandomState

    Returns
    -------
    p_value : float
    n_comparable : float
        The number of rows that both domains have at the same place: the sum of 4 g (1 - g), g the chance of the target.

    Notes
    -----
    The generalised covariance measure of Shah and Peters (2020), weighted as Scheidegger, Hörrmann and Bühlmann (2022) do: label and
    domain are both regressed on the features, with rows of both domains, by kernel ridge regression on Nyström features; the
    residuals are those of leaving the row out. Cost O((n_source + n_target) m^2) for m = 200 centres, a width and response.

    References
    ----------
    R. D. Shah, J. Peters (2020), The hardness of conditional independence testing and the generalised covariance measure,
    Annals of Statistics 48.
    C. Scheidegger, J. Hörrmann, P. Bühlmann (2022), The weighted generalised covariance measure, JMLR 23.
    """
    rows = [sample_rows(len(y), MAX_REGRESSION_ROWS, rng) for y in (y_source, y_target)]
    X = np.vstack([source[rows[0]], target[rows[1]]])
    y = np.concatenate([y_source[rows[0]], y_target[rows[1]]])
    domain = np.repeat([0.0, 1.0], [len(rows[0]), len(rows[1])])
    responses = y[:, None] / (y.std() or 1.0) if n_classes is None else (y[:, None] == np.arange(1, n_classes)) * 1.0
    if n_classes is not None and n_classes > 2:
        responses = np.column_stack([y == 0, responses]) * 1.0
    if responses.shape[1] == 0:  # one class
        responses = np.zeros((len(y), 1))
    centres = X[rng.permutation(len(X))[:N_CENTRES]]
    label_residual, domain_residual = left_out_residuals(X, centres, [responses, domain[:, None]])
    chance = np.clip(domain - domain_residual[:, 0], 0, 1)
    weights = np.column_stack([np.ones(len(X)), X[:, columns]])
    p_value = independence_p_value(label_residual, domain_residual[:, 0], weights, rng)
    return p_value, float(4 * np.sum(chance * (1 - chance)))


def left_out_residuals(X: Array, centres: Array, responses: list[Array]) -> list[Array]:
    """Residuals of kernel ridge regressions, each row predicted by the fit without it.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    centres : ndarray of shape (n_centres, n_features)
    responses : list of ndarray of shape (n_samples, n_responses)
        Each has its own width and penalty, those that err least.

    Returns
    -------
    list of ndarray of shape (n_samples, n_responses)
    """
    squared, between = euclidean_distances(X, centres, squared=True), euclidean_distances(centres, squared=True)
    middle = np.median(between[np.triu_indices(len(centres), 1)]) or 1.0
    centred = [response - response.mean(axis=0) for response in responses]
    best = [(np.inf, response) for response in centred]
    for width in WIDTHS:
        scale = -1 / (2 * middle * width**2)
        U, s = _basis(np.exp(squared * scale), np.exp(between * scale))
        for i, response in enumerate(centred):
            places = U.T @ response
            for penalty in PENALTIES:
                shrunk = s**2 / (s**2 + penalty)
                leverage = np.clip((U**2) @ shrunk + 1 / len(X), 0, 0.99)
                residual = (response - U @ (shrunk[:, None] * places)) / (1 - leverage)[:, None]
                loss = float((residual**2).mean())
                if loss < best[i][0]:
                    best[i] = (loss, residual)
    return [residual for _, residual in best]


def _basis(kernel: Array, between: Array) -> tuple[Array, Array]:
    """Left singular vectors and singular values of the centred Nyström features."""
    values, vectors = np.linalg.eigh(between)
    kept = values > 1e-6 * values[-1]
    features = kernel @ (vectors[:, kept] / np.sqrt(values[kept]))
    features -= features.mean(axis=0)
    squares, rotation = np.linalg.eigh(features.T @ features)
    kept = squares > 1e-9 * max(squares[-1], 1e-12)
    s = np.sqrt(squares[kept])
    return features @ (rotation[:, kept] / s), s


def independence_p_value(label_residual: Array, domain_residual: Array, weights: Array, rng: Any) -> float:
    """The p-value of "the residuals of label and domain do not correlate, whatever the weight".

    Parameters
    ----------
    label_residual : ndarray of shape (n_samples, n_labels)
        The label (one column a class) less its expectation given the features, by a model of both domains.
    domain_residual : ndarray of shape (n_samples,)
        1 in the target and 0 in the source, less the chance of the target given the features.
    weights : ndarray of shape (n_samples, n_weights)
        Functions of the features.
    rng : RandomState

    Returns
    -------
    float

    Notes
    -----
    The products R = label residual x domain residual x weight have expectation 0 under the hypothesis, if one of both
    residuals is right; the largest |sum R| / sqrt(sum R^2) is compared with those after random signs for the rows. Rows that could
    only be of one domain have no domain residual, so nothing is asked where one domain has no rows.
    """
    products = (label_residual[:, :, None] * (domain_residual[:, None] * weights)[:, None, :]).reshape(len(weights), -1)
    norms = np.sqrt((products**2).sum(axis=0))
    kept = norms > 1e-9
    if not kept.any():
        return 1.0
    products = products[:, kept] / norms[kept]
    signs = rng.randint(0, 2, size=(N_SIGNS, len(products))) * 2.0 - 1.0
    drawn = np.abs(signs @ products).max(axis=1)
    return float((1 + np.sum(drawn >= np.abs(products.sum(axis=0)).max() - 1e-12)) / (1 + N_SIGNS))
