"""Tests of fit that hold without normality: the chi-square, divided by a scaling factor.

    satorra_bentler      c = tr(U G) / df,            U = W - W D (D'W D)^-1 D'W
    mean_var_adjusted    c = tr((U G)^2) / tr(U G),   df' = tr(U G)^2 / tr((U G)^2)
    scaled_shifted       c = sqrt(tr((U G)^2) / df),  chi-square / c + df - tr(U G) / c
    yuan_bentler_mplus   c = (tr(A1^-1 B1) - tr(A0^-1 B0)) / df

W is the normal-theory weight at the implied moments, G the sample covariance of second moments (and values), D the Jacobian;
A observed information and B mean outer product of scores of the unrestricted (1) and the fitted (0) model. The baseline
model has a factor of its own.

Sources: Satorra & Bentler (1994); Yuan & Bentler (2000), eq. 20, as Asparouhov & Muthén (2005) compute it; Asparouhov, T.
& Muthén, B. (2010), Simple second order chi-square correction; robust indices: Brosseau-Liard, P. E. & Savalei, V. (2014).
Multivariate Behavioral Research, 49, 460-470; Brosseau-Liard, Savalei & Li (2012). MBR, 47, 904-930.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cipa.data.checks import refuse_never_together
from cipa.models.sem.cases.moments import GroupSample, Sample
from cipa.models.sem.declare.layout import Layout
from cipa.models.sem.likelihood.objective import Likelihood, LikelihoodPoint
from cipa.models.sem.steps.covariance import Recipe, meat, scaled_inverse, weighted_scores
from cipa.models.sem.steps.indices import Test, incremental, rmsea
from cipa.numerics.algebra.linalg import Array, IntArray, symmetric
from cipa.numerics.moments import ram
from cipa.numerics.moments.normal import (
    Evaluation,
    available_moments,
    complete_pattern,
    evaluate,
    saturated_information,
    saturated_scores,
)

SCALED_TESTS = ("satorra_bentler", "mean_var_adjusted", "scaled_shifted", "yuan_bentler_mplus")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """How a chi-square is corrected: factor c, shift, df of reference; `plain` is tr(U G) / df, for robust indices.

    h1, h0: mean scaling factors of the unrestricted and the fitted model (yuan_bentler_mplus only).
    """

    factor: float
    shift: float
    df: float
    plain: float
    h1: float = math.nan
    h0: float = math.nan

    def of(self, test: Test) -> Test:
        """The corrected test."""
        return Test(chisq=test.chisq / self.factor + self.shift, df=self.df)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A model as the scaled tests see it: per group its moments and Jacobian (m, q), and degrees of freedom."""

    covs: tuple[Array, ...]
    means: tuple[Array, ...]
    jacobians: tuple[Array, ...]
    df: float


def scaled_measures(
    recipe: Recipe, objective: Likelihood, point: LikelihoodPoint, sample: Sample, *, test: Test, baseline: Test | None, nobs: int
) -> dict[str, float]:
    """Scaled chi-squares, and the indices that follow, keyed as lavaan's `fitMeasures`."""
    kept = tuple(
        kept_moments(block.exogenous, len(block.observed), means=objective.layout.means) for block in objective.layout.blocks
    )
    held = [block.exogenous for block in objective.layout.blocks]
    kind, observed = recipe.test, recipe.information == "observed"
    h1 = _h1_trace(sample, kept, observed=observed) if kind == "yuan_bentler_mplus" else math.nan
    base = None
    if baseline is not None and baseline.df > 0:
        independent = baseline_candidate(objective, sample, baseline.df)
        base = (
            _baseline_difference(sample, independent, kept, h1, observed=observed)
            if kind == "yuan_bentler_mplus"
            else _from_weights(kind, sample, independent, kept, held)
        )
    if test.df == 0:
        return of_saturated({} if baseline is None or base is None else keys_of("baseline.", baseline, base))
    fitted = _fitted(objective, point, sample, test.df)
    if kind == "yuan_bentler_mplus":
        # with estimator "ml" and clusters lavaan 0.6 leaves the second derivatives of the moments out of A0 (0.7 keeps them)
        linear = recipe.linear and sample.clusters is not None and sample.weights is None
        A0 = _linear_information(sample, fitted, kept) if linear else _information(objective, point, observed=observed)
        scores = weighted_scores(objective.layout, sample, point) @ objective.layout.K
        B0 = meat(scores, sample.clusters, sample.strata) / sample.nobs
        h0 = float(np.trace(np.linalg.solve(A0, B0)))
        model = difference_scaling(h1, h0, test.df, sum(len(one) for one in kept), objective.layout.npar)
    else:
        model = _from_weights(kind, sample, fitted, kept, held)
    return indices_of_scaled(test, model, baseline, base, nobs=nobs, ngroups=len(sample.groups))


def indices_of_scaled(
    test: Test, model: Scaling, baseline: Test | None, base: Scaling | None, *, nobs: int, ngroups: int
) -> dict[str, float]:
    """Scaled chi-squares of the model and its baseline, and the indices that follow."""
    if not model.factor > 0:
        return _undefined(test, baseline, base)
    found = keys_of("", test, model)
    if baseline is not None and base is not None:
        found |= keys_of("baseline.", baseline, base)
        found |= _scaled_indices(test, model, baseline, base)
    # a factor moves the mean of the chi-square: its noncentrality is that of a variable with c df degrees of freedom
    shifted = model.of(test) if model.shift else Test(chisq=test.chisq, df=model.plain * test.df)
    found |= {f"{key}.scaled": value for key, value in _sizes(rmsea(shifted, nobs=nobs, ngroups=ngroups)).items()}
    robust = rmsea(
        model.of(test) if model.shift else Test(chisq=test.chisq / model.plain, df=test.df),
        nobs=nobs,
        ngroups=ngroups,
        scale=model.factor if model.shift else model.plain,
    )
    excess = (test.chisq - model.plain * test.df) / (test.df * nobs)
    robust["rmsea"] = math.sqrt(max(excess, 0.0) * ngroups)
    return found | {f"{key}.robust": value for key, value in _sizes(robust).items()}


_INCREMENTAL = ("cfi", "tli", "nnfi", "rfi", "nfi", "pnfi", "ifi", "rni")
_ROBUST = ("cfi", "tli", "nnfi", "rni")
_SIZES = ("rmsea", "rmsea.ci.lower", "rmsea.ci.upper", "rmsea.pvalue", "rmsea.notclose.pvalue")


def of_saturated(baseline: Mapping[str, float]) -> dict[str, float]:
    """What stands in the place of a saturated model's scaled test: a chi-square of 0 without a factor, and indices of a perfect fit.

    `baseline` holds the keys of the scaled baseline, which has a test; empty where that model is saturated too.
    """
    found = {"chisq.scaled": 0.0, "df.scaled": 0.0, "pvalue.scaled": math.nan, "chisq.scaling.factor": math.nan, **baseline}
    perfect = 1.0 if baseline else math.nan
    found |= {f"{name}.scaled": perfect for name in _INCREMENTAL} | {f"{name}.robust": perfect for name in _ROBUST}
    sizes = _sizes(rmsea(Test(chisq=0.0, df=0.0), nobs=1))
    found |= {f"{name}.{form}": value for form in ("scaled", "robust") for name, value in sizes.items()}
    return found | {"pnfi.scaled": 0.0 if baseline else math.nan}


def _undefined(test: Test, baseline: Test | None, base: Scaling | None) -> dict[str, float]:
    """Too few clusters: the estimated mean of the chi-square is negative, so that nothing can be divided by its factor."""
    found = {"chisq.scaled": math.nan, "df.scaled": float(test.df), "pvalue.scaled": math.nan, "chisq.scaling.factor": math.nan}
    if baseline is not None and base is not None and base.factor > 0:
        found |= keys_of("baseline.", baseline, base)
    names = [f"{name}.scaled" for name in (*_INCREMENTAL, *_SIZES)] + [f"{name}.robust" for name in (*_ROBUST, *_SIZES)]
    return found | dict.fromkeys(names, math.nan)


def _information(objective: Likelihood, point: LikelihoodPoint, *, observed: bool) -> Array:
    """Information (q, q) of an average case."""
    K = objective.layout.K
    full = objective.information(point, observed=observed)
    return np.asarray(K.T @ full @ K)


def _linear_information(sample: Sample, model: Candidate, kept: Sequence[IntArray]) -> Array:
    """Observed information of the moments, carried to the parameters as if they were linear in them."""
    total = 0.0
    for g, (group, keep) in enumerate(zip(sample.groups, kept, strict=True)):
        D = model.jacobians[g][keep]
        W = saturated_information(_evaluation(group, model.covs[g], model.means[g]))[np.ix_(keep, keep)]
        total = total + group.total / sample.nobs * D.T @ W @ D
    return np.asarray(total)


def keys_of(stem: str, test: Test, scaling: Scaling) -> dict[str, float]:
    """A scaled test by lavaan's names, that of the baseline with the stem "baseline."."""
    scaled = scaling.of(test)
    found = {
        f"{stem}chisq.scaled": scaled.chisq, f"{stem}df.scaled": scaled.df, f"{stem}pvalue.scaled": scaled.p_value,
        f"{stem}chisq.scaling.factor": scaling.factor,
    }  # fmt: skip
    if not stem and math.isfinite(scaling.h1):
        found |= {"scaling.factor.h1": scaling.h1, "scaling.factor.h0": scaling.h0}
    return found


def _sizes(found: Mapping[str, float]) -> dict[str, float]:
    return {name: found[name] for name in _SIZES}


def _scaled_indices(test: Test, model: Scaling, baseline: Test, base: Scaling) -> dict[str, float]:
    """Indices of the scaled tests (".scaled"), and those that estimate the population's (".robust")."""
    scaled = incremental(model.of(test), base.of(baseline))
    found = {f"{name}.scaled": scaled[name] for name in _INCREMENTAL}
    x, b = test.chisq - model.plain * test.df, baseline.chisq - base.plain * baseline.df
    worst = max(x, b, 0.0)
    tli = 1 - x * baseline.df / (b * test.df) if b else math.nan
    return found | {
        "cfi.robust": 1 - max(x, 0.0) / worst if worst else 1.0, "tli.robust": tli, "nnfi.robust": tli,
        "rni.robust": 1 - x / b if b else math.nan,
    }  # fmt: skip


def kept_moments(exogenous: IntArray, size: int, *, means: bool) -> IntArray:
    """Positions of the moments that a model explains: not those of held exogenous variables, means only where modelled."""
    held = np.isin(np.arange(size), exogenous)
    rows, cols = np.tril_indices(size)
    return np.flatnonzero(np.concatenate([~(held[rows] & held[cols]), ~held if means else np.zeros(size, dtype=bool)]))


def _fitted(objective: Likelihood, point: LikelihoodPoint, sample: Sample, df: float) -> Candidate:
    layout = objective.layout
    jacobians = tuple(moment_jacobian(layout, point, g) for g in range(len(layout.blocks)))
    means = tuple(
        here.moments.mean if layout.means else group.saturated.mean
        for here, group in zip(point.groups, sample.groups, strict=True)
    )
    return Candidate(covs=tuple(here.moments.cov for here in point.groups), means=means, jacobians=jacobians, df=df)


def moment_jacobian(layout: Layout, point: LikelihoodPoint, g: int) -> Array:
    """Derivatives (m, q) of a group's implied moments (row-wise vech, then means) in eta."""
    part = ram.jacobian(point.groups[g].factors, with_means=True)
    full = np.zeros((len(part), layout.nfree))
    full[:, layout.blocks[g].free] = part
    return np.asarray(full @ layout.K)


def moment_parts(objective: Likelihood, point: LikelihoodPoint, sample: Sample) -> list[tuple[Array, Array, Array, float]]:
    """Per group of complete cases: Jacobian (m, q), normal-theory weight and covariance (m, m) of the moments, share of the cases."""
    fitted, found = _fitted(objective, point, sample, 0.0), []
    for g, (block, group) in enumerate(zip(objective.layout.blocks, sample.groups, strict=True)):
        keep = kept_moments(block.exogenous, len(block.observed), means=objective.layout.means)
        index = np.ix_(keep, keep)
        W = _weight(group, fitted.covs[g], fitted.means[g])[index]
        found.append((fitted.jacobians[g][keep], W, second_moments(group, block.exogenous)[index], group.nobs / sample.nobs))
    return found


def baseline_candidate(objective: Likelihood, sample: Sample, df: float) -> Candidate:
    """The independence model: variances (and means) of all variables, covariances among exogenous ones."""
    layout = objective.layout
    covs, means, chosen = [], [], []
    for block, roles, group in zip(layout.blocks, layout.roles, sample.groups, strict=True):
        held = [block.observed.index(name) for name in roles.exogenous]
        p = len(block.observed)
        rows, cols = np.tril_indices(p)
        free = np.concatenate([(rows == cols) | (np.isin(rows, held) & np.isin(cols, held)), np.ones(p, dtype=bool)])
        chosen.append(np.eye(len(free))[:, free])
        cov, mean = baseline_moments(group, held)
        covs.append(cov)
        means.append(mean)
    widths = [one.shape[1] for one in chosen]
    jacobians = []
    for g, one in enumerate(chosen):
        full = np.zeros((len(one), sum(widths)))
        full[:, sum(widths[:g]) : sum(widths[: g + 1])] = one
        jacobians.append(full)
    return Candidate(covs=tuple(covs), means=tuple(means), jacobians=tuple(jacobians), df=df)


def baseline_moments(group: GroupSample, held: Sequence[int]) -> tuple[Array, Array]:
    """Moments of the independence model: those of the available values; of exogenous variables the saturated ones."""
    if group.patterns.complete or group.values is None:
        variances, mean = group.saturated.cov.diagonal().copy(), group.saturated.mean.copy()
    else:
        mean, variances = available_moments(group.patterns)
    cov = np.diag(variances)
    index = np.ix_(held, held)
    cov[index] = group.saturated.cov[index]
    mean[list(held)] = group.saturated.mean[list(held)]
    return cov, mean


def _weight(group: GroupSample, cov: Array, mean: Array) -> Array:
    """Normal-theory weight of complete moments at `cov` and `mean`; in two stages at those of the first (Savalei & Bentler 2009)."""
    if group.gamma is not None:
        cov, mean = group.saturated.cov, group.saturated.mean
    return saturated_information(_evaluation(group, cov, mean, complete=True))


def moment_sandwich(objective: Likelihood, point: LikelihoodPoint, sample: Sample) -> tuple[Array, Array]:
    """Covariance of the estimates from that of the moments (robust_sem), and inverse expected information, both (k, k)."""
    K = objective.layout.K
    E = meat_ = np.zeros((K.shape[1], K.shape[1]))
    for D, W, G, share in moment_parts(objective, point, sample):
        E = E + share * D.T @ W @ D
        meat_ = meat_ + share * D.T @ W @ G @ W @ D
    inverse = scaled_inverse(E)
    return symmetric(K @ inverse @ meat_ @ inverse @ K.T) / sample.nobs, K @ inverse @ K.T / sample.nobs


def expected(found: Evaluation) -> Evaluation:
    """The same evaluation with what depends on the data at its expectation, so that its information is the expected one."""
    return replace(found, Q=found.P, Pd=np.zeros_like(found.Pd))


def _evaluation(group: GroupSample, cov: Array, mean: Array, *, complete: bool = False) -> Evaluation:
    patterns = complete_pattern(cov, mean, group.total) if complete else group.patterns
    found = evaluate(patterns, cov, mean)
    assert found is not None
    return found


def difference_scaling(h1: float, h0: float, df: float, moments: int, npar: int) -> Scaling:
    """The factor c = (tr(A1^-1 B1) - tr(A0^-1 B0)) / df, from the two traces."""
    factor = (h1 - h0) / df
    return Scaling(factor=factor, shift=0.0, df=df, plain=factor, h1=h1 / moments, h0=h0 / max(npar, 1))


def _h1_trace(sample: Sample, kept: Sequence[IntArray], *, observed: bool) -> float:
    """tr(A1^-1 B1), summed over groups; for complete unweighted cases from Mardia's kurtosis, without large matrices."""
    total = 0.0
    plain = sample.clusters is None and sample.weights is None
    for g, (group, keep) in enumerate(zip(sample.groups, kept, strict=True)):
        assert group.values is not None
        p = len(group.variables)
        everything = len(keep) in (p * (p + 1) // 2, p * (p + 1) // 2 + p)
        if plain and group.patterns.complete and everything:
            centred = group.values - group.saturated.mean
            distance = (centred @ np.linalg.inv(group.saturated.cov) * centred).sum(axis=1)
            means = p if len(keep) > p * (p + 1) // 2 else 0
            total += (float((distance**2).mean()) - p) / 2 + means
            continue
        refuse_never_together(
            np.isnan(group.values), group.variables, what="the scaled test", place=f" in group {group.label}" if group.label else "",
            advice='Use estimator="ml", whose test needs those only that the model explains',
        )  # fmt: skip
        found = _evaluation(group, group.saturated.cov, group.saturated.mean)
        A = saturated_information(found if observed else expected(found))[np.ix_(keep, keep)] * group.total
        total += float(np.trace(np.linalg.solve(A, h1_meat(sample, g, found, group.saturated.mean, keep))))
    return total


def h1_meat(sample: Sample, g: int, found: Evaluation, mean: Array, keep: IntArray) -> Array:
    """Sum of outer products of the scores of unrestricted moments, by cluster and weighted as the model's are."""
    group = sample.groups[g]
    assert group.values is not None
    scores = saturated_scores(group.values, group.patterns, found, mean)[:, keep]
    return meat(scores if group.weights is None else scores * group.weights[:, None], group.clusters)


def _baseline_difference(sample: Sample, base: Candidate, kept: Sequence[IntArray], h1: float, *, observed: bool) -> Scaling:
    A: Array = np.zeros((base.jacobians[0].shape[1],) * 2)
    B = A.copy()
    for g, (group, keep) in enumerate(zip(sample.groups, kept, strict=True)):
        found = _evaluation(group, base.covs[g], base.means[g])
        D = base.jacobians[g][keep]
        A += D.T @ saturated_information(found if observed else expected(found))[np.ix_(keep, keep)] @ D * group.total
        B += D.T @ h1_meat(sample, g, found, base.means[g], keep) @ D
    used = np.flatnonzero(A.diagonal() > 0)
    h0 = float(np.trace(np.linalg.solve(A[np.ix_(used, used)], B[np.ix_(used, used)])))
    return difference_scaling(h1, h0, base.df, sum(len(one) for one in kept), len(used))


def _from_weights(kind: str, sample: Sample, model: Candidate, kept: Sequence[IntArray], held: Sequence[IntArray]) -> Scaling:
    """Traces of U G and of its square, without forming the block-diagonal matrices of several groups."""
    size = model.jacobians[0].shape[1]
    E, first, second = (np.zeros((size, size)) for _ in range(3))
    trace = squares = 0.0
    for g, (group, keep) in enumerate(zip(sample.groups, kept, strict=True)):
        W = _weight(group, model.covs[g], model.means[g])[np.ix_(keep, keep)]
        WG = W @ second_moments(group, held[g])[np.ix_(keep, keep)]
        D, share = model.jacobians[g][keep], group.nobs / sample.nobs
        WD = W @ D
        E += share * D.T @ WD
        first += share * D.T @ WG @ WD
        trace += float(np.trace(WG))
        if kind != "satorra_bentler":
            squares += float(np.sum(WG * WG.T))
            second += share * D.T @ (WG @ (WG @ WD))
    used = np.flatnonzero(E.diagonal() > 0)
    E, first, second = (one[np.ix_(used, used)] for one in (E, first, second))
    H = np.linalg.solve(E, first)
    ug = trace - float(np.trace(H))
    plain = ug / model.df
    if kind == "satorra_bentler":
        return Scaling(factor=plain, shift=0.0, df=model.df, plain=plain)
    ug2 = squares - 2 * float(np.trace(np.linalg.solve(E, second))) + float(np.sum(H * H.T))
    if kind == "mean_var_adjusted":
        return Scaling(factor=ug2 / ug, shift=0.0, df=ug * ug / ug2, plain=plain)
    factor = math.sqrt(ug2 / model.df)
    return Scaling(factor=factor, shift=model.df - ug / factor, df=model.df, plain=plain)


def second_moments(group: GroupSample, held: IntArray) -> Array:
    """G (m, m), divisor n: covariance of products (row-wise vech) and values of complete cases; in two stages that of the first.

    Given exogenous variables (positions `held`) only what they leave varies: the products and values that their regressions
    predict are subtracted (Yuan, K.-H. & Hayashi, K., 2006. British Journal of Mathematical and Statistical Psychology, 59, 397-417).
    """
    if group.gamma is not None:
        return group.gamma
    assert group.values is not None
    centred = group.values - group.saturated.mean
    rows, cols = np.tril_indices(centred.shape[1])
    z = np.hstack([centred[:, rows] * centred[:, cols], centred])
    if len(held):
        x = centred[:, held]
        predicted = x @ np.linalg.lstsq(x, centred, rcond=None)[0]
        z -= np.hstack([predicted[:, rows] * predicted[:, cols], predicted])
    z -= z.mean(axis=0)
    return np.asarray(z.T @ z / len(z))
