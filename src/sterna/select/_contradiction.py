"""Whether columns changed, and who is not to be believed where they did not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.metrics import adjusted_mutual_info_score
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

from sterna.domains._stack import Array, rows_of
from sterna.measures._checks import sample_rows
from sterna.measures._column_change import column_change
from sterna.select._class_ami import clusters

#: Where no column changed a strategy that contradicts the source's model on more of the target rows is not believed ...
CONTRADICTED = 0.2
#: ... unless the classes it names agree so much better with the groups of the target (adjusted mutual information).
GROUPED = 0.2
#: Target rows that are grouped at most.
MAX_GROUPED = 5000


def columns_changed(X_source: Any, X_target: Any, random_state: int) -> bool:
    """Whether columns changed, and not the choice of rows alone; no where nothing can be compared.

    Parameters
    ----------
    X_source, X_target : array or sparse matrix
        Preprocessed features.
    random_state : int
    """
    return column_change(X_source, X_target, check_random_state(random_state)).changed


def contradictions(
    predicted: Mapping[str, Array], plain: str, X_target: Any, n_classes: int, random_state: int
) -> dict[str, str]:
    """Who contradicts the source's model too often to be believed, where no column changed.

    The source's model then errs on the target little more than on the source, so that who contradicts it often is wrong. It may still be
    right where its classes are groups of the target, and the model's are not.

    Parameters
    ----------
    predicted : mapping of str to ndarray of shape (n_target,)
        Labels of target rows.
    plain : str
        The source's model among them.
    X_target : array or sparse matrix of shape (n_target, n_features)
    n_classes : int
        Twice as many k-means clusters are looked at.
    random_state : int

    Returns
    -------
    dict of str to reason
    """
    shares = {name: float(np.mean(labels != predicted[plain])) for name, labels in predicted.items()}
    contrary = [name for name, share in shares.items() if share > CONTRADICTED]
    if not contrary:
        return {}
    rng = check_random_state(random_state)
    rows = sample_rows(X_target.shape[0], MAX_GROUPED, rng)
    groups = clusters(_scaled(rows_of(X_target, rows)), min(2 * n_classes, len(rows)), rng)
    grouped = {name: adjusted_mutual_info_score(predicted[name][rows], groups) for name in [plain, *contrary]}
    return {
        name: f"contradicts {plain} on {shares[name]:.0%} of the target rows, although no column changed".replace("%", " %")
        for name in contrary
        if grouped[name] <= grouped[plain] + GROUPED
    }


def _scaled(X: Any) -> Any:
    """Columns over their deviation; those that do not vary are left out."""
    scaler = StandardScaler(with_mean=False).fit(X)
    varies = np.flatnonzero(scaler.var_ > 0)
    return scaler.transform(X)[:, varies] if len(varies) else X
