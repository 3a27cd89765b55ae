"""transrate: coding rate of the features, less that within classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from sterna.domains._stack import Array
from sterna.measures._facts import transferability_facts
from sterna.measures._gram import column_gram, row_gram
from sterna.measures._labelled import check_labelled
from sterna.measures._parameters import check_positive


@transferability_facts(bounds=(0.0, np.inf), takes="features and labels", reference="Huang et al. 2022")
def transrate(features: Any, y: Any, *, distortion: float = 1e-4) -> float:
    """TransRate: the mutual information of features and classes, by the rates of coding them with a given distortion.

    When to use it: features of deep layers before fine-tuning, where both the spread of all rows and the compactness of the
    classes matter. When it cannot tell: encoders with different numbers of features, as the rate grows with these.

    Parameters
    ----------
    features : array-like of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)
        Classes.
    distortion : float, default=1e-4
        eps, the squared error that coding may make of rows whose mean squared length is 1; the authors' value.

    Returns
    -------
    float
        In nats, 0 or more.

    Notes
    -----
    R(Z) - sum_c n_c / n R(Z_c) with R(Z) = log det(I + Z'Z / (n eps)) / 2 for centred rows Z; classes are not centred anew, as their
    means are what tells them apart. Departures from the authors' listing: Z is divided by one number so that its unit does not
    matter, and classes count by their shares, where the listing takes the plain mean. Determinants are taken in the smaller
    Gram matrix. Time O(n d min(n, d)).

    References
    ----------
    L.-K. Huang, J. Huang, Y. Rong, Q. Yang, Y. Wei (2022), Frustratingly easy transferability estimation, ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.measures import transrate
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(3, size=300)
    >>> transrate(np.eye(3)[y] + 0.3 * rng.normal(size=(300, 3)), y) > transrate(rng.normal(size=(300, 3)), y)
    True
    """
    check_positive("transrate: distortion", distortion)
    data = check_labelled("transrate", features, y)
    Z = data.X.astype(np.float64)
    Z -= Z.mean(axis=0)
    length = np.sqrt(np.mean(np.sum(Z**2, axis=1)))
    if length == 0:
        return 0.0
    Z /= length
    assert data.classes is not None
    within = sum(
        len(rows) / len(Z) * _rate(Z[rows], distortion)
        for rows in (np.flatnonzero(data.y == c) for c in range(len(data.classes)))
    )
    return max(0.0, _rate(Z, distortion) - float(within))


def _rate(Z: Array, distortion: float) -> float:
    """log det(I + Z'Z / (n eps)) / 2."""
    n, d = Z.shape
    gram = column_gram(Z) if n >= d else row_gram(Z)
    gram /= n * distortion
    gram[np.diag_indices_from(gram)] += 1
    return float(np.sum(np.log(np.diag(np.linalg.cholesky(gram)))))
