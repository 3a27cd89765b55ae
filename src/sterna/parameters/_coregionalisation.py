"""The Gaussian process of the intrinsic coregionalisation model: covariance, marginal likelihood with gradient, posterior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.linalg.lapack import dpotri
from scipy.optimize import minimize
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils import gen_batches

from sterna.domains._stack import Array

_BLOCK = 4_000_000  # covariances held at once: 32 MB
_JITTER = 1e-8  # of the mean variance, on the diagonal of the inducing rows' covariance
_ROUNDING = 1e-10  # the same where the noise stands on it too: keeps labels without noise from breaking the factorisation
_FAR = 10  # standard deviations of a domain's labels between its mean and the common one, beyond which it has its own centre
# Natural logarithms of the bounds; labels and columns have unit variance, lengths are over the root of the number of columns.
_BOUNDS = {
    "rbf": (-9.0, 5.0),
    "linear": (-14.0, 5.0),
    "lengths": (-3.5, 3.0),
    "offset": (-14.0, 9.0),
    "noise": (-14.0, 3.0),
    "amplitude": (-4.0, 4.0),
}


@dataclass(frozen=True)
class Hyperparameters:
    """Of a process whose labels and columns have unit variance; domain 0 is the target."""

    rbf: float  # variance
    linear: float  # variance
    lengths: Array  # (n_features,)
    offset: float  # variance of each domain's own constant
    noise: Array  # (n_domains,): variances
    amplitude: Array  # (n_domains,): of the target 1
    correlation: Array  # (n_domains,): with the target, whose own is 1

    @property
    def coregionalisation(self) -> Array:
        """B = w w' + diag(kappa) with w = a rho and kappa = a^2 (1 - rho^2), shape (n_domains, n_domains)."""
        w = self.amplitude * self.correlation
        B = np.outer(w, w)
        np.fill_diagonal(B, self.amplitude**2)
        return B

    def covariance(self, A: Array, of_a: Array, B: Array, of_b: Array) -> Array:
        """Between rows of given domains, without noise, shape (n_a, n_b)."""
        K = np.exp(-0.5 * euclidean_distances(A / self.lengths, B / self.lengths, squared=True))
        K *= self.rbf
        K += self.linear / A.shape[1] * (A @ B.T)
        K *= self.coregionalisation[of_a[:, None], of_b]
        K[of_a[:, None] == of_b] += self.offset
        return K

    def target_variance(self, X: Array) -> Array:
        """Of target rows, without noise, shape (n_samples,)."""
        return self.rbf + self.linear / X.shape[1] * np.sum(X**2, axis=1) + self.offset


def marginal_likelihood(h: Hyperparameters, X: Array, y: Array, domain: Array) -> tuple[float, dict[str, Array]]:
    """Log marginal likelihood and its gradient, for logarithms of all but the correlations.

    With A = a a' - K^-1 and a = K^-1 y the derivative by t is tr(A dK/dt) / 2 (Rasmussen and Williams, eq. 5.9).

    Parameters
    ----------
    h : Hyperparameters
    X : ndarray of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
    domain : ndarray of int of shape (n_samples,)
        Rising, no domain missing.

    Returns
    -------
    float, dict of str to ndarray
    """
    n, counts = len(y), np.bincount(domain)
    starts, B = np.cumsum(counts) - counts, h.coregionalisation
    scaled, mixing = X / h.lengths, np.repeat(np.repeat(B, counts, axis=0), counts, axis=1)
    E = euclidean_distances(scaled, squared=True)
    E *= -0.5
    np.exp(E, out=E)
    P = X @ X.T
    P /= X.shape[1]
    K = h.rbf * E
    K += h.linear * P
    K *= mixing
    for start, count in zip(starts, counts, strict=True):
        K[start : start + count, start : start + count] += h.offset
    K.ravel()[:: n + 1] += h.noise[domain] + _ROUNDING * np.trace(K) / n
    L = cholesky(K, lower=True, overwrite_a=True, check_finite=False)
    a = cho_solve((L, True), y, check_finite=False)
    value = -0.5 * y @ a - np.sum(np.log(np.diag(L))) - 0.5 * n * np.log(2 * np.pi)
    half = dpotri(L, lower=1)[0]  # the lower triangle of the inverse
    half.ravel(order="K")[:: n + 1] *= 0.5
    A = np.outer(a, a)
    A -= half
    A -= half.T
    of_constant = _block_sums(A, starts)  # (n_domains, n_domains), as the next two
    diagonal = A.diagonal().copy()
    P *= A
    of_linear = h.linear * _block_sums(P, starts)
    A *= E
    of_rbf = h.rbf * _block_sums(A, starts)
    A *= mixing
    moved = np.sum(A, axis=1) @ scaled**2 - np.sum(scaled * (A @ scaled), axis=0)  # sum_ij A_ij (x_i - x_j)^2 / 2
    sums, w = of_rbf + of_linear, h.amplitude * h.correlation
    return float(value), {
        "rbf": np.array([0.5 * np.sum(of_rbf * B)]),
        "linear": np.array([0.5 * np.sum(of_linear * B)]),
        "lengths": h.rbf * moved,
        "offset": np.array([0.5 * h.offset * np.trace(of_constant)]),
        "noise": 0.5 * h.noise * np.add.reduceat(diagonal, starts),
        "amplitude": np.sum(sums * B, axis=1),
        "correlation": h.amplitude * (sums @ w - np.diag(sums) * w),
    }


def _block_sums(M: Array, starts: Array) -> Array:
    return np.add.reduceat(np.add.reduceat(M, starts, axis=0), starts, axis=1)


@dataclass(frozen=True)
class Layout:
    """Where each hyper-parameter stands in the vector that is optimised."""

    n_features: int
    n_domains: int
    ard: bool
    correlation: float | None  # held at this value

    @property
    def sizes(self) -> dict[str, int]:
        sources = self.n_domains - 1
        lengths = self.n_features if self.ard else 1
        sizes = {"rbf": 1, "linear": 1, "lengths": lengths, "offset": 1, "noise": self.n_domains}
        return sizes | {"amplitude": sources, "correlation": sources}

    def split(self, theta: Array) -> dict[str, Array]:
        parts = np.split(theta, np.cumsum(list(self.sizes.values()))[:-1])
        return dict(zip(self.sizes, parts, strict=True))

    def unpack(self, theta: Array) -> Hyperparameters:
        part = self.split(theta)
        unit = np.ones(1)
        return Hyperparameters(
            rbf=float(np.exp(part["rbf"][0])),
            linear=float(np.exp(part["linear"][0])),
            lengths=np.sqrt(self.n_features) * np.exp(np.broadcast_to(part["lengths"], self.n_features)),
            offset=float(np.exp(part["offset"][0])),
            noise=np.exp(part["noise"]),
            amplitude=np.concatenate([unit, np.exp(part["amplitude"])]),
            correlation=np.concatenate([unit, part["correlation"]]),
        )

    def start(self, offset: float) -> Array:
        fixed = 0.5 if self.correlation is None else self.correlation
        values = {"rbf": -0.7, "linear": -0.7, "lengths": 0.0, "offset": np.log(offset), "noise": -2.3, "amplitude": 0.0}
        return np.concatenate([np.full(size, (values | {"correlation": fixed})[key]) for key, size in self.sizes.items()])

    def bounds(self) -> list[tuple[float, float]]:
        c = self.correlation
        bounds = _BOUNDS | {"correlation": (-1.0, 1.0) if c is None else (c, c)}
        return [bounds[key] for key, size in self.sizes.items() for _ in range(size)]

    def objective(self, theta: Array, X: Array, y: Array, domain: Array) -> tuple[float, Array]:
        """Minus the log marginal likelihood less the log-normal priors of noises (about their mean) and amplitudes."""
        value, gradient = marginal_likelihood(self.unpack(theta), X, y, domain)
        part = self.split(theta)
        deviation = part["noise"] - part["noise"].mean()
        value -= 0.5 * float(deviation @ deviation + part["amplitude"] @ part["amplitude"])
        gradient |= {key: gradient[key][1:] for key in ("amplitude", "correlation")}
        gradient["noise"] = gradient["noise"] - deviation
        gradient["amplitude"] = gradient["amplitude"] - part["amplitude"]
        if not self.ard:
            gradient["lengths"] = gradient["lengths"].sum(keepdims=True)
        return -value, -np.concatenate([gradient[key] for key in self.sizes])


def learn(layout: Layout, X: Array, y: Array, domain: Array, max_iter: int) -> tuple[Hyperparameters, Any]:
    """Maximise the objective by L-BFGS-B from one start; returns the optimiser's result too."""
    means = np.bincount(domain, weights=y) / np.bincount(domain)
    start = layout.start(float(np.clip(np.mean(means**2), 1e-2, 1e3)))
    result = minimize(
        layout.objective,
        start,
        (X, y, domain),
        method="L-BFGS-B",
        jac=True,
        bounds=layout.bounds(),
        options={"maxiter": max_iter, "ftol": 1e-5, "gtol": 1e-2},
    )
    return layout.unpack(result.x), result


@dataclass(frozen=True)
class Units:
    """What rows and labels are centred on and divided by."""

    center: Array  # (n_features,)
    scale: Array  # (n_features,)
    y_center: Array  # (n_domains,)
    y_scale: Array  # (n_domains,)

    @staticmethod
    def of(center: Array, scale: Array, y: Array, domain: Array) -> Units:
        """Labels over the deviation in their domain, about one common level unless that is far off."""
        counts = np.bincount(domain)
        means = np.bincount(domain, weights=y) / counts
        within = np.sqrt(np.bincount(domain, weights=(y - means[domain]) ** 2) / counts)
        constant = within <= 1e-10 * np.abs(y).max(initial=0.0)
        y_scale = np.where(constant, y.std() or 1.0, within)
        common = np.average(means, weights=counts / y_scale**2)
        return Units(center, scale, np.where(abs(means - common) > _FAR * y_scale, means, common), y_scale)


@dataclass(frozen=True)
class Posterior:
    """The target's function given labelled rows of all domains; predicts raw rows."""

    h: Hyperparameters
    units: Units
    rows: Array  # (m, n_features): scaled, all or the inducing ones
    domain: Array  # (m,)
    weights: Array  # (m,)
    factor: Array  # (m, m): the lower factor of the covariance of the rows, with noise where they are all
    inner: Array | None  # (m, m): with inducing rows the lower factor of I + sum_i v_i v_i' / noise_i, v_i = factor^-1 k_i

    def predict(self, X: Array) -> Array:
        """The posterior mean for target rows, shape (n_samples,)."""
        found = [self._covariance(X[block]) @ self.weights for block in self._blocks(X)]
        return self.units.y_center[0] + self.units.y_scale[0] * np.concatenate(found)

    def predict_std(self, X: Array) -> Array:
        """The standard deviation of a new label of target rows, noise included, shape (n_samples,)."""
        return self.units.y_scale[0] * np.sqrt(np.concatenate([self._variance(X[block]) for block in self._blocks(X)]))

    def _variance(self, X: Array) -> Array:
        v = solve_triangular(self.factor, self._covariance(X).T, lower=True)  # (m, n_samples)
        known = np.sum(v**2, axis=0)
        if self.inner is not None:
            known -= np.sum(solve_triangular(self.inner, v, lower=True) ** 2, axis=0)
        prior = self.h.target_variance((X - self.units.center) / self.units.scale)
        return np.maximum(prior - known, 0.0) + self.h.noise[0]

    def _covariance(self, X: Array) -> Array:
        scaled = (X - self.units.center) / self.units.scale
        return self.h.covariance(scaled, np.zeros(len(X), dtype=int), self.rows, self.domain)

    def _blocks(self, X: Array) -> Any:
        return gen_batches(len(X), max(1, _BLOCK // len(self.rows)))


def exact_posterior(h: Hyperparameters, units: Units, X: Array, y: Array, domain: Array) -> Posterior:
    """From all rows: O(n^3) time, O(n^2) memory."""
    K = h.covariance(X, domain, X, domain)
    K[np.diag_indices(len(K))] += h.noise[domain] + _ROUNDING * np.trace(K) / len(K)
    L = cholesky(K, lower=True, overwrite_a=True)
    weights = solve_triangular(L, solve_triangular(L, y, lower=True), lower=True, trans=1)
    return Posterior(h, units, X, domain, weights, L, None)


def sparse_posterior(h: Hyperparameters, units: Units, X: Array, y: Array, domain: Array, inducing: Array) -> Posterior:
    """Titsias' optimal variational posterior with m of the rows as inducing inputs: O(n m^2) time, O(m^2) memory."""
    U, of_u = X[inducing], domain[inducing]
    K = h.covariance(U, of_u, U, of_u)
    K[np.diag_indices(len(K))] += _JITTER * np.trace(K) / len(K)
    L = cholesky(K, lower=True, overwrite_a=True)
    inner, projected = np.eye(len(U)), np.zeros(len(U))
    for block in gen_batches(len(X), max(1, _BLOCK // len(U))):
        deviation = np.sqrt(h.noise[domain[block]])
        V = solve_triangular(L, h.covariance(U, of_u, X[block], domain[block]) / deviation, lower=True)
        inner += V @ V.T
        projected += V @ (y[block] / deviation)
    M = cholesky(inner, lower=True, overwrite_a=True)
    weights = solve_triangular(M, solve_triangular(M, projected, lower=True), lower=True, trans=1)
    return Posterior(h, units, U, of_u, solve_triangular(L, weights, lower=True, trans=1), L, M)
