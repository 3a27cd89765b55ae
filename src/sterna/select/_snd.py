"""snd: how many others each target row lies close to."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import logsumexp
from sklearn.preprocessing import normalize
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils.extmath import safe_sparse_dot

from sterna.domains._stack import Array
from sterna.measures._checks import sample_rows
from sterna.measures._parameters import check_count, check_positive
from sterna.measures._threads import single_threaded
from sterna.select._checks import check_features, check_proba
from sterna.select._facts import scorer_facts

#: Entries of a block of similarities: 8 MB.
_BLOCK = 1_000_000


@scorer_facts(
    tasks=("classification",),
    bounds=(0.0, float("inf")),
    reference="Saito, Kim, Teterwak, Sclaroff, Darrell and Saenko 2021",
    fooled_by_collapse=True,
)
@single_threaded
def snd(
    proba_target: Any,
    *,
    features_target: Any = None,
    temperature: float = 0.05,
    max_rows: int = 5000,
    random_state: Any = None,
) -> float:
    """Soft neighbourhood density: the mean entropy of each target row's similarities to the other rows.

    0: each row has one neighbour; log(n - 1): all rows are alike. When to use it: to compare models on the same target rows (the
    value grows with their number) that all predict several classes: those whose predictions form dense groups score high. When it
    misleads: a model that predicts the same everywhere gets the best value, certain or not; use it with `guard`.

    Parameters
    ----------
    proba_target : array-like of shape (n_target, n_classes)
        Predicted probabilities of target rows.
    features_target : array-like or sparse matrix of shape (n_target, d), default=None
        Take the similarities between these instead of those between probabilities.
    temperature : float, default=0.05
        The paper's default: a row counts as a neighbour where its cosine is within about 0.05 of the closest one's.
    max_rows : int, default=5000
        The target rows that are used at most, drawn at random.
    random_state : int, RandomState or None, default=None
        Draws rows.

    Returns
    -------
    float
        In nats; larger is better.

    Notes
    -----
    With rows f_i of length 1, p_ij proportional to exp(<f_i, f_j> / temperature) for j other than i, the value is
    -(1/n) sum_ij p_ij log p_ij. By blocks of rows: memory O(max_rows d) and a block of 8 MB, never n^2. Cost
    O(min(n, max_rows)^2 d).

    References
    ----------
    K. Saito, D. Kim, P. Teterwak, S. Sclaroff, T. Darrell, K. Saenko (2021), Tune it the right way: unsupervised validation of
    domain adaptation via soft neighborhood density, ICCV.

    Examples
    --------
    >>> from sterna.select import snd
    >>> round(snd([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]), 4)  # log 2: two neighbours each
    0.6931
    """
    check_positive("temperature", temperature)
    check_count("max_rows", max_rows, 2)
    rows: Any = check_proba("proba_target", proba_target)
    if len(rows) < 2:
        raise ValueError("proba_target has 1 rows; snd needs two or more, since a row is no neighbour of itself")
    if features_target is not None:
        rows = check_features(features_target, len(rows))
    rows = normalize(rows[sample_rows(rows.shape[0], max_rows, check_random_state(random_state))])
    n = rows.shape[0]
    blocks = gen_batches(n, max(1, _BLOCK // n))
    return sum(float(_entropies(rows, block, temperature).sum()) for block in blocks) / n


def _entropies(rows: Any, block: slice, temperature: float) -> Array:
    """The entropy of the similarities of the rows in `block` to all others."""
    logits = safe_sparse_dot(rows[block], rows.T, dense_output=True) / temperature  # (block, n)
    own = np.arange(logits.shape[0])
    logits[own, own + block.start] = -np.inf
    log_p = logits - logsumexp(logits, axis=1, keepdims=True)
    p = np.exp(log_p)
    log_p[own, own + block.start] = 0.0  # 0 log 0
    return np.maximum(-np.einsum("ij,ij->i", p, log_p), 0.0)
