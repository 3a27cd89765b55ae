"""MMDTargetShift: the target's class shares by matching means in a kernel's feature space."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.linalg import eigh
from sklearn.utils._param_validation import Interval, StrOptions

from sterna.domains._simplex import nearest_mixture
from sterna.domains._stack import Array, DomainData, vstack
from sterna.reweight._kernel import blocks, gaussian, median_distance, same_scale
from sterna.reweight._label_shift import LabelShiftCorrector

_EXACT_ROWS = 4000
_RANK = 500


class MMDTargetShift(LabelShiftCorrector):
    """Class shares under which the mixture of the source's classes has the target's mean in a Gaussian kernel's space.

    When to use it: P(y) differs and P(x | y) does not; no classifier has a part in the estimate, so a weak base is no obstacle.
    When it cannot help: classes look different in the target, the source lacks a class, or there are many irrelevant features
    (the kernel sees all of them; `LabelShiftEM` and `BBSE` look at what the classifier looks at).

    Parameters
    ----------
    estimator : estimator, default=None
        The base classifier, which must accept `sample_weight`; None is `LogisticRegression(max_iter=1000)`.
    bandwidth : float, default=None
        Of the kernel exp(-||x - x'||^2 / (2 bandwidth^2)), in units of the standardised features where `standardize`; None is
        the median distance between rows of both domains.
    correction : {"weights", "posteriors"}, default="weights"
        "weights": the base is trained with every source row weighed by its class's ratio of shares; "posteriors": trained as it
        is, its probabilities are corrected.
    n_components : int, "auto" or None, default="auto"
        Rank of the kernel's factor; None is the exact kernel; "auto" is exact up to 4000 rows a domain and 500 beyond.
    shrinkage : float or "auto", default="auto"
        How far the shares are drawn to the source's: 0 not at all (the paper's), 1 onto them. "auto" is the part of the squared
        discrepancy of the domains that no shares explain: about 0 where classes look alike in both domains, large where they don't.
    standardize : bool, default=True
        Divide features by their standard deviation over both domains, for the kernel only.
    random_state : int, RandomState instance or None, default=None
        Draws the rows for the median distance and for the factor.

    Attributes
    ----------
    source_shares_, target_shares_ : ndarray of shape (n_source_classes,)
        Of the source's classes, in their order: counted, and estimated.
    class_weights_ : ndarray of shape (n_source_classes,)
        target_shares_ / source_shares_.
    bandwidth_ : float
    estimator_ : classifier
    classes_ : ndarray of shape (n_classes,)
    health_ : dict
        `target_shares` by class; `condition_number` of the matrix of the classes' mean kernel values (scaled to a diagonal of 1),
        large where shares can't be told; `squared_mmd`, what is left of the squared discrepancy before shrinkage; `explained`, the
        part of it that the shares took away (unbiased estimates); `effective_sample_size`, `effective_share`, `max_weight` of
        the weights of source rows.

    Notes
    -----
    min_q |sum_c q_c m_c - m_t|^2 over shares q >= 0 with the sum 1, where m_c and m_t are the mean embeddings of a class and of the
    target: the paper's kernel mean matching of class-conditional embeddings, for classes, whose ratios q_c / p_c are free.
    Departures: features are standardised. Shares are p + e (q - p), with p the source's and e = 1 - D(q) / D(p) the explained part
    of the squared discrepancy D (unbiased, held in [0, 1]). Under label shift alone e nears 1; where classes also moved, q follows
    that move and is worth little: digits turned by 30 degrees give classes of even shares others between 0 and 0.35.
    Time O(n^2 d) exact, a block of rows at a time; past 4000 rows embeddings in a Nyström factor on rows drawn from both domains,
    O(n r (d + r)) with rank r. Memory of one copy of the data.

    References
    ----------
    K. Zhang, B. Schölkopf, K. Muandet, Z. Wang (2013), Domain adaptation under target and conditional shift, ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.reweight import MMDTargetShift
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat([0, 1, 0, 1], [200, 200, 40, 360])  # half of the source, nine in ten of the target
    >>> X = 2 * y[:, None] + rng.normal(size=(800, 1))
    >>> model = MMDTargetShift(random_state=0)
    >>> model = model.fit(X, np.r_[y[:400], np.full(400, -1)], sample_domain=np.repeat([1, -2], 400))
    >>> bool(abs(model.target_shares_[1] - 0.9) < 0.1)
    True
    """

    reference = "Zhang et al. 2013"

    _parameter_constraints = {
        **LabelShiftCorrector._parameter_constraints,
        "bandwidth": [Interval(Real, 0, None, closed="neither"), None],
        "n_components": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"}), None],
        "shrinkage": [Interval(Real, 0, 1, closed="both"), StrOptions({"auto"})],
        "standardize": ["boolean"],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        bandwidth: float | None = None,
        correction: str = "weights",
        n_components: int | str | None = "auto",
        shrinkage: float | str = "auto",
        standardize: bool = True,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.bandwidth = bandwidth
        self.correction = correction
        self.n_components = n_components
        self.shrinkage = shrinkage
        self.standardize = standardize
        self.random_state = random_state

    def _target_shares(self, data: DomainData, labels: Array, rng: np.random.RandomState) -> Array:
        source, target = data.X_source, data.X_target
        if self.standardize:
            source, target = same_scale(source, target)
        self.bandwidth_ = self.bandwidth or median_distance(source, target, rng)
        member = np.eye(labels.max() + 1)[labels]
        member /= member.sum(axis=0)  # (n_source, n_classes), columns with the sum 1
        rank = self.n_components
        if rank == "auto":
            rank = None if max(source.shape[0], target.shape[0]) <= _EXACT_ROWS else _RANK
        if rank is None:
            means = _exact(source, target, member, self.bandwidth_)
        else:
            means = _nystrom(source, target, member, self.bandwidth_, int(rank), rng)
        scale = np.sqrt(np.diag(means.G))
        self._conditioned(means.G / np.outer(scale, scale), 0.01)
        shares = nearest_mixture(means.G, means.g)
        self.health_["squared_mmd"] = max(means.discrepancy(shares), 0.0)
        before, after = means.unbiased(self.source_shares_), max(means.unbiased(shares), 0.0)
        explained = 1 - min(after / before, 1.0) if before > 0 else 0.0
        self.health_["explained"] = float(explained)
        kept = explained if self.shrinkage == "auto" else 1 - float(self.shrinkage)
        return kept * shares + (1 - kept) * self.source_shares_


@dataclass(frozen=True)
class _Means:
    """Inner products of mean embeddings: among classes (G), of classes and target (g), of the target (own).

    `counts` are rows of the classes and `diagonal` the means of k(x, x) over them, the target's last, shape (n_classes + 1,).
    """

    G: Array
    g: Array
    own: float
    counts: Array
    diagonal: Array

    def discrepancy(self, shares: Array) -> float:
        """|sum_c shares_c m_c - m_t|^2."""
        return float(shares @ self.G @ shares - 2 * self.g @ shares + self.own)

    def unbiased(self, shares: Array) -> float:
        """The same without the rows' products with themselves (a class of one row keeps its own)."""
        means = np.append(np.diag(self.G), self.own)
        corrected = np.where(self.counts > 1, (means * self.counts - self.diagonal) / np.maximum(self.counts - 1, 1), means)
        change = corrected - means
        return self.discrepancy(shares) + float(shares**2 @ change[:-1] + change[-1])


def _exact(source: Any, target: Any, member: Array, bandwidth: float) -> _Means:
    """From the kernel itself."""
    among, between, own = np.zeros(member.shape), np.zeros(len(member)), 0.0
    for rows in blocks(source, source.shape[0]):
        among[rows] = gaussian(source[rows], source, bandwidth) @ member
    for rows in blocks(source, target.shape[0]):
        between[rows] = gaussian(source[rows], target, bandwidth).mean(axis=1)
    for rows in blocks(target, target.shape[0]):
        own += float(gaussian(target[rows], target, bandwidth).sum())
    counts = np.append((member > 0).sum(axis=0), target.shape[0])
    return _Means(member.T @ among, member.T @ between, own / target.shape[0] ** 2, counts, np.ones(len(counts)))


def _nystrom(source: Any, target: Any, member: Array, bandwidth: float, rank: int, rng: np.random.RandomState) -> _Means:
    """From the embeddings' projections on the span of the kernels of `rank` rows."""
    drawn = [X[rng.permutation(X.shape[0])[:size]] for X, size in ((source, rank - rank // 2), (target, rank // 2))]
    landmarks = vstack(drawn)
    values, vectors = eigh(gaussian(landmarks, landmarks, bandwidth))
    kept = values > 1e-10 * values[-1]
    whiten = vectors[:, kept] / np.sqrt(values[kept])
    n_target, n_classes = target.shape[0], member.shape[1]
    means, diagonal = np.zeros((n_classes + 1, whiten.shape[1])), np.zeros(n_classes + 1)
    for X, weights, part in (
        (source, member, slice(n_classes)),
        (target, np.full((n_target, 1), 1 / n_target), slice(n_classes, None)),
    ):
        for rows in blocks(X, rank):
            embedded = gaussian(X[rows], landmarks, bandwidth) @ whiten
            means[part] += weights[rows].T @ embedded
            diagonal[part] += weights[rows].T @ (embedded**2).sum(axis=1)
    of_classes, of_target = means[:-1], means[-1]
    counts = np.append((member > 0).sum(axis=0), n_target)
    return _Means(of_classes @ of_classes.T, of_classes @ of_target, float(of_target @ of_target), counts, diagonal)
