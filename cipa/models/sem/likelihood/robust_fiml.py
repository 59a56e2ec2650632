"""CFI, TLI and RMSEA corrected for missing values.

With missing values the plain indices describe the misfit of the *incomplete* data, which shrinks as more is missing.
The corrected ones compare the EM moments with the implied ones as complete data would, X3, and correct its
expectation by c = k / df,

    k = tr(R Wc R' G),    R = I - Wm D (D'Wm D)^-1 D',    G = Wm^-1 J Wm^-1,

with Wm the observed information of the unrestricted moments, Wc its complete-data counterpart, D the Jacobian. J is Wm for
normal data (version 6, used without a scaled test) or the outer product of the moments' scores (version 3, with one).

Source: Zhang, X. & Savalei, V. (2023). New computations for RMSEA and CFI following FIML and TS estimation with
missing data. Psychological Methods, 28(2), 263-283.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from cipa.data.checks import never_together
from cipa.models.sem.cases.sample import GroupSample
from cipa.models.sem.fit import SEMFit
from cipa.models.sem.likelihood.objective import ends_of
from cipa.models.sem.likelihood.scaled import baseline_candidate, baseline_moments, kept_moments, moment_jacobian
from cipa.models.sem.steps.indices import Test, rmsea
from cipa.models.sem.steps.scaled import of_saturated
from cipa.numerics.algebra.linalg import Array
from cipa.numerics.moments.normal import Evaluation, complete_pattern, evaluate, saturated_information, saturated_scores
from cipa.numerics.sandwich import casewise_meat


def measures(fit: SEMFit) -> Mapping[str, float]:
    """The corrected measures, keyed "cfi.robust", ...; empty with complete data, or variables never seen together."""
    groups = fit.sample.groups
    objective, point = ends_of(fit)
    if all(group.patterns.complete for group in groups):
        return {}
    if fit.df_resid == 0:
        perfect = of_saturated({} if not fit.measures["baseline.df"] else {"baseline.df.scaled": fit.measures["baseline.df"]})
        return {name: value for name, value in perfect.items() if name.endswith(".robust")}
    if any(group.values is not None and never_together(np.isnan(group.values), group.variables) for group in groups):
        return {}  # the correction needs the information of every covariance
    weights = [group.total / fit.nobs for group in groups]
    information = [_informations(group, robust="chisq.scaled" in fit.measures) for group in groups]
    kept = [
        kept_moments(block.exogenous, len(group.variables), means=True)
        for group, block in zip(groups, fit.layout.blocks, strict=True)
    ]
    model = _corrected(
        fit,
        information,
        kept,
        weights,
        [moment_jacobian(fit.layout, point, g) for g in range(len(groups))],
        _model_gap(fit),
        fit.df_resid,
    )
    exogenous = [
        [block.observed.index(name) for name in roles.exogenous]
        for block, roles in zip(fit.layout.blocks, fit.layout.roles, strict=True)
    ]
    jacobians = list(baseline_candidate(objective, fit.sample, fit.measures["baseline.df"]).jacobians)
    base = _corrected(fit, information, kept, weights, jacobians, _baseline_gap(fit, exogenous), fit.measures["baseline.df"])
    return _indices(model, base, nobs=fit.nobs, ngroups=len(groups))


def _informations(group: GroupSample, *, robust: bool) -> tuple[Array, Array, Array]:
    """Wm, Wc and J of a group, at its saturated moments."""
    cov, mean = group.saturated.cov, group.saturated.mean
    with_holes, without = evaluate(group.patterns, cov, mean), evaluate(complete_pattern(cov, mean, group.total), cov, mean)
    assert isinstance(with_holes, Evaluation)
    assert isinstance(without, Evaluation)
    Wm, Wc = saturated_information(with_holes), saturated_information(without)
    if not robust or group.values is None:
        return Wm, Wc, Wm
    scores = saturated_scores(group.values, group.patterns, with_holes, mean)
    weighted = scores if group.weights is None else scores * group.weights[:, None]
    return Wm, Wc, casewise_meat(weighted, group.clusters) / group.total


def _model_gap(fit: SEMFit) -> float:
    return _gap(fit, [(moments.cov, moments.mean) for moments in fit.point.blocks])


def _baseline_gap(fit: SEMFit, exogenous: list[list[int]]) -> float:
    moments = [baseline_moments(group, held) for group, held in zip(fit.sample.groups, exogenous, strict=True)]
    return _gap(fit, moments)


def _gap(fit: SEMFit, moments: list[tuple[Array, Array]]) -> float:
    """X3: the complete-data chi-square of the EM moments against the implied ones."""
    total = 0.0
    for group, (cov, mean) in zip(fit.sample.groups, moments, strict=True):
        patterns = complete_pattern(group.saturated.cov, group.saturated.mean, group.total)
        here, best = evaluate(patterns, cov, mean), evaluate(patterns, group.saturated.cov, group.saturated.mean)
        assert isinstance(best, Evaluation)
        if here is None:  # the patterns' parts of the implied matrix are positive definite, the whole is not
            return math.nan
        total += 2 * group.total * (here.value - best.value)
    return total


def _corrected(
    fit: SEMFit,
    information: list[tuple[Array, Array, Array]],
    kept: list[Array],
    weights: list[float],
    jacobians: list[Array],
    gap: float,
    df: float,
) -> tuple[float, float, float]:
    """(X3, df, c)."""
    whole, bread, spread, crossed, noise = 0.0, 0.0, 0.0, 0.0, 0.0
    for (Wm, Wc, J), keep, weight, D in zip(information, kept, weights, jacobians, strict=True):
        index = np.ix_(keep, keep)
        Wm, Wc, J, D = Wm[index], Wc[index], J[index], D[keep]
        CJ = np.linalg.solve(Wm, Wc).T @ J  # Wc Wm^-1 J
        whole += float(np.trace(np.linalg.solve(Wm, CJ.T)))
        bread = bread + weight * D.T @ Wm @ D
        spread = spread + weight * D.T @ Wc @ D
        crossed = crossed + weight * D.T @ CJ @ D
        noise = noise + weight * D.T @ J @ D
    inverse = np.linalg.pinv(np.asarray(bread), hermitian=True)
    explained = 2 * float(np.trace(inverse @ crossed)) - float(np.trace(inverse @ spread @ inverse @ noise))
    return gap, df, (whole - explained) / df if df else math.nan


def _indices(model: tuple[float, float, float], base: tuple[float, float, float], *, nobs: int, ngroups: int) -> dict[str, float]:
    (x, df, c), (b, db, cb) = model, base
    excess, worst = max(x - c * df, 0.0), max(x - c * df, b - cb * db, 0.0)
    tli = 1 - (x - c * df) * db / ((b - cb * db) * df) if db else math.nan
    found = {
        "cfi.robust": math.nan if not db else 1 - excess / worst if worst else 1.0,
        "tli.robust": tli,
        "nnfi.robust": tli,
        "rni.robust": 1 - (x - c * df) / (b - cb * db) if db else math.nan,
    }
    size = rmsea(Test(chisq=x / c, df=df), nobs=nobs, ngroups=ngroups, scale=c)
    for name in ("rmsea", "rmsea.ci.lower", "rmsea.ci.upper", "rmsea.pvalue", "rmsea.notclose.pvalue"):
        found[f"{name}.robust"] = size[name]
    return found
