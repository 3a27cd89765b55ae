"""chi2_divergence: the variance of importance weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from sterna.measures._density_ratio import log_density_ratio
from sterna.measures._facts import measure_facts


@measure_facts(
    direction="larger is farther",
    bounds=(0.0, np.inf),
    symmetric=False,
    needs_labels=False,
    takes="features",
    reference="Pearson 1900",
)
def chi2_divergence(X_source: Any, X_target: Any, *, max_rows: int = 2000, random_state: Any = None) -> float:
    """Chi-square divergence of the target from the source, by the density ratio of a domain classifier.

    When to use it: before reweighting, whose weights have this variance over the source: of n source rows n / (1 + value)
    remain effective. What it cannot tell: large values apart. It grows exponentially with the distance and rests on few rows
    with large ratios, more than are drawn: beyond about 10 it comes out too small, by orders of magnitude for domains far
    apart. What it cannot see: what the classifier cannot.

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
    E_source[w^2] - 1 = E_target[w] - 1 with w = p_target / p_source: the second form is estimated, since target rows show where
    the source has none, and cut off at 0. w is the ratio of the classifier of `domain_auc`, out of fold, recalibrated by a
    logistic curve. `overlap` tells the same on a scale from 0 to 1, with a more cautious calibration; the column-wise
    chi-square test is another thing, see `column_drift`. Cost: ten fits on at most 2 * max_rows rows.

    References
    ----------
    K. Pearson (1900), On the criterion that a given system of deviations from the probable ..., Philosophical Magazine 50.
    M. Sugiyama, T. Suzuki, T. Kanamori (2012), Density ratio estimation in machine learning, Cambridge University Press.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.measures import chi2_divergence
    >>> rng = np.random.default_rng(0)
    >>> source, far = rng.normal(size=(300, 2)), rng.normal(size=(300, 2)) + 5
    >>> chi2_divergence(source, far, random_state=0) > 10
    True
    """
    _, target = log_density_ratio(X_source, X_target, max_rows, random_state)
    return max(float(np.mean(np.exp(target))) - 1, 0.0)
