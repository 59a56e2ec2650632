"""Maximum-likelihood moments of two levels with a positive semidefinite Sigma_B, also where that is singular.

Sigma_B = L L' with L (r, k) in echelon form: rows in the order of a pivoted Cholesky factor, zeros above the diagonal. With k the
rank at the maximum the Hessian in L is regular there, and Newton steps converge; k follows from two conditions,

    rank L = k,    and    G = dF/dSigma_B positive semidefinite

(Karush, Kuhn & Tucker: F falls towards no other covariance matrix). A direction in which G is negative is added to L, one that L
loses is taken out.

Sources: Burer, S. & Monteiro, R. (2003). Mathematical Programming B, 95, 329-357; Shapiro, A. (1985). Biometrika, 72, 133-144.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from cipa.numerics.algebra.linalg import Array, IntArray, symmetric
from cipa.numerics.search.optimize import Solution, minimize
from cipa.numerics.twolevel.complete import Parts, TwoLevel
from cipa.numerics.twolevel.incomplete import IncompleteTwoLevel

_LOST = 1e-9  # eigenvalue of Sigma_B, relative, in the units of its variances within: less is a direction that L has lost
_LIKELY = 1e-2  # the same, of the matrix to start from: less is probably none at the maximum
_PULL = 1e-8  # eigenvalue of G, in those units per case: a smaller one is rounding
_PATIENCE, _FALL = (
    10,
    1e-7,
)  # so many searches that do not converge and together lower the value per case by less: there is no use
_ITERATIONS = 25  # of one rank; a search of the right rank takes about 10


@dataclass(frozen=True, slots=True, kw_only=True)
class MomentPoint:
    """A place among unrestricted moments: its parameters, value and gradient, and the likelihood there."""

    eta: Array
    value: float
    gradient: Array
    found: TwoLevel | IncompleteTwoLevel
    parts: Parts


class MomentProblem(Protocol):
    """The likelihood as a function of the free entries of Sigma_W (`inner` rows, cols), Sigma_B (`outer`) and of mu."""

    @property
    def inner(self) -> tuple[IntArray, IntArray]: ...  # noqa: D102
    @property
    def outer(self) -> tuple[IntArray, IntArray]: ...  # noqa: D102
    @property
    def switch(self) -> float: ...  # noqa: D102
    def moments(self, eta: Array) -> tuple[Array, Array, Array]: ...  # noqa: D102
    def evaluate(self, eta: Array) -> MomentPoint | None: ...  # noqa: D102
    def curvature(self, point: MomentPoint, *, exact: bool) -> Array: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class _Root:
    """The same in the entries (rows, cols) of L (r, k), Sigma_B = L L'."""

    free: MomentProblem
    rows: IntArray
    cols: IntArray
    size: int
    rank: int

    @property
    def switch(self) -> float:
        return self.free.switch

    def split(self, eta: Array) -> tuple[Array, Array, Array]:
        """Entries of Sigma_W, L (r, k), and mu."""
        m, k = len(self.free.inner[0]), len(self.rows)
        L = np.zeros((self.size, self.rank))
        L[self.rows, self.cols] = eta[m : m + k]
        return eta[:m], L, eta[m + k :]

    def plain(self, eta: Array) -> Array:
        """The free entries of Sigma_W, Sigma_B and mu."""
        w, L, mu = self.split(eta)
        return np.concatenate([w, (L @ L.T)[self.free.outer], mu])

    def slopes(self, eta: Array) -> Array:
        """Derivatives of `plain`: dB_ij / dL_ab = L_jb if i = a, and L_ib if j = a."""
        w, L, mu = self.split(eta)
        i, j = self.free.outer[0][:, None], self.free.outer[1][:, None]
        m, n, k = len(w), len(i), len(self.rows)
        J = np.zeros((m + n + len(mu), m + k + len(mu)))
        J[:m, :m], J[m + n :, m + k :] = np.eye(m), np.eye(len(mu))
        J[m : m + n, m : m + k] = (i == self.rows) * L[j, self.cols] + (j == self.rows) * L[i, self.cols]
        return J

    def evaluate(self, eta: Array) -> MomentPoint | None:
        here = self.free.evaluate(self.plain(eta))
        return None if here is None else replace(here, gradient=self.slopes(eta).T @ here.gradient, eta=eta)

    def curvature(self, point: MomentPoint, *, exact: bool) -> Array:
        J, m, k = self.slopes(point.eta), len(self.free.inner[0]), len(self.rows)
        H = J.T @ self.free.curvature(point, exact=exact) @ J
        if exact:
            H[m : m + k, m : m + k] += (self.cols[:, None] == self.cols) * point.found.B[self.rows[:, None], self.rows]
        return symmetric(H)


def semidefinite(problem: MomentProblem, start: Array, unit: Array) -> tuple[Array, MomentPoint | None, Solution | None]:
    """Minimise over Sigma_W, Sigma_B positive semidefinite (with no fixed zeros), and mu.

    Parameters
    ----------
    start : array
        Free entries of Sigma_W, Sigma_B and mu, to start from.
    unit : (r,) array
        Standard deviations in which directions of Sigma_B are measured.

    Returns
    -------
    eta, point, solution
        The free entries at the end; the point is None where the likelihood has no value at the start.
    """
    W, B, mu = problem.moments(start)
    w = W[problem.inner]
    values, vectors = np.linalg.eigh(B / np.outer(unit, unit))
    factor = unit[:, None] * vectors[:, values > _LIKELY] * np.sqrt(values[values > _LIKELY])
    eta, point, solution = start, None, None
    values_seen: list[float] = []
    for attempt in range(4 * len(unit) + 8):
        root, theta = _echelon(problem, factor, unit, w, mu)
        solution, point = minimize(root, theta, max_iterations=_ITERATIONS)
        if point is None:
            return eta, None, solution
        eta = root.plain(solution.eta)
        values_seen.append(point.value)
        if not solution.converged and len(values_seen) > _PATIENCE and values_seen[-1 - _PATIENCE] - point.value < _FALL:
            break
        w, L, mu = root.split(solution.eta)
        left, sizes, _ = np.linalg.svd(L / unit[:, None], full_matrices=False)
        least = _LOST if solution.converged else max(_LIKELY * 0.5**attempt, _LOST)
        kept = sizes**2 > least * max(1.0, float(sizes.max(initial=0.0)) ** 2)
        if not (solution.converged and kept.all()):  # otherwise go on from here
            factor = unit[:, None] * left[:, kept] * sizes[kept]
            continue
        pull, towards = np.linalg.eigh(point.found.B * np.outer(unit, unit))
        if pull[0] > -_PULL:
            break
        factor = np.column_stack([L, _added(root, solution.eta, point, unit * towards[:, 0])])
    return eta, point, solution


def _echelon(problem: MomentProblem, factor: Array, unit: Array, w: Array, mu: Array) -> tuple[_Root, Array]:
    """L in echelon form, L L' that of `factor` (r, k), by pivots on the largest remaining variance; and the parameters there."""
    size, rank = factor.shape
    scaled, order = factor / unit[:, None], list(range(size))
    for k in range(rank):
        best = k + int(np.argmax((scaled[order[k:], k:] ** 2).sum(axis=1)))
        order[k], order[best] = order[best], order[k]
        row = scaled[order[k], k:]
        away = row - np.linalg.norm(row) * np.eye(rank - k)[0] * (-1.0 if row[0] > 0 else 1.0)
        if away @ away > 0:  # a reflection that leaves the row one entry
            scaled[:, k:] -= np.outer(scaled[:, k:] @ away, away) * (2 / (away @ away))
    place = np.argsort(order)
    rows, cols = np.nonzero(place[:, None] >= np.arange(rank))
    root = _Root(free=problem, rows=rows, cols=cols, size=size, rank=rank)
    return root, np.concatenate([w, (scaled * unit[:, None])[rows, cols], mu])


def _added(root: _Root, eta: Array, point: MomentPoint, direction: Array) -> Array:
    """The direction (r,), as long as makes the function fall most among halves."""
    free, plain = root.free, root.plain(eta)
    m, n = len(free.inner[0]), len(free.outer[0])
    best, length, lowest = 1e-4, 1.0, point.value
    for _ in range(14):
        trial = plain.copy()
        trial[m : m + n] += length**2 * np.outer(direction, direction)[free.outer]
        there = free.evaluate(trial)
        if there is not None and there.value < lowest:
            best, lowest = length, there.value
        length /= 2
    return best * direction
