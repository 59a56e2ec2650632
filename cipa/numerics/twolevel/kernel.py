"""Two levels, whatever was observed: one set of names for the kernels of complete and incomplete cases, and unrestricted moments.

The unrestricted model estimates Sigma_W, Sigma_B and mu freely by Fisher and Newton steps (Lee 1990 by Fisher scoring); its
masked form is the baseline, in which variables do not covary.

Source: Lee, S.-Y. (1990). Biometrika, 77, 763-772.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cipa.numerics.algebra.linalg import Array, BoolArray, IntArray, symmetric
from cipa.numerics.search.optimize import minimize
from cipa.numerics.twolevel import complete, incomplete
from cipa.numerics.twolevel.complete import Clusters, Parts, TwoLevel
from cipa.numerics.twolevel.incomplete import IncompleteClusters, IncompleteTwoLevel
from cipa.numerics.twolevel.semidefinite import MomentPoint, semidefinite

Sampled = Clusters | IncompleteClusters
Found = TwoLevel | IncompleteTwoLevel

_SWITCH = 0.3  # decrement per case below which Newton steps replace Fisher steps
_SWITCH_INCOMPLETE = 1e-5  # an exact Hessian costs several expected ones there, and Fisher steps converge fast
_SEARCH = 60  # iterations; a search that meets a maximum takes about 10


def switch_of(clusters: Sampled) -> float:
    """Decrement per case below which exact curvature is worth its price."""
    return _SWITCH_INCOMPLETE if isinstance(clusters, IncompleteClusters) else _SWITCH


def evaluate(clusters: Sampled, within: Array, between: Array, mean: Array) -> Found | None:
    """Evaluate at Sigma_W (q, q), Sigma_B (r, r), mu (p,); None where there is no (clear) maximum nearby."""
    if isinstance(clusters, IncompleteClusters):
        return incomplete.evaluate(clusters, within, between, mean)
    return complete.evaluate(clusters, within, between, mean)


def loglik(clusters: Sampled, value: float) -> float:
    """The full log-likelihood, constants included, from the `value` of `evaluate`."""
    return incomplete.loglik(clusters, value) if isinstance(clusters, IncompleteClusters) else complete.loglik(clusters, value)


def curvature(found: Found, parts: Parts, clusters: Sampled, *, observed: bool) -> Array:
    """The part of the Hessian (k, k) of the value made of first derivatives; not `observed`: its expectation."""
    if isinstance(clusters, IncompleteClusters):
        assert isinstance(found, IncompleteTwoLevel)
        return incomplete.curvature(found, parts, clusters, observed=observed)
    assert isinstance(found, TwoLevel)
    return complete.curvature(found, parts, clusters, observed=observed)


def scores(found: Found, parts: Parts, clusters: Sampled) -> Array:
    """Gradient (J, k) of the log-likelihood of each cluster."""
    if isinstance(clusters, IncompleteClusters):
        assert isinstance(found, IncompleteTwoLevel)
        return incomplete.scores(found, parts, clusters)
    assert isinstance(found, TwoLevel)
    return complete.scores(found, parts, clusters)


def starting_moments(clusters: Sampled) -> tuple[Array, Array, Array]:
    """Sigma_W, Sigma_B and mu to start from."""
    if isinstance(clusters, IncompleteClusters):
        return incomplete.starting_moments(clusters)
    return complete.starting_moments(clusters)


def gradient(found: Found, parts: Parts, clusters: Sampled) -> Array:
    """Gradient (k,) of the value."""
    p = clusters.variables
    W, B = np.zeros((p, p)), np.zeros((p, p))
    W[np.ix_(clusters.within, clusters.within)] = found.W
    B[np.ix_(clusters.between, clusters.between)] = found.B
    middle = np.where(parts.within, W @ parts.V, B @ parts.V)
    return np.asarray((parts.U * middle).sum(axis=0) - parts.t * (found.w @ parts.U))


@dataclass(frozen=True, slots=True, kw_only=True)
class Unrestricted:
    """Moments estimated freely: Sigma_W (q, q), Sigma_B (r, r), mu (p,), and the likelihood there with its factors.

    `bounded`: Sigma_B is on the bound of what is possible, singular.
    """

    within: Array
    between: Array
    mean: Array
    loglik: float
    converged: bool
    bounded: bool
    found: Found
    parts: Parts


@dataclass(frozen=True, slots=True, kw_only=True)
class _Free:
    """The likelihood as a function of the free entries of Sigma_W and Sigma_B (rows, cols of each) and of mu."""

    clusters: Sampled
    inner: tuple[IntArray, IntArray]
    outer: tuple[IntArray, IntArray]
    parts: Parts

    @property
    def switch(self) -> float:
        return switch_of(self.clusters)

    def moments(self, eta: Array) -> tuple[Array, Array, Array]:
        c, m = self.clusters, len(self.inner[0])
        W, B = np.zeros((len(c.within),) * 2), np.zeros((len(c.between),) * 2)
        W[self.inner] = W[self.inner[::-1]] = eta[:m]
        B[self.outer] = B[self.outer[::-1]] = eta[m : m + len(self.outer[0])]
        return W, B, eta[m + len(self.outer[0]) :]

    def evaluate(self, eta: Array) -> MomentPoint | None:
        found = evaluate(self.clusters, *self.moments(eta))
        if found is None:
            return None
        return MomentPoint(
            eta=eta, value=found.value, gradient=gradient(found, self.parts, self.clusters), found=found, parts=self.parts
        )

    def curvature(self, point: MomentPoint, *, exact: bool) -> Array:
        return symmetric(curvature(point.found, self.parts, self.clusters, observed=exact))


def unrestricted(clusters: Sampled, *, within: BoolArray | None = None, between: BoolArray | None = None) -> Unrestricted | None:
    """Maximum-likelihood moments, of which only the entries marked in `within` (q, q) and `between` (r, r) are not zero.

    All entries by default, and then Sigma_B is positive semidefinite, as Mplus and lavaan have it, on its bound where the
    likelihood falls towards it. The masked form (`between` block diagonal) is a model whose variances may be negative like those
    of any model. None when the likelihood has no value at the starting moments (collinear variables).
    """
    c = clusters
    w = _lower(np.ones((len(c.within),) * 2, dtype=np.bool_) if within is None else within)
    b = _lower(np.ones((len(c.between),) * 2, dtype=np.bool_) if between is None else between)
    problem = _Free(clusters=c, inner=w, outer=b, parts=_unit_parts(c, w, b))
    W, B, mu = starting_moments(c)
    start = np.concatenate([W[w], B[b], mu])
    solution, point = minimize(problem, start, max_iterations=_SEARCH)
    eta, bounded = solution.eta, False
    unit = np.sqrt(B.diagonal())
    if between is None and not (solution.converged and _possible(problem.moments(eta)[1], unit)):
        bounded = True
        eta, point, ended = semidefinite(problem, eta if solution.converged else start, unit)
        solution = ended or solution
    if point is None:
        return None
    W, B, mean = problem.moments(eta)
    return Unrestricted(
        within=W, between=B, mean=mean, loglik=loglik(c, point.value), converged=solution.converged, bounded=bounded,
        found=point.found, parts=problem.parts,
    )  # fmt: skip


def _possible(B: Array, unit: Array) -> bool:
    """Whether Sigma_B is positive definite, in standard deviations `unit` (r,)."""
    return bool(np.linalg.eigvalsh(B / np.outer(unit, unit))[0] > 0)


def _lower(mask: BoolArray) -> tuple[IntArray, IntArray]:
    rows, cols = np.nonzero(np.tril(mask))
    return rows, cols


def _unit_parts(c: Sampled, inner: tuple[IntArray, IntArray], outer: tuple[IntArray, IntArray]) -> Parts:
    """Factors of the free entries of Sigma_W, then of Sigma_B, then of mu (mu as parameters of the between level)."""
    eye = np.eye(c.variables)
    row = np.concatenate([c.within[inner[0]], c.between[outer[0]]])
    col = np.concatenate([c.within[inner[1]], c.between[outer[1]]])
    means = np.zeros_like(eye)
    return Parts(
        U=np.hstack([eye[:, row], eye]), V=np.hstack([eye[:, col] * np.where(row == col, 0.5, 1.0), means]),
        t=np.concatenate([np.zeros(len(row)), np.ones(len(eye))]),
        within=np.arange(len(row) + len(eye)) < len(inner[0]),
    )  # fmt: skip
