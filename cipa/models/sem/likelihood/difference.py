"""What scaled difference tests need of a fit by maximum likelihood (formulas: `answers/difference.py`)."""

from __future__ import annotations

import numpy as np

from cipa.errors import InferenceError
from cipa.models.sem.answers.difference import Parts, scaled_difference
from cipa.models.sem.fit import SEMFit
from cipa.models.sem.likelihood.objective import Likelihood, LikelihoodPoint, ends_of
from cipa.models.sem.likelihood.scaled import moment_jacobian, moment_parts, scaled_measures
from cipa.models.sem.steps.indices import Test
from cipa.numerics.algebra.linalg import Array

_STEPS = 50
"""Most Gauss-Newton steps; two or three are enough for nested models."""

_SAME, _NEAR = 1e-11, 1e-6
"""Distance of moments, in standard deviations, at which steps end, and beyond which models are not nested."""


def difference(restricted: SEMFit, general: SEMFit, df: float, method: str) -> tuple[float, float]:
    """(scale, shift) of the difference of two chi-squares."""
    return scaled_difference(restricted, general, df, method, parts_of=_parts, factor_at=_factor_at)


def _parts(fit: SEMFit) -> Parts:
    sample = fit.sample
    complete = all(group.values is not None and group.patterns.complete for group in sample.groups)
    if not complete or sample.clusters is not None or sample.weights is not None:
        raise InferenceError(
            'ci.lr_test: method="satorra_2000" is derived for complete, independent, unweighted cases, and these are not. Use '
            '"satorra_bentler_2001".'
        )
    return moment_parts(*ends_of(fit), sample)


def _factor_at(general: SEMFit, restricted: SEMFit) -> float:
    """The scaling factor of the general model's test at the moments of the restricted one."""
    objective, _ = ends_of(general)
    point = _point_at(general, restricted)
    test = Test(chisq=general.measures["chisq"], df=general.df_resid)
    scaled = scaled_measures(general.recipe, objective, point, general.sample, test=test, baseline=None, nobs=general.nobs)
    return scaled["chisq.scaling.factor"]


def _point_at(general: SEMFit, restricted: SEMFit) -> LikelihoodPoint:
    """The point of the general model that implies the moments of the restricted one, by Gauss-Newton steps.

    The steps start at the restricted estimates, by name; what the restricted model leaves out starts at 0. They move only where
    one name means two things: with equal intercepts latent means are free, and without them 0.
    """
    objective, there = ends_of(general)[0], ends_of(restricted)[1]
    rows = [restricted.estimates.find(term) for term in general.terms]
    eta = general.layout.to_eta(np.array([0.0 if row is None else row.estimate for row in rows]))
    point, gap = _at(objective, there, eta)
    for _ in range(_STEPS):
        if point is None or float(np.abs(gap).max()) < _SAME:
            break
        move = np.linalg.lstsq(_slopes(objective, point, there), gap, rcond=None)[0]
        for length in (1.0, 0.5, 0.25, 0.125, 0.0625):
            nearer, left = _at(objective, there, eta - length * move)
            if nearer is not None and float(left @ left) < float(gap @ gap):
                break
        else:
            break
        eta, point, gap = eta - length * move, nearer, left
    if point is None or float(np.abs(gap).max()) > _NEAR:
        raise InferenceError(
            'ci.lr_test: method="satorra_bentler_2010" evaluates the general model at the estimates of the restricted one, and '
            "no parameters of it imply the same covariances and means, so that the models are not nested. Compare them by AIC or "
            "BIC, or look at which line of the smaller model the larger one lacks."
        )
    return point


def _at(objective: Likelihood, there: LikelihoodPoint, eta: Array) -> tuple[LikelihoodPoint | None, Array]:
    """A point, and how far its moments are from others, in standard deviations."""
    point = objective.evaluate(eta)
    if point is None:
        return None, np.array([np.inf])
    gaps = []
    for here, other in zip(point.blocks, there.blocks, strict=True):
        rows, cols = np.tril_indices(len(other.cov))
        sd = np.sqrt(other.cov.diagonal())
        gaps.append(((here.cov - other.cov) / np.multiply.outer(sd, sd))[rows, cols])
        if objective.layout.means:
            gaps.append((here.mean - other.mean) / sd)
    return point, np.concatenate(gaps)


def _slopes(objective: Likelihood, point: LikelihoodPoint, there: LikelihoodPoint) -> Array:
    """Derivatives of these distances in the parameters."""
    slopes = []
    for g, other in enumerate(there.blocks):
        D, sd = moment_jacobian(objective.layout, point, g), np.sqrt(other.cov.diagonal())
        rows, cols = np.tril_indices(len(sd))
        scale = np.concatenate([sd[rows] * sd[cols], sd])
        used = len(scale) if objective.layout.means else len(rows)
        slopes.append((D / scale[:, None])[:used])
    return np.vstack(slopes)
