"""CFI, TLI and RMSEA corrected for missing values.

With missing values the plain indices describe the misfit of the *incomplete* data, which shrinks as more is missing.
The corrected ones compare the EM moments with the implied ones as complete data would, X3, and correct its
expectation by c = k / df,

    k = tr(Wc Wm^-1) - tr(Wc D (D' Wm D)^-1 D'),

with Wm the observed information of the unrestricted moments, Wc its complete-data counterpart, D the Jacobian.

Source: Zhang, X. & Savalei, V. (2023). New computations for RMSEA and CFI following FIML and TS estimation with
missing data. Psychological Methods, 28(2), 263-283 (version 6, as lavaan 0.6 without a scaled test).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from cipa.models.sem.indices import Test, rmsea
from cipa.models.sem.moments import GroupSample
from cipa.numerics import ram
from cipa.numerics.linalg import Array
from cipa.numerics.normal import Evaluation, complete_pattern, evaluate, saturated_information

if TYPE_CHECKING:
    from cipa.models.sem.fit import SEMFit


def measures(fit: SEMFit) -> Mapping[str, float]:
    """The corrected measures, keyed "cfi.robust", ...; empty with complete data or a saturated model."""
    groups = fit.sample.groups
    if all(group.patterns.complete for group in groups) or fit.df_resid == 0:
        return {}
    weights = [group.nobs / fit.nobs for group in groups]
    information = [_informations(group) for group in groups]
    kept = [_kept(len(group.variables), block.exogenous) for group, block in zip(groups, fit.layout.blocks, strict=True)]
    model = _corrected(
        fit, information, kept, weights, [_model_jacobian(fit, g) for g in range(len(groups))], _model_gap(fit), fit.df_resid
    )
    exogenous = [
        [block.observed.index(name) for name in roles.exogenous]
        for block, roles in zip(fit.layout.blocks, fit.layout.roles, strict=True)
    ]
    jacobians = _baseline_jacobians(groups, exogenous)
    base = _corrected(fit, information, kept, weights, jacobians, _baseline_gap(fit, exogenous), fit.measures["baseline.df"])
    return _indices(model, base, nobs=fit.nobs, ngroups=len(groups))


def _informations(group: GroupSample) -> tuple[Array, Array]:
    """Wm and Wc of a group, at its saturated moments."""
    cov, mean = group.saturated.cov, group.saturated.mean
    with_holes, without = evaluate(group.patterns, cov, mean), evaluate(complete_pattern(cov, mean, group.nobs), cov, mean)
    assert isinstance(with_holes, Evaluation)
    assert isinstance(without, Evaluation)
    return saturated_information(with_holes), saturated_information(without)


def _kept(size: int, exogenous: Array) -> Array:
    """Moments that are not held: those of exogenous variables carry no information."""
    held = np.isin(np.arange(size), exogenous)
    rows, cols = np.tril_indices(size)
    return np.flatnonzero(np.concatenate([~(held[rows] & held[cols]), ~held]))


def _model_jacobian(fit: SEMFit, g: int) -> Array:
    block, layout = fit.layout.blocks[g], fit.layout
    part = ram.jacobian(fit.point.groups[g].factors, with_means=True)
    full = np.zeros((len(part), layout.nfree))
    full[:, block.free] = part
    return full @ layout.K


def _baseline_jacobians(groups: tuple[GroupSample, ...], exogenous: list[list[int]]) -> list[Array]:
    """Variances and means of all variables, and covariances among exogenous ones, free in every group."""
    chosen = []
    for group, held in zip(groups, exogenous, strict=True):
        p = len(group.variables)
        rows, cols = np.tril_indices(p)
        free = (rows == cols) | (np.isin(rows, held) & np.isin(cols, held))
        chosen.append(np.eye(len(rows) + p)[:, np.concatenate([free, np.ones(p, dtype=bool)])])
    widths = [one.shape[1] for one in chosen]
    total = sum(widths)
    found, at = [], 0
    for one, width in zip(chosen, widths, strict=True):
        full = np.zeros((len(one), total))
        full[:, at : at + width] = one
        found.append(full)
        at += width
    return found


def _model_gap(fit: SEMFit) -> float:
    return _gap(fit, [(point.moments.cov, point.moments.mean) for point in fit.point.groups])


def _baseline_gap(fit: SEMFit, exogenous: list[list[int]]) -> float:
    moments = []
    for group, held in zip(fit.sample.groups, exogenous, strict=True):
        assert group.values is not None
        mean = np.nanmean(group.values, axis=0)
        cov = np.diag(np.nanvar(group.values, axis=0))
        index = np.ix_(held, held)
        cov[index] = group.saturated.cov[index]
        mean[held] = group.saturated.mean[held]
        moments.append((cov, mean))
    return _gap(fit, moments)


def _gap(fit: SEMFit, moments: list[tuple[Array, Array]]) -> float:
    """X3: the complete-data chi-square of the EM moments against the implied ones."""
    total = 0.0
    for group, (cov, mean) in zip(fit.sample.groups, moments, strict=True):
        patterns = complete_pattern(group.saturated.cov, group.saturated.mean, group.nobs)
        here, best = evaluate(patterns, cov, mean), evaluate(patterns, group.saturated.cov, group.saturated.mean)
        assert isinstance(here, Evaluation)
        assert isinstance(best, Evaluation)
        total += 2 * group.nobs * (here.value - best.value)
    return total


def _corrected(
    fit: SEMFit,
    information: list[tuple[Array, Array]],
    kept: list[Array],
    weights: list[float],
    jacobians: list[Array],
    gap: float,
    df: float,
) -> tuple[float, float, float]:
    """(X3, df, c)."""
    whole, spread, bread = 0.0, 0.0, 0.0
    for (Wm, Wc), keep, weight, D in zip(information, kept, weights, jacobians, strict=True):
        index = np.ix_(keep, keep)
        whole += float(np.trace(np.linalg.solve(Wm[index], Wc[index])))
        bread = bread + weight * D[keep].T @ Wm[index] @ D[keep]
        spread = spread + weight * D[keep].T @ Wc[index] @ D[keep]
    explained = float(np.trace(np.linalg.lstsq(np.asarray(bread), np.asarray(spread), rcond=None)[0]))
    return gap, df, (whole - explained) / df if df else math.nan


def _indices(model: tuple[float, float, float], base: tuple[float, float, float], *, nobs: int, ngroups: int) -> dict[str, float]:
    (x, df, c), (b, db, cb) = model, base
    excess, worst = max(x - c * df, 0.0), max(x - c * df, b - cb * db, 0.0)
    tli = 1 - (x - c * df) * db / ((b - cb * db) * df)
    found = {
        "cfi.robust": 1 - excess / worst if worst else 1.0,
        "tli.robust": tli,
        "nnfi.robust": tli,
        "rni.robust": 1 - (x - c * df) / (b - cb * db),
    }
    size = rmsea(Test(chisq=x / c, df=df), nobs=nobs, ngroups=ngroups, scale=c)
    for name in ("rmsea", "rmsea.ci.lower", "rmsea.ci.upper", "rmsea.pvalue", "rmsea.notclose.pvalue"):
        found[f"{name}.robust"] = size[name]
    return found
