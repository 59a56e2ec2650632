"""The normal-theory likelihood as a function of eta: value, gradient, expected and exact curvature.

Groups add up with weights n_g / n. The value is the mean over cases of the negative log-likelihood without its
constant; with complete data it is half of Jöreskog's discrepancy plus a constant of the sample.

Source: Jöreskog, K. G. (1967). Psychometrika, 32, 443-482; Bollen, K. A. (1989), Structural Equations with Latent
Variables, ch. 4; for missing data Arbuckle (1996).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cipa.models.sem.cases.sample import Sample
from cipa.models.sem.declare.layout import Layout
from cipa.models.sem.fit import SEMFit
from cipa.models.sem.likelihood.scores import casewise_scores
from cipa.numerics.algebra.linalg import Array, IntArray, inverse_and_logdet, symmetric
from cipa.numerics.moments import ram
from cipa.numerics.moments.normal import Evaluation, evaluate

_SWITCH = 0.3  # decrement per case below which Newton steps replace Fisher steps
_SWITCH_MISSING = 1e-5  # with missing patterns an exact Hessian costs many Fisher steps, which converge fast


@dataclass(frozen=True, slots=True, kw_only=True)
class LikelihoodPoint:
    """All groups at one eta: theta (k,), value, gradient (q,).

    By group implied moments, likelihood, factors of the derivatives.
    """

    theta: Array
    value: float
    gradient: Array
    blocks: tuple[ram.Implied, ...]
    evaluations: tuple[Evaluation, ...]
    factors: tuple[ram.Factors, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Likelihood:
    """The objective of maximum likelihood.

    `bases` are the fixed matrices of each group with the sample moments of exogenous variables in; `weights` (G,) sum to 1.
    """

    layout: Layout
    sample: Sample
    bases: tuple[ram.Matrices, ...]
    weights: Array

    @property
    def switch(self) -> float:
        """Decrement at which the search turns to exact curvature."""
        return _SWITCH if all(group.patterns.complete for group in self.sample.groups) else _SWITCH_MISSING

    @property
    def units(self) -> tuple[IntArray, IntArray] | None:
        """Clusters and groups (n,) of the cases; None without clusters."""
        clusters = self.sample.clusters
        return None if clusters is None else (clusters, self.sample.strata)

    def evaluate(self, eta: Array) -> LikelihoodPoint | None:
        """Value and gradient at eta (q,), without a mean structure at the sample's means.

        None where a covariance is not positive definite.
        """
        layout = self.layout
        theta = layout.to_theta(eta)
        total, slope = 0.0, np.zeros(layout.nfree)
        blocks, evaluations, factors = [], [], []
        for block, base, group, weight in zip(layout.blocks, self.bases, self.sample.groups, self.weights, strict=True):
            moments = ram.implied(ram.place(block.places, theta[block.free], base))
            if moments is None:
                return None
            normal = evaluate(group.patterns, moments.cov, moments.mean if layout.means else group.patterns.means[0])
            if normal is None or not np.isfinite(normal.value):
                return None
            parts = ram.factors(moments, block.places)
            total += weight * normal.value
            slope[block.free] += weight * ram.gradient(parts, normal.W, normal.w)
            blocks.append(moments)
            evaluations.append(normal)
            factors.append(parts)
        return LikelihoodPoint(
            theta=theta, value=total, gradient=layout.K.T @ slope if layout.tied else slope, blocks=tuple(blocks),
            evaluations=tuple(evaluations), factors=tuple(factors),
        )  # fmt: skip

    def curvature(self, point: LikelihoodPoint, *, exact: bool) -> Array:
        """Hessian (q, q) of the value per case, exact or that expected of complete data, which is enough for a step."""
        full = self.information(point, observed=True) if exact else self._complete_information(point)
        return self.layout.K.T @ full @ self.layout.K if self.layout.tied else full

    def information(self, point: LikelihoodPoint, *, observed: bool) -> Array:
        """Observed (exact Hessian) or expected information (k, k) of one average case, summed over groups and patterns.

        Under nonlinear constraints the observed one is the Hessian along their curve (`Layout.bend`).
        """
        total = np.zeros((self.layout.nfree, self.layout.nfree))
        for g, (block, weight) in enumerate(zip(self.layout.blocks, self.weights, strict=True)):
            normal, factors = point.evaluations[g], point.factors[g]
            if observed:
                part = ram.curvature(factors, normal.P, normal.Q, normal.Pd, normal.weights)
                part += ram.second_order(point.blocks[g], block.places, normal.W, normal.w)
            else:
                part = expected_of_patterns(factors, normal)
            total[np.ix_(block.free, block.free)] += weight * part
        bend = self.layout.bend if observed else None
        return symmetric(total if bend is None else total - bend)

    def _complete_information(self, point: LikelihoodPoint) -> Array:
        """Expected information (k, k) of an average case if nothing were missing: cheap, and positive definite for steps."""
        total = np.zeros((self.layout.nfree, self.layout.nfree))
        for g, (block, weight) in enumerate(zip(self.layout.blocks, self.weights, strict=True)):
            normal = point.evaluations[g]
            P = normal.P[0] if len(normal.P) == 1 else _inverse(point.blocks[g].cov)
            total[np.ix_(block.free, block.free)] += weight * ram.expected_information(point.factors[g], P)
        return symmetric(total)

    def derivatives(self, extended: Layout, point: LikelihoodPoint, values: Array) -> tuple[Array, Array]:
        """Gradient (k,) and expected information (k, k) of an average case in the parameters of an extended layout.

        At the same moments: `values` of the parameters that are new are in them already.
        """
        gradient, information = np.zeros(extended.nfree), np.zeros((extended.nfree, extended.nfree))
        for block, moments, normal, weight in zip(extended.blocks, point.blocks, point.evaluations, self.weights, strict=True):
            factors = ram.factors(moments, block.places)
            gradient[block.free] += weight * ram.gradient(factors, normal.W, normal.w)
            information[np.ix_(block.free, block.free)] += weight * expected_of_patterns(factors, normal)
        return gradient, information

    def scores(self, point: LikelihoodPoint) -> Array | None:
        """Casewise gradient (n, k) of the log-likelihood, times the sampling weight; None for covariance input."""
        found = casewise_scores(self.layout, self.sample.groups, point.blocks, point.evaluations, point.factors)
        weights = self.sample.weights
        return found if weights is None or found is None else found * weights[:, None]

    def noise(self, point: LikelihoodPoint) -> None:
        """None: the gradient varies as the expected information says."""
        return


def likelihood_of(layout: Layout, sample: Sample, bases: tuple[ram.Matrices, ...], *, lost: int = 0) -> Likelihood:
    """The objective of a sample; each group counts with its cases less `lost` (1 under the Wishart likelihood)."""
    counts = np.array([group.total - lost for group in sample.groups])
    return Likelihood(layout=layout, sample=sample, bases=bases, weights=counts / counts.sum())


def ends_of(fit: SEMFit) -> tuple[Likelihood, LikelihoodPoint]:
    """Objective and end point of a fit by this method."""
    assert isinstance(fit.objective, Likelihood)
    assert isinstance(fit.point, LikelihoodPoint)
    return fit.objective, fit.point


def expected_of_patterns(factors: ram.Factors, normal: Evaluation) -> Array:
    """Expected information (k, k) of an average case whose values are missing as they are in the data."""
    if len(normal.P) == 1:
        return ram.expected_information(factors, normal.P[0])
    return ram.curvature(factors, normal.P, normal.P, np.zeros_like(normal.Pd), normal.weights)


def _inverse(cov: Array) -> Array:
    found = inverse_and_logdet(cov)
    return np.linalg.pinv(cov) if found is None else found[0]
