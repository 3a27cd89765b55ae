"""domain_auc: how well a classifier tells the domains apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sklearn.utils import check_random_state

from sterna.measures._checks import check_pair, sample_rows
from sterna.measures._domain_scores import DomainScores, domain_scores
from sterna.measures._facts import measure_facts
from sterna.measures._parameters import check_between, check_count


@dataclass(frozen=True)
class DomainAUC:
    """The area under the curve, `value`, with its interval from `low` to `high`."""

    value: float
    low: float
    high: float

    def __float__(self) -> float:
        return self.value

    @classmethod
    def of(cls, scores: DomainScores, confidence: float) -> DomainAUC:
        """The area of out-of-fold scores."""
        return cls(scores.auc(), *scores.interval(confidence))


@measure_facts(
    direction="larger is farther",
    bounds=(0.0, 1.0),
    symmetric=True,
    needs_labels=False,
    takes="features",
    reference="Ben-David, Blitzer, Crammer and Pereira 2007",
)
def domain_auc(
    X_source: Any, X_target: Any, *, confidence: float = 0.95, max_rows: int = 2000, random_state: Any = None
) -> DomainAUC:
    """Cross-validated area under the ROC curve of a classifier that tells target rows from source rows.

    0.5: the classifier cannot tell them apart; 1: it always can. When to use it: first, always; it reads the same on every
    data set. What it cannot tell: whether the difference matters for the label.

    Parameters
    ----------
    X_source : array-like or sparse matrix of shape (n_source, n_features)
    X_target : array-like or sparse matrix of shape (n_target, n_features)
    confidence : float, default=0.95
        Of the interval.
    max_rows : int, default=2000
        The rows of each domain that are used at most, drawn at random.
    random_state : int, RandomState or None, default=None
        Draws rows and folds.

    Returns
    -------
    DomainAUC

    Notes
    -----
    The classifier is the mean of a logistic regression on standardised columns and of boosted trees on the columns, or on
    the first 30 principal components of wider data, so that differences of spread and of interaction are seen too. Five folds;
    the areas of the folds are averaged, since scores of different models do not compare. Equal rows, of both domains too, are held
    out together: rows that both domains hold tell nothing and are not called wrongly. The paper's proxy A-distance of
    a classifier with error e is 2 (1 - 2 e); the area does not depend on a threshold nor on the numbers of rows.
    Rows are taken as independent: where they come in groups (days, patients), the classifier may recognise the group.
    The interval is Newcombe's, of twice the variance, see `auc_interval`. Cost: ten fits on at most 2 * max_rows rows.

    References
    ----------
    S. Ben-David, J. Blitzer, K. Crammer, F. Pereira (2007), Analysis of representations for domain adaptation, NIPS.
    R. G. Newcombe (2006), Confidence intervals for an effect size measure based on the Mann-Whitney statistic, part 2,
    Statistics in Medicine 25.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.measures import domain_auc
    >>> rng = np.random.default_rng(0)
    >>> auc = domain_auc(rng.normal(size=(200, 3)), 3 * rng.normal(size=(200, 3)), random_state=0)
    >>> auc.value > 0.8, auc.low > 0.5
    (True, True)
    """
    check_between("confidence", confidence, 0.95)
    check_count("max_rows", max_rows, 2)
    X_source, X_target = check_pair(X_source, X_target)
    rng = check_random_state(random_state)
    source, target = (X[sample_rows(X.shape[0], max_rows, rng)] for X in (X_source, X_target))
    return DomainAUC.of(domain_scores(source, target, rng), confidence)
