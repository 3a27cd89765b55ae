"""leave_one_source_out: each source in turn is the target."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone

from sterna.domains._stack import DomainData, rows_of, vstack
from sterna.select._refit import apart, held_out_score, require_classes, unwarned, without_labels


def leave_one_source_out(strategy: Any, X: Any, y: Any, sample_domain: Any, *, scoring: Any = None) -> float:
    """Score a strategy on each source domain, fitted on the others with this one as its unlabelled target.

    When to use it: with three sources or more that differ from one another as the target differs from them: true labels then tell
    which strategy carries over. When it misleads: where the target differs in another way than the sources do.

    Parameters
    ----------
    strategy : estimator
        An unfitted strategy, or a pipeline of them that takes `sample_domain`; it is cloned.
    X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
        A stack, as `Domains.stack` gives it. Rows of the target are left out.
    y : array-like of shape (n_samples,)
        Labels of target rows are not read.
    sample_domain : array-like of shape (n_samples,)
        Positive integers or "source[:NAME]" for source rows, one for each source domain.
    scoring : str or callable, default=None
        As in scikit-learn: a name or a function of estimator, X and y, larger being better; None is accuracy or R squared.

    Returns
    -------
    float
        The mean over sources, each counting the same; larger is better.

    Notes
    -----
    The source that is left out takes the place of the target: a transductive strategy sees its rows, as it would the target's, and
    never its labels. With two sources each fit has one. Cost: a fit for each source.

    References
    ----------
    I. Gulrajani, D. Lopez-Paz (2021), In search of lost domain generalization, ICLR.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.baselines import SourceOnly
    >>> from sterna.select import leave_one_source_out
    >>> X = np.tile(np.linspace(-1, 1, 20), 3)[:, None]
    >>> y = (X[:, 0] > 0).astype(int)
    >>> leave_one_source_out(SourceOnly(), X, y, np.repeat([1, 2, -1], 20))
    1.0
    """
    data = apart(X, y, sample_domain)
    sources = np.unique(data.source_ids)
    if len(sources) < 2:
        raise ValueError("leave_one_source_out needs two source domains or more, got one; use reverse_validation")
    with unwarned():
        return float(np.mean([_score_without(strategy, data, source, scoring) for source in sources]))


def _score_without(strategy: Any, data: DomainData, source: int, scoring: Any) -> float:
    left_out = data.source_ids == source
    rows, kept = np.flatnonzero(left_out), np.flatnonzero(~left_out)
    require_classes(data.y_source[kept], strategy, f"without source {source} the labelled source rows")
    X_out = rows_of(data.X_source, rows)
    model = clone(strategy).fit(
        vstack([rows_of(data.X_source, kept), X_out]),
        without_labels(data.y_source[kept], len(rows), strategy),
        sample_domain=np.r_[data.source_ids[kept], np.full(len(rows), -1)],
    )
    return held_out_score(model, scoring, X_out, data.y_source[rows], f"source {source}")
