"""A convex quadratic over a box and a slab, min 1/2 b'Hb - c'b with 0 <= b <= upper, low <= sum(b) <= high."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, sqrt

from sterna.domains._arrays import device_of, namespace
from sterna.domains._stack import Array


@dataclass(frozen=True)
class BoxAndSlab:
    """The set {b: 0 <= b_i <= upper, low <= sum(b) <= high}; it must not be empty."""

    upper: float
    low: float
    high: float

    def project(self, v: Array) -> Array:
        """The nearest point to `v`: clip(v - tau), where tau = 0 or meets the bound of the sum that is violated."""
        clipped = v.clip(0, self.upper)
        total = float(clipped.sum())
        if self.low <= total <= self.high:
            return clipped
        return (v - self._multiplier(v, self.low if total < self.low else self.high)).clip(0, self.upper)

    def _multiplier(self, v: Array, total: float) -> float:
        """Solve sum(clip(v - tau, 0, upper)) = total: Newton on a piecewise linear function, kept inside a bracket."""
        xp = namespace(v)
        left, right = float(v.min()) - self.upper, float(v.max())
        tau = (float(v.sum()) - total) / len(v)
        for _ in range(200):
            shifted = v - tau
            excess = float(shifted.clip(0, self.upper).sum()) - total
            left, right = (tau, right) if excess > 0 else (left, tau)
            if abs(excess) <= 1e-12 * total or right - left <= 1e-15 * max(abs(left), abs(right)):
                break
            slope = int(xp.count_nonzero((shifted > 0) & (shifted < self.upper)))
            tau = tau + excess / slope if slope else inf
            if not left < tau < right:
                tau = (left + right) / 2
        return tau

    def least(self, gradient: Array) -> float:
        """The least value of gradient'b over the set: fill the smallest entries first."""
        xp, n = namespace(gradient), len(gradient)
        total = min(max(self.upper * int(xp.count_nonzero(gradient < 0)), self.low), self.high)
        before = self.upper * xp.arange(n, dtype=gradient.dtype, device=device_of(gradient))
        return float(xp.sort(gradient, stable=False) @ (total - before).clip(0, self.upper))


@dataclass(frozen=True)
class Solution:
    """What `minimize` found: the point, how many steps it took, a proven bound on the error, and whether that met `tol`."""

    b: Array
    n_steps: int
    gap: float
    converged: bool


def minimize(
    apply: Callable[[Array], Array],
    c: Array,
    lipschitz: float,
    feasible: BoxAndSlab,
    start: Array,
    *,
    tol: float,
    floor: float = 0.0,
    max_steps: int,
) -> Solution:
    """Accelerated projected gradient with adaptive restart.

    Parameters
    ----------
    apply : callable
        b -> Hb, H positive semi-definite.
    c : ndarray of shape (n,)
    lipschitz : float
        At least the largest eigenvalue of H.
    feasible : BoxAndSlab
    start : ndarray of shape (n,)
        A feasible point.
    tol : float
        Stop when the duality gap g'b - min_s g's, an upper bound of f(b) - min f for convex f with gradient g, is at most
        `tol` times the descent from `start` that is possible at most,
    floor : float, default=0.0
        or at most this.
    max_steps : int

    Returns
    -------
    Solution

    References
    ----------
    A. Beck, M. Teboulle (2009), A fast iterative shrinkage-thresholding algorithm, SIAM J. Imaging Sciences 2(1).
    B. O'Donoghue, E. Candès (2015), Adaptive restart for accelerated gradient schemes, Found. Comput. Math. 15.
    M. Jaggi (2013), Revisiting Frank-Wolfe, ICML (the gap).
    """
    b, Hb = start, apply(start)
    first, momentum, y, Hy = float(0.5 * b @ Hb - c @ b), 1.0, b, Hb
    for n_steps in range(max_steps + 1):
        if n_steps % 10 == 0 or n_steps == max_steps:
            gap = float((Hb - c) @ b) - feasible.least(Hb - c)
            descent = first - float(0.5 * b @ Hb - c @ b) + gap
            if gap <= tol * descent + floor + 1e-14 * abs(first):
                return Solution(b, n_steps, gap, True)
        new = feasible.project(y - (Hy - c) / lipschitz)
        H_new = apply(new)
        if (y - new) @ (new - b) > 0:  # the momentum points uphill
            momentum = 1.0
        following = (1 + sqrt(1 + 4 * momentum**2)) / 2
        push = (momentum - 1) / following
        y, Hy = new + push * (new - b), H_new + push * (H_new - Hb)
        b, Hb, momentum = new, H_new, following
    return Solution(b, max_steps, gap, False)
