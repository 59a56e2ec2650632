"""Fitting by weighted least squares: targets from the data, the search, and standard errors.

Sources: Browne (1984); Muthén (1984); Muthén, du Toit & Spisic (1997), Robust inference using weighted least squares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cipa.errors import IdentificationError
from cipa.models.sem.cases.moments import Sample
from cipa.models.sem.declare.layout import Layout
from cipa.models.sem.fit import SEMFit, solved
from cipa.models.sem.steps.covariance import Recipe, scaled_inverse
from cipa.models.sem.steps.identification import natural_units
from cipa.models.sem.steps.scaled import second_moments
from cipa.models.sem.steps.search import at_tangent, search
from cipa.models.sem.steps.starts import other_values, starting_values, with_user_starts
from cipa.models.sem.weighted.measures import weighted_measures
from cipa.models.sem.weighted.objective import Target, WeightedPoint, WeightedSquares, continuous_target
from cipa.models.sem.weighted.ordered import with_derived
from cipa.numerics.algebra.linalg import Array
from cipa.numerics.moments import ram
from cipa.numerics.moments.normal import evaluate, saturated_information
from cipa.results.vcov import VCov

if TYPE_CHECKING:
    from cipa.models.sem.model import SEM

WEIGHTS = {
    "gls": "gls",
    "uls": "uls",
    "ulsm": "uls",
    "ulsmv": "uls",
    "wls": "wls",
    "dwls": "dwls",
    "wlsm": "dwls",
    "wlsmv": "dwls",
}
"""Estimator -> kind of weight matrix."""

_RANK = 1e-7


def continuous_targets(kind: str, sample: Sample, *, means: bool) -> tuple[Target, ...]:
    """Moments of continuous variables, covariances with divisor n - 1."""
    found = []
    for group in sample.groups:
        n = group.nobs
        cov = group.saturated.cov * n / (n - 1)
        if group.values is not None:
            gamma = second_moments(group, np.empty(0, dtype=np.intp))
        else:
            normal = evaluate(group.patterns, group.saturated.cov, group.saturated.mean)
            assert normal is not None
            gamma = np.linalg.inv(saturated_information(normal))
        found.append(continuous_target(kind, cov, group.saturated.mean, gamma, means=means, nobs=n))
    return tuple(found)


def fit_weighted(
    model: SEM,
    layout: Layout,
    sample: Sample,
    targets: tuple[Target, ...],
    bases: tuple[ram.Matrices, ...],
    recipe: Recipe,
    labels: Sequence[str],
    *,
    start: Mapping[str, float] | None = None,
) -> SEMFit:
    """Search, check and assemble."""
    objective = WeightedSquares(layout=layout, bases=bases, targets=targets)
    moments = [(group.saturated.cov, group.saturated.mean) for group in sample.groups]
    theta = starting_values(layout, moments)
    for block, target in zip(layout.blocks, targets, strict=True):
        if block.ordinal is not None:
            free = block.ordinal.free
            theta[free[free >= 0]] = target.split(target.s)[0][free >= 0]
            theta[block.ordinal.scale_free[block.ordinal.scale_free >= 0]] = 1.0
    names = [str(layout.rows[position].term(labels)) for position in layout.theta]
    if start:
        theta = with_user_starts(theta, start, layout, names)
    names = [str(layout.rows[position].term(labels)) for position in layout.theta]
    units = natural_units(layout, [np.sqrt(group.saturated.cov.diagonal()) for group in sample.groups])
    _refuse_unidentified(replace(objective, layout=at_tangent(layout, theta)), theta, names, units)
    objective, point, solution = search(objective, theta, others=other_values(layout, moments, theta))
    layout = objective.layout
    vcov, inverse = _covariances(recipe, objective, point)
    measures = weighted_measures(recipe, WEIGHTS[recipe.estimator], objective, point, sample)
    if targets[0].ordinal:
        layout, bases = with_derived(layout, bases, targets, point.theta)
        objective = replace(objective, layout=layout, bases=bases)
        point = objective.evaluate(layout.to_eta(point.theta)) or point
    described = VCov(
        kind=recipe.se.replace("_", " "), convention="none",
        note="sandwich of the weight matrix and the covariance of the moments" if recipe.se == "robust_sem" else "inverse of D'WD",
    )  # fmt: skip
    return solved(
        model,
        layout,
        sample,
        objective,
        point,
        solution,
        labels=labels,
        vcov=vcov,
        inverse=inverse,
        measures=measures,
        described=described,
    )


def _refuse_unidentified(objective: WeightedSquares, theta: Array, names: Sequence[str], units: Array) -> None:
    rng = np.random.default_rng(20190707)
    K = objective.layout.K
    null = np.empty((0, 0))
    for _ in range(2):
        trial = theta + 0.1 * np.where(theta != 0, np.abs(theta), 0.3 * units) * rng.uniform(-1, 1, len(theta))
        point = objective.evaluate(objective.layout.to_eta(trial))
        if point is None:
            continue
        own = [target.gamma.diagonal() for target in objective.targets]  # 0 for the variance of a balanced yes-or-no variable
        errors = [np.sqrt(np.where(one > 0, one, 1.0)) for one in own]  # so that units of variables do not matter
        D = np.vstack([D / error[:, None] for error, D in zip(errors, objective.jacobians(point), strict=True)]) @ K
        D = D / np.maximum(np.linalg.norm(D, axis=0), 1e-12)
        _, values, right = np.linalg.svd(D)
        rank = int((values > _RANK * values[0]).sum())
        if rank == D.shape[1]:
            return
        null = right[rank:].T
    involved = [names[int(k)] for k in np.flatnonzero(np.abs(K @ null).max(axis=1, initial=0.0) > 0.1)] if null.size else []
    raise IdentificationError(
        f"The model is not identified: the moments cannot tell these parameters apart: {', '.join(involved[:8])}. Give each construct a"
        " scale and at least two indicators together with a relation to something else (three when it stands alone)."
    )


def _covariances(recipe: Recipe, objective: WeightedSquares, point: WeightedPoint) -> tuple[Array, Array]:
    """Covariance of the estimates and (D'WD)^-1 / (n - G), both (k, k)."""
    K = objective.layout.K
    count = objective.nobs - len(objective.targets)
    inverse = K @ scaled_inverse(K.T @ objective.information(point) @ K) @ K.T / count
    if recipe.se == "standard":
        return inverse, inverse
    meat = np.zeros_like(inverse)
    for target, share, D in zip(objective.targets, objective.shares, objective.jacobians(point), strict=True):
        WD = target.weight @ D
        meat += share * WD.T @ target.gamma @ WD
    return np.asarray(inverse @ meat @ inverse * count), inverse
