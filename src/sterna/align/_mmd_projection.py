"""The projection that TCA and JDA share: keep the variance of all rows, leave out the difference between given means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from scipy import linalg
from scipy.sparse.linalg import eigsh
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._param_validation import Interval, StrOptions

from sterna.align._base import Aligner
from sterna.align._spectrum import pooled_deviation, right_singular
from sterna.domains._arrays import (
    device_of,
    eigh,
    is_foreign,
    left_singular,
    like,
    median_distance_between,
    namespace,
)
from sterna.domains._stack import Array, DomainData, rows_of, vstack

_BLOCK = 4_000_000  # kernel values held at once: 32 MB
_DENSE = 500  # the eigenproblem is solved densely up to this size, by Lanczos steps beyond


_MAX_COMPONENTS = 30  # kept by default
_ROWS = 2000  # about the size of the published data, at which `regularization` is the published lambda
_SHIFT = 0.3  # standard deviations by which means may differ in a component that is kept by default


@dataclass(frozen=True)
class Contrasts:
    """Differences between the mean of some source rows and of some target rows; the first is that of all of them."""

    differences: Array  # (q, n_z)
    weights: Array  # (q,): in the MMD matrix
    errors: Array  # (q,): 1 / n_source + 1 / n_target of the rows in question, the squared length of e_i

    @property
    def scaled(self) -> Array:
        """Rows E with E^T E the part of the MMD matrix (of norm 1) in the space of the differences, shape (q, n_z)."""
        return self.differences * like(np.sqrt(self.weights / self.norm)[:, None], self.differences)

    @property
    def norm(self) -> float:
        """The Frobenius norm of sum_i weights_i e_i e_i^T: <e_0, e_c> is errors_0, different classes share no row."""
        own, cross = self.weights * self.errors, self.weights[0] * self.weights[1:] * self.errors[0] ** 2
        return float(np.sqrt(np.sum(own**2) + 2 * np.sum(cross)))


@dataclass(frozen=True)
class Basis:
    """Coordinates phi(x) = z(x) @ vectors in which the penalty on a direction is its squared length.

    z(x) are the scaled features or the kernel values to the landmarks; over the training rows the columns of phi are
    orthogonal (before centring) and have the lengths `norms`.
    """

    vectors: Array  # (n_z, rank)
    norms: Array  # (rank,)
    mean: Array  # (n_z,): mean of z over all rows
    difference: Array  # (n_z,): mean of z over the source less that over the target
    n_rows: int

    @property
    def scatter(self) -> Array:
        """The scatter of phi about its mean, shape (rank, rank)."""
        xp, mean = namespace(self.mean), self.mean @ self.vectors
        return xp.diag(self.norms**2) - self.n_rows * xp.outer(mean, mean)


def leading_directions(basis: Basis, contrasts: Array, regularization: float, n_components: int) -> Array:
    """Solve max tr(V^T B V) subject to V^T (E E^T + regularization I) V = I, the form of JDA's eq. 10.

    B is the scatter of phi about its mean and E holds the contrasts (differences of means) in its columns. The right-hand
    matrix is symmetric and positive definite, so that its inverse root turns this into an ordinary symmetric eigenproblem;
    E is of low rank and the root costs next to nothing.

    Parameters
    ----------
    basis : Basis
    contrasts : ndarray of shape (n_contrasts, n_z)
    regularization : float
    n_components : int

    Returns
    -------
    ndarray of shape (rank, <= n_components)
        Directions of length 1, the best first.
    """
    V = constrained_top(basis.scatter, (contrasts @ basis.vectors).T, regularization, n_components)
    return V / namespace(V).linalg.vector_norm(V, axis=0)


def constrained_top(B: Array, E: Array, regularization: float, n_components: int) -> Array:
    """The V that solves max tr(V^T B V) subject to V^T (E E^T + regularization I) V = I, up to the length of its columns.

    Parameters
    ----------
    B : ndarray of shape (rank, rank)
        Symmetric.
    E : ndarray of shape (rank, q)
        Of few columns.
    regularization : float
    n_components : int

    Returns
    -------
    ndarray of shape (rank, <= n_components)
        The best first; each of length 1 in the metric of the constraint, times the root of `regularization`.
    """
    Q, sizes = left_singular(E)  # (rank, q), (q,)
    shrink = Q * (1 - 1 / namespace(E).sqrt(1 + sizes**2 / regularization))

    def root(M: Array) -> Array:
        """(E E^T / regularization + I)^(-1/2) M."""
        return M - shrink @ (Q.T @ M)

    values, U = _top(root(root(B).T), n_components)
    return root(U[:, values > 1e-12 * values[0]])


def _top(C: Array, k: int) -> tuple[Array, Array]:
    """The k largest eigenvalues, falling, and eigenvectors of a symmetric matrix."""
    r = len(C)
    k = min(k, r)
    if is_foreign(C):
        values, U = (namespace(C).flip(part, axis=-1) for part in eigh(C))
        return values[:k], U[:, :k]
    if r > _DENSE and k < r // 3:
        values, U = eigsh(C, k, which="LA", v0=np.ones(r))
    else:
        values, U = linalg.eigh(C, subset_by_index=[r - k, r - 1])
    order = np.argsort(values)[::-1]
    return values[order], U[:, order]


class MMDProjection(Aligner):
    """Base of TCA, SSTCA, JDA, BDA and TJM: a subclass gives `_align` or `_fit_domains`, using `_basis`, `_group_means` and `_project`."""

    _parameter_constraints = {
        **Aligner._parameter_constraints,
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "regularization": [Interval(Real, 0, None, closed="neither")],
        "kernel": [StrOptions({"linear", "primal", "rbf"})],
        "bandwidth": [Interval(Real, 0, None, closed="neither")],
        "standardize": ["boolean"],
        "n_landmarks": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    n_components: int | None
    regularization: float
    kernel: str
    bandwidth: float
    standardize: bool
    n_landmarks: int
    random_state: int | np.random.RandomState | None
    landmarks_: Array | None
    gamma_: float | None

    def _basis(self, data: DomainData) -> Basis:
        """Learn scale and kernel from all rows; sets center_, scale_, landmarks_ and gamma_."""
        xp, rng = namespace(data.X_source), check_random_state(self.random_state)
        self._learn_scale(data)
        self.landmarks_, self.gamma_ = None, None
        if self.kernel == "rbf":
            vectors, singular = self._kernel_directions(data, rng)
        else:
            vectors, singular = right_singular(self._scaled_stack(data), self.n_landmarks, rng)
        if not len(singular):
            raise ValueError(f"{type(self).__name__} got rows that are all alike; give features that vary")
        means, share = (self._mean(data.X_source), self._mean(data.X_target)), len(data.X_source) / _n_rows(data)
        mean, difference = share * means[0] + (1 - share) * means[1], means[0] - means[1]
        variance = xp.sum(singular**2) / _n_rows(data) - xp.sum((mean @ vectors) ** 2)
        self.health_["mmd_before"] = float(xp.sum((difference @ vectors) ** 2) / variance)
        # The kernel forms penalise ||a||^2 in f = K a, which is the squared length after a further factor `singular`.
        factor = xp.ones_like(singular) if self.kernel == "primal" else singular
        return Basis(vectors * factor, singular * factor, mean, difference, _n_rows(data))

    def _learn_scale(self, data: DomainData) -> None:
        xp, d = namespace(data.X_source), data.X_source.shape[1]
        self.center_, self.scale_ = like(np.zeros(d), data.X_source), like(np.ones(d), data.X_source)
        if self.standardize:
            self.center_, self.scale_ = pooled_deviation(data.X_source, data.X_target)
        # Rows of mean squared length 1 give `regularization` the same meaning for any unit and number of features.
        squares = sum(float(xp.sum(self._scaled(X) ** 2)) for X in (data.X_source, data.X_target))
        self.scale_ = self.scale_ * (np.sqrt(squares / _n_rows(data)) or 1.0)

    def _scaled(self, X: Array) -> Array:
        return (X - self.center_) / self.scale_

    def _scaled_stack(self, data: DomainData) -> Array:
        xp = namespace(data.X_source)
        stack = xp.empty((_n_rows(data), len(self.scale_)), dtype=xp.float64, device=device_of(data.X_source))
        stack[: len(data.X_source)] = self._scaled(data.X_source)
        stack[len(data.X_source) :] = self._scaled(data.X_target)
        return stack

    def _kernel_directions(self, data: DomainData, rng: np.random.RandomState) -> tuple[Array, Array]:
        """Right singular vectors, in terms of kernel values to the landmarks, of Z with Z Z^T = K or its Nystrom form."""
        self.landmarks_ = landmarks = self._choose_landmarks(data, rng)
        sample = rng.permutation(len(landmarks))[:1000]
        self.gamma_ = 1 / (2 * median_distance_between(rows_of(landmarks, sample)) ** 2) / self.bandwidth**2
        xp = namespace(landmarks)
        squares, U = eigh(rbf_kernel(landmarks, gamma=self.gamma_))
        keep = squares > 1e-10 * squares[-1]
        root = U[:, keep] / xp.sqrt(squares[keep])  # Z = k(X, landmarks) @ root
        if len(landmarks) == _n_rows(data):
            return xp.flip(root, axis=1), xp.sqrt(xp.flip(squares[keep], axis=0))
        gram = sum(self._accumulate(X, lambda z, _: z.T @ z) for X in (data.X_source, data.X_target))
        squares, rotation = eigh(root.T @ gram @ root)
        keep = squares > 1e-12 * squares[-1]
        return xp.flip(root @ rotation[:, keep], axis=1), xp.sqrt(xp.flip(squares[keep], axis=0))

    def _choose_landmarks(self, data: DomainData, rng: np.random.RandomState) -> Array:
        """All scaled rows while these are few, else `n_landmarks` random ones, half of them of each domain if it has them."""
        n_s, n_t = len(data.X_source), len(data.X_target)
        if n_s + n_t <= 2 * self.n_landmarks:
            return self._scaled_stack(data)
        m_s = min(n_s, max(self.n_landmarks // 2, self.n_landmarks - n_t))
        m_t = self.n_landmarks - m_s
        rows = (rng.choice(n_s, m_s, replace=False), rng.choice(n_t, m_t, replace=False))
        return vstack([self._scaled(rows_of(data.X_source, rows[0])), self._scaled(rows_of(data.X_target, rows[1]))])

    def _z(self, X: Array) -> Array:
        """Scaled features, or kernel values to the landmarks: what `components_` applies to."""
        scaled = self._scaled(X)
        return scaled if self.landmarks_ is None else rbf_kernel(scaled, self.landmarks_, gamma=self.gamma_)

    def _blocks(self, X: Array) -> list[slice]:
        width = X.shape[1] if self.landmarks_ is None else len(self.landmarks_)
        return list(gen_batches(len(X), max(1, _BLOCK // max(1, width))))

    def _accumulate(self, X: Array, term: Callable[[Array, slice], Array]) -> Array:
        """The sum over blocks of rows of `term(z(block), block)`."""
        return sum(term(self._z(X[block]), block) for block in self._blocks(X))  # type: ignore[return-value]

    def _mean(self, X: Array) -> Array:
        return self._accumulate(X, lambda z, _: namespace(z).sum(z, axis=0)) / len(X)

    def _times(self, X: Array, directions: Array) -> Array:
        """The rows of z times `directions`, shape (n_samples, k)."""
        return vstack([self._z(X[block]) @ directions for block in self._blocks(X)])

    def _group_means(self, X: Array, codes: Array, n_groups: int) -> Array:
        """The mean of z over the rows of each group, shape (n_groups, n_z); NaN where a group has no row."""
        xp = namespace(X)
        member = like(codes, X)[:, None] == like(np.arange(n_groups), X)  # (n_samples, n_groups)
        sums = self._accumulate(X, lambda z, block: xp.astype(member[block].T, xp.float64) @ z)
        with np.errstate(invalid="ignore"):
            return sums / xp.sum(member, axis=0)[:, None]

    def _project(self, basis: Basis, contrasts: Contrasts) -> None:
        """Set components_ and offset_ so that the given means come together."""
        V = leading_directions(basis, contrasts.scaled, self._penalty(basis), self.n_components or _MAX_COMPONENTS)
        self._set_components(basis, contrasts, V)

    def _penalty(self, basis: Basis) -> float:
        """`regularization` for this number of rows."""
        # Both sides grow with n (in the kernel forms, whose phi does, with n^2), the penalty does not: let it grow too.
        return self.regularization * (basis.n_rows / _ROWS) ** (1 if self.kernel == "primal" else 2)

    def _set_components(self, basis: Basis, contrasts: Contrasts, V: Array) -> None:
        """Set components_ and offset_ from directions, leaving out by default those in which means differ."""
        xp, mean = namespace(V), basis.mean @ basis.vectors @ V
        variances = xp.sum((basis.norms[:, None] * V) ** 2, axis=0) / basis.n_rows - mean**2
        if self.n_components is None and len(basis.norms) <= _MAX_COMPONENTS:  # else directions are left out already
            keep = _not_shifted(contrasts, basis.vectors @ V / xp.sqrt(variances))
            V, mean, variances = V[:, keep], mean[keep], variances[keep]
        factor = 1 / xp.sqrt(xp.mean(variances))  # one for all components
        self.components_ = basis.vectors @ V * factor  # (n_z, k)
        self.offset_ = mean * factor if self.standardize else xp.zeros_like(mean)  # (k,)
        self.health_["n_components"] = len(mean)
        self.health_["mmd_after"] = float(xp.sum((basis.difference @ self.components_) ** 2) / len(mean))

    def _map_source(self, X: Array) -> Array:
        return self._map_target(X)

    def _map_target(self, X: Array) -> Array:
        xp = namespace(X)
        result = xp.empty((len(X), self.components_.shape[1]), dtype=xp.float64, device=device_of(X))
        for block in self._blocks(X):
            result[block] = self._z(X[block]) @ self.components_ - self.offset_
        return result


def _not_shifted(contrasts: Contrasts, unit_components: Array) -> Array:
    """Which components, of variance 1, have no contrast beyond 0.3 and three standard errors; at least the first has."""
    limits = like(np.maximum(_SHIFT, 3 * np.sqrt(contrasts.errors)), unit_components)  # (q,)
    close = abs(contrasts.differences @ unit_components) <= limits[:, None]
    keep = namespace(close).all(close, axis=0)
    return keep if keep.any() else like(np.arange(len(keep)) == 0, keep)


def _n_rows(data: DomainData) -> int:
    return len(data.X_source) + len(data.X_target)
