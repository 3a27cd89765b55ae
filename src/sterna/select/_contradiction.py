"""Whether columns changed, and who is not to be believed where they did not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import adjusted_mutual_info_score
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

from sterna.domains._stack import Array
from sterna.measures._column_change import column_change
from sterna.select._class_ami import clusters

#: Where no column changed a strategy that contradicts the source's model on more of the target rows is not believed ...
CONTRADICTED = 0.2
#: ... unless the classes it names agree better with the groups of the target, by more than a standard error over so many half samples.
N_HALVES = 20


@dataclass(frozen=True)
class Groups:
    """Target rows in k-means groups: `groups`, shape (n_target,), is the group of each."""

    groups: Array
    n_groups: int

    @classmethod
    def of(cls, X_target: Any, n_groups: int, random_state: int) -> Groups:
        """Group rows whose columns are scaled.

        Parameters
        ----------
        X_target : array or sparse matrix of shape (n_target, n_features)
        n_groups : int
        random_state : int
        """
        n_clusters = min(n_groups, X_target.shape[0])
        return cls(clusters(_scaled(X_target), n_clusters, check_random_state(random_state)), n_groups)

    def agreement(self, predicted: Array, rows: Any = slice(None)) -> float:
        """Adjusted mutual information of labels of target rows, shape (n_target,), with the groups; of some rows."""
        return float(adjusted_mutual_info_score(predicted[rows], self.groups[rows]))


def columns_changed(X_source: Any, X_target: Any, random_state: int) -> bool:
    """Whether columns changed, and not the choice of rows alone; no where nothing can be compared.

    Parameters
    ----------
    X_source, X_target : array or sparse matrix
        Preprocessed features.
    random_state : int
    """
    return column_change(X_source, X_target, check_random_state(random_state)).changed


def contradictions(predicted: Mapping[str, Array], plain: str, groups: Groups, random_state: int) -> dict[str, str]:
    """Who contradicts the source's model too often to be believed, where no column changed.

    The source's model then errs on the target little more than on the source, so that who contradicts it often is wrong. It may still be
    right where its classes are groups of the target, and the model's are not.

    Parameters
    ----------
    predicted : mapping of str to ndarray of shape (n_target,)
        Labels of target rows.
    plain : str
        The source's model among them.
    groups : Groups
        Of the target.
    random_state : int

    Returns
    -------
    dict of str to reason

    Notes
    -----
    Halves drawn without replacement have about the standard error of the whole (the delete-half jackknife, Shao and Wu 1989).

    References
    ----------
    J. Shao, C. F. J. Wu (1989), A general theory for jackknife variance estimation, Annals of Statistics 17.
    """
    shares = {name: float(np.mean(labels != predicted[plain])) for name, labels in predicted.items()}
    rng, n = check_random_state(random_state), len(groups.groups)
    halves = [rng.permutation(n)[: max(1, n // 2)] for _ in range(N_HALVES)]
    usual = np.array([groups.agreement(predicted[plain], half) for half in halves])
    found = {}
    for name, share in shares.items():
        if share <= CONTRADICTED:
            continue
        gain = np.array([groups.agreement(predicted[name], half) for half in halves]) - usual
        if gain.mean() <= gain.std():
            found[name] = f"contradicts {plain} on {share:.0%} of the target rows, although no column changed".replace(
                "%", " %"
            )
    return found


def _scaled(X: Any) -> Any:
    """Columns over their deviation; those that do not vary are left out."""
    scaler = StandardScaler(with_mean=False).fit(X)
    varies = np.flatnonzero(scaler.var_ > 0)
    return scaler.transform(X)[:, varies] if len(varies) else X
