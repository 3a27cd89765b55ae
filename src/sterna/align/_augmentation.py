"""Feature augmentation (EasyAdapt): a shared copy of the features and one for each domain."""

from __future__ import annotations

from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np
from scipy.sparse import csr_array, diags_array, hstack, issparse
from sklearn.base import is_classifier
from sklearn.utils import get_tags
from sklearn.utils._param_validation import Interval

from sterna.align._base import Aligner
from sterna.domains._stack import Array, DomainData, evenly_spread, rows_of, vstack

_MANY = 4  # blocks past which dense rows are written as sparse ones, two blocks of each row being filled
_UNLABELLED = 2000  # unlabelled rows that are used at most


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
    unlabelled_weight : float, default=0.0
        More than 0: the semi-supervised form (EA++), in which the source's and the target's weights should agree on the
        unlabelled target rows; what these weigh together, in units of all labelled rows together. The base estimator must take
        `sample_weight`.

    Attributes
    ----------
    source_codes_ : ndarray of int of shape (n_sources,)
        The codes of the sources, in the order of their blocks.
    estimator_ : estimator
        Takes (n_sources + 2) n_features columns: shared, one block a source, target.
    classes_ : ndarray of shape (n_classes,)
        Classifiers only.
    health_ : dict
        `n_sources`; `n_unlabelled`, of the semi-supervised form; `shared_weight`, for bases with `coef_`: the squared length of
        the shared weights over that of the shared and the target's together (1: the target is as the sources are; 0: nothing
        is shared).

    Notes
    -----
    Section 3.1 of the paper, with section 3.3 for several domains. The inner product of two rows is doubled if they
    come from one domain. Rows of a source predicted on request are given that source's block if there is one source, else the
    shared block only. The same model as a ridge prior that is learned with the target's weights (Evgeniou and Pontil 2004).

    The semi-supervised form (the second paper) adds a row [0, x, -x] for each unlabelled target row, on which the
    model should decide nothing: once with each class (the paper: with both), in regression once with the mean label. Beyond
    2000 such rows 2000 of them, evenly spread, are taken. With several sources it is their mean weights that should agree with
    the target's. As the base estimator's intercept takes part, centre features beforehand for regression.

    Sparse rows stay sparse; dense rows are written as sparse ones past four blocks if the base estimator takes these.
    Memory n (n_sources + 2) d dense, 2 n d sparse.

    References
    ----------
    H. Daume III (2007), Frustratingly easy domain adaptation, ACL. H. Daume III, A. Kumar, A. Saha (2010), Frustratingly easy
    semi-supervised domain adaptation, Workshop on domain adaptation for NLP, ACL.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.align import FeatureAugmentation
    >>> X = np.array([[1.0], [2.0], [3.0], [1.0], [3.0]])
    >>> model = FeatureAugmentation().fit(X, [0, 1, 1, 0, 1], sample_domain=[1, 1, 1, -2, -2])
    >>> model.represent([[5.0]])
    array([[5., 0., 5.]])
    """

    compared_by_default = True
    reference = "Daume III 2007"
    needs = frozenset({"source data", "target data", "target labels"})
    assumes = ("concept",)
    accepts_sparse = True

    _parameter_constraints = {
        **Aligner._parameter_constraints,
        "unlabelled_weight": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, estimator: Any = None, *, unlabelled_weight: float = 0.0) -> None:
        self.estimator = estimator
        self.unlabelled_weight = unlabelled_weight

    def _fit_domains(self, data: DomainData) -> None:
        self.source_codes_, owner = np.unique(data.source_ids, return_inverse=True)
        n_sources = len(self.source_codes_)
        self._to_sparse = n_sources + 2 > _MANY and get_tags(self._base_estimator()).input_tags.sparse
        self.health_["n_sources"] = n_sources
        X = self._augment(data.X_source, owner + 1)
        if self.unlabelled_weight and not data.labelled.all():
            self._fit_with_agreement(X, data)
        else:
            self._fit_final(X, data)
        self._report_sharing(data.X_source.shape[1])
        self._look_for_collapse(data)

    def _fit_with_agreement(self, X: Any, data: DomainData) -> None:
        """EA++: the unlabelled rows join as [0, x, -x] with every class, or with the mean label."""
        rows = np.flatnonzero(~data.labelled)
        rows = rows[evenly_spread(len(rows), _UNLABELLED)]
        known = np.concatenate([data.y_source, data.y_target])
        answers = np.unique(known) if is_classifier(self) else np.array([np.mean(known)])
        agreement = self._agreement(rows_of(data.X_target, rows))
        weight = self.unlabelled_weight * len(known) / (len(rows) * len(answers))
        self.health_["n_unlabelled"] = len(rows)
        y = np.concatenate([data.y_source, np.repeat(answers, len(rows))])
        weights = np.repeat([1.0, weight], [X.shape[0], len(rows) * len(answers)])
        self._fit_final(vstack([X, *[agreement] * len(answers)]), replace(data, y_source=y), weights)

    def _agreement(self, X: Any) -> Any:
        """Rows on which the sources' mean weights less the target's decide; shape (n_samples, n_blocks n_features)."""
        n_sources = len(self.source_codes_)
        blocks = [0 * X, *[X * (1 / n_sources)] * n_sources, -1 * X]
        if issparse(X) or self._to_sparse:
            return hstack([csr_array(block) for block in blocks], format="csr")
        return np.concatenate(blocks, axis=1)

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
