"""Residual moments of a two-level fit, raw, as correlations, and over standard errors.

    standardized   r / se,  cov(r) = Q G Q',  Q = I - D (D'W D)^-1 D'W    (`residual_errors.py`)
    normalized     r / se of the unrestricted moment alone (conservative)

The moments are vech Sigma_W, vech Sigma_B and mu of the unrestricted model, their covariance its inverse information, or under
robust errors the sandwich with the scores of clusters. Moments of held exogenous variables have no residual (0); a variable of
both levels has one mean, whose residual stands between. A moment that the model reproduces to first order has no standardized
residual (NaN).

Source: Lee, S.-Y. (1990). Biometrika, 77, 763-772 (the unrestricted two-level model).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial

import numpy as np

from cipa.errors import InferenceError
from cipa.models.sem.answers.residuals import residual_table
from cipa.models.sem.cases.sample import Levels
from cipa.models.sem.declare.layout import Layout, levels_of_group
from cipa.models.sem.fit import SEMFit
from cipa.models.sem.steps.residuals import residual_rows
from cipa.models.sem.twolevel.read import level_moments
from cipa.models.sem.twolevel.residual_errors import residual_variances, unrestricted_variances
from cipa.numerics.algebra.linalg import Array, BoolArray, IntArray
from cipa.numerics.twolevel.kernel import Unrestricted
from cipa.results.display import ResultTable


def residuals(fit: SEMFit, kind: str | None) -> ResultTable:
    """The table of both levels of each group."""
    variances_of = cache(partial(_variances, fit))  # of all groups at once
    return residual_table(fit, kind, partial(_of_level, variances_of=variances_of))


def _of_level(
    fit: SEMFit, block: int, kind: str, *, variances_of: Callable[[str], Sequence[Array]]
) -> Iterator[tuple[str, str, str, float]]:
    """(lhs, op, rhs, residual) of a level of a group."""
    g, level = divmod(block, 2)
    levels, names = fit.sample.levels[g], fit.layout.blocks[block].observed
    variances = None
    if kind in ("normalized", "standardized"):
        _refuse_bounded(levels.free, kind)
        variances = _of_rows(variances_of(kind)[g], levels, level)
    moments = level_moments(levels, fit.point.blocks[levels_of_group(g)][0].mean, level)
    return residual_rows(names, moments, fit.point.blocks[block], kind, means=fit.layout.means, variances=variances)


def _refuse_bounded(free: Unrestricted, kind: str) -> None:
    if free.bounded:
        raise InferenceError(
            f'ci.residuals(kind="{kind}"): the unrestricted covariance matrix between clusters is on the bound of what is '
            "possible (singular). Its moments have no normal standard errors there, and neither have the residuals. Use "
            'kind="cor", or keep the variable that'
            " hardly varies between clusters at the within level only."
        )


def _variances(fit: SEMFit, kind: str) -> list[Array]:
    """Variances (m,) of the residuals of each group's unrestricted moments, in their order; 0 for one that is held."""
    keep = [np.flatnonzero(~held_moments(one, one.free, fit.layout, g)) for g, one in enumerate(fit.sample.levels)]
    errors = residual_variances if kind == "standardized" else unrestricted_variances
    found = []
    for levels, own, values in zip(fit.sample.levels, keep, errors(fit, keep), strict=True):
        variances = np.zeros(levels.free.parts.U.shape[1])
        variances[own] = values
        found.append(variances)
    return found


def _of_rows(variances: Array, levels: Levels, level: int) -> Array:
    """Those of a level: row-wise vech, then means; the mean of a variable of both levels counts between."""
    c = levels.clusters
    inner, outer = (len(rows) * (len(rows) + 1) // 2 for rows in (c.within, c.between))
    mean = variances[inner + outer :]
    if level == 1:
        return np.concatenate([variances[inner : inner + outer], mean[c.between]])
    return np.concatenate([variances[:inner], np.where(np.isin(c.within, c.between), 0.0, mean[c.within])])


def held_moments(levels: Levels, free: Unrestricted, layout: Layout, g: int) -> BoolArray:
    """Which unrestricted moments of a group are of exogenous variables alone, which are held (m,)."""
    c, parts = levels.clusters, free.parts
    held = np.zeros((2, c.variables))
    places: tuple[IntArray, IntArray] = (c.within, c.between)
    for level, (block, rows) in enumerate(zip(layout.blocks[levels_of_group(g)], places, strict=True)):
        held[level, rows[block.exogenous]] = 1.0
    own = np.where(parts.within, held[0][:, None], held[1][:, None])
    covariance = ((own * parts.U).sum(axis=0) > 0) & ((own * parts.V).sum(axis=0) > 0)
    return np.asarray(covariance | ((parts.t > 0) & (held.sum(axis=0) @ parts.U > 0)))
