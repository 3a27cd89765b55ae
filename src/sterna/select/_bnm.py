"""bnm: sure and varied predictions, by the nuclear norm of their matrix."""

from __future__ import annotations

from typing import Any

import numpy as np

from sterna.measures._threads import single_threaded
from sterna.select._checks import check_proba
from sterna.select._facts import scorer_facts


@scorer_facts(
    tasks=("classification",),
    bounds=(0.0, 1.0),
    reference="Cui, Wang, Zhuo, Li, Huang and Tian 2020",
    fooled_by_collapse=False,
)
@single_threaded
def bnm(proba_target: Any) -> float:
    """Nuclear norm of the matrix of predictions, as a share of the largest it could be.

    1: all predictions are certain and the classes are even; a model that is certain of one class everywhere gets
    1 / sqrt(n_classes). When to use it: after `guard`, as `information_maximisation`, with less weight on even classes. When it
    misleads: where the target lacks many classes, where a model is certain and wrong, and against collapse with few classes: a
    right model that gives its class less than 1 / sqrt(n_classes), 0.71 of two and 0.32 of ten, scores below a collapsed one
    that is certain.

    Parameters
    ----------
    proba_target : array-like of shape (n_target, n_classes)
        Predicted probabilities of target rows.

    Returns
    -------
    float
        Larger is better.

    Notes
    -----
    ||P||_* / sqrt(n min(n, n_classes)): the paper's bound (||P||_* <= sqrt(min(n, n_classes)) ||P||_F and
    ||P||_F <= sqrt(n)). The paper divides by the size of a batch; divided so, the value is the same for a sample that is repeated
    and does not shrink with n, as long as n >= n_classes. A model that gives each row's class, the classes being even, the
    probability c and the others the rest evenly gets c, whence the bound on c above. `fooled_by_collapse` is False in the sense
    that a model that is sure and varied scores above one that is sure and collapsed. Cost O(n n_classes^2) in time, O(n n_classes) in memory.

    References
    ----------
    S. Cui, S. Wang, J. Zhuo, L. Li, Q. Huang, Q. Tian (2020), Towards discriminability and diversity: batch nuclear-norm
    maximization under label insufficient situations, CVPR.

    Examples
    --------
    >>> from sterna.select import bnm
    >>> round(bnm([[1.0, 0.0], [0.0, 1.0]]), 4), round(bnm([[1.0, 0.0], [1.0, 0.0]]), 4)
    (1.0, 0.7071)
    >>> round(bnm([[0.7, 0.3], [0.3, 0.7]]), 4)  # right, but less sure than 1 / sqrt(2): below the collapsed model
    0.7
    """
    proba = check_proba("proba_target", proba_target)
    singular = np.linalg.svd(np.linalg.qr(proba, mode="r"), compute_uv=False)
    return min(float(singular.sum() / np.sqrt(len(proba) * min(proba.shape))), 1.0)
