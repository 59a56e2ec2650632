"""Refitting a structural equation model to resampled cases, without what a single fit checks and reports.

Complete cases enter through their moments, so that all draws of a stack are searched at once (`numerics.replicates`); what
that search leaves over, and draws with missing values, take the search of a single fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cipa.errors import InferenceError, one_of
from cipa.models.sem.cases.first_stage import first_moments
from cipa.models.sem.cases.sample import GroupSample, bases_with_exogenous
from cipa.models.sem.declare.layout import Layout
from cipa.models.sem.fit import SEMFit
from cipa.models.sem.likelihood.objective import LikelihoodPoint, likelihood_of
from cipa.models.sem.likelihood.replicates import Replicates
from cipa.models.sem.steps.draws import admissible_draws, stacked
from cipa.models.sem.steps.table import values_at
from cipa.numerics.algebra.linalg import Array
from cipa.numerics.moments.normal import loglik, moments, patterns_of
from cipa.numerics.moments.ram import Implied
from cipa.numerics.search.optimize import minimize
from cipa.numerics.search.replicates import minimize_many
from cipa.results.answers import Draws, Refit
from cipa.study.expressions import evaluate

KINDS = ("case", "cluster", "parametric", "bollen_stine")


def refit(fit: SEMFit, kind: str | None) -> Refit:
    """The model on other cases: moments of complete ones searched together, others one by one."""
    kind = one_of(kind or "case", KINDS, what="kind", where="ci.bootstrap of a structural equation model")
    clusters = fit.sample.clusters if kind == "cluster" else None
    if kind == "cluster" and clusters is None:
        raise InferenceError(
            'ci.bootstrap: kind="cluster" draws whole clusters, and the model names none. Give it cluster="column".'
        )
    if fit.layout.curves:
        raise InferenceError(
            "ci.bootstrap: draws under inequality or nonlinear constraints are not available: the bound may bind in some draws "
            "and not in others. Drop the constraint, or test it with ci.wald_test."
        )
    sizes = tuple(len(group.rows) for group in fit.sample.groups)
    return Refit(kind=kind, sizes=sizes, clusters=clusters, run=Resampler.of(fit, kind))


@dataclass(frozen=True, slots=True)
class Resampler:
    """The model, the values of each group that are drawn from, and where the search starts."""

    fit: SEMFit
    values: tuple[Array, ...]
    start: Array
    kind: str

    @classmethod
    def of(cls, fit: SEMFit, kind: str) -> Resampler:
        """Prepare; refuses a fit without cases, and missing values where the kind cannot have them."""
        values = tuple(group.values for group in fit.sample.groups if group.values is not None)
        if len(values) < len(fit.sample.groups):
            raise InferenceError(
                "ci.bootstrap: the model was fitted to a covariance matrix, which has no cases to draw from. Fit it to the data."
            )
        if kind == "bollen_stine":
            if any(np.isnan(one).any() for one in values):
                raise InferenceError(
                    'ci.bootstrap: kind="bollen_stine" rotates complete cases, and some of these have missing values. Use '
                    'kind="case".'
                )
            values = tuple(
                _rotated(group, fit.point.blocks[g], means=fit.layout.means) for g, group in enumerate(fit.sample.groups)
            )
        return cls(fit, values, fit.layout.to_eta(fit.params), kind)

    def __call__(self, draws: Sequence[Any]) -> Draws:
        """The estimates of each draw: rows of each group, or a generator for a parametric draw."""
        stacks = [self._drawn(one) for one in draws]
        if any(np.isnan(one).any() for one in self.values):
            found = [self._alone(stack, draw) for stack, draw in zip(stacks, draws, strict=True)]
            return stacked(found, len(self.fit.estimates))
        return self._together(stacks, draws)

    def _drawn(self, draw: Any) -> list[Array]:
        if self.kind == "parametric":
            return self._simulated(draw)
        return [values[rows] for values, rows in zip(self.values, draw, strict=True)]

    def _weights(self, g: int, draw: Any) -> Array | None:
        weights = self.fit.sample.groups[g].weights
        return None if weights is None or self.kind == "parametric" else weights[draw[g]]

    def _together(self, stacks: list[list[Array]], draws: Sequence[Any]) -> Draws:
        replicates = self._replicates(stacks, draws)
        eta, done = minimize_many(replicates, np.tile(self.start, (len(draws), 1)))
        points = replicates.evaluate(eta, np.arange(len(draws)))
        values = _with_defined(self.fit.model.parsed.constraints, self.fit.layout, replicates.rows(points.theta))
        ok = admissible_draws(self.fit.layout, values, [one.T for one in points.implied])
        chisq = replicates.nobs.sum(axis=1) * 2 * (points.value - replicates.saturated)
        for r in map(int, np.flatnonzero(~done)):
            found = self._alone(stacks[r], draws[r])
            done[r] = found is not None
            if found is not None:
                values[r], chisq[r], ok[r] = found
        return Draws(values=values, chisq=chisq, converged=done, admissible=ok)

    def _replicates(self, stacks: list[list[Array]], draws: Sequence[Any]) -> Replicates:
        covs, means, nobs = [], [], []
        for g in range(len(self.values)):
            weights = [self._weights(g, draw) for draw in draws]
            found = [moments(stack[g], weight) for stack, weight in zip(stacks, weights, strict=True)]
            covs.append(np.array([cov for cov, _ in found]))
            means.append(np.array([mean for _, mean in found]))
            sizes = [len(stack[g]) if weight is None else weight.sum() for stack, weight in zip(stacks, weights, strict=True)]
            nobs.append(np.array(sizes, dtype=np.float64))
        return Replicates.of(self.fit.layout, covs, means, np.column_stack(nobs))

    def _alone(self, stack: list[Array], draw: Any) -> tuple[Array, float, bool] | None:
        """One draw by the search of a single fit: values, chi-square, whether admissible; None when it does not converge."""
        groups = []
        for g, (group, values) in enumerate(zip(self.fit.sample.groups, stack, strict=True)):
            patterns = patterns_of(values, self._weights(g, draw))
            patterns, unrestricted = first_moments(values, patterns, missing=self.fit.sample.missing)
            if unrestricted is None:
                return None
            groups.append(replace(group, patterns=patterns, saturated=unrestricted, values=values))
        sample = replace(self.fit.sample, groups=tuple(groups))
        objective = likelihood_of(self.fit.layout, sample, bases_with_exogenous(self.fit.layout, sample))
        solution, point = minimize(objective, self.start)
        if point is None or not solution.converged:
            return None
        found = values_at(self.fit.model.parsed.constraints, objective, point)
        admissible = admissible_draws(self.fit.layout, found[None], [moments.T[None] for moments in point.blocks])
        return found, _chisq(groups, point), bool(admissible[0])

    def _simulated(self, rng: np.random.Generator) -> list[Array]:
        """Normal data of the fitted moments, with the holes of the data."""
        found = []
        for group, implied, values in zip(self.fit.sample.groups, self.fit.point.blocks, self.values, strict=True):
            mean = implied.mean if self.fit.layout.means else group.saturated.mean
            root = np.linalg.cholesky(implied.cov)
            drawn = mean + rng.normal(size=values.shape) @ root.T
            found.append(np.where(np.isnan(values), np.nan, drawn))
        return found


def _with_defined(constraints: Sequence[Any], layout: Layout, values: Array) -> Array:
    """Append the effects defined by `:=` to the rows (R, m) of all draws."""
    none = np.zeros((len(values), 0))
    known = {row.label: (values[:, p], none) for p, row in reversed(list(enumerate(layout.rows))) if row.label}
    for one in constraints:
        if one.op == ":=":
            value, _ = evaluate(one.right, known, size=0)
            known[one.lhs] = (np.broadcast_to(value, len(values)), none)
            values = np.column_stack([values, known[one.lhs][0]])
    return values


def _chisq(groups: list[GroupSample], point: LikelihoodPoint) -> float:
    pairs = zip(groups, point.evaluations, strict=True)
    return float(sum(2 * (group.saturated.loglik - loglik(group.patterns, normal.value)) for group, normal in pairs))


def _rotated(group: GroupSample, implied: Implied, *, means: bool) -> Array:
    """Data with exactly the fitted moments: (x - mean) S^-1/2 Sigma^1/2 + mu (Bollen & Stine 1992)."""
    assert group.values is not None
    S, Sigma = group.saturated.cov, implied.cov
    rotation = np.linalg.solve(np.linalg.cholesky(S), np.eye(len(S))).T @ np.linalg.cholesky(Sigma).T
    centre = implied.mean if means else group.saturated.mean
    return np.asarray((group.values - group.saturated.mean) @ rotation + centre)
