"""Feature transfer: a projection learned from the source's labels, frozen, under a new model of the target."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.cross_decomposition import PLSRegression
from sklearn.utils._param_validation import Interval

from sterna.align._base import Aligner
from sterna.domains._stack import Array, DomainData, evenly_spread, rows_of
from sterna.parameters._trust import fit_or_constant, held_out

_COMPARED = 1000  # source rows that a model without transfer is fitted on, for comparison
_LEAST_LABELS = 8  # fewer labelled target rows compare nothing


class FeatureTransfer(Aligner):
    """Feature transfer for linear models: the source's labels choose a few directions, the target's labels use them.

    The frozen extractor with a new head, without a neural network: partial least squares on the source finds the directions
    of the features that matter for the label; the base estimator is trained on the labelled target rows in these directions.

    When to use it: many features, few target labels, and a label that depends on the same directions of the features, though
    perhaps in another way (other coefficients, other offsets, even other signs). When it cannot help: the target's label
    depends on features that do not matter in the source.

    Parameters
    ----------
    estimator : estimator, default=None
        The base estimator, the head; None is `LogisticRegression(max_iter=1000)`. For regression give a regressor, for
        instance `Ridge()`.
    n_components : int, default=10
        Directions, at most the rank of the source.

    Attributes
    ----------
    components_ : ndarray of shape (n_features, n_components)
        Applied to centred features.
    relevance_ : ndarray of shape (n_components,)
        Standard deviation of each component on the source: the root of the label's variance that it explains, as a share of
        the best one's.
    source_mean_ : ndarray of shape (n_features,)
    estimator_ : estimator
        The head.
    classes_ : ndarray of shape (n_classes,)
        Classifiers only.
    health_ : dict
        `n_components`; `source_r2`: the share of the label's variance in the source (for classes: of the indicators) that the
        directions explain; `head_on_target`: whether the head was trained on target rows alone; then `head_loss` and `source_loss`:
        of heads and of a model of the source, on labelled target rows that neither has seen, share of errors or squared error.

    Notes
    -----
    PLS for regression, PLS on class indicators for classification, with features standardised by the source. The components
    are scaled by their relevance, so that the head's penalty trusts those that mattered in the source first. The head is
    trained on the labelled target rows alone, and on the projected source rows too where a class of the source has no labelled
    target row, since such a head could not predict it. Several sources are taken as one. Time O(n d k) for a few dozen passes;
    memory three copies of the source.

    References
    ----------
    S. J. Pan, Q. Yang (2010), A survey on transfer learning, IEEE TKDE 22(10), section 3.2 (transferring feature
    representations, supervised); S. Wold, M. Sjostrom, L. Eriksson (2001), PLS-regression, Chemometrics 58(2).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import Ridge
    >>> from sterna.align import FeatureTransfer
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(510, 50)); signal = X[:, :5].sum(axis=1)
    >>> y = np.r_[signal[:500], 7 - 2 * signal[500:]]
    >>> model = FeatureTransfer(Ridge(0.1)).fit(X, y, sample_domain=np.repeat([1, -2], [500, 10]))
    >>> new = rng.normal(size=(100, 50))
    >>> model.score(new, 7 - 2 * new[:, :5].sum(axis=1)) > 0.9
    True
    """

    compared_by_default = True
    reference = "Pan and Yang 2010, section 3.2"
    assumes = ("concept", "subspace")
    needs = frozenset({"source data", "target data", "target labels"})

    _parameter_constraints = {
        **Aligner._parameter_constraints,
        "n_components": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, estimator: Any = None, *, n_components: int = 10) -> None:
        self.estimator = estimator
        self.n_components = n_components

    def _align(self, data: DomainData) -> None:
        self.source_mean_ = data.X_source.mean(axis=0, dtype=np.float64)
        centred = data.X_source - self.source_mean_  # (n_source, n_features)
        deviation = centred.std(axis=0)
        varies = deviation > 10 * np.finfo(np.float64).eps * abs(self.source_mean_)
        if not varies.any():
            raise ValueError("FeatureTransfer got source rows that are all alike; give features that vary")
        scale = np.where(varies, deviation, 1.0)
        Y = self._responses(data.y_source)
        Y = Y - Y.mean(axis=0)
        rotations = _rotations(centred / scale, Y, min(self.n_components, len(Y) - 1, varies.sum())) / scale[:, None]
        scores = centred @ rotations  # (n_source, k), orthogonal columns
        length = np.linalg.norm(scores, axis=0)
        explained = np.sum((scores.T @ Y / length[:, None]) ** 2, axis=1)  # (k,): of the sum of squares of Y
        total = np.sum(Y**2)
        self.relevance_ = np.sqrt(explained / explained.max()) if total else np.ones(len(explained))
        self.components_ = rotations * (np.sqrt(len(Y)) * self.relevance_ / length)
        self.health_.update(n_components=len(length), source_r2=float(explained.sum() / total) if total else 1.0)

    def _responses(self, y: Array) -> Array:
        """The labels as numbers: themselves, or one indicator column for each class; shape (n_samples, n_responses)."""
        if not is_classifier(self):
            return np.asarray(y, dtype=np.float64)[:, None]
        classes = np.unique(y)
        return (y[:, None] == (classes[1:] if len(classes) == 2 else classes)).astype(np.float64)

    def _fit_domains(self, data: DomainData) -> None:
        self._align(data)
        covered = not is_classifier(self) or bool(np.isin(data.y_source, data.y_target).all())
        self.health_["head_on_target"] = covered
        if covered:
            self.adapted_ = True
            self.estimator_ = self._base_estimator().fit(self._map_target(data.X_target_labelled), data.y_target)
            self._compare_with_source(data)
        else:
            self._fit_final(self._map_source(data.X_source), data)
        self._look_for_collapse(data)

    def _compare_with_source(self, data: DomainData) -> None:
        """Warn where heads err more than a model of the source, on labelled target rows that neither has seen."""
        if data.n_target_labelled < _LEAST_LABELS:
            return
        X, y, classes = data.X_target_labelled, data.y_target, self.classes_ if is_classifier(self) else None
        shown = evenly_spread(len(data.y_source), _COMPARED)
        plain = fit_or_constant(self._base_estimator(), rows_of(data.X_source, shown), data.y_source[shown])
        rows, of_heads = held_out(self._base_estimator, self._map_target(X), y, classes)
        heads = of_heads[:, 0] if classes is None else classes[of_heads.argmax(axis=1)]
        head_loss, source_loss = (
            (found - y[rows]) ** 2 if classes is None else (found != y[rows]).astype(float)
            for found in (heads, plain.predict(X[rows]))
        )
        self.health_.update(head_loss=float(head_loss.mean()), source_loss=float(source_loss.mean()))
        gap = head_loss - source_loss
        if gap.mean() > gap.std(ddof=1) / np.sqrt(len(gap)):
            what = "squared error" if classes is None else "share of errors"
            self._doubt(
                f"on the {len(y)} labelled target rows, cross-validated, FeatureTransfer has a {what} of {head_loss.mean():.3g}, a model "
                f"of the source {source_loss.mean():.3g}; use SourceOnly or Pooled, or label more target rows"
            )

    def _map_source(self, X: Array) -> Array:
        return (X - self.source_mean_) @ self.components_

    def _map_target(self, X: Array) -> Array:
        return self._map_source(X)


def _rotations(Z: Array, Y: Array, n_components: int) -> Array:
    """The PLS rotations of standardised features for centred responses, shape (n_features, <= n_components)."""
    with warnings.catch_warnings():
        # Of a residual that is used up and of power iterations on tied directions; the first is seen to here.
        warnings.simplefilter("ignore")
        pls = PLSRegression(max(1, n_components), scale=False).fit(Z, Y)
        length = np.linalg.norm(pls.x_scores_, axis=0)
        usable = int(np.sum(length > 1e-6 * length[0]))
        if 0 < usable < len(length):
            pls = PLSRegression(usable, scale=False).fit(Z, Y)
    return pls.x_rotations_ if usable else np.linalg.svd(Z, full_matrices=False)[2][:1].T
