"""The Gaussian process of the intrinsic coregionalisation model: covariance, marginal likelihood with gradient, posterior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.linalg.lapack import dpotri
from scipy.optimize import minimize
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils import gen_batches

from sterna.domains._stack import Array

_BLOCK = 4_000_000  # covariances held at once: 32 MB
_JITTER = 1e-8  # of the mean variance, on the diagonal of the inducing rows' covariance
# Natural logarithms of the bounds; labels and columns have unit variance, lengths are over the root of the number of columns.
_BOUNDS = {"rbf": (-9.0, 5.0), "linear": (-14.0, 5.0), "lengths": (-3.5, 5.0), "offset": (-14.0, 9.0)}
_NOISE_BOUNDS, _AMPLITUDE_BOUNDS = (-14.0, 3.0), (-4.0, 4.0)


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
    n, d = X.shape
    scaled, B = X / h.lengths, h.coregionalisation
    E = np.exp(-0.5 * euclidean_distances(scaled, squared=True))
    k = h.rbf * E + h.linear / d * (X @ X.T)
    mixing, same = B[domain[:, None], domain], domain[:, None] == domain
    K = mixing * k + h.offset * same
    K[np.diag_indices(n)] += h.noise[domain]
    L = cholesky(K, lower=True, overwrite_a=True, check_finite=False)
    a = solve_triangular(L, solve_triangular(L, y, lower=True), lower=True, trans=1)
    value = -0.5 * y @ a - np.sum(np.log(np.diag(L))) - 0.5 * n * np.log(2 * np.pi)
    inverse = np.tril(dpotri(L, lower=1)[0])
    A = np.outer(a, a) - inverse - np.tril(inverse, -1).T
    starts = np.searchsorted(domain, np.arange(len(h.noise)))
    sums, w = _block_sums(A * k, starts), h.amplitude * h.correlation  # (n_domains, n_domains), (n_domains,)
    G = A * mixing
    H = h.rbf * G * E
    return float(value), {
        "rbf": np.array([0.5 * H.sum()]),
        "linear": np.array([0.5 * h.linear / d * np.sum((G @ X) * X)]),
        "lengths": H.sum(axis=1) @ scaled**2 - np.sum(scaled * (H @ scaled), axis=0),
        "offset": np.array([0.5 * h.offset * np.trace(_block_sums(A, starts))]),
        "noise": 0.5 * h.noise * np.add.reduceat(np.diag(A), starts),
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
        options={"maxiter": max_iter, "ftol": 1e-7, "gtol": 1e-3},
    )
    return layout.unpack(result.x), result


class CoregionalisedProcess(RegressorMixin, BaseEstimator):
    """The posterior of the target's function, from all rows or by inducing rows."""

    def __init__(self, hyperparameters: Hyperparameters, units: tuple[Array, Array, float, Array]) -> None:
        self.hyperparameters = hyperparameters
        self.units = units
