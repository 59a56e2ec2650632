"""Tests and fit measures of weighted least squares.

Robust fit measures of ordered variables follow Savalei (2021): the likelihood chi-square of the polychoric matrix at the
estimates, corrected for its expectation.

Sources: Satorra & Bentler (1994); Asparouhov & Muthén (2010), Simple second order chi-square correction; Savalei, V. (2021).
Improving fit indices in structural equation modeling with categorical data. Multivariate Behavioral Research, 56, 390-407.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.linalg import block_diag
from scipy.special import chdtri

from cipa.errors import DataError
from cipa.models.sem.cases.sample import Sample
from cipa.models.sem.declare.options import Recipe
from cipa.models.sem.steps.covariance import scaled_inverse
from cipa.models.sem.steps.indices import GroupMoments, Test, incremental, residual_measures, rmsea
from cipa.models.sem.steps.scaled import of_saturated
from cipa.models.sem.weighted.objective import WeightedPoint, WeightedSquares, baseline, traces
from cipa.models.sem.weighted.target import Target
from cipa.numerics.algebra.linalg import Array, inverse_and_logdet
from cipa.numerics.moments.normal import complete_pattern, evaluate, saturated_information

RANK = 1e-7
"""Smallest singular value, of slopes of length 1, that counts in their rank."""

SIZES = ("rmsea", "rmsea.ci.lower", "rmsea.ci.upper", "rmsea.pvalue", "rmsea.notclose.pvalue")


def weighted_measures(
    recipe: Recipe, kind: str, objective: WeightedSquares, point: WeightedPoint, sample: Sample
) -> dict[str, float]:
    """All measures, by lavaan's names; `kind` is the kind of weight matrix."""
    layout, nobs = objective.layout, sample.nobs
    moments = sum(len(target.s) for target in objective.targets)
    df = float(moments - layout.npar)
    base_value, base_jacobians = baseline(objective)
    base_df = float(moments - base_jacobians[0].shape[1])
    n = nobs - len(sample.groups)
    test, base = Test(chisq=2 * nobs * point.value, df=df), Test(chisq=nobs * base_value, df=base_df)
    naive = recipe.test == "standard" and recipe.se == "standard" and kind == "uls"
    ordinal = objective.targets[0].ordinal
    found = {
        "npar": float(layout.npar), "fmin": test.chisq / nobs / 2, "chisq": test.chisq, "df": df,
        "pvalue": math.nan if naive else test.p_value, "ntotal": float(nobs),
    }  # fmt: skip
    found |= incremental(test, base) | rmsea(test, nobs=n, ngroups=len(sample.groups))
    if recipe.test != "standard":
        found |= _scaled(recipe.test, objective, point, test, base, base_jacobians, n)
        if ordinal and df > 0 and _tests_correlations_alone(objective, point):
            found |= _categorical(objective, point, test.df, base_df)
    found |= _ordinal_residuals(objective, point) if ordinal else _continuous_residuals(objective, point, sample)
    gfi = 1 - _residual_share(objective, point)
    found |= {"gfi": gfi, "agfi": 1 - moments / df * (1 - gfi) if df else 1.0, "pgfi": df / moments * gfi}
    found["mfi"] = math.exp(-(test.chisq - df) / (2 * n))
    for name, alpha in (("cn_05", 0.05), ("cn_01", 0.01)):
        found[name] = float(chdtri(df, alpha)) / (test.chisq / n) + 1 if df and test.chisq > 0 else math.nan
    found |= (
        {"wrmr": math.sqrt(test.chisq / len(objective.targets[0].s))} if ordinal else {"ecvi": (test.chisq + 2 * layout.npar) / n}
    )
    return found


def _residual_share(objective: WeightedSquares, point: WeightedPoint) -> float:
    """The residuals' weighted sum of squares as a share of that of the moments, averaged over groups."""
    found = 0.0
    for target, part, share in zip(objective.targets, point.parts, objective.shares, strict=True):
        residual = target.s - part.m
        found += share * float(residual @ target.weight @ residual) / float(target.s @ target.weight @ target.s)
    return found


def _tests_correlations_alone(objective: WeightedSquares, point: WeightedPoint) -> bool:
    """Whether Savalei's measures are defined: ordered variables only, no covariates, and no restriction of thresholds.

    Her chi-square is one of the correlations alone; it would not see what else a model restricts. All moments less the
    parameters that can move are then more than the correlations less the rank of their slopes.
    """
    if any(len(target.means) or len(target.covariates) for target in objective.targets):
        return False
    K, pairs = objective.layout.K, zip(objective.targets, point.parts, strict=True)
    slopes = np.vstack([(part.D @ K)[len(target.owner) :] for target, part in pairs])
    lengths = np.sqrt((slopes * slopes).sum(axis=0))
    rank = np.linalg.matrix_rank(slopes / np.where(lengths > 0, lengths, 1.0), tol=RANK)
    return bool(len(slopes) - rank == sum(len(target.s) for target in objective.targets) - K.shape[1])


def _scaled(
    kind: str, objective: WeightedSquares, point: WeightedPoint, test: Test, base: Test, base_jacobians: Sequence[Array], n: int
) -> dict[str, float]:
    """Scaled tests of the model and the baseline, and the indices that follow."""
    K = objective.layout.K
    found: dict[str, float] = {}
    scaled = []
    tests = [("", test, [D @ K for D in objective.jacobians(point)]), ("baseline.", base, base_jacobians)]
    for stem, one, jacobians in (each for each in tests if each[1].df):  # the baseline of a single outcome is saturated
        ug, ug2 = traces(objective, list(jacobians))
        if not (ug > 0 and ug2 > 0):
            raise DataError(
                f"The scaled test is not defined for these data (its trace is {ug:.2g}): some variables go together almost "
                "without exception, so that their correlations have no sampling error. Leave one of each such pair out, or merge "
                "rare categories."
            )
        plain = ug / one.df
        factor = {"satorra_bentler": plain, "mean_var_adjusted": ug2 / ug, "scaled_shifted": math.sqrt(ug2 / one.df)}[kind]
        shift = one.df - ug / factor if kind == "scaled_shifted" else 0.0
        corrected = Test(chisq=one.chisq / factor + shift, df=ug * ug / ug2 if kind == "mean_var_adjusted" else one.df)
        scaled.append((corrected, plain, factor))
        found |= {
            f"{stem}chisq.scaled": corrected.chisq, f"{stem}df.scaled": corrected.df, f"{stem}pvalue.scaled": corrected.p_value,
            f"{stem}chisq.scaling.factor": factor,
        }  # fmt: skip
    if not test.df:
        return of_saturated(found)
    (model, plain, factor), *independent = scaled
    for corrected, _, _ in independent:
        indices = incremental(model, corrected)
        found |= {f"{name}.scaled": indices[name] for name in ("cfi", "tli", "nnfi", "rfi", "nfi", "pnfi", "ifi", "rni")}
    shifted = kind == "scaled_shifted"
    sizes = rmsea(model if shifted else Test(chisq=test.chisq, df=plain * test.df), nobs=n, ngroups=len(objective.targets))
    found |= {f"{name}.scaled": sizes[name] for name in SIZES}
    inner = model if shifted else Test(chisq=test.chisq / plain, df=test.df)
    base_plain = independent[0][1] if independent else math.nan
    robust = _robust(test, plain, base, base_plain, n, len(objective.targets), inner, factor if shifted else plain)
    return found | (robust if independent else {name: value for name, value in robust.items() if name.startswith("rmsea")})


def _robust(test: Test, c: float, base: Test, cb: float, n: int, groups: int, inner: Test, scale: float) -> dict[str, float]:
    """CFI, TLI and RMSEA of a chi-square whose expectation is c df; the interval from `inner`, times `scale`."""
    gap, worst = test.chisq - c * test.df, base.chisq - cb * base.df
    largest = max(gap, worst, 0.0)
    tli = 1 - gap * base.df / (worst * test.df)
    sizes = rmsea(inner, nobs=n, ngroups=groups, scale=scale)
    sizes["rmsea"] = math.sqrt(max(gap, 0.0) / (test.df * n) * groups)
    return {
        "cfi.robust": 1 - max(gap, 0.0) / largest if largest else 1.0, "tli.robust": tli, "nnfi.robust": tli,
        "rni.robust": 1 - gap / worst,
        **{f"{name}.robust": sizes[name] for name in SIZES},
    }  # fmt: skip


def _categorical(objective: WeightedSquares, point: WeightedPoint, df: float, base_df: float) -> dict[str, float]:
    """Savalei's (2021) robust measures: the likelihood chi-square of the polychoric matrices at the estimates."""
    x, b, base_trace, W, V, G, D = 0.0, 0.0, 0.0, [], [], [], []
    K, nobs = objective.layout.K, objective.nobs
    for target, part, share in zip(objective.targets, point.parts, objective.shares, strict=True):
        first, p = len(target.owner), len(target.outcomes)
        R, Sigma = np.eye(p), np.eye(p)
        R[target.rows, target.cols] = R[target.cols, target.rows] = target.s[first:]
        Sigma[target.rows, target.cols] = Sigma[target.cols, target.rows] = part.m[first:]
        observed, implied = inverse_and_logdet(R), inverse_and_logdet(Sigma)
        if observed is None or implied is None:
            return {f"{name}.robust": math.nan for name in ("cfi", "tli", "nnfi", "rni", *SIZES)}
        n = share * nobs
        x += n * (implied[1] - observed[1] + float(np.sum(R * implied[0])) - p)
        b += n * -observed[1]
        found = evaluate(complete_pattern(Sigma, np.zeros(p), nobs), Sigma, np.zeros(p))
        assert found is not None
        rows, cols = np.tril_indices(p)
        below = np.flatnonzero(rows != cols)
        V.append(share * saturated_information(found)[np.ix_(below, below)])
        W.append(share * target.weight[first:, first:])
        G.append(target.gamma[first:, first:] / share)
        D.append((part.D @ K)[first:])
        base_trace += float(np.trace(target.gamma[first:, first:])) / share
    inverse = scaled_inverse(K.T @ objective.information(point, observed=False) @ K)
    slopes = np.vstack(D)
    Q = np.eye(len(slopes)) - slopes @ inverse @ slopes.T @ block_diag(*W)
    c = float(np.trace(Q.T @ block_diag(*V) @ Q @ block_diag(*G))) / df
    test, base = Test(chisq=x, df=df), Test(chisq=b, df=base_df)
    groups = len(objective.targets)
    return _robust(test, c, base, base_trace / base_df, nobs - groups, groups, Test(chisq=x / c, df=df), c)


def _ordinal_residuals(objective: WeightedSquares, point: WeightedPoint) -> dict[str, float]:
    """Root mean squares of residuals, averaged over groups, with and without thresholds."""
    found: dict[str, float] = {}
    for target, part, share in zip(objective.targets, point.parts, objective.shares, strict=True):
        for name, value in _root_mean_squares(target, part.m).items():
            found[name] = found.get(name, 0.0) + share * value
    return found


def _root_mean_squares(target: Target, m: Array) -> dict[str, float]:
    """One group's, as lavaan counts: without means and variances, with every observed variable in the divisor p(p-1)/2 + p."""
    th, _, _, cov = target.split(target.s)
    th_m, _, _, cov_m = target.split(m)
    own = target.rows == target.cols
    size = int(target.outcomes.max()) + 1
    variances, variances_m = np.ones(size), np.ones(size)
    variances[target.rows[own]], variances_m[target.rows[own]] = cov[own], cov_m[own]

    def correlations(values: Array, by: Array) -> Array:
        return np.asarray(values / np.sqrt(by[target.rows] * by[target.cols]))

    below, p = int((~own).sum()), len(target.outcomes) + len(target.covariates)
    outside = float(np.sum((th - th_m) ** 2))
    found = {}
    for name, residual, count in (
        ("rmr", cov - cov_m, below + p),
        ("srmr_bentler", correlations(cov - cov_m, variances), below + p),
        ("crmr", correlations(cov, variances) - correlations(cov_m, variances_m), below),
    ):
        square = float(residual[~own] @ residual[~own])
        found[f"{name}_nomean"] = math.sqrt(square / count) if count else 0.0  # a single outcome has no correlation
        found[name] = math.sqrt((square + outside) / (count + len(th)))
    return found | {"srmr": found["srmr_bentler_nomean"]}


def _continuous_residuals(objective: WeightedSquares, point: WeightedPoint, sample: Sample) -> dict[str, float]:
    """Residual measures of covariances with divisor n - 1."""
    groups = []
    for group, implied, share in zip(sample.groups, point.blocks, objective.shares, strict=True):
        cov, p = group.saturated.cov * group.nobs / (group.nobs - 1), len(group.variables)
        mean = implied.mean if objective.layout.means else group.saturated.mean
        moments = GroupMoments(
            sample_cov=cov, sample_mean=group.saturated.mean, cov=implied.cov, mean=mean, weight=float(share),
            P=np.zeros((1, p, p)),
            shares=np.ones(1), available_cov=cov, available_mean=group.saturated.mean, exogenous=np.empty(0, dtype=np.intp),
        )  # fmt: skip
        groups.append(moments)
    return residual_measures(groups, means=objective.layout.means)
