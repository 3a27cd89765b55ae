"""PseudoLabels: train on the target rows whose predicted class is surest, in rounds, every class getting its share."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval

from sterna.base import TransferEstimator
from sterna.domains._stack import Array, DomainData, evenly_spread, rows_of, vstack
from sterna.selftrain._confidence import (
    draw,
    fit_or_constant,
    known_rows,
    log_scores,
    probabilities,
    require_confidence,
    temperature_of,
)

_SOURCE_DROP = 0.2  # of accuracy on the source that the pseudo-labels may cost without a warning


def choose(P: Array, share: float, *, class_balance: bool) -> tuple[Array, Array]:
    """Pseudo-labels of CBST and which rows get one.

    With lambda_c the probability at rank `share` among the rows predicted as class c, a row's label is
    argmax_c P_c / lambda_c and it is chosen where that maximum reaches 1. Without balance lambda is the same for all classes.

    Parameters
    ----------
    P : ndarray of shape (n_samples, n_classes)
    share : float
    class_balance : bool

    Returns
    -------
    codes : ndarray of int of shape (n_samples,), chosen : ndarray of bool of shape (n_samples,)
    """
    leading, surest = P.argmax(axis=1), P.max(axis=1)
    limits = np.full(P.shape[1], np.inf)
    groups = [leading == c for c in range(P.shape[1])] if class_balance else [np.ones(len(P), dtype=bool)] * P.shape[1]
    for c, group in enumerate(groups):
        ordered = np.sort(surest[group])[::-1]
        if len(ordered):
            limits[c] = ordered[max(1, round(share * len(ordered))) - 1]
    ratios = P / limits
    codes = ratios.argmax(axis=1)
    return codes, ratios[np.arange(len(P)), codes] >= 1


class PseudoLabels(TransferEstimator):
    """Self-training: label the target by the model, train on the surest share of every class, and repeat with a larger share.

    When to use it: the source's model is right more often than not on the target and surer where it is right, and the target
    rows have structure (groups, gaps between classes). When it cannot help: the model starts near chance or is sure where it
    is wrong (its errors are then learned), or classes overlap so that no row is sure.

    Parameters
    ----------
    estimator : estimator, default=None
        A classifier with `predict_proba` or `decision_function`; None is `LogisticRegression(max_iter=1000)`.
    start_share, share_step, max_share : float, default=0.2, 0.05 and 0.5
        The share of the rows of each predicted class that get a label: in the first round, its growth a round, its end.
    class_balance : bool, default=True
        Take the share within each predicted class; False: over all classes, so that easy classes come first.
    calibrate : bool, default=True
        Divide the scores by a temperature that is right on source rows that it has not seen.
    max_iter : int, default=15
        Rounds at most.
    tol : float, default=0.01
        Stop, once `max_share` is reached, when a round changes the predictions of at most this share of the target rows.
    max_rows : int, default=20000
        Rounds see at most so many random rows of either domain; the last fit has all.
    random_state : int, RandomState instance or None, default=None
        Draws the rows for the temperature and those of the rounds; the base estimator has its own.

    Attributes
    ----------
    pseudo_labels_ : ndarray of shape (n_target,)
        The labels under which target rows were offered to the last fit; given ones where there are any.
    selected_ : ndarray of bool of shape (n_target,)
        The rows that it was trained on.
    temperature_ : float
    n_iter_ : int
    estimator_ : estimator
        Fitted on the source, the labelled target rows and the selected ones.
    classes_ : ndarray of shape (n_classes,)
    health_ : dict
        `n_iter`; `converged`; `label_change` of the last round and `total_change` since the model of the known labels, shares of
        target rows; `selected_share`; `temperature`; `source_accuracy_before` and `source_accuracy_after` the rounds (up to 1000
        rows); `n_classes_predicted`.

    Notes
    -----
    Class-balanced self-training alternates between labels and model: y_i = argmax_c p_c(x_i) / exp(-k_c) where that ratio is at
    least 1, no label elsewhere; exp(-k_c) is the probability at rank `share` among the rows predicted as c. The shares are the
    paper's. Known labels count as much as pseudo-labels. Departures: probabilities are calibrated by one temperature, on source
    rows, which is right on the target only where the source's model is; rounds go on at the last share until labels settle.
    Predictions, on rows of the training as on new ones, are those of the final model. Several sources are taken as one.

    Cost: at most `max_iter` + 5 fits; past `max_rows` all but one of them on no more than twice so many rows.

    References
    ----------
    Y. Zou, Z. Yu, B. V. K. Vijaya Kumar, J. Wang (2018), Unsupervised domain adaptation for semantic segmentation via
    class-balanced self-training, ECCV.
    C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger (2017), On calibration of modern neural networks, ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.selftrain import PseudoLabels
    >>> rng = np.random.default_rng(0)
    >>> ys = np.repeat([0, 1], 100)
    >>> Xs = rng.normal(size=(200, 2)) + np.array([[-2, 0], [2, 0]])[ys]
    >>> Xt = rng.normal(size=(200, 2)) + np.array([[-1, -3], [1, 3]])[ys]     # the classes moved
    >>> X, y = np.vstack([Xs, Xt]), np.r_[ys, np.full(200, -1)]
    >>> from sterna.baselines import SourceOnly
    >>> plain = SourceOnly().fit(X, y, sample_domain=np.repeat([1, -2], 200))
    >>> model = PseudoLabels(random_state=0).fit(X, y, sample_domain=np.repeat([1, -2], 200))
    >>> bool(model.score(Xt, ys) > plain.score(Xt, ys) + 0.05)
    True
    """

    compared_by_default = True
    family = "selftrain"
    reference = "Zou, Yu, Kumar and Wang 2018"
    tasks = ("classification",)
    assumes = ("covariate", "subspace")

    _parameter_constraints = {
        **TransferEstimator._parameter_constraints,
        "start_share": [Interval(Real, 0, 1, closed="right")],
        "share_step": [Interval(Real, 0, 1, closed="both")],
        "max_share": [Interval(Real, 0, 1, closed="right")],
        "class_balance": ["boolean"],
        "calibrate": ["boolean"],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, 1, closed="both")],
        "max_rows": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        start_share: float = 0.2,
        share_step: float = 0.05,
        max_share: float = 0.5,
        class_balance: bool = True,
        calibrate: bool = True,
        max_iter: int = 15,
        tol: float = 0.01,
        max_rows: int = 20_000,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.start_share = start_share
        self.share_step = share_step
        self.max_share = max_share
        self.class_balance = class_balance
        self.calibrate = calibrate
        self.max_iter = max_iter
        self.tol = tol
        self.max_rows = max_rows
        self.random_state = random_state

    def _fit_plain(self, X: Any, y: Array) -> None:
        super()._fit_plain(X, y)
        self.n_iter_ = 1

    def _fit_domains(self, data: DomainData) -> None:
        require_confidence(self)
        self.adapted_ = True
        rng = check_random_state(self.random_state)
        X, y = known_rows(data, self.max_rows, rng)
        self.temperature_ = temperature_of(self._base_estimator, X, y, self.classes_, rng) if self.calibrate else 1.0
        self.health_["temperature"] = self.temperature_
        unlabelled = np.flatnonzero(~data.labelled)
        rows = unlabelled[draw(len(unlabelled), self.max_rows, rng)]
        share = self._run_rounds(X, y, rows_of(data.X_target, rows))
        self._fit_last(data, unlabelled, share, rng)
        self._compare_on_source(data)
        self._look_for_collapse(data)

    def _run_rounds(self, X: Any, y: Array, offered: Any) -> float:
        """Train and label in turn; sets `estimator_`, `_first`, `_labeller` and gives the share of the last round."""
        share, self.n_iter_, change = self.start_share, 0, 0.0
        self._first = self._labeller = self.estimator_ = fit_or_constant(self._base_estimator(), X, y)
        if not offered.shape[0]:
            self._report_rounds(0.0, 0.0, converged=True)
            return share
        scores = first = log_scores(self.estimator_, offered, self.classes_)
        last_share = max(self.max_share, self.start_share)
        while self.n_iter_ < self.max_iter:
            share = min(self.start_share + self.n_iter_ * self.share_step, last_share)
            self.n_iter_ += 1
            self._labeller = self.estimator_
            codes, chosen = self._choose(self._labeller, offered, share)
            rows = vstack([X, rows_of(offered, np.flatnonzero(chosen))])
            self.estimator_ = fit_or_constant(self._base_estimator(), rows, np.concatenate([y, self.classes_[codes[chosen]]]))
            before, scores = scores, log_scores(self.estimator_, offered, self.classes_)
            change = float(np.mean(before.argmax(axis=1) != scores.argmax(axis=1)))
            if change <= self.tol and (share >= last_share or not self.share_step):
                break
        total = float(np.mean(first.argmax(axis=1) != scores.argmax(axis=1)))
        self._report_rounds(change, total, converged=change <= self.tol)
        return share

    def _choose(self, model: Any, X: Any, share: float) -> tuple[Array, Array]:
        P = probabilities(model, X, self.classes_, self.temperature_)
        return choose(P, share, class_balance=self.class_balance)

    def _report_rounds(self, change: float, total: float, *, converged: bool) -> None:
        self.health_ |= {"n_iter": self.n_iter_, "converged": converged, "label_change": change, "total_change": total}

    def _fit_last(self, data: DomainData, unlabelled: Array, share: float, rng: np.random.RandomState) -> None:
        """Set the labels and, where the rounds saw a part of the rows, fit on all."""
        n = data.X_target.shape[0]
        self.pseudo_labels_, self.selected_ = np.empty(n, dtype=self.classes_.dtype), data.labelled.copy()
        self.pseudo_labels_[data.labelled] = data.y_target
        whole = max(len(data.y_source), len(unlabelled)) <= self.max_rows
        if len(unlabelled):
            offered = rows_of(data.X_target, unlabelled)
            codes, chosen = self._choose(self._labeller if whole else self.estimator_, offered, share)
            self.pseudo_labels_[unlabelled], self.selected_[unlabelled] = self.classes_[codes], chosen
        self.health_["selected_share"] = float(np.mean(self.selected_))
        if not whole:
            rows = vstack([data.X_source, rows_of(data.X_target, np.flatnonzero(self.selected_))])
            labels = np.concatenate([data.y_source, self.pseudo_labels_[self.selected_]])
            self.estimator_ = fit_or_constant(self._base_estimator(), rows, labels)

    def _compare_on_source(self, data: DomainData) -> None:
        """Warn where the pseudo-labels taught what contradicts the source's labels."""
        rows = evenly_spread(len(data.y_source), 1000)
        X, y = rows_of(data.X_source, rows), data.y_source[rows]
        before, after = (float(np.mean(model.predict(X) == y)) for model in (self._first, self.estimator_))
        del self._first, self._labeller
        self.health_ |= {"source_accuracy_before": before, "source_accuracy_after": after}
        if after < before - _SOURCE_DROP:
            self._warn_collapse(f"its pseudo-labels lower the accuracy on the source from {before:.2f} to {after:.2f}")
