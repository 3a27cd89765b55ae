"""combine_scores: several scores without target labels as one ranking, with their agreement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real

import numpy as np
from scipy.stats import rankdata

from sterna.domains._stack import Array


@dataclass(frozen=True)
class CombinedScores:
    """Models from best to worst by several scores.

    Attributes
    ----------
    order : list of str
        By mean rank; those whose scores are void come last.
    mean_rank : dict of str to float
        1: first by every score. Void models have none.
    agreement : float
        Kendall's W of the scores over the models that are not void, 0 (they contradict each other) to 1 (one order); NaN with
        fewer than two scores or models, or where no score tells any models apart.
    void : dict of str to str
        Why the scores of a model do not count.
    """

    order: list[str]
    mean_rank: dict[str, float]
    agreement: float
    void: dict[str, str]


def combine_scores(scores: Mapping[str, Mapping[str, float]], void: Mapping[str, str] | None = None) -> CombinedScores:
    """Rank models by the mean of their ranks over scores that read no target label.

    When to use it: no score is best everywhere, and ranks need no common scale. When it misleads: scores that look at the same
    thing (the entropies) count as many; low agreement says that the order is hardly worth more than chance.

    Parameters
    ----------
    scores : mapping of model to mapping of score name to value
        Larger is better. A model that lacks a score which others have is last by it.
    void : mapping of model to reason, default=None
        As `guard` gives it; these models are ranked behind all others.

    Returns
    -------
    CombinedScores

    Notes
    -----
    Equal values share their mean rank. W = 12 S / (m^2 (k^3 - k) - m sum_j T_j), S the sum of squared deviations of the rank sums of k
    models over m scores, T_j = sum (t^3 - t) over the ties of score j.

    References
    ----------
    M. Kendall, B. Babington Smith (1939), The problem of m rankings, Annals of Mathematical Statistics 10.

    Examples
    --------
    >>> from sterna.select import combine_scores
    >>> found = combine_scores({"a": {"bnm": 0.9, "mcc": -0.1}, "b": {"bnm": 0.5, "mcc": -0.3}, "c": {"bnm": 1.0, "mcc": 0.0}},
    ...                        void={"c": "predicts one class"})
    >>> found.order, found.agreement
    (['a', 'b', 'c'], 1.0)
    """
    for what, given in (("scores", scores), ("void", {} if void is None else void)):
        if not isinstance(given, Mapping):
            raise TypeError(
                f"{what} is a {type(given).__name__}; give a mapping of model to {'scores' if what == 'scores' else 'reason'}"
            )
    void = dict(void or {})
    if unknown := set(void) - set(scores):
        raise ValueError(f"void names {sorted(unknown)[0]!r}, which has no scores; give models of scores only")
    kept = [name for name in scores if name not in void]
    for name in kept:
        if not isinstance(scores[name], Mapping):
            raise TypeError(f"the scores of {name!r} are {scores[name]!r}; give a mapping of score name to value")
        for kind, value in scores[name].items():
            if not isinstance(value, Real):
                raise TypeError(f"{kind} of {name!r} is {value!r}; give a number")
            if np.isnan(value):
                raise ValueError(f"{kind} of {name!r} is NaN; leave it out, or name the model in void")
    kinds = sorted({kind for name in kept for kind in scores[name]})
    values = np.array([[scores[name].get(kind, -np.inf) for kind in kinds] for name in kept]).reshape(len(kept), len(kinds))
    ranks = rankdata(-values, axis=0) if len(kept) else values
    mean = ranks.mean(axis=1) if kinds else np.full(len(kept), (len(kept) + 1) / 2)
    order = sorted(range(len(kept)), key=lambda i: (mean[i], kept[i]))
    return CombinedScores(
        [kept[i] for i in order] + sorted(void),
        dict(zip(kept, mean.tolist(), strict=True)),
        _concordance(ranks),
        void,
    )


def _concordance(ranks: Array) -> float:
    """Kendall's W of the columns of `ranks`, shape (n_models, n_scores), with his correction for ties."""
    k, m = ranks.shape
    if k < 2 or m < 2:
        return float("nan")
    ties = sum(float(np.sum(counts**3 - counts)) for counts in (np.unique(column, return_counts=True)[1] for column in ranks.T))
    largest = m**2 * (k**3 - k) - m * ties
    sums = ranks.sum(axis=1)
    return float(12 * np.sum((sums - sums.mean()) ** 2) / largest) if largest > 0 else float("nan")
