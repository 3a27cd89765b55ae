"""js_divergence: how many bits a row tells of its domain."""

from __future__ import annotations

from typing import Any

import numpy as np

from sterna.measures._density_ratio import log_density_ratio
from sterna.measures._facts import measure_facts


@measure_facts(
    direction="larger is farther",
    bounds=(0.0, 1.0),
    symmetric=True,
    needs_labels=False,
    takes="features",
    reference="Lin 1991",
)
def js_divergence(X_source: Any, X_target: Any, *, max_rows: int = 2000, random_state: Any = None) -> float:
    """Jensen-Shannon divergence in bits, by the density ratio of a domain classifier.

    0: the same distribution; 1: no row is possible in both. When to use it: as a divergence that stays finite and reads the
    same on every data set: the information that a row carries about its domain. What it cannot see: what the classifier cannot.
    What it cannot tell: how far domains are apart that do not overlap.

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
    float

    Notes
    -----
    JS = 1 - H, where H is the cross-entropy in bits of the classifier of `domain_auc`, both domains weighing the same, out of
    fold, recalibrated by a logistic curve; cut off at 0. With the best classifier H is the entropy of the domain given the row,
    and JS is equation 4.1 of Lin with weights of 1/2; any other classifier gives less (the bound of Goodfellow et al.), so it
    is an estimate from below, but for the two parameters of the calibration, which add some 1 / n. The root is a metric. Cost:
    ten fits on at most 2 * max_rows rows.

    References
    ----------
    J. Lin (1991), Divergence measures based on the Shannon entropy, IEEE Transactions on Information Theory 37.
    I. Goodfellow, J. Pouget-Abadie, M. Mirza, B. Xu, D. Warde-Farley, S. Ozair, A. Courville, Y. Bengio (2014), Generative
    adversarial nets, NIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.measures import js_divergence
    >>> rng = np.random.default_rng(0)
    >>> source, far = rng.normal(size=(300, 2)), rng.normal(size=(300, 2)) + 5
    >>> js_divergence(source, far, random_state=0) > 0.95
    True
    """
    source, target = log_density_ratio(X_source, X_target, max_rows, random_state)
    nats = np.logaddexp(0, source).mean() / 2 + np.logaddexp(0, -target).mean() / 2
    return float(np.clip(1 - nats / np.log(2), 0.0, 1.0))
