"""Minimise a smooth function with Fisher steps far from the solution and Newton steps near it.

Far away the expected curvature is positive definite and forgiving; near the solution the exact Hessian converges
quadratically, which Fisher scoring does not when the model misfits. Steps are halved until the function falls
(Armijo), systems are scaled to a unit diagonal (so that the units of variables do not matter), and a singular system
is damped. Sources: Nocedal & Wright (2006), Numerical Optimization, ch. 3; Lange (1995), JRSS B 57, 425-437.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from scipy.linalg import lapack

from cipa.numerics.algebra.linalg import Array

DECREMENT_TOLERANCE = 1e-12
"""Newton decrement g'H^-1 g, per case, below which one last full step is taken: after it the error is its square."""

ARMIJO = 1e-4
MAX_ITERATIONS = 500
_ROUNDING = 1e-13  # a fall of the function smaller than this (relative) is noise
_PATIENCE, _PROGRESS = (
    100,
    1e-2,
)  # so many steps that together fall by less than this share of what one promises: parameters drift
_SLOW = 5  # so many steps that together gain less than one promises: the expected curvature is singular or wrong here
_HOPELESS = 1e12  # damping beyond which the curvature is no curvature


class Point(Protocol):
    """A place with its value and gradient."""

    @property
    def value(self) -> float: ...  # noqa: D102
    @property
    def gradient(self) -> Array: ...  # noqa: D102


P = TypeVar("P", bound=Point)


class Objective(Protocol[P]):
    """A function to minimise: `evaluate` returns None outside its domain."""

    def evaluate(self, eta: Array) -> P | None: ...  # noqa: D102
    def curvature(self, point: P, *, exact: bool) -> Array: ...  # noqa: D102
    @property
    def switch(self) -> float: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """Where the search ended and how: eta (q,), iterations, decrement, whether stationary, and what was tried."""

    eta: Array
    converged: bool
    iterations: int
    decrement: float
    message: str


def minimize(objective: Objective[P], start: Array, *, max_iterations: int = MAX_ITERATIONS) -> tuple[Solution, P | None]:
    """Minimise `objective` from `start` (q,).

    Returns
    -------
    Solution, point
        The point is None when the function is not defined at the start.
    """
    eta = start
    point = objective.evaluate(eta)
    if point is None:
        return Solution(
            eta=eta,
            converged=False,
            iterations=0,
            decrement=np.inf,
            message="the starting values imply no positive-definite covariance",
        ), None
    decrement = np.inf
    stalled = 0
    values = [point.value]
    for iteration in range(1, max_iterations + 1):
        slow = (
            len(values) > _SLOW and values[-1 - _SLOW] - point.value < decrement / 2
        )  # the expected curvature promises too much
        exact = decrement < objective.switch or stalled > 0 or slow
        step, decrement, exact = _direction(objective, point, exact=exact)
        if exact and decrement < DECREMENT_TOLERANCE:
            last = objective.evaluate(eta + step)
            return _solution(eta + step if last else eta, True, iteration, decrement, "stationary"), last or point
        found = _line_search(objective, eta, point, step, decrement)
        if found is None:
            stalled += 1
            if stalled > 2:
                close = decrement < 1e-10
                return _solution(eta, close, iteration, decrement, "no step lowers the function"), point
            continue
        stalled = 0
        eta, point = found
        values.append(point.value)
        if len(values) > 2 * _PATIENCE and values[-1 - _PATIENCE] - point.value < _PROGRESS * decrement:
            return _solution(eta, False, iteration, decrement, "parameters drift and the function hardly falls"), point
    return _solution(eta, False, max_iterations, decrement, "too many iterations"), point


def _solution(eta: Array, converged: bool, iterations: int, decrement: float, message: str) -> Solution:
    return Solution(eta=eta, converged=converged, iterations=iterations, decrement=float(decrement), message=message)


def _direction(objective: Objective[P], point: P, *, exact: bool) -> tuple[Array, float, bool]:
    """A descent direction and its decrement; the expected curvature where the exact one is not positive definite."""
    if exact:
        solved = _solve(objective.curvature(point, exact=True), point.gradient)
        if solved is not None:
            return -solved, float(point.gradient @ solved), True
    H = objective.curvature(point, exact=False)
    damping = 0.0
    while (solved := _solve(H, point.gradient, damping=damping)) is None:
        damping = max(10 * damping, 1e-8)
        if damping > _HOPELESS:
            return -point.gradient, float(point.gradient @ point.gradient), False
    return -solved, float(point.gradient @ solved), False


def _solve(H: Array, g: Array, *, damping: float = 0.0) -> Array | None:
    """H^-1 g by a Cholesky factor of H scaled to a unit diagonal; None when H is not positive definite."""
    diagonal = H.diagonal()
    if not (diagonal > 0).all() or not np.isfinite(H).all():
        if damping == 0.0:
            return None
        diagonal = np.where(diagonal > 0, diagonal, max(float(np.abs(diagonal).max()), 1.0))
    scale = 1 / np.sqrt(diagonal)
    scaled = H * scale[:, None] * scale
    if damping:
        scaled = np.nan_to_num(scaled) + damping * np.eye(len(H))
    factor, info = lapack.dpotrf(scaled, lower=1)
    if info != 0 or factor.diagonal().min() < 1e-7:
        return None
    solution, _ = lapack.dpotrs(factor, g * scale, lower=1)
    return np.asarray(solution * scale)


def _line_search(objective: Objective[P], eta: Array, point: P, step: Array, decrement: float) -> tuple[Array, P] | None:
    length = 1.0
    slack = _ROUNDING * max(1.0, abs(point.value))
    for _ in range(40):
        trial = objective.evaluate(eta + length * step)
        if trial is not None and trial.value <= point.value - ARMIJO * length * decrement + slack:
            return eta + length * step, trial
        length /= 2
    return None
