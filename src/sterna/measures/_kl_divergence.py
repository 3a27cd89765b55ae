"""kl_divergence: the mean log density ratio over the target."""

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
    reference="Kullback and Leibler 1951",
)
def kl_divergence(X_source: Any, X_target: Any, *, max_rows: int = 2000, random_state: Any = None) -> float:
    """Kullback-Leibler divergence KL(target || source) in nats, by the density ratio of a domain classifier.

    When to use it: to see how surprising target rows are to a model of the source; exchange the arguments for KL(source ||
    target). What it cannot tell: large values apart. Where the classifier never errs the true value may be infinite, and what
    is returned grows with the number of rows alone (about 5 to 10). What it cannot see: what the classifier cannot.

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
    The mean over target rows of log(p_target / p_source), cut off at 0. The ratio is that of the classifier of `domain_auc`,
    out of fold, recalibrated by a logistic curve (class probability estimation, Sugiyama et al., chapter 4). The calibration
    has two parameters, so that noise alone gives some 1 / n. It is no bound: too low where the classifier misses a difference,
    and too low in tails of the target beyond the source, where the ratio is steep: with twice the deviation some 0.5 in place
    of 0.8. Use `js_divergence` to compare domains that are far apart. Cost: ten fits on at most 2 * max_rows rows.

    References
    ----------
    S. Kullback, R. A. Leibler (1951), On information and sufficiency, Annals of Mathematical Statistics 22.
    M. Sugiyama, T. Suzuki, T. Kanamori (2012), Density ratio estimation in machine learning, Cambridge University Press.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.measures import kl_divergence
    >>> rng = np.random.default_rng(0)
    >>> source, far = rng.normal(size=(300, 2)), rng.normal(size=(300, 2)) + 5
    >>> kl_divergence(source, far, random_state=0) > 3
    True
    """
    _, target = log_density_ratio(X_source, X_target, max_rows, random_state)
    return max(float(np.mean(target)), 0.0)
