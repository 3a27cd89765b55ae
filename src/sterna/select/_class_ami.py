"""class_ami: whether the predicted classes are groups of the target's representation."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_mutual_info_score
from sklearn.utils import check_random_state

from sterna.domains._stack import Array
from sterna.measures._checks import sample_rows
from sterna.measures._parameters import check_count
from sterna.measures._threads import single_threaded
from sterna.select._checks import check_features, check_proba
from sterna.select._facts import scorer_facts


@scorer_facts(
    tasks=("classification",),
    bounds=(-1.0, 1.0),
    reference="Musgrave, Belongie and Lim 2022",
    fooled_by_collapse=False,
)
@single_threaded
def class_ami(proba_target: Any, features_target: Any, *, max_rows: int = 5000, random_state: Any = None) -> float:
    """Adjusted mutual information of the predicted classes of target rows and k-means clusters of their features.

    0: predictions and clusters agree by chance alone; 1: they are the same groups. When to use it: where the classes are expected to
    form groups in the representation; it does not look at confidence. When it misleads: where they do not (raw pixels, tables), and
    where a model names whole groups wrongly. Compare models on features of one scale: k-means follows the wide columns.

    Parameters
    ----------
    proba_target : array-like of shape (n_target, n_classes)
        Predicted probabilities of target rows.
    features_target : array-like or sparse matrix of shape (n_target, d)
        The same rows, as the model represents them.
    max_rows : int, default=5000
        The target rows that are used at most, drawn at random.
    random_state : int, RandomState or None, default=None
        Draws rows and the first centres.

    Returns
    -------
    float
        Larger is better. 0 where one class is predicted for all rows.

    Notes
    -----
    As many clusters as classes, or as rows where these are fewer; the best of three k-means runs; AMI with the arithmetic mean of
    the entropies. Chance agreement is taken off exactly, so values a little below 0 occur. Cost O(n d n_classes) for each round of
    k-means, O(n d) in memory.

    References
    ----------
    K. Musgrave, S. Belongie, S.-N. Lim (2022), Three new validators and a large-scale benchmark ranking for unsupervised domain
    adaptation, arXiv:2208.07360.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.select import class_ami
    >>> features = np.repeat([[0.0], [5.0]], 10, axis=0)
    >>> round(class_ami(np.repeat([[0.9, 0.1], [0.2, 0.8]], 10, axis=0), features, random_state=0), 4)
    1.0
    """
    check_count("max_rows", max_rows, 2)
    proba = check_proba("proba_target", proba_target)
    X = check_features(features_target, len(proba))
    rng = check_random_state(random_state)
    rows = sample_rows(len(proba), max_rows, rng)
    predicted = proba[rows].argmax(axis=1)
    if np.all(predicted == predicted[0]):
        return 0.0
    return float(adjusted_mutual_info_score(predicted, clusters(X[rows], min(proba.shape[1], len(rows)), rng)))


def clusters(X: Any, n_clusters: int, rng: Any) -> Array:
    """The number of the k-means cluster of each row, shape (n_samples,)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct rows than clusters: some stay empty
        return KMeans(n_clusters, n_init=3, random_state=rng).fit_predict(X)
