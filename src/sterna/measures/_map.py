"""A map of the domains: their rows on the first two principal components of the stack."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.decomposition import PCA, TruncatedSVD

from sterna.domains._stack import Array
from sterna.measures._checks import sample_rows
from sterna.measures._threads import single_threaded

MAX_POINTS = 300


@single_threaded
def domain_map(X: Any, names: Array, random_state: int) -> tuple[list[dict[str, Any]], str]:
    """Project stacked rows to the plane.

    Parameters
    ----------
    X : array or csr_array of shape (n_samples, n_columns)
        Preprocessed rows of all domains.
    names : ndarray of str of shape (n_samples,)
        The domain of each row.
    random_state : int

    Returns
    -------
    map : list of dict with keys domain, x, y
        At most `MAX_POINTS` points a domain.
    axes : str
        What the axes are.
    """
    plane, axes = _plane(X, random_state)
    rng = np.random.RandomState(random_state)
    places = []
    for name in dict.fromkeys(names.tolist()):
        rows = np.flatnonzero(names == name)
        x, y = plane[rows[sample_rows(len(rows), MAX_POINTS, rng)]].T
        places.append({"domain": name, "x": x.round(6).tolist(), "y": y.round(6).tolist()})
    return places, axes


def _plane(X: Any, random_state: int) -> tuple[Array, str]:
    n_components = min(2, *X.shape)
    if sparse.issparse(X) and X.shape[1] > 2:
        plane = TruncatedSVD(n_components, random_state=random_state).fit_transform(X)
        axes = "first two singular directions of the scaled stack (not centred, since it is sparse)"
    else:
        pca = PCA(n_components, svd_solver="auto", random_state=random_state)
        with np.errstate(invalid="ignore"):  # shares of the variance where there is none
            plane = pca.fit_transform(X.toarray() if sparse.issparse(X) else X)
        share = pca.explained_variance_ratio_ if pca.explained_variance_.sum() > 0 else np.zeros(n_components)
        axes = f"first two principal components of the preprocessed stack ({share.sum():.0%} of its variance)"
    if n_components < 2:
        plane = np.column_stack([plane, np.zeros(len(plane))])
    return plane, axes
