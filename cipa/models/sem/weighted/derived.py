"""Residual variances of ordered variables that predict, with the delta parameterization: they follow from the scales.

The variance of a response variable given the covariates is scale^-2. Where ordered variables predict, a residual variance counts
in the variances of others too, so that all follow at once. With psi (o,) the residual variances of the ordered variables, and B
of `ram`,

    c(theta, psi) = diag(Sigma)_o - scale^-2 = 0,    M = dc/dpsi = B_oo * B_oo (elementwise),
    psi = M^-1 (scale^-2 - diag(Sigma at psi = 0)_o),    dpsi/dtheta = -M^-1 dc/dtheta,

and a function f(theta, psi(theta)) has the Hessian J' (f'' - sum mu_i c_i'') J, J = [I; dpsi/dtheta], mu = M^-T df/dpsi (implicit
functions). A variable that predicts no ordered one has its row of M from the identity: what it does not explain.

Sources: Muthén, B. (1984). Psychometrika, 49, 115-132; Muthén & Asparouhov (2002). Mplus Web Note 4.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cipa.models.sem.declare.layout import Block, Ordinal
from cipa.numerics.algebra.linalg import Array, IntArray
from cipa.numerics.moments import ram


@dataclass(frozen=True, slots=True, kw_only=True)
class Residuals:
    """A block with residual variances of ordered variables behind theta as parameters: block, theta (k + o,), M (o, o)."""

    block: Block
    theta: Array
    M: Array
    ordered: IntArray

    @property
    def size(self) -> int:
        """Number of parameters that are not derived, k."""
        return len(self.theta) - len(self.ordered)

    def along(self, variances: Array) -> Array:
        """J (k + o, k) from the derivatives (o, k + o) of the ordered variables' variances."""
        own, k = self.block.ordinal, self.size
        assert own is not None
        slopes = -variances[:, :k]
        scale, free = scales_of(own, self.theta)[self.ordered], own.scale_free[self.ordered]
        at = np.flatnonzero(free >= 0)
        slopes[at, free[at]] -= 2 * scale[at] ** -3
        return np.vstack([np.eye(k), np.linalg.solve(self.M, slopes)])


def scales_of(own: Ordinal, theta: Array) -> Array:
    """Scales (p,) of the observed variables."""
    return np.where(own.scale_free >= 0, theta[own.scale_free], own.scale_value)


def predicting(block: Block) -> bool:
    """Whether residual variances follow (delta), and an ordered variable predicts."""
    own = block.ordinal
    if own is None or own.theta:
        return False
    o = np.flatnonzero(own.ordered)
    return bool(block.base.A[:, o].any() or np.isin(block.places.col[block.places.kind == 0], o).any())


def residuals_of(given: ram.Implied, own: Ordinal, theta: Array) -> Array:
    """What the residual variances (o,) lack, from the moments given the covariates."""
    o = np.flatnonzero(own.ordered)
    gap = scales_of(own, theta)[o] ** -2 - given.cov.diagonal()[o]
    return np.asarray(np.linalg.solve(given.B[np.ix_(o, o)] ** 2, gap))


def with_residuals(block: Block, base: ram.Matrices, theta: Array) -> Residuals | None:
    """The block with its residual variances, `base` given the covariates; None where they are not determined."""
    own = block.ordinal
    assert own is not None
    o = np.flatnonzero(own.ordered)
    base = replace(base, S=base.S.copy())
    base.S[o, o] = 0.0
    given = ram.implied(ram.place(block.places, theta[block.free], base))
    if given is None or not np.isfinite(given.cov).all():
        return None
    M = given.B[np.ix_(o, o)] ** 2
    if not np.linalg.cond(M) < 1 / np.finfo(float).eps:
        return None
    places = ram.Places(
        kind=np.concatenate([block.places.kind, np.ones(len(o), dtype=np.intp)]),
        row=np.concatenate([block.places.row, o]),
        col=np.concatenate([block.places.col, o]),
    )
    extended = replace(block, places=places, free=np.concatenate([block.free, len(theta) + np.arange(len(o))]))
    return Residuals(block=extended, theta=np.concatenate([theta, residuals_of(given, own, theta)]), M=M, ordered=o)
