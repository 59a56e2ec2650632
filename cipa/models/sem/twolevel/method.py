"""Fitting a two-level model: the search, standard errors, tests and fit measures.

    standard              (N A)^-1,  A the observed information of an average case (lavaan's default for two levels)
    robust_huber_white    (N A)^-1 sum_j s_j s_j' (N A)^-1,  s_j the score of cluster j
    yuan_bentler_mplus    chi-square / c,  c = (tr(A1^-1 B1) - tr(A0^-1 B0)) / df with B from the scores of clusters
    srmr                  srmr_within + srmr_between, each the root mean square of residual correlations of its level, groups
                          weighted by their cases

The chi-square compares with the unrestricted model of both levels; the baseline has no covariances at either level, except among
exogenous variables. AIC, BIC and RMSEA count cases.

Sources: Muthén & Satorra (1995). Sociological Methodology, 25, 267-316; Yuan, K.-H. & Bentler, P. M. (2007). Sociological
Methodology, 37, 53-82; Asparouhov & Muthén (2005); Hsu, H.-Y. et al. (2015). Frontiers in Psychology, 6, 22 (SRMR by level).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cipa.errors import IdentificationError
from cipa.language.en import EN
from cipa.models.sem.answers import structure
from cipa.models.sem.answers.difference import scaled_difference
from cipa.models.sem.cases.columns import group_labels
from cipa.models.sem.cases.sample import Levels, Sample
from cipa.models.sem.declare.declaration import Declaration, recipe_of
from cipa.models.sem.declare.layout import Layout
from cipa.models.sem.declare.options import Recipe
from cipa.models.sem.fit import SEMFit
from cipa.models.sem.method import Method
from cipa.models.sem.problem import Outcome, Problem
from cipa.models.sem.steps.covariance import bread, covariance, scaled_inverse
from cipa.models.sem.steps.identification import check_identified, involved
from cipa.models.sem.steps.indices import Test, chisq_rounded, likelihood_measures
from cipa.models.sem.steps.scaled import difference_scaling, indices_of_scaled, keys_of, of_saturated
from cipa.models.sem.steps.starts import other_values, starting_values
from cipa.models.sem.twolevel.declare import declare_levels, moment_count, refuse_underived
from cipa.models.sem.twolevel.objective import TwoLevelLikelihood, TwoLevelPoint, two_level_objective
from cipa.models.sem.twolevel.read import two_level_sample
from cipa.models.sem.twolevel.resample import refit
from cipa.models.sem.twolevel.residuals import held_moments, residuals
from cipa.models.sem.twolevel.scores import of_levels
from cipa.numerics.algebra.linalg import Array
from cipa.numerics.twolevel import kernel
from cipa.numerics.twolevel.kernel import Unrestricted
from cipa.results.answers import Answers
from cipa.results.questions import refused
from cipa.results.vcov import VCov

_RANK = 1e-9  # smallest eigenvalue of an information with unit diagonal
_LEAST = 0.05  # smallest eigenvalue of the correlations between clusters that starting values are taken from


def _problem(declaration: Declaration, data: Any) -> Problem:
    assert declaration.cluster is not None
    labels = group_labels(data, group=declaration.group)
    layout = declare_levels(declaration, labels)
    sample = two_level_sample(
        data, declaration.parsed, layout, labels, cluster=declaration.cluster, group=declaration.group,
        missing=declaration.missing,
    )  # fmt: skip
    unrestricted = [moments for levels in sample.levels for moments in _starting_moments(levels)]
    return Problem(
        declaration=declaration, recipe=recipe_of(declaration), labels=labels, sample=sample,
        objective=two_level_objective(layout, sample.levels),
        start=starting_values(layout, unrestricted), moments=moment_count(layout),
        others=lambda theta: other_values(layout, unrestricted, theta),
    )  # fmt: skip


def _count(sample: Sample) -> int:
    """Clusters of all groups."""
    return sum(levels.clusters.nclusters for levels in sample.levels)


def _lost(problem: Problem) -> str:
    return (
        f"Here {_count(problem.sample)} clusters carry the between level: where a variance between clusters "
        "is near 0, the likelihood may have no maximum at all. Fix that variance (y ~~ 0*y at the between level), or use fewer "
        "variables there."
    )


def _outcome(problem: Problem, objective: TwoLevelLikelihood, point: TwoLevelPoint) -> Outcome:
    recipe, sample = problem.recipe, problem.sample
    inverse = bread(objective, point, observed=recipe.information == "observed", nobs=sample.nobs)
    return Outcome(
        objective=objective, point=point, bread=inverse, vcov=covariance(recipe.se, objective, point, inverse=inverse),
        described=_described(recipe, _count(sample)), measures=two_level_measures(recipe, objective, point, sample),
    )  # fmt: skip


def _starting_moments(levels: Levels) -> list[tuple[Array, Array]]:
    """Unrestricted moments of each level, the between ones made positive definite; means of both-level variables are between."""
    c, free = levels.clusters, levels.free
    spread = np.abs(free.between.diagonal()) + 1e-3 * levels.exogenous[1][0].diagonal()
    scale = np.sqrt(spread)
    values, vectors = np.linalg.eigh(free.between / np.outer(scale, scale))
    between = (vectors * np.maximum(values, _LEAST)) @ vectors.T * np.outer(scale, scale)
    return [(free.within, np.where(np.isin(c.within, c.between), 0.0, free.mean[c.within])), (between, free.mean[c.between])]


def _check(problem: Problem, objective: TwoLevelLikelihood, theta: Array) -> None:
    """Refuse parameters that a level's moments cannot tell apart, and then those that both levels' together cannot (means)."""
    scales = tuple(np.sqrt(cov.diagonal()) for levels in problem.sample.levels for cov, _ in levels.exogenous)
    check_identified(problem, objective, theta, scales)
    point = objective.evaluate(objective.layout.to_eta(theta))
    if point is None or not objective.layout.npar:
        return
    H = objective.curvature(point, exact=False)
    scale = np.sqrt(np.maximum(H.diagonal(), 1e-300))
    values, vectors = np.linalg.eigh(H / np.outer(scale, scale))
    null = vectors[:, values < _RANK] / scale[:, None]
    if null.size:
        listed = ", ".join(problem.names[k] for k in involved(objective.layout.K @ null)[:8])
        raise IdentificationError(
            f"The two-level model is not identified: the data cannot tell these parameters apart: {listed}. A variable on both "
            "levels has one mean, so no estimate of two means anything. Leave the intercepts of the within level at 0, and free "
            "them between."
        )


def _described(recipe: Recipe, clusters: int) -> VCov:
    if recipe.se == "standard":
        note = EN("errors.levels.standard", information=recipe.information)
        return VCov(kind=f"{recipe.information} information", convention="none", note=note)
    note = EN("errors.levels.robust", information=recipe.information, clusters=clusters)
    return VCov(kind=recipe.se.replace("_", " "), convention="none", note=note)


def two_level_measures(recipe: Recipe, objective: TwoLevelLikelihood, point: TwoLevelPoint, sample: Sample) -> dict[str, float]:
    """All measures, by lavaan's names."""
    levels, layout, nobs = sample.levels, objective.layout, sample.nobs
    own = sum(kernel.loglik(one.clusters, joined.likelihood.value) for one, joined in zip(levels, point.groups, strict=True))
    unrestricted = sum(one.free.loglik for one in levels)
    exogenous = sum(one.exogenous_loglik for one in levels)
    df = float(moment_count(layout) - layout.npar)
    excess = chisq_rounded(2 * (unrestricted - own), nobs)
    test = Test(chisq=max(excess, 0.0) if any(one.free.bounded for one in levels) else excess, df=df)
    baseline = _baseline(levels, nobs=nobs)
    found = likelihood_measures(
        test=test, baseline=baseline, loglik=own - exogenous, loglik_saturated=unrestricted - exogenous,
        npar=layout.npar, nobs=nobs, total=nobs, ngroups=len(levels),
    )  # fmt: skip
    found["fmin"] = point.value
    found |= _srmr(objective, point, levels)
    if recipe.test == "yuan_bentler_mplus":
        found |= _scaled(objective, point, levels, test, baseline, nobs=nobs)
    return found


def _baseline(levels: Sequence[Levels], *, nobs: int) -> Test | None:
    """The test of the baseline models of all groups; None where one of them has none, or none has a covariance to leave out."""
    tested = [one for one in levels if one.baseline_df]
    if not tested or any(one.independent is None for one in tested):
        return None
    chisq = sum(2 * (one.free.loglik - one.independent.loglik) for one in tested if one.independent is not None)
    return Test(chisq=chisq_rounded(chisq, nobs), df=float(sum(one.baseline_df for one in tested)))


def _srmr(objective: TwoLevelLikelihood, point: TwoLevelPoint, levels: Sequence[Levels]) -> dict[str, float]:
    """By level, the groups weighted by their cases."""
    samples = [cov for one in levels for cov in (one.free.within, one.free.between)]
    sizes = [_root_mean_square(S, moments.cov) for S, moments in zip(samples, point.blocks, strict=True)]
    within, between = (float(objective.shares @ sizes[level::2]) for level in (0, 1))
    return {"srmr": within + between, "srmr_within": within, "srmr_between": between}


def _root_mean_square(S: Array, Sigma: Array) -> float:
    """Root mean square of residual correlations, the zero ones of the diagonal counted; NaN with a variance below zero."""
    if not (S.diagonal() > 0).all() or not (Sigma.diagonal() > 0).all():
        return math.nan
    gap = _correlations(S) - _correlations(Sigma)
    p = len(S)
    return math.sqrt(float((np.tril(gap) ** 2).sum()) / (p * (p + 1) / 2))


def _correlations(cov: Array) -> Array:
    sd = np.sqrt(cov.diagonal())
    return np.asarray(cov / np.outer(sd, sd))


def _scaled(
    objective: TwoLevelLikelihood, point: TwoLevelPoint, levels: Sequence[Levels], test: Test, baseline: Test | None, *, nobs: int
) -> dict[str, float]:
    """The scaled tests of the model and its baseline, and the indices that follow."""
    h1, count = _traces(levels, [one.free for one in levels], objective.layout)
    base = None
    if baseline is not None:
        h0, used = _traces(levels, [one.independent or one.free for one in levels], objective.layout)
        base = difference_scaling(h1, h0, baseline.df, count, used)
    if test.df == 0:
        return of_saturated({} if baseline is None or base is None else keys_of("baseline.", baseline, base))
    scores = objective.scores(point) @ objective.layout.K
    h0 = float(np.trace(np.linalg.solve(objective.curvature(point, exact=True) * nobs, scores.T @ scores)))
    model = difference_scaling(h1, h0, test.df, count, objective.layout.npar)
    return indices_of_scaled(test, model, baseline, base, nobs=nobs, ngroups=len(levels))


def _traces(levels: Sequence[Levels], free: Sequence[Unrestricted], layout: Layout) -> tuple[float, int]:
    """tr(A^-1 B) of freely estimated moments of all groups, those of held exogenous variables left out, and their number."""
    total, count = 0.0, 0
    for g, (one, moments) in enumerate(zip(levels, free, strict=True)):
        keep = np.flatnonzero(~held_moments(one, moments, layout, g))
        A = kernel.curvature(moments.found, moments.parts, one.clusters, observed=True)[np.ix_(keep, keep)] * one.clusters.nobs
        scores = kernel.scores(moments.found, moments.parts, one.clusters)[:, keep]
        total += float(np.sum(scaled_inverse(A) * (scores.T @ scores)))
        count += len(keep)
    return total, count


def _difference(restricted: SEMFit, general: SEMFit, df: float, method: str) -> tuple[float, float]:
    what = f'ci.lr_test(method="{method}")'
    return scaled_difference(
        restricted, general, df, method, parts_of=lambda fit: refused(fit, what), factor_at=lambda fit, _: refused(fit, what)
    )


TWO_LEVEL = Method(
    name="two levels", serves=lambda declaration: bool(declaration.parsed.levels), refuse=refuse_underived, problem=_problem,
    check=_check,
    outcome=_outcome, lost=_lost, scores=of_levels,
    answers=Answers(
        family="two-level fits",
        instead="Ask a fit without 'level:' blocks (with cluster= for the errors), or use defined parameters (:=) and "
        "ci.wald_test, which work on two levels.",
        statistics=structure.as_measured, reported=structure.reported, headline=structure.headline,
        refit=refit, release=structure.released, difference=_difference, residuals=residuals, structure=structure.structure,
        standardized=structure.standardized, cases=structure.cases,
    ),
)  # fmt: skip
