"""Many small searches at once: the likelihood of R sets of complete moments, and Newton steps for all that still move.

What one search of `optimize.minimize` does for one sample, these steps do for a stack of samples, as long as nothing unusual
happens; a replicate that needs more (a Hessian that is not positive definite, a step that must be halved often) is left to
that search, so that both end at the same point. Sources as in `optimize.py` and `normal.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from cipa.numerics.algebra.linalg import Array, BoolArray, IntArray, cholesky_or_none, symmetric
from cipa.numerics.search.optimize import ARMIJO, DECREMENT_TOLERANCE

FISHER_STEPS = 1
"""Steps with the expected curvature before Newton's: a start at the estimates of the whole sample is near."""

_STEPS = 40
_HALVINGS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluations:
    """As `normal.Evaluation` for R samples of complete data: value (R,), inf outside the domain; W, P, Q (R, p, p).

    W, Pd (R, p).
    """

    value: Array
    W: Array
    w: Array
    P: Array
    Q: Array


def evaluate_complete(sample_cov: Array, sample_mean: Array, cov: Array, mean: Array) -> Evaluations:
    """The normal likelihood of sample moments (R, p, p), (R, p), divisor n, at cov (R, p, p), mean (R, p)."""
    factor, valid = _cholesky(cov)
    P = symmetric(np.linalg.inv(np.where(valid[:, None, None], cov, np.eye(cov.shape[-1]))))
    logdet = 2 * np.log(np.diagonal(factor, axis1=-2, axis2=-1)).sum(-1)
    d = sample_mean - mean
    Pd = (P @ d[..., None])[..., 0]
    PS = P @ sample_cov
    Q = PS @ P + Pd[:, :, None] * Pd[:, None, :]
    value = (logdet + np.trace(PS, axis1=-2, axis2=-1) + (d * Pd).sum(-1)) / 2
    return Evaluations(value=np.where(valid, value, np.inf), W=P - Q, w=Pd, P=P, Q=Q)


def _cholesky(matrices: Array) -> tuple[Array, BoolArray]:
    """Cholesky factors (R, p, p), and which (R,) exist; the others are the identity."""
    try:
        return np.linalg.cholesky(matrices), np.ones(len(matrices), dtype=np.bool_)
    except np.linalg.LinAlgError:
        valid = np.array([np.isfinite(one).all() and cholesky_or_none(one) is not None for one in matrices])
        return np.linalg.cholesky(np.where(valid[:, None, None], matrices, np.eye(matrices.shape[-1]))), valid


class Points(Protocol):
    """R places with values (R,) and gradients (R, q)."""

    @property
    def value(self) -> Array: ...  # noqa: D102
    @property
    def gradient(self) -> Array: ...  # noqa: D102


P = TypeVar("P", bound=Points)


class Objectives(Protocol[P]):
    """R functions: `evaluate` some of them at eta (r, q), `which` (r,) says whose; curvature (r, q, q) at the points."""

    def evaluate(self, eta: Array, which: IntArray) -> P: ...  # noqa: D102
    def curvature(self, points: P, *, exact: bool) -> Array: ...  # noqa: D102


def minimize_many(objectives: Objectives[P], start: Array) -> tuple[Array, BoolArray]:
    """End points (R, q) of R searches that start at (R, q), and which (R,) ended; the others need a search of their own."""
    eta, done = start.copy(), np.zeros(len(start), dtype=np.bool_)
    active = np.arange(len(start))
    points = objectives.evaluate(eta, active)
    for step in range(_STEPS):
        exact = step >= FISHER_STEPS
        move, decrement, solved = _directions(objectives.curvature(points, exact=exact), points.gradient)
        near = solved & (decrement < DECREMENT_TOLERANCE) & exact
        eta[active[near]] += move[near]
        done[active[near]] = True
        hard = np.flatnonzero(~solved)
        if exact and hard.size:  # Fisher's step where Newton's has no direction
            there = objectives.evaluate(eta[active[hard]], active[hard])
            move[hard], decrement[hard], solved[hard] = _directions(objectives.curvature(there, exact=False), there.gradient)
        keep = solved & ~near
        active = active[keep]
        if not active.size:
            break
        ends, found, ended = _steps(objectives, eta[active], active, move[keep], points.value[keep], decrement[keep])
        eta[active[found]] = ends[found]
        active = active[found]
        if not active.size:
            break
        points = ended or objectives.evaluate(eta[active], active)
    return eta, done


def _directions(H: Array, g: Array) -> tuple[Array, Array, BoolArray]:
    """-H^-1 g (r, q), the decrements (r,), and where (r,) H is positive definite; systems are scaled to a unit diagonal."""
    diagonal = np.diagonal(H, axis1=-2, axis2=-1)
    valid = np.asarray((diagonal > 0).all(axis=-1) & np.isfinite(H).all(axis=(-2, -1)))
    scale = 1 / np.sqrt(np.where(valid[:, None], diagonal, 1.0))
    scaled = np.where(valid[:, None, None], H * scale[:, :, None] * scale[:, None, :], np.eye(H.shape[-1]))
    factor, positive = _cholesky(scaled)
    valid &= positive & (np.diagonal(factor, axis1=-2, axis2=-1).min(axis=-1) > 1e-7)
    scaled = np.where(valid[:, None, None], scaled, np.eye(H.shape[-1]))
    move = -np.linalg.solve(scaled, (g * scale)[..., None])[..., 0] * scale
    return move, -(move * g).sum(axis=-1), valid


def _steps(
    objectives: Objectives[P], eta: Array, which: IntArray, move: Array, value: Array, decrement: Array
) -> tuple[Array, BoolArray, P | None]:
    """Ends (r, q) of steps halved until the function falls (Armijo), whether (r,) it did, and the points of whole steps."""
    length, left = np.ones(len(eta)), np.arange(len(eta))
    for _ in range(_HALVINGS):
        points = objectives.evaluate(eta[left] + length[left, None] * move[left], which[left])
        slack = 1e-13 * np.maximum(1.0, np.abs(value[left]))
        rises = points.value > value[left] - ARMIJO * length[left] * decrement[left] + slack
        if not rises.any() and len(left) == len(eta):
            return eta + move, np.ones(len(eta), dtype=np.bool_), points
        left = left[rises]
        length[left] /= 2
        if not left.size:
            break
    found = np.ones(len(eta), dtype=np.bool_)
    found[left] = False
    return eta + length[:, None] * move, found, None
