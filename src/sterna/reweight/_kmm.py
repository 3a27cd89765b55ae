"""KMM: weights under which the source has the target's mean in a kernel's feature space."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from sterna.domains._arrays import device_of, eigh, largest_eigenvalue, like, namespace
from sterna.domains._stack import Array, DomainData, rows_of, vstack
from sterna.reweight._bandwidth import KernelReweighter
from sterna.reweight._kernel import blocks, gaussian, median_distance, same_scale
from sterna.reweight._qp import BoxAndSlab, minimize

_EXACT_ROWS = 4000  # up to here the kernel matrix of the source takes at most 128 MB
_RANK = 500


class KMM(KernelReweighter):
    """Kernel mean matching: weigh source rows so that their weighted mean equals the target's in a Gaussian kernel's space.

    When to use it: P(x) differs and P(y | x) does not (some kinds of people, machines or pages are over-represented in the
    source), and the source covers the region where the target lies. When it cannot help: the domains hardly overlap (the
    effective sample size falls), the label's relation to the features differs, or the features themselves are measured
    differently; a model flexible enough to be right everywhere gains nothing from weights either.

    Parameters
    ----------
    estimator : estimator, default=None
        The base estimator, which must accept `sample_weight`; None is `LogisticRegression(max_iter=1000)`.
    max_weight : float, default=10.0
        B, the largest weight before normalisation; the effective sample size is then about n_source / B at least.
    mean_tolerance : float, default=None
        epsilon, how far the mean weight may lie from 1; None is B / sqrt(n_source), and below 1 - 1 / sqrt(n_source).
    bandwidth : float, "iwcv" or None, default=None
        Of the kernel exp(-||x - x'||^2 / (2 bandwidth^2)), in units of the standardised features where `standardize`; None is
        the median distance between rows of both domains; "iwcv" a multiple of it, between a quarter and four, chosen by
        importance-weighted cross-validation of the base estimator (see Notes).
    standardize : bool, default=True
        Divide features by their standard deviation over both domains, for the kernel only.
    n_components : int, "auto" or None, default="auto"
        Rank of the kernel's factor; None is the exact kernel; "auto" is exact up to 4000 rows a domain and 500 beyond.
    tol : float, default=1e-3
        Stop when what is left to gain is proven to be below this share of the possible reduction of the squared discrepancy, or
        below 100 times this share of what the discrepancy would be by chance between samples of one distribution.
    max_steps : int, default=2000
    random_state : int, RandomState instance or None, default=None
        Draws the rows for the median distance and for the factor.

    Attributes
    ----------
    weights_ : ndarray of shape (n_source,)
        Mean 1.
    bandwidth_ : float
    estimator_ : estimator
    classes_ : ndarray of shape (n_classes,)
        Classifiers only.
    health_ : dict
        `effective_sample_size`, `effective_share`, `max_weight`; `converged`, `n_steps`; `optimality_gap`, a proven bound on
        what is left to gain, in units of half the squared maximum mean discrepancy. With "iwcv": `bandwidth`, and
        `iwcv_losses`, a dict of the weighted held-out loss of each candidate.

    Notes
    -----
    min_b 1/2 b'Kb - kappa'b with kappa_i = n_s / n_t sum_j k(x_i, z_j), 0 <= b <= B, |mean(b) - 1| <= epsilon, by accelerated
    projected gradient, stopped by the duality gap. Past 4000 rows K is replaced by a Nyström factor F F' on rows drawn from
    both domains plus the diagonal that F F' lacks. Departures: features are standardised; B is 10 and not 1000 (which in
    practice is no bound and lets a few rows take all weight); epsilon is B / sqrt(n_source), the order of the paper's analysis;
    weights are scaled to mean 1; steps end where chance alone explains what is left (see `tol`), since going on fits the noise
    of both samples. Time and memory O(n^2) exact, O(n r^2) and O(n r) with rank r.

    bandwidth="iwcv": on 1000 rows of each domain at most, each of nine bandwidths gives weights, with which the base estimator
    is trained on four folds in five; the loss on the fifth (log loss, error rate or squares) is averaged with weights that
    are the same for all candidates: the ratio of a classifier of the domains on features and their squares, as in
    `DomainClassifierRatio`, flattened where it leaves too few rows. A candidate is never judged by its own weights, for then it
    could win by putting them on rows that are easy to predict; nor by those of another bandwidth, whose errors would favour its
    neighbours. Departure from Sugiyama et al.: not the least loss wins but, among the losses within one standard error of it,
    the bandwidth nearest to the default. Ten more solutions of the problem at that size, and 45 fits.

    References
    ----------
    J. Huang, A. Smola, A. Gretton, K. Borgwardt, B. Schölkopf (2007), Correcting sample selection bias by unlabeled data, NIPS.
    A. Gretton et al. (2009), Covariate shift by kernel mean matching, in Dataset Shift in Machine Learning, MIT Press.
    M. Sugiyama, M. Krauledat, K.-R. Müller (2007), Covariate shift adaptation by importance weighted cross validation, JMLR 8.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.reweight import KMM
    >>> rng = np.random.default_rng(0)
    >>> X = np.r_[rng.normal(0, 1, (200, 1)), rng.normal(1, 0.5, (200, 1))]
    >>> y = np.r_[(np.abs(X[:200, 0]) > 0.5).astype(int), np.full(200, -1)]
    >>> model = KMM().fit(X, y, sample_domain=np.repeat([1, -2], 200))
    >>> bool(np.average(X[:200, 0], weights=model.weights_) > 0.9)
    True
    """

    array_api = True
    compared_by_default = True
    reference = "Huang et al. 2007"
    _remedy = "lower max_weight, or widen bandwidth"

    _parameter_constraints = {
        **KernelReweighter._parameter_constraints,
        "max_weight": [Interval(Real, 1, None, closed="neither")],
        "mean_tolerance": [Interval(Real, 0, 1, closed="both"), None],
        "bandwidth": [Interval(Real, 0, None, closed="neither"), StrOptions({"iwcv"}), None],
        "standardize": ["boolean"],
        "n_components": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"}), None],
        "tol": [Interval(Real, 0, None, closed="neither")],
        "max_steps": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        max_weight: float = 10.0,
        mean_tolerance: float | None = None,
        bandwidth: float | str | None = None,
        standardize: bool = True,
        n_components: int | str | None = "auto",
        tol: float = 1e-3,
        max_steps: int = 2000,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.max_weight = max_weight
        self.mean_tolerance = mean_tolerance
        self.bandwidth = bandwidth
        self.standardize = standardize
        self.n_components = n_components
        self.tol = tol
        self.max_steps = max_steps
        self.random_state = random_state

    def _kernel_weights(self, data: DomainData) -> Array:
        rng = check_random_state(self.random_state)
        source, target = data.X_source, data.X_target
        if self.standardize:
            source, target = same_scale(source, target)
        self.bandwidth_ = float(self.bandwidth) if self.bandwidth else median_distance(source, target, rng)
        rank = self._rank(source.shape[0], target.shape[0])
        problem = (
            _exact(source, target, self.bandwidth_) if rank is None else _nystrom(source, target, self.bandwidth_, rank, rng)
        )
        n = source.shape[0]
        start = like(np.ones(n), source)
        # half the squared discrepancy that two samples of one distribution have on average: E||mean_s - mean_t||^2 / 2
        chance = (1 - float(start @ problem[0](start))) * (1 / n + 1 / target.shape[0]) / 2
        limits = {"tol": self.tol, "floor": 100 * self.tol * chance, "max_steps": self.max_steps}
        solution = minimize(*problem, self._feasible(n), start, **limits)
        self.health_.update(converged=solution.converged, n_steps=solution.n_steps, optimality_gap=solution.gap)
        if not solution.converged:
            warnings.warn(f"KMM stopped after max_steps={self.max_steps} steps; raise max_steps or tol", ConvergenceWarning)
        return solution.b

    def _rank(self, n_source: int, n_target: int) -> int | None:
        if self.n_components == "auto":
            return None if max(n_source, n_target) <= _EXACT_ROWS else _RANK
        return self.n_components  # type: ignore[return-value]

    def _feasible(self, n: int) -> BoxAndSlab:
        slack = self.mean_tolerance
        if slack is None:
            slack = min(self.max_weight / np.sqrt(n), 1 - 1 / np.sqrt(n))
        return BoxAndSlab(self.max_weight, n * (1 - slack), n * (1 + slack))


#: b -> Hb, c and a bound of H's largest eigenvalue, where 1/2 b'Hb - c'b is half the squared discrepancy up to a constant
_Problem = tuple[Callable[[Array], Array], Array, float]


def _exact(source: Any, target: Any, bandwidth: float) -> _Problem:
    n = source.shape[0]
    kappa = vstack([gaussian(source[s], target, bandwidth).mean(axis=1) for s in blocks(source, target.shape[0])])
    K = gaussian(source, source, bandwidth)  # (n_source, n_source)
    largest = K.sum(axis=1).max()  # bounds the eigenvalues of a matrix without negative entries
    return lambda b: K @ b / n**2, kappa / n, largest / n**2


def _nystrom(source: Any, target: Any, bandwidth: float, rank: int, rng: np.random.RandomState) -> _Problem:
    xp, n = namespace(source), source.shape[0]
    drawn = [rows_of(X, rng.permutation(X.shape[0])[:size]) for X, size in ((source, rank - rank // 2), (target, rank // 2))]
    landmarks = vstack(drawn)
    values, vectors = eigh(gaussian(landmarks, landmarks, bandwidth))
    kept = values > 1e-10 * values[-1]
    whiten = vectors[:, kept] / xp.sqrt(values[kept])  # (rank, r)
    F = xp.empty((n, whiten.shape[1]), dtype=xp.float64, device=device_of(source))  # (n_source, r)
    for rows in blocks(source, rank):
        F[rows] = gaussian(source[rows], landmarks, bandwidth) @ whiten
    mean = sum(gaussian(target[s], landmarks, bandwidth).sum(axis=0) for s in blocks(target, rank)) / target.shape[0]
    # k(x, x) = 1; without this diagonal, rows that the factor hardly sees could take any weight
    missing = (1 - xp.einsum("ij,ij->i", F, F)).clip(0, None)
    largest = largest_eigenvalue(F.T @ F) + float(missing.max())
    return lambda b: (F @ (F.T @ b) + missing * b) / n**2, F @ (mean @ whiten) / n, largest / n**2
