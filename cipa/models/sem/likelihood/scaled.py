"""Tests of fit that hold without normality: the chi-square, divided by a scaling factor.

    satorra_bentler      c = tr(U G) / df,            U = W - W D (D'W D)^-1 D'W
    mean_var_adjusted    c = tr((U G)^2) / tr(U G),   df' = tr(U G)^2 / tr((U G)^2)
    scaled_shifted       c = sqrt(tr((U G)^2) / df),  chi-square / c + df - tr(U G) / c
    yuan_bentler         c = tr(U G) / df,            W the (observed) information of the moments at the implied ones, G = A1^-1
    B1 A1^-1 yuan_bentler_mplus   c = (tr(A1^-1 B1) - tr(A0^-1 B0)) / df

W is the normal-theory weight at the implied moments, G the sample covariance of second moments (and values), D the Jacobian;
A observed information and B mean outer product of scores of the unrestricted (1) and the fitted (0) model. The baseline
model has a factor of its own.

Sources: Satorra & Bentler (1994); Yuan & Bentler (2000), eq. 20, as Asparouhov & Muthén (2005) compute it; Asparouhov, T.
& Muthén, B. (2010), Simple second order chi-square correction; robust indices: Brosseau-Liard, P. E. & Savalei, V. (2014).
Multivariate Behavioral Research, 49, 460-470; Brosseau-Liard, Savalei & Li (2012). MBR, 47, 904-930.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cipa.data.checks import refuse_never_together
from cipa.models.sem.cases.first_stage import second_moments
from cipa.models.sem.cases.sample import GroupSample, Sample
from cipa.models.sem.declare.layout import Layout
from cipa.models.sem.declare.options import Recipe
from cipa.models.sem.likelihood.objective import Likelihood, LikelihoodPoint
from cipa.models.sem.steps.covariance import scaled_inverse
from cipa.models.sem.steps.indices import Test
from cipa.models.sem.steps.scaled import Scaling, difference_scaling, indices_of_scaled, keys_of, of_saturated
from cipa.numerics.algebra.linalg import Array, IntArray, symmetric
from cipa.numerics.moments import ram
from cipa.numerics.moments.normal import (
    Evaluation,
    Saturated,
    available_moments,
    complete_pattern,
    evaluate,
    patterns_of,
    saturated,
    saturated_information,
    saturated_scores,
)
from cipa.numerics.sandwich import casewise_meat


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
        # regressions by themselves have equal observed and expected information at their maximum, second derivatives included
        base = (
            _baseline_difference(sample, independent, kept, h1, observed=observed and not objective.layout.conditional)
            if kind == "yuan_bentler_mplus"
            else _from_weights(kind, sample, independent, kept, held, observed=observed)
        )
    if test.df == 0:
        return of_saturated({} if baseline is None or base is None else keys_of("baseline.", baseline, base))
    fitted = _fitted(objective, point, sample, test.df)
    if kind == "yuan_bentler_mplus":
        # with estimator "ml" and clusters lavaan 0.6 leaves the second derivatives of the moments out of A0 (0.7 keeps them)
        linear = recipe.linear and sample.clusters is not None and sample.weights is None
        A0 = _linear_information(sample, fitted, kept) if linear else _information(objective, point, observed=observed)
        scores = objective.scores(point)
        assert scores is not None
        B0 = casewise_meat(scores @ objective.layout.K, sample.clusters, sample.strata) / sample.nobs
        h0 = float(np.trace(np.linalg.solve(A0, B0)))
        model = difference_scaling(h1, h0, test.df, sum(len(keep) for keep in kept), objective.layout.npar)
    else:
        model = _from_weights(kind, sample, fitted, kept, held, observed=observed)
    return indices_of_scaled(test, model, baseline, base, nobs=nobs, ngroups=len(sample.groups))


def _information(objective: Likelihood, point: LikelihoodPoint, *, observed: bool) -> Array:
    """Information (q, q) of an average case."""
    K = objective.layout.K
    return np.asarray(K.T @ objective.information(point, observed=observed) @ K)


def _linear_information(sample: Sample, model: Candidate, kept: Sequence[IntArray]) -> Array:
    """Observed information of the moments, carried to the parameters as if they were linear in them."""
    total = 0.0
    for g, (group, keep) in enumerate(zip(sample.groups, kept, strict=True)):
        D = model.jacobians[g][keep]
        W = saturated_information(_evaluation(group, model.covs[g], model.means[g]))[np.ix_(keep, keep)]
        total = total + group.total / sample.nobs * D.T @ W @ D
    return np.asarray(total)


def kept_moments(exogenous: IntArray, size: int, *, means: bool) -> IntArray:
    """Positions of the moments that a model explains: not those of held exogenous variables, means only where modelled."""
    held = np.isin(np.arange(size), exogenous)
    rows, cols = np.tril_indices(size)
    return np.flatnonzero(np.concatenate([~(held[rows] & held[cols]), ~held if means else np.zeros(size, dtype=bool)]))


def _fitted(objective: Likelihood, point: LikelihoodPoint, sample: Sample, df: float) -> Candidate:
    layout = objective.layout
    jacobians = tuple(moment_jacobian(layout, point, g) for g in range(len(layout.blocks)))
    means = tuple(
        moments.mean if layout.means else group.saturated.mean for moments, group in zip(point.blocks, sample.groups, strict=True)
    )
    return Candidate(covs=tuple(moments.cov for moments in point.blocks), means=means, jacobians=jacobians, df=df)


def moment_jacobian(layout: Layout, point: LikelihoodPoint, g: int) -> Array:
    """Derivatives (m, q) of a group's implied moments (row-wise vech, then means) in eta."""
    part = ram.jacobian(point.factors[g], with_means=True)
    full = np.zeros((len(part), layout.nfree))
    full[:, layout.blocks[g].free] = part
    return np.asarray(full @ layout.K)


def moment_parts(objective: Likelihood, point: LikelihoodPoint, sample: Sample) -> list[tuple[Array, Array, Array, float]]:
    """Per group of complete cases.

    Jacobian (m, q), normal-theory weight and covariance (m, m) of the moments, share of the cases.
    """
    fitted, found = _fitted(objective, point, sample, 0.0), []
    for g, (block, group) in enumerate(zip(objective.layout.blocks, sample.groups, strict=True)):
        keep = kept_moments(block.exogenous, len(block.observed), means=objective.layout.means)
        index = np.ix_(keep, keep)
        W = _weight(group, fitted.covs[g], fitted.means[g])[index]
        found.append((fitted.jacobians[g][keep], W, second_moments(group, block.exogenous)[index], group.nobs / sample.nobs))
    return found


def baseline_candidate(objective: Likelihood, sample: Sample, df: float) -> Candidate:
    """The independence model: variances, means, covariances among exogenous variables.

    Slopes on them where they are conditioned on.
    """
    layout = objective.layout
    covs, means, chosen = [], [], []
    for block, roles, group in zip(layout.blocks, layout.roles, sample.groups, strict=True):
        held = [block.observed.index(name) for name in roles.exogenous]
        p = len(block.observed)
        rows, cols = np.tril_indices(p)
        free = np.concatenate([(rows == cols) | (np.isin(rows, held) & np.isin(cols, held)), np.ones(p, dtype=bool)])
        cov, mean = conditional_moments(group, held) if layout.conditional else baseline_moments(group, held)
        slopes = _of_slopes(cov, held) if layout.conditional else np.empty((len(free), 0))
        chosen.append(np.hstack([np.eye(len(free))[:, free], slopes]))
        covs.append(cov)
        means.append(mean)
    widths = [one.shape[1] for one in chosen]
    jacobians = []
    for g, one in enumerate(chosen):
        full = np.zeros((len(one), sum(widths)))
        full[:, sum(widths[:g]) : sum(widths[: g + 1])] = one
        jacobians.append(full)
    return Candidate(covs=tuple(covs), means=tuple(means), jacobians=tuple(jacobians), df=df)


def _of_slopes(cov: Array, held: Sequence[int]) -> Array:
    """Derivatives (m, y q) of the moments (row-wise vech, then means) in the slopes of all others on exogenous variables."""
    rows, cols = np.tril_indices(len(cov))
    outcomes = [i for i in range(len(cov)) if i not in held]
    pairs = [(i, k) for i in outcomes for k in held]
    waves = [(rows == i) * cov[cols, k] + (cols == i) * cov[rows, k] for i, k in pairs]
    return np.vstack([np.array(waves).reshape(len(pairs), len(rows)).T, np.zeros((len(cov), len(pairs)))])


def conditional_moments(group: GroupSample, held: Sequence[int]) -> tuple[Array, Array]:
    """Moments of complete cases of which what the exogenous variables do not explain does not covary."""
    cov, x = group.saturated.cov.copy(), list(held)
    y = [i for i in range(len(cov)) if i not in x]
    explained = cov[np.ix_(y, x)] @ np.linalg.solve(cov[np.ix_(x, x)], cov[np.ix_(x, y)])
    cov[np.ix_(y, y)] = np.where(np.eye(len(y)) > 0, cov[np.ix_(y, y)], explained)
    return cov, group.saturated.mean


def baseline_moments(group: GroupSample, held: Sequence[int]) -> tuple[Array, Array]:
    """Moments of the independence model: those of the available values; of exogenous variables their saturated ones alone."""
    if group.patterns.complete or group.values is None:
        variances, mean = group.saturated.cov.diagonal().copy(), group.saturated.mean.copy()
    else:
        mean, variances = available_moments(group.patterns)
    cov = np.diag(variances)
    if held:
        together = saturated_alone(group, held)
        cov[np.ix_(held, held)], mean[list(held)] = together.cov, together.mean
    return cov, mean


def saturated_alone(group: GroupSample, columns: Sequence[int]) -> Saturated:
    """Unrestricted moments of some of the variables by themselves: where values are missing, not those beside the others."""
    if group.patterns.complete or group.values is None:
        index = np.ix_(columns, columns)
        patterns = complete_pattern(group.patterns.covs[0][index], group.patterns.means[0][list(columns)], group.total)
    else:
        seen = ~np.isnan(group.values[:, columns]).all(axis=1)
        patterns = patterns_of(group.values[:, columns][seen], None if group.weights is None else group.weights[seen])
    alone, index = saturated(patterns), np.ix_(columns, columns)
    if alone is not None:
        return alone
    cov, mean = group.saturated.cov[index], group.saturated.mean[list(columns)]  # their likelihood alone has no maximum
    return replace(group.saturated, cov=cov, mean=mean, loglik=math.nan)


def _weight(group: GroupSample, cov: Array, mean: Array) -> Array:
    """Normal-theory weight of complete moments at `cov` and `mean`.

    In two stages at those of the first (Savalei & Bentler 2009).
    """
    if group.gamma is not None:
        cov, mean = group.saturated.cov, group.saturated.mean
    return saturated_information(_evaluation(group, cov, mean, complete=True))


def moment_sandwich(objective: Likelihood, point: LikelihoodPoint, sample: Sample, *, nobs: int) -> tuple[Array, Array]:
    """Covariance of the estimates from that of the moments (robust_sem), and inverse expected information, both (k, k)."""
    K = objective.layout.K
    E = meat_ = np.zeros((K.shape[1], K.shape[1]))
    for D, W, G, share in moment_parts(objective, point, sample):
        E = E + share * D.T @ W @ D
        meat_ = meat_ + share * D.T @ W @ G @ W @ D
    inverse = scaled_inverse(E)
    return symmetric(K @ inverse @ meat_ @ inverse @ K.T) / nobs, K @ inverse @ K.T / nobs


def expected(found: Evaluation) -> Evaluation:
    """The same evaluation with what depends on the data at its expectation, so that its information is the expected one."""
    return replace(found, Q=found.P, Pd=np.zeros_like(found.Pd))


def _evaluation(group: GroupSample, cov: Array, mean: Array, *, complete: bool = False) -> Evaluation:
    patterns = complete_pattern(cov, mean, group.total) if complete else group.patterns
    found = evaluate(patterns, cov, mean)
    assert found is not None
    return found


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
            size = float(distance.mean())  # p, but under the Wishart likelihood, whose unrestricted matrix has divisor n - 1
            means = size if len(keep) > p * (p + 1) // 2 else 0.0
            total += (float((distance**2).mean()) - 2 * size + p) / 2 + means
            continue
        refuse_never_together(
            np.isnan(group.values), group.variables, what="the scaled test",
            place=f" in group {group.label}" if group.label else "",
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
    return casewise_meat(scores if group.weights is None else scores * group.weights[:, None], group.clusters)


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


_MEAN_ONLY = ("satorra_bentler", "yuan_bentler")
"""Tests whose factor corrects the mean of the chi-square alone."""


def _normal_theory(
    sample: Sample, g: int, model: Candidate, keep: IntArray, held: IntArray, *, observed: bool
) -> tuple[Array, Array]:  # fmt: skip
    """Normal-theory weight at the implied moments and n times the covariance (m, m) of the sample's."""
    group, index = sample.groups[g], np.ix_(keep, keep)
    return _weight(group, model.covs[g], model.means[g])[index], second_moments(group, held)[index]


def _yuan_bentler(
    sample: Sample, g: int, model: Candidate, keep: IntArray, held: IntArray, *, observed: bool
) -> tuple[Array, Array]:  # fmt: skip
    """Information of the moments at the implied ones, and A1^-1 B1 A1^-1 (m, m) of the unrestricted (Yuan & Bentler, eq. 17)."""
    group, index = sample.groups[g], np.ix_(keep, keep)
    at_model = _evaluation(group, model.covs[g], model.means[g])
    free = _evaluation(group, group.saturated.cov, group.saturated.mean)
    inverse = np.linalg.inv(saturated_information(free if observed else expected(free))[index])
    spread = h1_meat(sample, g, free, group.saturated.mean, keep) / group.total
    return saturated_information(at_model if observed else expected(at_model))[index], inverse @ spread @ inverse


def _from_weights(
    kind: str, sample: Sample, model: Candidate, kept: Sequence[IntArray], held: Sequence[IntArray], *, observed: bool
) -> Scaling:  # fmt: skip
    """Traces of U G and of its square, without forming the block-diagonal matrices of several groups."""
    size = model.jacobians[0].shape[1]
    E, first, second = (np.zeros((size, size)) for _ in range(3))
    trace = squares = 0.0
    for g, (group, keep) in enumerate(zip(sample.groups, kept, strict=True)):
        W, G = (_yuan_bentler if kind == "yuan_bentler" else _normal_theory)(sample, g, model, keep, held[g], observed=observed)
        WG = W @ G
        D, share = model.jacobians[g][keep], group.nobs / sample.nobs
        WD = W @ D
        E += share * D.T @ WD
        first += share * D.T @ WG @ WD
        trace += float(np.trace(WG))
        if kind not in _MEAN_ONLY:
            squares += float(np.sum(WG * WG.T))
            second += share * D.T @ (WG @ (WG @ WD))
    used = np.flatnonzero(E.diagonal() > 0)
    E, first, second = (one[np.ix_(used, used)] for one in (E, first, second))
    H = np.linalg.solve(E, first)
    ug = trace - float(np.trace(H))
    plain = ug / model.df
    if kind in _MEAN_ONLY:
        return Scaling(factor=plain, shift=0.0, df=model.df, plain=plain)
    ug2 = squares - 2 * float(np.trace(np.linalg.solve(E, second))) + float(np.sum(H * H.T))
    if kind == "mean_var_adjusted":
        return Scaling(factor=ug2 / ug, shift=0.0, df=ug * ug / ug2, plain=plain)
    factor = math.sqrt(ug2 / model.df)
    return Scaling(factor=factor, shift=model.df - ug / factor, df=model.df, plain=plain)
