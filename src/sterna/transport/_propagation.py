"""TransportLabelPropagation: send the source's labels to the target's rows along a transport plan."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from sterna.domains._stack import DomainData
from sterna.transport._base import PlanEstimator
from sterna.transport._problem import class_codes, within_scale
from sterna.transport._soft_labels import LabelSums, fit_on_target


class TransportLabelPropagation(PlanEstimator):
    """Label propagation by transport: target rows take the labels of the source rows whose mass they receive.

    When to use it: the target lies elsewhere or is deformed and the base estimator should see true target rows, not carried
    source rows, for instance trees or nearest neighbours. When it cannot help: the classes' shares differ much (the surplus
    of one class is sent to rows of another; see `JCPOT`), the deformation carries one class nearer to another's rows than to
    its own, or P(y | x) itself changed.

    Parameters
    ----------
    estimator : estimator, default=None
        The base estimator, trained on the target's rows; None is `LogisticRegression(max_iter=1000)`.
    solver : {"auto", "class-regularised", "sinkhorn", "emd", "group-lasso", "laplacian", "unbalanced", "low-rank"}, default="auto"
        Of the plan, as in `OTMapping`. With "unbalanced" target rows count by the mass that they receive.
    entropic_regularization : float or "auto", default="auto"
        In units of the normalised cost; "auto" is 0.2 class-regularised, 0.02 with a group lasso or low-rank, and 0.05 otherwise.
    class_regularization : float or "auto", default="auto"
        "auto" is 1 class-regularised and 0.02 with a group lasso.
    laplacian_regularization : float, default=0.5
        Of "laplacian".
    marginal_relaxation : float, default=1.0
        Of "unbalanced": about the normalised cost past which a row would rather not be transported.
    rank : int, default=50
        Of "low-rank": the number of template points.
    cost_normalization : {"median", "max"}, default="median"
        The squared distance that counts as one.
    standardize : bool, default=True
        Measure distances with each feature over its standard deviation within domains. False where all share a unit.
    batch_size : int, "auto" or None, default="auto"
        "auto" solves one problem while the plan has at most 2000^2 entries, and past that mini-batches of about 1000
        rows; an int always makes mini-batches of about that many; None never does. "emd" and "low-rank" as in `OTMapping`.
    random_state : int, RandomState instance or None, default=None
        Draws the mini-batches, parts and templates; unused without.

    Attributes
    ----------
    soft_labels_ : ndarray of shape (n_target, n_classes) or (n_target,)
        Shares of the classes, or the mean label, that each target row received.
    scale_ : ndarray of shape (n_features,)
        What features are divided by in the cost.
    estimator_ : estimator
    classes_ : ndarray of shape (n_classes,)
        Classifiers only.
    health_ : dict
        `n_batches`; `transported_mass`; `marginal_error`, the l1 error of the target marginal (the worst batch); `converged`
        (every batch); `confidence`, the mean share of the leading class; for regression `spread`, the variance of the
        received labels over the source's.

    Notes
    -----
    With the plan G and one-hot source labels Y, target row j gets the shares (G^T Y)_j / (G^T 1)_j. The base estimator is
    trained with one row a class and shares as weights; one that takes no weights is trained on the leading class. Target
    rows never seen are given to the base estimator as they are. Known target labels bar other classes in the plan, and stand
    in training as they are. Departures: shares under 0.05 are left out; the plan's penalties and cost are those of
    `OTMapping`. Several sources are taken as one. Past 2000^2 entries each random part of the target receives from a part of
    the source, stratified by label, and rows that stand in several pairs take the mean.

    Time O(b n) a Sinkhorn step for batches of b rows, memory O(b^2 + n n_classes).

    References
    ----------
    J. Solomon, R. Rustamov, L. Guibas, A. Butscher (2014), Wasserstein propagation for semi-supervised learning, ICML.
    I. Redko, N. Courty, R. Flamary, D. Tuia (2019), Optimal transport for multi-source domain adaptation under target shift,
    AISTATS.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.transport import TransportLabelPropagation
    >>> rng = np.random.default_rng(0)
    >>> ys = np.repeat([0, 1], 50)
    >>> Xs = np.array([[0.0, 0.0], [4.0, 0.0]])[ys] + rng.normal(size=(100, 2))
    >>> X, y = np.vstack([Xs, Xs[::-1] + [3, 5]]), np.r_[ys, np.full(100, -1)]
    >>> model = TransportLabelPropagation().fit(X, y, sample_domain=np.repeat([1, -2], 100))
    >>> model.predict([[3.0, 5.0], [7.0, 5.0]])
    array([0, 1])
    """

    reference = "Solomon, Rustamov, Guibas and Butscher 2014"

    def _fit_domains(self, data: DomainData) -> None:
        self._resolve()
        self.adapted_ = True
        self.scale_ = within_scale(data) if self.standardize else np.ones(data.X_source.shape[1])
        codes = class_codes(self, data)
        sums, reports = LabelSums(self, data, codes[0]), []
        with threadpool_limits(1, user_api="blas"):
            for source, target, plan in self._plans(data, codes, all_targets=True):
                sums.add(plan.coupling, source, target)
                reports.append(self._report(plan, codes[0][source]))
        self.soft_labels_, weights = sums.labels_and_weights()
        self.health_ |= {
            "n_batches": len(reports),
            "transported_mass": float(np.mean([report["mass"] for report in reports])),
            "marginal_error": max(report["error"] for report in reports),
            "converged": all(report["converged"] for report in reports),
        }
        self._judge(data)
        rows = np.arange(data.X_target.shape[0])
        self.estimator_ = fit_on_target(self, data, rows, self.soft_labels_, weights)
        self._look_for_collapse(data)

    def _judge(self, data: DomainData) -> None:
        """Say how sure the labels are, and warn of plans that miss and of values that all came out alike."""
        if is_classifier(self):
            self.health_["confidence"] = float(self.soft_labels_.max(axis=1).mean())
        else:
            self.health_["spread"] = float(self.soft_labels_.var() / (np.var(data.y_source) or np.inf))
            if self.health_["spread"] < 0.01 and np.var(data.y_source) > 0:
                self._warn_collapse(f"the received labels keep {self.health_['spread']:.2%} of the source's variance")
        if self.health_["marginal_error"] > 0.05:
            warnings.warn(
                f"transport stopped with {self.health_['marginal_error']:.0%} of the target's mass misplaced; raise "
                "entropic_regularization",
                ConvergenceWarning,
            )
