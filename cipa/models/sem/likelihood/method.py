"""Maximum likelihood of continuous variables: complete cases, missing values, two stages, clusters, weights, covariance input."""

from __future__ import annotations

from typing import Any

import numpy as np

from cipa.errors import SpecificationError
from cipa.models.sem.answers import factor_scores, structure
from cipa.models.sem.answers.residuals import residual_table
from cipa.models.sem.answers.vcov import with_vcov
from cipa.models.sem.cases.conditions import cluster_notices
from cipa.models.sem.cases.moments import refuse_without_cases
from cipa.models.sem.cases.read import layout_for, sample_for
from cipa.models.sem.cases.sample import bases_with_exogenous
from cipa.models.sem.declare.declaration import Declaration, recipe_of
from cipa.models.sem.declare.options import SCALED_TESTS, TWO_STAGE, Recipe
from cipa.models.sem.fit import SEMFit
from cipa.models.sem.likelihood import robust_fiml
from cipa.models.sem.likelihood.difference import difference
from cipa.models.sem.likelihood.measures import likelihood_measures
from cipa.models.sem.likelihood.objective import Likelihood, LikelihoodPoint, likelihood_of
from cipa.models.sem.likelihood.resample import refit
from cipa.models.sem.likelihood.residuals import residuals
from cipa.models.sem.likelihood.scaled import moment_sandwich
from cipa.models.sem.likelihood.scores import moment_scores
from cipa.models.sem.method import Method
from cipa.models.sem.population.law import of_fit
from cipa.models.sem.problem import Outcome, Problem
from cipa.models.sem.steps.admissible import implied_notices
from cipa.models.sem.steps.covariance import bread, covariance, described, sandwich
from cipa.models.sem.steps.identification import check_identified, moment_count
from cipa.models.sem.steps.indices import as_statistics
from cipa.models.sem.steps.starts import other_values, starting_values
from cipa.numerics.algebra.linalg import Array
from cipa.results.answers import Answers
from cipa.results.display import ResultTable
from cipa.results.statistics import Statistics


def _refuse(declaration: Declaration) -> None:
    """Refuse errors and tests that are not derived for these data."""
    given = declaration
    _refuse_conditional(given)
    two_stage = given.missing in TWO_STAGE
    design = given.cluster or given.sampling_weight
    if two_stage and (given.estimator != "ml" or design or given.likelihood != "normal"):
        raise SpecificationError(
            f'ci.SEM: missing="{given.missing}" goes with estimator="ml" on independent, unweighted cases: its errors and its '
            'test are corrected by themselves. Leave the other options, or use missing="fiml" with estimator="mlr".'
        )
    fourth = given.estimator in ("mlm", "mlmv", "mlmvs") or given.se == "robust_sem" or given.test in SCALED_TESTS[:3]
    if fourth and (given.missing not in ("listwise", *TWO_STAGE) or design):
        words = {
            f'estimator="{given.estimator}"': given.estimator in ("mlm", "mlmv", "mlmvs"),
            f'se="{given.se}"': given.se == "robust_sem",
            f'test="{given.test}"': given.test in SCALED_TESTS[:3],
        }
        what = " and ".join(word for word, wrong in words.items() if wrong)
        remedy = f'Leave {what} out: estimator="mlr"' if given.estimator == "mlr" else 'Use estimator="mlr", which'
        raise SpecificationError(
            f"ci.SEM: {what} corrects by the fourth moments of complete, independent, unweighted cases, and these are not. "
            f"{remedy} is derived for missing values, clusters and weights."
        )
    if two_stage and (given.se in ("robust_huber_white", "first_order") or given.test in SCALED_TESTS[3:]):
        raise SpecificationError(
            f'ci.SEM: missing="{given.missing}" has no casewise scores, on which se="{given.se or given.estimator}" or that test '
            "would rest. Leave se= and test=: they are corrected for the first stage by themselves."
        )
    if (given.estimator == "mlf" or given.se == "first_order") and design:
        raise SpecificationError(
            'ci.SEM: first-order errors (estimator="mlf") are the inverse of what independent, unweighted cases vary by, and '
            'these are not. Use estimator="mlr", whose sandwich sums scores by cluster and takes weights.'
        )
    if given.likelihood == "wishart" and (given.estimator not in ("ml", "mlm", "mlmv", "mlmvs") or design):
        raise SpecificationError(
            'ci.SEM: likelihood="wishart" goes with estimator="ml", "mlm", "mlmv" or "mlmvs" of independent, unweighted cases: '
            'it is the law of their covariance matrix. Leave likelihood="normal".'
        )


def _refuse_conditional(declaration: Declaration) -> None:
    """Refuse to condition on variables that are random, on incomplete cases, or without intercepts."""
    wrong = {
        "fixed_x=False": declaration.fixed_x is False,
        f'missing="{declaration.missing}"': declaration.missing != "listwise",
        "meanstructure=False": declaration.meanstructure is False,
    }
    option = next((name for name, given in wrong.items() if given), "")
    if declaration.conditional_x and option:
        raise SpecificationError(
            f"ci.SEM: conditional_x=True with {option}. The baseline model then regresses every variable on the exogenous ones "
            f"of complete cases, with intercepts, and its fit measures would be of another model. Leave {option} out, or "
            "conditional_x: estimates and errors are the same without it."
        )


def _lost(declaration: Declaration) -> int:
    """Cases of each group that do not count in the discrepancy."""
    return 1 if declaration.likelihood == "wishart" else 0


def _problem(declaration: Declaration, data: Any) -> Problem:
    layout, labels = layout_for(declaration, data)
    sample = sample_for(declaration, layout, labels, data)
    recipe = recipe_of(declaration)
    refuse_without_cases(declaration, recipe, sample)
    moments = [(group.saturated.cov, group.saturated.mean) for group in sample.groups]
    return Problem(
        declaration=declaration, recipe=recipe, labels=labels, sample=sample,
        objective=likelihood_of(layout, sample, bases_with_exogenous(layout, sample), lost=_lost(declaration)),
        start=starting_values(layout, moments), moments=moment_count(layout),
        others=lambda theta: other_values(layout, moments, theta),
    )  # fmt: skip


def _check(problem: Problem, objective: Likelihood, theta: Array) -> None:
    scales = tuple(np.sqrt(group.saturated.cov.diagonal()) for group in problem.sample.groups)
    check_identified(problem, objective, theta, scales)


def _outcome(problem: Problem, objective: Likelihood, point: LikelihoodPoint) -> Outcome:
    recipe, sample, layout, lost = problem.recipe, problem.sample, objective.layout, _lost(problem.declaration)
    nobs = sample.nobs - lost * len(sample.groups)
    vcov, inverse = _covariance(recipe, objective, point, nobs=nobs)
    few = cluster_notices(int(sample.clusters.max()) + 1, layout.npar) if sample.clusters is not None else ()
    return Outcome(
        objective=objective, point=point, vcov=vcov, bread=inverse, described=described(recipe, sample),
        measures=likelihood_measures(recipe, objective, point, sample, nobs=nobs, lost=lost),
        notices=(*few, *implied_notices(point.blocks, [len(normal.P) for normal in point.evaluations], problem.labels)),
    )  # fmt: skip


def _covariance(recipe: Recipe, objective: Likelihood, point: LikelihoodPoint, *, nobs: int) -> tuple[Array, Array]:
    """Covariance and bread (k, k) of the estimates."""
    layout, sample = objective.layout, objective.sample
    inverse = bread(objective, point, observed=recipe.information == "observed", nobs=nobs)
    if recipe.se != "robust_sem":
        return covariance(recipe.se, objective, point, inverse=inverse), inverse
    about_sample = nobs == sample.nobs and not any(len(block.exogenous) for block in layout.blocks)  # else z does not sum to zero
    if sample.missing in TWO_STAGE or not about_sample:
        return moment_sandwich(objective, point, sample, nobs=nobs)
    scores = moment_scores(layout, sample.groups, point.blocks, point.evaluations, point.factors)
    assert scores is not None
    return sandwich(inverse, scores, None), inverse


def _scores(fit: SEMFit) -> Array | None:
    scores: Array | None = fit.objective.scores(fit.point)
    return scores


def _residuals(fit: SEMFit, kind: str | None) -> ResultTable:
    return residual_table(fit, kind, residuals)


def _statistics(fit: SEMFit) -> Statistics:
    return as_statistics({**fit.measures, **robust_fiml.measures(fit)})


LIKELIHOOD = Method(
    name="likelihood", serves=lambda declaration: True, refuse=_refuse, problem=_problem, check=_check, outcome=_outcome,
    scores=factor_scores.of_continuous,
    answers=Answers(
        family="fits by maximum likelihood", instead="See docs/after-the-fit.md for what can be asked of it.",
        spread=structure.implied_spread, scores=_scores, statistics=_statistics, reported=structure.reported,
        headline=structure.headline,
        refit=refit, residuals=_residuals,
        vcov=with_vcov, law=of_fit, release=structure.released, difference=difference, structure=structure.structure,
        standardized=structure.standardized, cases=structure.cases,
    ),
)  # fmt: skip
