"""The normal-theory likelihood as a function of eta: value, gradient, expected and exact curvature.

Groups add up with weights n_g / n. The value is the mean over cases of the negative log-likelihood without its
constant; with complete data it is half of Jöreskog's discrepancy plus a constant of the sample.

Source: Jöreskog, K. G. (1967). Psychometrika, 32, 443-482; Bollen, K. A. (1989), Structural Equations with Latent
Variables, ch. 4; for missing data Arbuckle (1996).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cipa.models.sem.cases.moments import Sample
from cipa.models.sem.declare.layout import Block, Layout
from cipa.numerics.algebra.linalg import Array, inverse_and_logdet, symmetric
from cipa.numerics.moments import ram
from cipa.numerics.moments.normal import Evaluation, Patterns, evaluate

_SWITCH = 0.3  # decrement per case below which Newton steps replace Fisher steps
_SWITCH_MISSING = 1e-5  # with missing patterns an exact Hessian costs many Fisher steps, which converge fast


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPoint:
    """A group at one eta: implied moments, likelihood, rank-two factors of its derivatives."""

    moments: ram.Implied
    likelihood: Evaluation
    factors: ram.Factors


@dataclass(frozen=True, slots=True, kw_only=True)
class LikelihoodPoint:
    """All groups at one eta: theta (k,), value, gradient (q,)."""

    theta: Array
    value: float
    gradient: Array
    groups: tuple[GroupPoint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Likelihood:
    """The objective of maximum likelihood.

    `bases` are the fixed matrices of each group with the sample moments of exogenous variables in; `weights` (G,) sum to 1.
    """

    layout: Layout
    patterns: tuple[Patterns, ...]
    bases: tuple[ram.Matrices, ...]
    weights: Array

    @property
    def switch(self) -> float:
        """Decrement at which the search turns to exact curvature."""
        return _SWITCH if all(one.complete for one in self.patterns) else _SWITCH_MISSING

    def evaluate(self, eta: Array) -> LikelihoodPoint | None:
        """Value and gradient at eta (q,); None where a covariance is not positive definite."""
        layout = self.layout
        theta = layout.to_theta(eta)
        total, slope = 0.0, np.zeros(layout.nfree)
        points = []
        for block, base, patterns, weight in zip(layout.blocks, self.bases, self.patterns, self.weights, strict=True):
            point = evaluate_group(block, base, patterns, theta[block.free], means=layout.means)
            if point is None:
                return None
            total += weight * point.likelihood.value
            slope[block.free] += weight * ram.gradient(point.factors, point.likelihood.W, point.likelihood.w)
            points.append(point)
        return LikelihoodPoint(
            theta=theta, value=total, gradient=layout.K.T @ slope if layout.tied else slope, groups=tuple(points)
        )

    def curvature(self, point: LikelihoodPoint, *, exact: bool) -> Array:
        """Hessian (q, q) of the value per case, exact or that expected of complete data, which is enough for a step."""
        full = self.information(point, observed=True) if exact else _complete_information(self.layout, point.groups, self.weights)
        return self.layout.K.T @ full @ self.layout.K if self.layout.tied else full

    def derivatives(self, extended: Layout, point: LikelihoodPoint, values: Array) -> tuple[Array, Array]:
        """Gradient (k,) and expected information (k, k) of an average case in the parameters of an extended layout.

        At the same moments: `values` of the parameters that are new are in them already.
        """
        gradient, information = np.zeros(extended.nfree), np.zeros((extended.nfree, extended.nfree))
        for block, here, weight in zip(extended.blocks, point.groups, self.weights, strict=True):
            factors = ram.factors(here.moments, block.places)
            found = here.likelihood
            gradient[block.free] += weight * ram.gradient(factors, found.W, found.w)
            part = expected_of_patterns(factors, found)
            information[np.ix_(block.free, block.free)] += weight * part
        return gradient, information

    def information(self, point: LikelihoodPoint, *, observed: bool) -> Array:
        """Observed or expected information (k, k) of one average case; with missing values that of the patterns seen."""
        return information(self.layout, point.groups, self.weights, observed=observed)


def evaluate_group(block: Block, base: ram.Matrices, patterns: Patterns, params: Array, *, means: bool) -> GroupPoint | None:
    """One group at its parameters (k_g,); without a mean structure the means are the sample's."""
    moments = ram.implied(ram.place(block.places, params, base))
    if moments is None:
        return None
    found = evaluate(patterns, moments.cov, moments.mean if means else patterns.means[0])
    if found is None or not np.isfinite(found.value):
        return None
    return GroupPoint(moments=moments, likelihood=found, factors=ram.factors(moments, block.places))


def information(layout: Layout, points: Sequence[GroupPoint], weights: Array, *, observed: bool) -> Array:
    """Observed (exact Hessian) or expected information (k, k) of one average case, summed over groups and patterns.

    Under nonlinear constraints the observed one is the Hessian along their curve (`Layout.bend`).
    """
    total = np.zeros((layout.nfree, layout.nfree))
    for block, point, weight in zip(layout.blocks, points, weights, strict=True):
        found = point.likelihood
        if observed:
            part = ram.curvature(point.factors, found.P, found.Q, found.Pd, found.weights)
            part += ram.second_order(point.moments, block.places, found.W, found.w)
        else:
            part = expected_of_patterns(point.factors, found)
        total[np.ix_(block.free, block.free)] += weight * part
    return symmetric(total if layout.bend is None or not observed else total - layout.bend)


def expected_of_patterns(factors: ram.Factors, found: Evaluation) -> Array:
    """Expected information (k, k) of an average case whose values are missing as they are in the data."""
    if len(found.P) == 1:
        return ram.expected_information(factors, found.P[0])
    return ram.curvature(factors, found.P, found.P, np.zeros_like(found.Pd), found.weights)


def _complete_information(layout: Layout, points: Sequence[GroupPoint], weights: Array) -> Array:
    """Expected information (k, k) of an average case if nothing were missing: cheap, and positive definite for steps."""
    total = np.zeros((layout.nfree, layout.nfree))
    for block, point, weight in zip(layout.blocks, points, weights, strict=True):
        P = point.likelihood.P[0] if len(point.likelihood.P) == 1 else _inverse(point.moments.cov)
        total[np.ix_(block.free, block.free)] += weight * ram.expected_information(point.factors, P)
    return symmetric(total)


def _inverse(cov: Array) -> Array:
    found = inverse_and_logdet(cov)
    return np.linalg.pinv(cov) if found is None else found[0]


def bases_with_exogenous(layout: Layout, sample: Sample) -> tuple[ram.Matrices, ...]:
    """The fixed matrices of each group, with the sample's moments of exogenous variables put in."""
    found = []
    for block, group in zip(layout.blocks, sample.groups, strict=True):
        base = block.base
        S, M = base.S.copy(), base.M.copy()
        x = block.exogenous
        S[np.ix_(x, x)] = group.saturated.cov[np.ix_(x, x)]
        M[x] = group.saturated.mean[x] if layout.means else 0.0
        found.append(ram.Matrices(A=base.A, S=S, M=M, observed=base.observed))
    return tuple(found)
