"""overlap: how many source rows remain, once weighted to look like the target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from sterna.measures._checks import check_pair, sample_rows
from sterna.measures._domain_scores import DomainScores, domain_scores
from sterna.measures._facts import measure_facts
from sterna.measures._parameters import check_count

#: A target row with a domain probability above 0.9 (both domains weighing the same) has no counterpart in the source.
UNCOVERED_ODDS = 9.0


@dataclass(frozen=True)
class Overlap:
    """The effective number of source rows, as a share of them (`value`) and as a number.

    `uncovered` is the share of target rows that have hardly a counterpart in the source.
    """

    value: float
    n_effective: float
    uncovered: float

    def __float__(self) -> float:
        return self.value

    @classmethod
    def of(cls, scores: DomainScores, n_source: int) -> Overlap:
        """The overlap by out-of-fold scores; `n_source` counts all source rows, also those that were not drawn."""
        ratio_source, ratio_target = scores.density_ratio()
        by_source = ratio_source.sum() ** 2 / (ratio_source**2).sum() / len(ratio_source)
        share = float(min(by_source, 1 / ratio_target.mean(), 1.0))
        return cls(share, share * n_source, float(np.mean(ratio_target > UNCOVERED_ODDS)))


@measure_facts(
    direction="smaller is farther",
    bounds=(0.0, 1.0),
    symmetric=False,
    needs_labels=False,
    takes="features",
    reference="Kong 1992",
)
def overlap(X_source: Any, X_target: Any, *, max_rows: int = 2000, random_state: Any = None) -> Overlap:
    """Effective sample size of the source under weights that make it look like the target.

    When to use it: before reweighting, and to see whether the source has any rows where the target lies. A share of 0.1 means
    that weighting leaves the worth of a tenth of the source rows. When it misleads: where many columns have nothing to do with
    the label, it is small although a model could be carried over.

    Parameters
    ----------
    X_source : array-like or sparse matrix of shape (n_source, n_features)
    X_target : array-like or sparse matrix of shape (n_target, n_features)
    max_rows : int, default=2000
        The rows of each domain that are used at most, drawn at random.
    random_state : int, RandomState or None, default=None
        Draws rows and folds.

    Returns
    -------
    Overlap

    Notes
    -----
    With the density ratio w = p_t / p_s of the domain classifier of `domain_auc` (out of fold, recalibrated by a logistic
    curve), the share is 1 / E_s[w^2] = 1 / E_t[w] = 1 / (1 + chi-square divergence). Both sides estimate it:
    (sum w)^2 / (n sum w^2) over source rows and 1 / mean(w) over target rows. The first is blind to target rows where the
    source has none: weights that are all tiny look even. The smaller of both is given. `uncovered` takes the rule of thumb of
    Crump et al. (probabilities within 0.1 to 0.9).

    References
    ----------
    A. Kong (1992), A note on importance sampling using standardized weights, technical report 348, University of Chicago.
    R. K. Crump, V. J. Hotz, G. W. Imbens, O. A. Mitnik (2009), Dealing with limited overlap in estimation of average
    treatment effects, Biometrika 96.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.measures import overlap
    >>> rng = np.random.default_rng(0)
    >>> near, far = rng.normal(size=(300, 2)), rng.normal(size=(300, 2)) + 5
    >>> overlap(near, rng.normal(size=(300, 2)), random_state=0).value > 0.8
    True
    >>> overlap(near, far, random_state=0).value < 0.1
    True
    """
    check_count("max_rows", max_rows, 2)
    X_source, X_target = check_pair(X_source, X_target)
    rng = check_random_state(random_state)
    source, target = (X[sample_rows(X.shape[0], max_rows, rng)] for X in (X_source, X_target))
    return Overlap.of(domain_scores(source, target, rng), X_source.shape[0])
