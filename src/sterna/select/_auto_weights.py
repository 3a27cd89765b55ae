"""How much each strategy counts in what is handed over: by held-out labels, or by scores that read none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import wasserstein_distance

from sterna.domains._stack import Array, evenly_spread
from sterna.select._auto_race import Entrant
from sterna.select._combine import combine_scores

#: Of the better half of the strategies without labels so few and so many are averaged.
MIN_AVERAGED, MAX_AVERAGED = 3, 5
#: A likeness of labels below this part of their deviation is chance.
CHANCE = 0.1
#: Weights below this are not worth a model.
LEAST_WEIGHT = 0.02
#: Of the Bayesian bootstrap, for likelihoods and for ensemble selection.
N_DRAWS, N_SELECTIONS = 400, 100
#: Picks of one ensemble selection.
N_PICKS = 10
#: More rows decide no better.
MAX_ROWS = 5000


def mixture_weights(residuals: Array, *, values: bool) -> Array:
    """Weights by held-out residuals, shape (n_strategies,), of sum 1: half by likelihood, half by ensemble selection.

    Parameters
    ----------
    residuals : ndarray of shape (n_strategies, n_rows, n_outputs)
        Held-out predictions minus the labels, in the shape of `outputs`.
    values : bool
        Whether the labels are values.

    Returns
    -------
    ndarray of shape (n_strategies,)

    Notes
    -----
    The likelihood finds the best strategies and is safe, selection finds those whose errors cancel. Weights below 0.02 are left out. Of more
    than 5000 rows evenly spread ones decide.
    """
    residuals = residuals[:, evenly_spread(residuals.shape[1], MAX_ROWS)]
    weights = (likelihood_weights(np.sum(residuals**2, axis=2), values=values) + selection_weights(residuals)) / 2
    weights[weights < LEAST_WEIGHT] = 0.0
    return weights / weights.sum()


def likelihood_weights(errors: Array, *, values: bool) -> Array:
    """Weights proportional to exp(-eta n loss), averaged over Bayesian bootstrap draws of the rows, shape (n_strategies,).

    Parameters
    ----------
    errors : ndarray of shape (n_strategies, n_rows)
        Held-out errors: Brier scores (summed over the classes), or squared errors.
    values : bool
        Whether the errors are squared errors.

    Notes
    -----
    A difference which few rows make counts for less (pseudo-BMA+ of Yao et al.). For the Brier score eta = 1, the largest for which the loss
    of the mixture exceeds that of the best strategy by at most log(m) / n (Vovk and Zhdanov); for squared errors eta = 1 / (2 s^2), the
    likelihood of Gaussian errors, with s^2 the least loss. With few rows many strategies count, with many the best one alone.

    References
    ----------
    Y. Yao, A. Vehtari, D. Simpson, A. Gelman (2018), Using stacking to average Bayesian predictive distributions, Bayesian Analysis 13.
    V. Vovk, F. Zhdanov (2009), Prediction with expert advice for the Brier game, JMLR 10.
    D. B. Rubin (1981), The Bayesian bootstrap, Annals of Statistics 9.
    """
    losses, n_rows = errors.mean(axis=1), errors.shape[1]
    eta = 1.0 if not values else 1 / max(2 * losses.min(), 1e-12 * losses.max() + 1e-300)
    drawn = errors @ np.random.default_rng(0).dirichlet(np.ones(n_rows), N_DRAWS).T
    likelihoods = np.exp(-eta * n_rows * (drawn - drawn.min(axis=0)))
    return np.mean(likelihoods / likelihoods.sum(axis=0), axis=1)


def selection_weights(residuals: Array) -> Array:
    """How often each strategy is picked by ensemble selection, over Bayesian bootstrap draws of the rows, shape (n_strategies,).

    Parameters
    ----------
    residuals : ndarray of shape (n_strategies, n_rows, n_outputs)

    Notes
    -----
    Ten times that strategy is added, again and again the same if need be, with which the mean of all picked so far has the least squared error.
    With K the products of residuals, the mean of the picks p has the error sum_ij K_(p_i, p_j) / k^2, so that one more pick costs O(m).

    References
    ----------
    R. Caruana, A. Niculescu-Mizil, G. Crew, A. Ksikes (2004), Ensemble selection from libraries of models, ICML.
    """
    n_strategies, n_rows, _ = residuals.shape
    picked = np.zeros(n_strategies)
    for draw in np.random.default_rng(0).dirichlet(np.ones(n_rows), N_SELECTIONS):
        scaled = (residuals * np.sqrt(draw)[:, None]).reshape(n_strategies, -1)
        products = scaled @ scaled.T
        own, crossed, total = np.diag(products), np.zeros(n_strategies), 0.0
        for _ in range(N_PICKS):
            squared = total + 2 * crossed + own  # of the sum of the picks and one more
            best = int(np.argmin(squared))
            total, crossed = squared[best], crossed + products[best]
            picked[best] += 1
    return picked / picked.sum()


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
    residuals = predictions - expected
    errors = np.sum(residuals**2, axis=2)  # (n_strategies, n_rows)
    gain = np.empty(len(expected))
    for rows in folds:
        others = np.setdiff1d(np.arange(len(expected)), rows)
        mixed = np.tensordot(mixture_weights(residuals[:, others], values=values), predictions[:, rows], 1)
        best = plain[int(np.argmin(errors[plain][:, others].mean(axis=1)))]
        gain[rows] = errors[best, rows] - np.sum((mixed - expected[rows]) ** 2, axis=1)
    return gain


def predicted_to_help(gain: Array) -> bool:
    """Whether the mixture, which weighs plain models too, is not worse than the best of them by more than two standard errors.

    The gain is held out of the weights, which so rest on fewer rows than those that are handed over: it is a little too small.
    """
    return bool(gain.mean() > -2 * np.std(gain, ddof=1) / np.sqrt(len(gain)))


def average_best(*views: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Equal weights of the strategies that rank best without labels: the better half, three to five.

    Parameters
    ----------
    *views : mapping of strategy to mapping of score name to value
        Each holds scores that look at much the same thing: their mean rank is one vote, however many they are.

    Returns
    -------
    dict of str to float
    """
    ranks = [combine_scores(view).mean_rank for view in views]
    names = sorted(ranks[0], key=lambda name: (sum(rank[name] for rank in ranks), name))
    best = names[: max(MIN_AVERAGED, min(MAX_AVERAGED, -(-len(names) // 2)))]
    return dict.fromkeys(best, 1 / len(best))


def label_likeness(predicted: Mapping[str, Array], y_source: Array) -> dict[str, float]:
    """Weights of strategies by how much like the source's values their predictions for the target are spread.

    The weight is one over the Wasserstein distance of the two distributions, in deviations of the source's values, and 0.1 more. Where an
    instrument or a unit changed, values have no reason to; predictions that lie elsewhere are those of a strategy that does not undo it.

    Parameters
    ----------
    predicted : mapping of str to ndarray of shape (n_target,)
    y_source : ndarray of shape (n_source,)

    Returns
    -------
    dict of str to float
        Of sum 1.
    """
    unit = np.std(y_source) or 1.0
    weights = {name: 1 / (wasserstein_distance(values, y_source) / unit + CHANCE) for name, values in predicted.items()}
    return {name: float(weight / sum(weights.values())) for name, weight in weights.items()}


def weigh(entrants: Sequence[Entrant], weights: Mapping[str, float]) -> None:
    """Write the weights of the strategies."""
    for entrant in entrants:
        entrant.weight = weights.get(entrant.name, 0.0)
