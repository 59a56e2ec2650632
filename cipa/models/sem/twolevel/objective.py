"""The two-level likelihood as a function of eta: value, gradient, expected and exact curvature.

Each level of a group implies its moments in RAM form; `numerics/twolevel/` joins them. The value is -log L / N without its
constant, with groups the sum of theirs, each weighted by its share of the cases: clusters of different groups are independent.

Sources: Muthén, B. (1994). Sociological Methods & Research, 22, 376-398; Rosseel, Y. (2021). Psych, 3, 197-232.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from cipa.models.sem.cases.sample import Levels
from cipa.models.sem.declare.layout import Layout, levels_of_group
from cipa.models.sem.fit import SEMFit
from cipa.numerics.algebra.linalg import Array, IntArray, symmetric
from cipa.numerics.moments import ram
from cipa.numerics.twolevel import kernel
from cipa.numerics.twolevel.complete import Parts
from cipa.numerics.twolevel.kernel import Found, Sampled


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A group's levels together: its likelihood, and the factors of its parameters, which stand at `free` (k_g,) in theta."""

    likelihood: Found
    parts: Parts
    free: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoLevelPoint:
    """All groups at one eta: theta (k,), value, gradient (q,), implied moments of each level of each group, levels joined."""

    theta: Array
    value: float
    gradient: Array
    blocks: tuple[ram.Implied, ...]
    groups: tuple[Joined, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoLevelLikelihood:
    """The objective of maximum likelihood on two levels.

    `clusters` are those of each group; `bases` the fixed matrices of each block with the sample moments of exogenous variables
    in.
    """

    layout: Layout
    clusters: tuple[Sampled, ...]
    bases: tuple[ram.Matrices, ...]

    @property
    def switch(self) -> float:
        """Decrement at which the search turns to exact curvature."""
        return min(kernel.switch_of(c) for c in self.clusters)

    @property
    def units(self) -> None:
        """None: each row of the scores is a cluster."""
        return

    @property
    def shares(self) -> Array:
        """Each group's share (G,) of the cases."""
        nobs = np.array([c.nobs for c in self.clusters], dtype=np.float64)
        return np.asarray(nobs / nobs.sum())

    def evaluate(self, eta: Array) -> TwoLevelPoint | None:
        """Value and gradient at eta (q,); None where a covariance is not positive definite."""
        layout = self.layout
        theta = layout.to_theta(eta)
        blocks = []
        for block, base in zip(layout.blocks, self.bases, strict=True):
            moments = ram.implied(ram.place(block.places, theta[block.free], base))
            if moments is None:
                return None
            blocks.append(moments)
        groups = []
        for g, c in enumerate(self.clusters):
            inner, outer = blocks[levels_of_group(g)]
            mean = np.zeros(c.variables)
            mean[c.within] += inner.mean
            mean[c.between] += outer.mean
            found = kernel.evaluate(c, inner.cov, outer.cov, mean)
            if found is None or not np.isfinite(found.value):
                return None
            parts, free = stacked(layout, blocks, c, g)
            groups.append(Joined(likelihood=found, parts=parts, free=free))
        slope = self._gradient(layout, groups)
        return TwoLevelPoint(
            theta=theta, value=float(sum(share * one.likelihood.value for share, one in zip(self.shares, groups, strict=True))),
            gradient=layout.K.T @ slope if layout.tied else slope, blocks=tuple(blocks), groups=tuple(groups),
        )  # fmt: skip

    def curvature(self, point: TwoLevelPoint, *, exact: bool) -> Array:
        """Hessian (q, q) of the value, exact or expected, per case."""
        full = self.information(point, observed=exact)
        return self.layout.K.T @ full @ self.layout.K if self.layout.tied else full

    def information(self, point: TwoLevelPoint, *, observed: bool) -> Array:
        """Observed or expected information (k, k) of one average case."""
        total = self._information(self.layout, point.groups, observed=observed)
        if observed:
            for g, (c, share, one) in enumerate(zip(self.clusters, self.shares, point.groups, strict=True)):
                found, pair = one.likelihood, levels_of_group(g)
                weights = ((found.W, found.w[c.within]), (found.B, found.w[c.between]))
                for block, moments, (W, w) in zip(self.layout.blocks[pair], point.blocks[pair], weights, strict=True):
                    total[np.ix_(block.free, block.free)] += share * ram.second_order(moments, block.places, W, w)
            total -= 0.0 if self.layout.bend is None else self.layout.bend
        return symmetric(total)

    def derivatives(self, extended: Layout, point: TwoLevelPoint, values: Array) -> tuple[Array, Array]:
        """Gradient (k,) and expected information (k, k) of an average case in the parameters of an extended layout.

        At the same moments: `values` of the parameters that are new are in them already.
        """
        groups = []
        for g, (c, one) in enumerate(zip(self.clusters, point.groups, strict=True)):
            parts, free = stacked(extended, point.blocks, c, g)
            groups.append(Joined(likelihood=one.likelihood, parts=parts, free=free))
        return self._gradient(extended, groups), symmetric(self._information(extended, groups, observed=False))

    def scores(self, point: TwoLevelPoint) -> Array:
        """Gradient (J, k) of the log-likelihood of each cluster, group by group."""
        found = []
        for c, one in zip(self.clusters, point.groups, strict=True):
            rows = np.zeros((c.nclusters, self.layout.nfree))
            rows[:, one.free] = kernel.scores(one.likelihood, one.parts, c)
            found.append(rows)
        return np.vstack(found)

    def noise(self, point: TwoLevelPoint) -> None:
        """None: the gradient varies as the expected information says."""
        return

    def _gradient(self, layout: Layout, groups: Sequence[Joined]) -> Array:
        """Gradient (k,) of the value, by groups joined in the parameters of a layout."""
        slope = np.zeros(layout.nfree)
        for c, share, one in zip(self.clusters, self.shares, groups, strict=True):
            slope[one.free] += share * kernel.gradient(one.likelihood, one.parts, c)
        return slope

    def _information(self, layout: Layout, groups: Sequence[Joined], *, observed: bool) -> Array:
        """The part of the Hessian (k, k) made of first derivatives; not `observed`: its expectation."""
        total = np.zeros((layout.nfree, layout.nfree))
        for c, share, one in zip(self.clusters, self.shares, groups, strict=True):
            total[np.ix_(one.free, one.free)] += share * kernel.curvature(one.likelihood, one.parts, c, observed=observed)
        return total


def ends_of(fit: SEMFit) -> tuple[TwoLevelLikelihood, TwoLevelPoint]:
    """Objective and end point of a fit by this method."""
    assert isinstance(fit.objective, TwoLevelLikelihood)
    assert isinstance(fit.point, TwoLevelPoint)
    return fit.objective, fit.point


def stacked(layout: Layout, blocks: Sequence[ram.Implied], clusters: Sampled, group: int) -> tuple[Parts, IntArray]:
    """The factors of a group's parameters over the p variables of both its levels, and where (k_g,) these stand in theta."""
    pair = levels_of_group(group)
    inner, outer = layout.blocks[pair]
    free = np.concatenate([inner.free, outer.free])
    U, V, t = np.zeros((clusters.variables, len(free))), np.zeros((clusters.variables, len(free))), np.zeros(len(free))
    first = 0
    for block, moments, rows in zip((inner, outer), blocks[pair], (clusters.within, clusters.between), strict=True):
        own, here = ram.factors(moments, block.places), slice(first, first + len(block.free))
        U[rows, here], V[rows, here], t[here] = own.U, own.V, own.t
        first = here.stop
    return Parts(U=U, V=V, t=t, within=np.arange(len(free)) < len(inner.free)), free


def two_level_objective(layout: Layout, levels: Sequence[Levels]) -> TwoLevelLikelihood:
    """The objective, exogenous variables held at the sample's moments."""
    return objective_at(layout, [one.clusters for one in levels], [one.exogenous for one in levels])


def objective_at(
    layout: Layout, clusters: Sequence[Sampled], exogenous: Sequence[Sequence[tuple[Array, Array]]]
) -> TwoLevelLikelihood:
    """The objective for the clusters of each group.

    Held variables are at the moments `exogenous`: covariance and mean of the variables of each level of each group.
    """
    bases = []
    for block, (cov, mean) in zip(layout.blocks, chain.from_iterable(exogenous), strict=True):
        S, M, x = block.base.S.copy(), block.base.M.copy(), block.exogenous
        S[np.ix_(x, x)], M[x] = cov[np.ix_(x, x)], mean[x]
        bases.append(ram.Matrices(A=block.base.A, S=S, M=M, observed=block.base.observed))
    return TwoLevelLikelihood(layout=layout, clusters=tuple(clusters), bases=tuple(bases))
