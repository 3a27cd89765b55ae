"""How much each strategy counts in what is handed over: by held-out labels, or by scores that read none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sterna.domains._stack import Array
from sterna.select._auto_race import Entrant
from sterna.select._combine import combine_scores

#: Of the better half of the strategies without labels so many are averaged at most.
N_AVERAGED = 5
#: Weights below this are not worth a model.
LEAST_WEIGHT = 0.02


def exponential_weights(losses: Array, n_rows: int, *, values: bool) -> Array:
    """Weights by held-out loss, shape (n_strategies,), of sum 1.

    Parameters
    ----------
    losses : ndarray of shape (n_strategies,)
        Mean held-out losses: Brier scores (summed over the classes), or squared errors.
    n_rows : int
        Of so many rows.
    values : bool
        Whether the losses are squared errors.

    Returns
    -------
    ndarray of shape (n_strategies,)

    Notes
    -----
    w_k is proportional to exp(-eta n loss_k). For the Brier score eta = 1, the largest for which the loss of the mixture exceeds that
    of the best strategy by at most log(m) / n (Vovk and Zhdanov); for squared errors eta = 1 / (2 s^2), the likelihood of
    Gaussian errors, with s^2 the least loss. With few rows many strategies count, with many the best one alone.

    References
    ----------
    V. Vovk, F. Zhdanov (2009), Prediction with expert advice for the Brier game, JMLR 10.
    G. Leung, A. R. Barron (2006), Information theory and mixing least-squares regressions, IEEE Trans. Information Theory 52.
    """
    least = float(losses.min())
    eta = 1.0 if not values else 1 / max(2 * least, 1e-12 * float(losses.max()) + 1e-300)
    weights = np.exp(-eta * n_rows * (losses - least))
    weights[weights < LEAST_WEIGHT * weights.sum()] = 0.0
    return weights / weights.sum()


def held_out_gain(predictions: Array, plain: Sequence[int], expected: Array, folds: Sequence[Array], *, values: bool) -> Array:
    """By how much the mixture errs less than the best plain model, row by row, where neither was chosen with the row.

    Parameters
    ----------
    predictions : ndarray of shape (n_strategies, n_rows, n_outputs)
        Of rows that the strategies have not seen.
    plain : list of int
        Which of them are plain models.
    expected : ndarray of shape (n_rows, n_outputs)
    folds : list of ndarray of int
        The rows of each fold.
    values : bool

    Returns
    -------
    ndarray of shape (n_rows,)
    """
    errors = np.sum((predictions - expected) ** 2, axis=2)  # (n_strategies, n_rows)
    gain = np.empty(len(expected))
    for rows in folds:
        others = np.setdiff1d(np.arange(len(expected)), rows)
        losses = errors[:, others].mean(axis=1)
        weights = exponential_weights(losses, len(others), values=values)
        mixed = np.tensordot(weights, predictions[:, rows], 1)
        best = plain[int(np.argmin(losses[plain]))]
        gain[rows] = errors[best, rows] - np.sum((mixed - expected[rows]) ** 2, axis=1)
    return gain


def predicted_to_help(gain: Array) -> bool:
    """Whether the mixture, which weighs plain models too, is not worse than the best of them by more than a standard error.

    The gain is held out of the weights, which so rest on fewer rows than those that are handed over: it is a little too small.
    """
    return bool(gain.mean() > -np.std(gain, ddof=1) / np.sqrt(len(gain)))


def average_best(scores: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Equal weights of the strategies that rank best by their label-free scores: the better half, five at most."""
    best = combine_scores(scores).order[: min(N_AVERAGED, -(-len(scores) // 2))]
    return dict.fromkeys(best, 1 / len(best))


def weigh(entrants: Sequence[Entrant], weights: Mapping[str, float]) -> None:
    """Write the weights of the strategies."""
    for entrant in entrants:
        entrant.weight = weights.get(entrant.name, 0.0)
