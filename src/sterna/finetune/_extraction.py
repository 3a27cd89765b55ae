"""Feature extraction: a frozen backbone before any scikit-learn model."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.metrics import accuracy_score, r2_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from sterna.deep._inputs import as_labels, as_rows, is_dataset, unpack_dataset
from sterna.domains._stack import Array, take_apart
from sterna.finetune._finetune import training_rows


def _head_has(method: str) -> Any:
    def check(self: FeatureExtraction) -> bool:
        return hasattr(self.head_, method) if hasattr(self, "head_") else True

    return check


class FeatureExtraction(BaseEstimator):
    """Keep the pretrained backbone as it is and fit a plain model on its features.

    The first thing to try with up to some hundred labelled rows: fast, cannot forget, nothing to tune. Cannot help where the
    pretrained features do not tell the target's classes apart.

    Parameters
    ----------
    backbone : str or Module, default="mobilenetv2_100"
        See `sterna.backbones.load_backbone`.
    weights : path or state dict, default=None
    head : {"linear", "knn"} or estimator, default="linear"
        "linear": logistic or ridge regression on standardised features, its penalty by cross-validation.
    encoder : transformer, default=None
        One of `sterna.encoders`, in place of `backbone` and `weights`; its features are kept in the cache.
    random_state : int, RandomState or None, default=None

    Attributes
    ----------
    head_ : estimator
    classes_ : ndarray of shape (n_classes,)
    health_ : dict

    References
    ----------
    A. Sharif Razavian, H. Azizpour, J. Sullivan, S. Carlsson (2014), CNN features off-the-shelf, CVPR workshops.
    """

    family: ClassVar[str] = "finetune"
    reference: ClassVar[str] = "Sharif Razavian et al. 2014"
    needs: ClassVar[frozenset[str]] = frozenset({"source model"})
    label_space: ClassVar[str] = "different"
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    assumes: ClassVar[tuple[str, ...]] = ()
    accepts_sparse: ClassVar[bool] = False
    takes_raw: ClassVar[bool] = True
    trains_on: ClassVar[str] = "all"
    health_: dict[str, Any]
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "head": [StrOptions({"linear", "knn"}), HasMethods(["fit", "predict"])],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        backbone: Any = "mobilenetv2_100",
        *,
        weights: Any = None,
        head: Any = "linear",
        encoder: Any = None,
        random_state: Any = None,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.head = head
        self.encoder = encoder
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, sample_domain: Any = None) -> Self:
        """Fit the head on the labelled target rows, or on the source where the target has none.

        Parameters
        ----------
        X : list, array-like or Dataset of length n_samples
            Files, texts, clips or pictures of all domains.
        y : array-like of shape (n_samples,)
        sample_domain : array-like of shape (n_samples,), default=None
            None: all rows are of the target.

        Returns
        -------
        self
        """
        self._validate_params()
        items, y, sample_domain = unpack_dataset(X, y, sample_domain) if is_dataset(X) else (as_rows(X), y, sample_domain)
        codes = np.full(len(items), -1) if sample_domain is None else sample_domain
        data = take_apart(items, as_labels(y, len(items)), codes)
        rows, labels = training_rows(data)
        self.encoder_ = clone(self.encoder) if self.encoder is not None else default_encoder(self.backbone, self.weights)
        self.head_ = self._make_head(labels)
        self.head_.fit(self.encoder_.fit_transform(rows), labels)
        if hasattr(self.head_, "classes_"):
            self.classes_ = self.head_.classes_
        self.health_ = {"rows": len(labels)}
        return self

    def _make_head(self, y: Array) -> Any:
        numbers = type_of_target(y).startswith("continuous")
        if not isinstance(self.head, str):
            return clone(self.head)
        if self.head == "knn":
            return KNeighborsRegressor(5) if numbers else KNeighborsClassifier(min(5, len(y)), metric="cosine")
        if numbers:
            return make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 5, 15)))
        folds = int(min(5, np.unique(y, return_counts=True)[1].min()))
        return make_pipeline(StandardScaler(), linear_classifier(folds))

    def _features(self, X: Any) -> Any:
        check_is_fitted(self, "head_")
        return self.encoder_.transform(unpack_dataset(X, None, None)[0] if is_dataset(X) else as_rows(X))

    def predict(self, X: Any) -> Array:
        """Predict labels of target rows, shape (n_samples,)."""
        return self.head_.predict(self._features(X))

    @available_if(_head_has("predict_proba"))
    def predict_proba(self, X: Any) -> Array:
        """Predict class probabilities of target rows, shape (n_samples, n_classes)."""
        return self.head_.predict_proba(self._features(X))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy for classes, R squared for numbers."""
        metric = accuracy_score if hasattr(self, "classes_") else r2_score
        return float(metric(y, self.predict(X), sample_weight=sample_weight))


def linear_classifier(folds: int) -> Any:
    """Logistic regression, its penalty by cross-validation where every class has two rows."""
    from sklearn.linear_model import LogisticRegression

    if folds < 2:
        return LogisticRegression(C=0.01, max_iter=2000)
    return LogisticRegressionCV(
        Cs=np.logspace(-5, 0, 6), cv=folds, max_iter=2000, scoring="neg_log_loss", l1_ratios=(0.0,), use_legacy_attributes=False
    )


def default_encoder(backbone: Any, weights: Any) -> Any:
    """The encoder for what the backbone takes."""
    from sterna.encoders import AudioEncoder, ImageEncoder, TextEncoder

    if backbone == "log-mel":
        return AudioEncoder(backbone)
    from sterna.backbones import load_backbone

    modality = load_backbone(backbone, weights=weights).modality
    kinds = {"image": ImageEncoder, "text": TextEncoder, "audio": AudioEncoder}
    if modality not in kinds:
        raise ValueError(
            f"FeatureExtraction takes pictures, texts or clips, but this backbone takes {modality}; use a plain model"
        )
    return kinds[modality](backbone, weights=weights)
