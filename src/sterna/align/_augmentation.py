"""Feature augmentation (EasyAdapt): a shared copy of the features and one for each domain."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array, diags_array, hstack, issparse
from sklearn.utils import get_tags

from sterna.align._base import Aligner
from sterna.domains._stack import Array, DomainData

_MANY = 4  # blocks past which dense rows are written as sparse ones, two blocks of each row being filled


class FeatureAugmentation(Aligner):
    """Feature augmentation: source rows become [x, x, 0], target rows [x, 0, x]; several sources get a block each.

    A linear model then has a shared weight vector and a correction for each domain, and its penalty decides how much of the
    target's weights is shared.

    When to use it: a linear base estimator, and a target with some labels whose relation to the features is near, not equal,
    to the source's. When it cannot help: without target labels (refused); with bases other than linear models and kernel
    machines (trees, neighbours), which gain little from copies of features.

    Parameters
    ----------
    estimator : estimator, default=None
        The base estimator; None is `LogisticRegression(max_iter=1000)`. For regression give a regressor, for instance
        `Ridge()`.

    Attributes
    ----------
    source_codes_ : ndarray of int of shape (n_sources,)
        The codes of the sources, in the order of their blocks.
    estimator_ : estimator
        Takes (n_sources + 2) n_features columns: shared, one block a source, target.
    classes_ : ndarray of shape (n_classes,)
        Classifiers only.
    health_ : dict
        `n_sources`; `shared_weight`, for bases with `coef_`: the squared length of the shared weights over that of the shared
        and the target's together (1: the target is as the sources are; 0: nothing is shared).

    Notes
    -----
    Section 3.1 of the paper, with section 3.3 for several domains. The inner product of two rows is doubled if they
    come from one domain. Rows of a source predicted on request are given that source's block if there is one source, else the
    shared block only. The same model as a ridge prior that is learned with the target's weights (Evgeniou and Pontil 2004).
    Sparse rows stay sparse; dense rows are written as sparse ones past four blocks if the base estimator takes these.
    Memory n (n_sources + 2) d dense, 2 n d sparse.

    References
    ----------
    H. Daume III (2007), Frustratingly easy domain adaptation, ACL.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.align import FeatureAugmentation
    >>> X = np.array([[1.0], [2.0], [3.0], [1.0], [3.0]])
    >>> model = FeatureAugmentation().fit(X, [0, 1, 1, 0, 1], sample_domain=[1, 1, 1, -2, -2])
    >>> model.represent([[5.0]])
    array([[5., 0., 5.]])
    """

    reference = "Daume III 2007"
    needs = frozenset({"source data", "target data", "target labels"})
    assumes = ("concept",)
    accepts_sparse = True

    def __init__(self, estimator: Any = None) -> None:
        self.estimator = estimator

    def _fit_domains(self, data: DomainData) -> None:
        self.source_codes_, owner = np.unique(data.source_ids, return_inverse=True)
        n_sources = len(self.source_codes_)
        self._to_sparse = n_sources + 2 > _MANY and get_tags(self._base_estimator()).input_tags.sparse
        self._fit_final(self._augment(data.X_source, owner + 1), data)
        self.health_["n_sources"] = n_sources
        self._report_sharing(data.X_source.shape[1])
        self._look_for_collapse(data)

    def _report_sharing(self, d: int) -> None:
        if hasattr(self.estimator_, "coef_"):
            weights = self.estimator_.coef_
            weights = np.atleast_2d(weights.toarray() if issparse(weights) else weights)
            shared, target = np.sum(weights[:, :d] ** 2), np.sum(weights[:, -d:] ** 2)
            self.health_["shared_weight"] = float(shared / (shared + target or 1.0))

    def _map_source(self, X: Any) -> Any:
        block = 1 if len(self.source_codes_) == 1 else 0
        return self._augment(X, np.full(X.shape[0], block))

    def _map_target(self, X: Any) -> Any:
        return self._augment(X, np.full(X.shape[0], len(self.source_codes_) + 1))

    def _augment(self, X: Any, block: Array) -> Any:
        """Write every row into the shared block (number 0) and into its own; shape (n_samples, n_blocks n_features)."""
        n_blocks = len(self.source_codes_) + 2
        if issparse(X) or self._to_sparse:
            X = csr_array(X)
            own = [diags_array((block == b).astype(X.dtype)) @ X for b in range(1, n_blocks)]
            return hstack([X, *own], format="csr")
        result = np.zeros((X.shape[0], n_blocks, X.shape[1]), dtype=X.dtype)
        result[:, 0] = X
        result[np.arange(len(X)), block] = X
        return result.reshape(len(X), -1)
