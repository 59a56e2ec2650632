"""Refitting a structural equation model to resampled cases, without what a single fit checks and reports."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cipa.errors import InferenceError
from cipa.models.sem.discrepancy import Likelihood, LikelihoodPoint, bases_with_exogenous
from cipa.models.sem.moments import GroupSample, Sample
from cipa.numerics.linalg import Array
from cipa.numerics.normal import loglik, patterns_of, saturated
from cipa.numerics.optimize import minimize

if TYPE_CHECKING:
    from cipa.models.sem.fit import SEMFit


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
            if any(not group.patterns.complete for group in fit.sample.groups):
                raise InferenceError(
                    'ci.bootstrap: kind="bollen_stine" rotates complete cases. Use kind="case" with missing values.'
                )
            values = tuple(_rotated(group, fit.point, g, means=fit.layout.means) for g, group in enumerate(fit.sample.groups))
        layout = fit.layout
        start = np.linalg.lstsq(layout.K, fit.params - layout.offset, rcond=None)[0] if layout.tied else fit.params
        return cls(fit, values, np.asarray(start), kind)

    def __call__(self, rows: Any) -> tuple[Array, float] | None:
        """Values of all rows of the estimates and the chi-square; None when the search does not converge."""
        drawn = self._simulated(rows) if self.kind == "parametric" else [v[r] for v, r in zip(self.values, rows, strict=True)]
        groups = []
        for g, (group, values) in enumerate(zip(self.fit.sample.groups, drawn, strict=True)):
            weights = None if group.weights is None or self.kind == "parametric" else group.weights[rows[g]]
            patterns = patterns_of(values, weights)
            unrestricted = saturated(patterns)
            if unrestricted is None:
                return None
            groups.append(replace(group, patterns=patterns, saturated=unrestricted, values=values))
        sample = replace(self.fit.sample, groups=tuple(groups))
        objective = self._objective(sample)
        solution, point = minimize(objective, self.start)
        if point is None or not solution.converged:
            return None
        return self._values(objective, point), _chisq(groups, point)

    def _objective(self, sample: Sample) -> Likelihood:
        layout = self.fit.layout
        exogenous = any(len(block.exogenous) for block in layout.blocks)
        counts = np.array([float(group.nobs) for group in sample.groups])
        objective: Likelihood = self.fit.objective
        return replace(
            objective, patterns=tuple(group.patterns for group in sample.groups), weights=counts / counts.sum(),
            bases=bases_with_exogenous(layout, sample) if exogenous else objective.bases,
        )  # fmt: skip

    def _values(self, objective: Likelihood, point: LikelihoodPoint) -> Array:
        return self.fit.values_at(point, objective)

    def _simulated(self, rng: np.random.Generator) -> list[Array]:
        """Normal data of the fitted moments, with the holes of the data."""
        found = []
        for group, here, values in zip(self.fit.sample.groups, self.fit.point.groups, self.values, strict=True):
            mean = here.moments.mean if self.fit.layout.means else group.saturated.mean
            root = np.linalg.cholesky(here.moments.cov)
            drawn = mean + rng.normal(size=values.shape) @ root.T
            found.append(np.where(np.isnan(values), np.nan, drawn))
        return found


def _chisq(groups: list[GroupSample], point: LikelihoodPoint) -> float:
    pairs = zip(groups, point.groups, strict=True)
    return float(sum(2 * (group.saturated.loglik - loglik(group.patterns, here.likelihood.value)) for group, here in pairs))


def _rotated(group: GroupSample, point: LikelihoodPoint, g: int, *, means: bool) -> Array:
    """Data with exactly the fitted moments: (x - mean) S^-1/2 Sigma^1/2 + mu (Bollen & Stine 1992)."""
    assert group.values is not None
    S, Sigma = group.saturated.cov, point.groups[g].moments.cov
    rotation = np.linalg.solve(np.linalg.cholesky(S), np.eye(len(S))).T @ np.linalg.cholesky(Sigma).T
    centre = point.groups[g].moments.mean if means else group.saturated.mean
    return np.asarray((group.values - group.saturated.mean) @ rotation + centre)
