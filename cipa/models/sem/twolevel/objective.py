"""The two-level likelihood as a function of eta: value, gradient, expected and exact curvature.

Each level implies its moments in RAM form; `numerics/twolevel/` joins them. The value is -log L / N without its constant.

Sources: Muthén, B. (1994). Sociological Methods & Research, 22, 376-398; Rosseel, Y. (2021). Psych, 3, 197-232.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cipa.models.sem.cases.sample import Levels
from cipa.models.sem.declare.layout import Layout
from cipa.models.sem.fit import SEMFit
from cipa.numerics.algebra.linalg import Array, symmetric
from cipa.numerics.moments import ram
from cipa.numerics.twolevel import kernel
from cipa.numerics.twolevel.complete import Parts
from cipa.numerics.twolevel.kernel import Found, Sampled


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoLevelPoint:
    """Both levels at one eta.

    Theta (k,), value, gradient (q,), implied moments, the likelihood, and the factors of all parameters.
    """

    theta: Array
    value: float
    gradient: Array
    blocks: tuple[ram.Implied, ...]
    likelihood: Found
    parts: Parts


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoLevelLikelihood:
    """The objective of maximum likelihood on two levels.

    `bases` are the fixed matrices of each level with the sample moments of exogenous variables in.
    """

    layout: Layout
    clusters: Sampled
    bases: tuple[ram.Matrices, ...]

    @property
    def switch(self) -> float:
        """Decrement at which the search turns to exact curvature."""
        return kernel.switch_of(self.clusters)

    @property
    def units(self) -> None:
        """None: each row of the scores is a cluster."""
        return

    def evaluate(self, eta: Array) -> TwoLevelPoint | None:
        """Value and gradient at eta (q,); None where a covariance is not positive definite."""
        layout, c = self.layout, self.clusters
        theta = layout.to_theta(eta)
        levels = []
        for block, base in zip(layout.blocks, self.bases, strict=True):
            moments = ram.implied(ram.place(block.places, theta[block.free], base))
            if moments is None:
                return None
            levels.append(moments)
        inner, outer = levels
        mean = np.zeros(c.variables)
        mean[c.within] += inner.mean
        mean[c.between] += outer.mean
        found = kernel.evaluate(c, inner.cov, outer.cov, mean)
        if found is None or not np.isfinite(found.value):
            return None
        parts = stacked(layout, levels, c)
        slope = kernel.gradient(found, parts, c)
        return TwoLevelPoint(
            theta=theta, value=found.value, gradient=layout.K.T @ slope if layout.tied else slope, blocks=tuple(levels),
            likelihood=found, parts=parts,
        )  # fmt: skip

    def curvature(self, point: TwoLevelPoint, *, exact: bool) -> Array:
        """Hessian (q, q) of the value, exact or expected, per case."""
        full = self.information(point, observed=exact)
        return self.layout.K.T @ full @ self.layout.K if self.layout.tied else full

    def information(self, point: TwoLevelPoint, *, observed: bool) -> Array:
        """Observed or expected information (k, k) of one average case."""
        c, found = self.clusters, point.likelihood
        total = kernel.curvature(found, point.parts, c, observed=observed)
        if observed:
            weights = ((found.W, found.w[c.within]), (found.B, found.w[c.between]))
            for block, moments, (W, w) in zip(self.layout.blocks, point.blocks, weights, strict=True):
                total[np.ix_(block.free, block.free)] += ram.second_order(moments, block.places, W, w)
            total -= 0.0 if self.layout.bend is None else self.layout.bend
        return symmetric(total)

    def derivatives(self, extended: Layout, point: TwoLevelPoint, values: Array) -> tuple[Array, Array]:
        """Gradient (k,) and expected information (k, k) of an average case in the parameters of an extended layout.

        At the same moments: `values` of the parameters that are new are in them already.
        """
        parts = stacked(extended, point.blocks, self.clusters)
        information = kernel.curvature(point.likelihood, parts, self.clusters, observed=False)
        return kernel.gradient(point.likelihood, parts, self.clusters), symmetric(information)

    def scores(self, point: TwoLevelPoint) -> Array:
        """Gradient (J, k) of the log-likelihood of each cluster."""
        return kernel.scores(point.likelihood, point.parts, self.clusters)

    def noise(self, point: TwoLevelPoint) -> None:
        """None: the gradient varies as the expected information says."""
        return


def ends_of(fit: SEMFit) -> tuple[TwoLevelLikelihood, TwoLevelPoint]:
    """Objective and end point of a fit by this method."""
    assert isinstance(fit.objective, TwoLevelLikelihood)
    assert isinstance(fit.point, TwoLevelPoint)
    return fit.objective, fit.point


def stacked(layout: Layout, levels: Sequence[ram.Implied], clusters: Sampled) -> Parts:
    """The factors of all parameters, in the order of theta, over the p variables of both levels."""
    p, k = clusters.variables, layout.nfree
    U, V, t, within = np.zeros((p, k)), np.zeros((p, k)), np.zeros(k), np.zeros(k, dtype=np.bool_)
    for block, moments, rows in zip(layout.blocks, levels, (clusters.within, clusters.between), strict=True):
        own, index = ram.factors(moments, block.places), np.ix_(rows, block.free)
        U[index], V[index], t[block.free] = own.U, own.V, own.t
    within[layout.blocks[0].free] = True
    return Parts(U=U, V=V, t=t, within=within)


def two_level_objective(layout: Layout, levels: Levels) -> TwoLevelLikelihood:
    """The objective, exogenous variables held at the sample's moments."""
    return objective_at(layout, levels.clusters, levels.exogenous)


def objective_at(layout: Layout, clusters: Sampled, exogenous: Sequence[tuple[Array, Array]]) -> TwoLevelLikelihood:
    """The objective for clusters, held variables at the moments `exogenous` (covariance and mean of each level's variables)."""
    bases = []
    for block, (cov, mean) in zip(layout.blocks, exogenous, strict=True):
        S, M, x = block.base.S.copy(), block.base.M.copy(), block.exogenous
        S[np.ix_(x, x)], M[x] = cov[np.ix_(x, x)], mean[x]
        bases.append(ram.Matrices(A=block.base.A, S=S, M=M, observed=block.base.observed))
    return TwoLevelLikelihood(layout=layout, clusters=clusters, bases=tuple(bases))
