"""The likelihood of R samples of complete moments as a function of R etas: what `objective.Likelihood` is for one sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cipa.models.sem.declare.layout import Layout
from cipa.numerics.algebra.linalg import Array, IntArray
from cipa.numerics.moments import ram
from cipa.numerics.search.replicates import Evaluations, evaluate_complete


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicatePoints:
    """R replicates at their etas: theta (R, k), value (R,), gradient (R, q); by group implied moments, likelihood, factors."""

    theta: Array
    value: Array
    gradient: Array
    implied: tuple[ram.Implied, ...]
    likelihoods: tuple[Evaluations, ...]
    factors: tuple[ram.Factors, ...]
    weights: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicates:
    """The likelihood of R samples of complete moments: by group covs (R, p, p), means (R, p) and bases with leading axis R.

    nobs (R, G); saturated (R,) is the value at the samples' own moments.
    """

    layout: Layout
    covs: tuple[Array, ...]
    means: tuple[Array, ...]
    bases: tuple[ram.Matrices, ...]
    nobs: Array
    saturated: Array

    @classmethod
    def of(cls, layout: Layout, covs: Sequence[Array], means: Sequence[Array], nobs: Array) -> Replicates:
        """Put the samples' moments of exogenous variables into the fixed matrices."""
        weights = nobs / nobs.sum(axis=1, keepdims=True)
        own = [evaluate_complete(cov, mean, cov, mean).value for cov, mean in zip(covs, means, strict=True)]
        bases = tuple(_bases(block.base, block.exogenous, cov, mean if layout.means else np.zeros_like(mean))
                      for block, cov, mean in zip(layout.blocks, covs, means, strict=True))  # fmt: skip
        return cls(layout=layout, covs=tuple(covs), means=tuple(means), bases=bases, nobs=nobs,
                   saturated=(weights * np.column_stack(own)).sum(axis=1))  # fmt: skip

    def evaluate(self, eta: Array, which: IntArray) -> ReplicatePoints:
        """Values and gradients at eta (r, q) of the replicates `which` (r,)."""
        layout = self.layout
        theta = layout.offset + eta @ layout.K.T if layout.tied else eta
        weights = self.nobs[which] / self.nobs[which].sum(axis=1, keepdims=True)
        total, slope = np.zeros(len(eta)), np.zeros((len(eta), layout.nfree))
        implied, likelihoods, factors = [], [], []
        for g, block in enumerate(layout.blocks):
            base = self.bases[g]
            here = replace(base, A=base.A[which], S=base.S[which], M=base.M[which])
            moments = _implied(ram.place(block.places, theta[:, block.free], here))
            mean = moments.mean if layout.means else self.means[g][which]
            found = evaluate_complete(self.covs[g][which], self.means[g][which], moments.cov, mean)
            parts = ram.factors(moments, block.places)
            total += weights[:, g] * found.value
            slope[:, block.free] += weights[:, g, None] * ram.gradient(parts, found.W, found.w)
            implied.append(moments)
            likelihoods.append(found)
            factors.append(parts)
        return ReplicatePoints(
            theta=theta, value=total, gradient=slope @ layout.K if layout.tied else slope, implied=tuple(implied),
            likelihoods=tuple(likelihoods), factors=tuple(factors), weights=weights,
        )  # fmt: skip

    def curvature(self, points: ReplicatePoints, *, exact: bool) -> Array:
        """Hessians (r, q, q), exact or expected."""
        layout = self.layout
        total = np.zeros((len(points.theta), layout.nfree, layout.nfree))
        for g, block in enumerate(layout.blocks):
            found, parts = points.likelihoods[g], points.factors[g]
            if exact:
                one = np.ones(1)
                part = ram.curvature(parts, found.P[:, None], found.Q[:, None], found.w[:, None], one)
                part += ram.second_order(points.implied[g], block.places, found.W, found.w)
            else:
                part = ram.expected_information(parts, found.P)
            total[:, block.free[:, None], block.free] += points.weights[:, g, None, None] * part
        return layout.K.T @ total @ layout.K if layout.tied else total

    def rows(self, theta: Array) -> Array:
        """Values (R, rows) of all rows of the parameter table at theta (R, k)."""
        values = np.tile([row.value for row in self.layout.rows], (len(theta), 1))
        values[:, list(self.layout.theta)] = theta
        for position, row in enumerate(self.layout.rows):
            if row.exogenous:
                block, base = self.layout.blocks[row.block], self.bases[row.block]
                i = block.variables.index(row.lhs)
                values[:, position] = base.M[:, i] if row.op == "~1" else base.S[:, i, block.variables.index(row.rhs)]
        return values


def _bases(base: ram.Matrices, exogenous: IntArray, cov: Array, mean: Array) -> ram.Matrices:
    count, size = len(cov), len(base.A)
    S = np.broadcast_to(base.S, (count, size, size)).copy()
    M = np.broadcast_to(base.M, (count, size)).copy()
    index = np.ix_(np.arange(count), exogenous, exogenous)
    S[index] = cov[index]
    M[:, exogenous] = mean[:, exogenous]
    return ram.Matrices(A=np.broadcast_to(base.A, (count, size, size)), S=S, M=M, observed=base.observed)


def _implied(matrices: ram.Matrices) -> ram.Implied:
    """Implied moments; a replicate whose feedback explodes gets a covariance that is refused."""
    found = ram.implied(matrices)
    if found is not None:
        return found
    singular = np.abs(np.linalg.det(np.eye(matrices.A.shape[-1]) - matrices.A)) == 0
    found = ram.implied(replace(matrices, A=np.where(singular[:, None, None], 0.0, matrices.A)))
    assert found is not None
    return replace(found, T=np.where(singular[:, None, None], -np.eye(found.T.shape[-1]), found.T))
