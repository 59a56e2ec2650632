"""The standardized solution with delta-method standard errors, and R².

A standardized parameter is the parameter in units of the model-implied standard deviations of its variables:

    loading, path  b sd(predictor) / sd(outcome)     covariance   c / sqrt(v_i v_j), residual variances v
    variance       v / total variance                intercept    a / sd

std_lv scales latent variables only, std_nox all but exogenous observed ones. The derivatives of the total variances
are closed form: dT_vv / dA_ij = 2 B_vi T_jv and dT_vv / dS_ij = 2 B_vi B_vj (B_vi² when i = j).

Source: Bollen (1989), pp. 349-350; lavaan `standardizedSolution`. A covariance is divided by residual standard
deviations, as lavaan does; semopy divides by total ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from cipa.models.sem.declare.layout import Block, Layout, Ordinal
from cipa.models.sem.declare.parameters import Parameter
from cipa.numerics.algebra.linalg import Array
from cipa.numerics.moments.ram import Implied


def explained_variance(
    layout: Layout, moments: tuple[Implied, ...], matrices_s: tuple[Array, ...]
) -> list[tuple[int, str, float]]:
    """(group, variable, R²) for every variable with an arrow into it."""
    found = []
    for group, (block, implied, S) in enumerate(zip(layout.blocks, moments, matrices_s, strict=True)):
        dependent = {
            row.rhs if row.op == "=~" else row.lhs for row in layout.rows if row.block == group and row.op in ("=~", "~")
        }
        for position, name in enumerate(block.variables):
            if name in dependent:
                total, residual = implied.T[position, position], S[position, position]
                found.append((group, name, float(1 - residual / total) if total > 0 <= residual else float("nan")))
    return found


def scale_factors(
    layout: Layout, moments: tuple[Implied, ...], matrices_s: tuple[Array, ...], *, kind: str, slopes: bool = True
) -> tuple[Array, Array]:
    """Ratio (rows,) by which each row is multiplied, and its log-derivatives (rows, k).

    A standardized row is `estimate * ratio`; d ratio / d theta = ratio * log-derivative.
    """
    rows = layout.rows
    ratio, slope = np.ones(len(rows)), np.zeros((len(rows), layout.nfree if slopes else 0))
    for group, block in enumerate(layout.blocks):
        total, residual = _log_scales(moments[group], matrices_s[group])
        dtotal, dresidual = _log_slopes(layout, group, moments[group], matrices_s[group]) if slopes else (slope, slope)
        where = {name: position for position, name in enumerate(block.variables)}
        scaled = _scaled_variables(layout, group, kind=kind)
        for position, row in enumerate(rows):
            if row.block != group:
                continue
            for name, power, of_residual in _powers(row):
                if name in scaled:
                    v = where[name]
                    ratio[position] *= np.exp(power * (residual if of_residual else total)[v])
                    if slopes:
                        slope[position] += power * (dresidual if of_residual else dtotal)[v]
    return ratio, slope


def derived_slopes(layout: Layout, moments: tuple[Implied, ...], matrices_s: tuple[Array, ...]) -> Iterator[tuple[int, Array]]:
    """(row, derivatives (k,)) of what follows from the rest: ordered variables' residual variances (delta) or scales (theta)."""
    for group, block in enumerate(layout.blocks):
        own = block.ordinal
        if own is None:
            continue
        where = {(row.op, row.lhs): p for p, row in enumerate(layout.rows) if row.block == group and row.lhs == row.rhs}
        variances = _variance_slopes(layout, block, own, moments[group], matrices_s[group])
        if own.theta:
            for i, variance, slope in variances:
                yield where["~*~", block.observed[i]], -(variance**-1.5) / 2 * slope
        else:
            for i, slope in _residual_slopes(own, moments[group].B, variances):
                yield where["~~", block.observed[i]], slope


def _powers(row: Parameter) -> list[tuple[str, int, bool]]:
    """(variable, power of its sd, whether the residual sd) that make up a row's scale."""
    if row.op == "=~":
        return [(row.lhs, 1, False), (row.rhs, -1, False)]
    if row.op in ("~", "<~"):
        return [(row.rhs, 1, False), (row.lhs, -1, False)]
    if row.op in ("~1", "|"):
        return [(row.lhs, -1, False)]
    if row.op == "~*~":
        return []
    residual = row.lhs != row.rhs
    return [(row.lhs, -1, residual), (row.rhs, -1, residual)]


def _scaled_variables(layout: Layout, group: int, *, kind: str) -> set[str]:
    roles = layout.roles[group]
    if kind == "std_lv":
        return set(roles.latent)
    names = set(layout.blocks[group].variables)
    return names - set(roles.exogenous) if kind == "std_nox" else names


def _log_scales(moments: Implied, S: Array) -> tuple[Array, Array]:
    """Log standard deviations (m,), total and residual."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(np.diagonal(moments.T)) / 2, np.log(np.abs(np.diagonal(S))) / 2


def _log_slopes(layout: Layout, group: int, moments: Implied, S: Array) -> tuple[Array, Array]:
    """Derivatives (m, k) of the log standard deviations, total and residual."""
    block = layout.blocks[group]
    kind, row, col = block.places.kind, block.places.row, block.places.col
    B, T = moments.B, moments.T
    directed = 2 * B[:, row] * T[col, :].T
    spread = B[:, row] * B[:, col] * np.where(row == col, 1.0, 2.0)
    derivative = np.where(kind == 0, directed, np.where(kind == 1, spread, 0.0))
    own = np.flatnonzero((kind == 1) & (row == col))
    dtotal, dresidual = np.zeros((len(T), layout.nfree)), np.zeros((len(T), layout.nfree))
    with np.errstate(divide="ignore", invalid="ignore"):
        dtotal[:, block.free] = derivative / (2 * np.diagonal(T)[:, None])
        dresidual[row[own], block.free[own]] = 1 / (2 * np.diagonal(S)[row[own]])
    if block.ordinal is not None and not block.ordinal.theta:
        variances = _variance_slopes(layout, block, block.ordinal, moments, S)
        for i, residual in _residual_slopes(block.ordinal, B, variances):
            reached = np.flatnonzero(B[:, i])
            dtotal[reached] += np.outer(B[reached, i] ** 2 / (2 * np.diagonal(T)[reached]), residual)
            dresidual[i] = residual / (2 * S[i, i])
    return dtotal, dresidual


def _variance_slopes(
    layout: Layout, block: Block, own: Ordinal, moments: Implied, S: Array
) -> Iterator[tuple[int, float, Array]]:
    """(variable, variance, its derivatives (k,)) of the ordered variables, given the covariates, residual variances held."""
    kind, row, col = block.places.kind, block.places.row, block.places.col
    given, B = S.copy(), moments.B
    given[block.exogenous], given[:, block.exogenous] = 0.0, 0.0
    T = B @ given @ B.T
    for i in np.flatnonzero(own.ordered):
        slope = np.zeros(layout.nfree)
        spread = B[i, row] * B[i, col] * np.where(row == col, 1.0, 2.0)
        slope[block.free] = np.where(kind == 0, 2 * B[i, row] * T[col, i], np.where(kind == 1, spread, 0.0))
        yield int(i), float(T[i, i]), slope


def _residual_slopes(own: Ordinal, B: Array, variances: Iterable[tuple[int, float, Array]]) -> Iterator[tuple[int, Array]]:
    """(variable, derivatives (k,)) of the residual variances that follow: those with which the variances are scale^-2."""
    ordered, gaps = np.flatnonzero(own.ordered), []
    for i, variance, slope in variances:
        gap = -slope
        if own.scale_free[i] >= 0:
            gap[own.scale_free[i]] -= 2 * variance**1.5
        gaps.append(gap)
    slopes = np.linalg.solve(B[np.ix_(ordered, ordered)] ** 2, np.array(gaps))
    yield from zip(map(int, ordered), slopes, strict=True)
