"""rankme: how many directions the target's representation fills."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import eigvalsh
from scipy.special import entr
from sklearn.utils import check_random_state
from sklearn.utils.extmath import safe_sparse_dot

from sterna.measures._checks import sample_rows
from sterna.measures._parameters import check_count
from sterna.measures._threads import single_threaded
from sterna.select._checks import check_features
from sterna.select._facts import scorer_facts

#: Singular values below this share of the largest are rounding.
_ROUNDING = 1e-7


@scorer_facts(
    tasks=("classification", "regression"),
    bounds=(0.0, float("inf")),
    reference="Garrido, Balestriero, Najman and LeCun 2023",
    fooled_by_collapse=True,
)
@single_threaded
def rankme(features_target: Any, *, max_rows: int = 2000, random_state: Any = None) -> float:
    """Effective rank of the target's features: the exponential of the entropy of their singular values.

    1: all rows lie on one line through the origin; min(n_target, d): all directions are filled alike. When to use it: to see a
    representation that collapsed, and to compare encoders of one width trained in one way. When it misleads: it reads no
    prediction, and noise fills directions too; representations of other widths, or scaled by other preprocessing, do not compare.

    Parameters
    ----------
    features_target : array-like or sparse matrix of shape (n_target, d)
        Target rows as the model represents them.
    max_rows : int, default=2000
        The target rows that are used at most, drawn at random; the value is at most their number.
    random_state : int, RandomState or None, default=None
        Draws rows.

    Returns
    -------
    float
        Larger is better. 0 where all features are 0.

    Notes
    -----
    exp(-sum_k p_k log p_k) with p_k = s_k / sum s, as in the paper: not centred, so that a large common mean brings the value near 1.
    Singular values come from the smaller Gram matrix; those below 1e-7 of the largest are taken as 0, where the paper adds 1e-7 to
    each share. Cost O(n d min(n, d)), memory O(n d + min(n, d)^2), n at most max_rows.

    References
    ----------
    Q. Garrido, R. Balestriero, L. Najman, Y. LeCun (2023), RankMe: assessing the downstream performance of pretrained
    self-supervised representations by their rank, ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.select import rankme
    >>> round(rankme(np.eye(4)), 4), round(rankme(np.ones((4, 4))), 4)
    (4.0, 1.0)
    """
    check_count("max_rows", max_rows, 2)
    X = check_features(features_target)
    X = X[sample_rows(X.shape[0], max_rows, check_random_state(random_state))]
    largest = float(abs(X).max())
    if largest == 0:
        return 0.0
    X = X / largest  # squares of large values overflow
    gram = (
        safe_sparse_dot(X.T, X, dense_output=True) if X.shape[1] <= X.shape[0] else safe_sparse_dot(X, X.T, dense_output=True)
    )
    singular = np.sqrt(np.maximum(eigvalsh(gram), 0.0))
    singular = singular[singular > _ROUNDING * singular.max()]
    return float(np.exp(entr(singular / singular.sum()).sum()))
