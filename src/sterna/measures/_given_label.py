"""Whether rows of one label have the same features in both domains, as label shift has it: a permutation test within labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import rankdata
from sklearn.metrics.pairwise import euclidean_distances

from sterna.domains._stack import Array
from sterna.measures._axis_test import places_along_axes
from sterna.measures._checks import sample_rows
from sterna.measures._permutations import least_p_value
from sterna.measures._threads import single_threaded

#: Rows of each domain that the kernel is computed on at most.
MAX_KERNEL_ROWS = 500
N_PERMUTATIONS = 999
#: Numbers are cut into groups of about so many rows.
GROUP_ROWS = 10
WIDTHS = (0.5, 1.0, 2.0)


@single_threaded
def same_given_label(
    source: Array,
    y_source: Array,
    target: Array,
    y_target: Array,
    classes: bool,
    rng: Any,
    scores: tuple[Array, Array] | None = None,
) -> float | None:
    """The p-value of "rows of one label have the same features in both domains".

    Parameters
    ----------
    source : ndarray of shape (n_source, n_features)
    y_source : ndarray of shape (n_source,)
        Class numbers, or values: these are cut into groups of equal counts.
    target : ndarray of shape (n_target, n_features)
    y_target : ndarray of shape (n_target,)
    classes : bool
    rng : RandomState
    scores : tuple of ndarray of shape (n_source,) and (n_target,), default=None
        Of a domain classifier that has not seen the row: along them the domains differ most.

    Returns
    -------
    float or None
        None where less than half of the target's rows have a label that two rows of the source have: nothing to compare.

    Notes
    -----
    Three statistics. Two with a kernel that is the mean of Gaussian kernels of half, once and twice the median distance, on rows less the
    mean of their label: the squared maximum mean discrepancies of Gretton et al. (2012) within labels, summed, each weighing by
    w = n_s n_t / (n_s + n_t); and that of all labels together, which sees a difference that all labels share. The third is the largest
    difference of means along a principal axis, which distances do not see where the axis holds little of the variance. With scores,
    the difference of their mean ranks within labels is a fourth. Which rows of a label are the source's is permuted within the label,
    so that p-values are exact for classes however different their shares are (a little too small for numbers, which still vary
    within a group); the smallest is given, as it is among the smallest of all permutations (`least_p_value`).
    Cost O(n^2 N_PERMUTATIONS) in time, O(n^2) in memory, n at most 1000.

    References
    ----------
    A. Gretton, K. Borgwardt, M. Rasch, B. Schölkopf, A. Smola (2012), A kernel two-sample test, JMLR 13.
    """
    chosen = [sample_rows(len(y), MAX_KERNEL_ROWS, rng) for y in (y_source, y_target)]
    X = np.vstack([source[chosen[0]], target[chosen[1]]])
    y = np.concatenate([y_source[chosen[0]], y_target[chosen[1]]])
    in_target = np.repeat([False, True], [len(chosen[0]), len(chosen[1])])
    group = y if classes else _groups(y, in_target)
    pairs = [(in_target & (group == g), ~in_target & (group == g)) for g in np.unique(group)]
    pairs = [pair for pair in pairs if min(pair[0].sum(), pair[1].sum()) >= 2]
    if sum(int(pair[0].sum()) for pair in pairs) < in_target.sum() / 2:
        return None
    centred = X.copy()
    for pair in pairs:
        rows = pair[0] | pair[1]
        centred[rows] -= X[rows].mean(axis=0)
    kept = np.any([pair[0] | pair[1] for pair in pairs], axis=0)
    kernel, marks, root = _kernel(centred[kept]), *_marks(pairs, rng)
    within = np.where(group[kept][:, None] == group[kept], kernel, 0.0)
    marks, pooled = marks[kept], marks[kept] * root[kept, None]
    values = [np.einsum("ib,ib->b", one, matrix @ one) for one, matrix in ((marks, within), (pooled, kernel))]
    if scores is not None:
        score = np.concatenate([part[rows] for part, rows in zip(scores, chosen, strict=True)])
        values.append(np.abs(rankdata(score[kept]) @ pooled))
    places = places_along_axes(centred[kept])
    values.append(np.abs(places.T @ pooled).max(axis=0, initial=0.0))
    return least_p_value(values)


def _groups(y: Array, in_target: Array) -> Array:
    """Numbers cut at their quantiles, so that the smaller domain has about `GROUP_ROWS` rows in each."""
    n_groups = max(2, min(in_target.sum(), (~in_target).sum()) // GROUP_ROWS)
    return np.searchsorted(np.quantile(y, np.linspace(0, 1, n_groups + 1)[1:-1]), y)


def _marks(pairs: list[tuple[Array, Array]], rng: Any) -> tuple[Array, Array]:
    """How each row enters a difference, as it is and permuted within labels, shape (n, N_PERMUTATIONS + 1), and the root of w."""
    marks, root = np.zeros((len(pairs[0][0]), N_PERMUTATIONS + 1)), np.zeros(len(pairs[0][0]))
    for target, source in pairs:
        n_target, n_source = target.sum(), source.sum()
        rows = np.flatnonzero(target | source)
        root[rows] = np.sqrt(n_target * n_source / len(rows))
        sign = root[rows] * np.where(target[rows], 1 / n_target, -1 / n_source)
        order = np.argsort(rng.random_sample((len(rows), N_PERMUTATIONS)), axis=0)
        marks[rows] = np.column_stack([sign, sign[order]])
    return marks, root


def _kernel(X: Array) -> Array:
    squared = euclidean_distances(X, squared=True)
    middle = np.median(squared[np.triu_indices(len(X), 1)]) or 1.0
    return np.mean([np.exp(squared / (-2 * middle * width**2)) for width in WIDTHS], axis=0)
