"""Weighted least squares: targets from the data, the search, and standard errors.

Sources: Browne (1984); Muthén (1984); Muthén, du Toit & Spisic (1997), Robust inference using weighted least squares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cipa.errors import SpecificationError
from cipa.language.en import EN
from cipa.models.sem.answers import factor_scores, structure
from cipa.models.sem.answers.difference import Parts, scaled_difference
from cipa.models.sem.answers.residuals import residual_table
from cipa.models.sem.cases.columns import group_labels
from cipa.models.sem.cases.conditions import cluster_notices
from cipa.models.sem.cases.first_stage import second_moments
from cipa.models.sem.cases.moments import refuse_without_cases
from cipa.models.sem.cases.read import layout_for, sample_for
from cipa.models.sem.cases.sample import Sample, bases_with_exogenous
from cipa.models.sem.declare.compile import held_of, lay_out, rules_of
from cipa.models.sem.declare.declaration import Declaration, recipe_of
from cipa.models.sem.declare.layout import Layout
from cipa.models.sem.declare.options import SCALED_TESTS, WEIGHTS, Recipe
from cipa.models.sem.declare.parameters import parameter_table
from cipa.models.sem.fit import SEMFit
from cipa.models.sem.method import Method
from cipa.models.sem.population.law import of_fit
from cipa.models.sem.problem import Outcome, Problem
from cipa.models.sem.steps.covariance import scaled_inverse
from cipa.models.sem.steps.identification import moment_count, natural_units, unidentified
from cipa.models.sem.steps.starts import other_values, starting_values
from cipa.models.sem.weighted.measures import weighted_measures
from cipa.models.sem.weighted.objective import WeightedPoint, WeightedSquares, ends_of
from cipa.models.sem.weighted.ordered import read_responses, response_sample, with_derived
from cipa.models.sem.weighted.ordinal_scores import of_ordered
from cipa.models.sem.weighted.residuals import residuals
from cipa.models.sem.weighted.target import Target, continuous_target
from cipa.numerics.algebra.linalg import Array
from cipa.numerics.moments.normal import evaluate, saturated_information
from cipa.results.answers import Answers
from cipa.results.display import ResultTable
from cipa.results.fit import Notice
from cipa.results.questions import refused
from cipa.results.vcov import VCov

_RANK = 1e-7


def _refuse(declaration: Declaration) -> None:
    """Least squares has no casewise likelihood: no Huber-White, first-order or observed errors, no Yuan-Bentler test."""
    estimator, ordered = declaration.estimator_used, bool(declaration.ordered_names)
    allowed = ("listwise", "pairwise") if ordered else ("listwise",)
    design = bool(declaration.cluster or declaration.sampling_weight)
    if (design and not ordered) or declaration.missing not in allowed:
        raise SpecificationError(
            f'ci.SEM: estimator="{estimator}" is derived here for complete cases, and of continuous variables without clusters '
            'and weights. Use estimator="mlr" for missing values, clusters and weights of continuous variables, and '
            'missing="pairwise" for missing values'
            " of ordered ones."
        )
    wrong = {
        f'se="{declaration.se}"': declaration.se in ("robust_huber_white", "first_order"),
        f'test="{declaration.test}"': declaration.test in SCALED_TESTS[3:],
        'information="observed"': declaration.information == "observed",
        'likelihood="wishart"': declaration.likelihood == "wishart",
        "fixed_x=True": declaration.fixed_x is True and not ordered,
        "conditional_x=True": declaration.conditional_x and not ordered,
    }
    for option in (name for name, asked in wrong.items() if asked):
        raise SpecificationError(
            f'ci.SEM: {option} is not derived for least squares (estimator="{estimator}"). What is derived are se="robust_sem", '
            'the tests "satorra_bentler", "mean_var_adjusted" and "scaled_shifted", and random exogenous variables, as in '
            "lavaan: use these, or maximum likelihood."
        )


def _refuse_ordered(declaration: Declaration) -> None:
    """Refuse estimators that do not fit ordered variables, and what least squares does not derive."""
    if declaration.estimator_used not in set(WEIGHTS) - {"gls"}:
        raise SpecificationError(
            f'ci.SEM: estimator="{declaration.estimator}" does not fit ordered variables, whose categories are no numbers. Use '
            '"wlsmv" (the default), "wlsm", "ulsmv", "ulsm", "dwls", "uls" or "wls".'
        )
    _refuse(declaration)
    recipe, design = recipe_of(declaration), declaration.cluster or declaration.sampling_weight
    if design and recipe.se == "standard" and recipe.estimator != "wls":
        raise SpecificationError(
            f'ci.SEM: estimator="{recipe.estimator}" with se="standard" takes the cases as independent and of equal weight, '
            f'which those of \'{design}\' are not: its errors and its test would be wrong. Use "wlsmv" or "ulsmv", whose errors '
            'and tests take the design in, or se="robust_sem".'
        )


def _problem(declaration: Declaration, data: Any) -> Problem:
    """Of continuous variables: covariances, and means where they are modelled."""
    layout, labels = layout_for(declaration, data)
    sample = sample_for(declaration, layout, labels, data)
    refuse_without_cases(declaration, recipe_of(declaration), sample)
    targets = continuous_targets(WEIGHTS[declaration.estimator], sample, means=layout.means)
    return _posed(declaration, layout, labels, sample, targets, moments=moment_count(layout))


def _ordered_problem(declaration: Declaration, data: Any) -> Problem:
    """Of ordered variables: thresholds, slopes, polychoric and polyserial correlations."""
    labels = group_labels(data, group=declaration.group)
    _, roles = parameter_table(declaration.parsed, rules=rules_of(declaration, means=True), group_labels=labels)
    held = [held_of(declaration, here.exogenous) for here in roles]
    answered = read_responses(declaration, data, roles=roles, held=held, labels=labels)
    layout = lay_out(declaration, labels, means=True, categories=answered.categories)
    sample, targets = response_sample(declaration, answered, layout, labels, WEIGHTS[declaration.estimator_used])
    return _posed(declaration, layout, labels, sample, targets, moments=sum(len(target.s) for target in targets))


def _posed(
    declaration: Declaration, layout: Layout, labels: tuple[str, ...], sample: Sample, targets: Sequence[Target], *, moments: int
) -> Problem:  # fmt: skip
    unrestricted = [(group.saturated.cov, group.saturated.mean) for group in sample.groups]
    theta = starting_values(layout, unrestricted)
    for block, target in zip(layout.blocks, targets, strict=True):
        if block.ordinal is not None:
            free = block.ordinal.free
            theta[free[free >= 0]] = target.split(target.s)[0][free >= 0]
            theta[block.ordinal.scale_free[block.ordinal.scale_free >= 0]] = 1.0
    return Problem(
        declaration=declaration, recipe=recipe_of(declaration), labels=labels, sample=sample, start=theta, moments=moments,
        objective=WeightedSquares(layout=layout, bases=bases_with_exogenous(layout, sample), targets=tuple(targets)),
        others=lambda theta: other_values(layout, unrestricted, theta),
    )  # fmt: skip


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


def _check(problem: Problem, objective: WeightedSquares, theta: Array) -> None:
    """Refuse parameters that the moments, in their standard errors, cannot tell apart."""
    names, samples = problem.names, problem.sample.groups
    units = natural_units(objective.layout, [np.sqrt(group.saturated.cov.diagonal()) for group in samples])
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
    raise unidentified(involved)


def _outcome(problem: Problem, objective: WeightedSquares, point: WeightedPoint) -> Outcome:
    recipe = problem.recipe
    vcov, inverse = _covariances(recipe, objective, point)
    measures = weighted_measures(recipe, WEIGHTS[recipe.estimator], objective, point, problem.sample)
    if objective.targets[0].ordinal:
        layout, bases = with_derived(objective.layout, objective.bases, objective.targets, point.theta)
        objective = replace(objective, layout=layout, bases=bases)
        point = objective.evaluate(layout.to_eta(point.theta)) or point
    return Outcome(
        objective=objective, point=point, vcov=vcov, bread=inverse, described=_described(recipe, problem.sample),
        measures=measures,
        notices=_few_clusters(problem),
    )  # fmt: skip


def _described(recipe: Recipe, sample: Sample) -> VCov:
    """The standard errors in words."""
    clusters = None if sample.clusters is None else int(sample.clusters.max()) + 1
    note = EN("errors.least_squares", robust=recipe.se == "robust_sem", clusters=clusters, weights=sample.weights is not None)
    return VCov(kind=recipe.se.replace("_", " "), convention="none", note=note)


def _few_clusters(problem: Problem) -> tuple[Notice, ...]:
    clusters = problem.sample.clusters
    return () if clusters is None else tuple(cluster_notices(int(clusters.max()) + 1, problem.layout.npar))


def _covariances(recipe: Recipe, objective: WeightedSquares, point: WeightedPoint) -> tuple[Array, Array]:
    """Covariance of the estimates and (D'WD)^-1 / (n - G), both (k, k)."""
    K = objective.layout.K
    count = objective.nobs - len(objective.targets)
    inverse = K @ scaled_inverse(K.T @ objective.information(point, observed=False) @ K) @ K.T / count
    if recipe.se == "standard":
        return inverse, inverse
    return np.asarray(inverse @ objective.noise(point) @ inverse * count), inverse


def _difference(restricted: SEMFit, general: SEMFit, df: float, method: str) -> tuple[float, float]:
    return scaled_difference(restricted, general, df, method, parts_of=_parts, factor_at=_factor_at)


def _residuals(fit: SEMFit, kind: str | None) -> ResultTable:
    return residual_table(fit, kind, residuals)


def _parts(fit: SEMFit) -> Parts:
    objective, point = ends_of(fit)
    groups = zip(point.parts, objective.targets, objective.shares, strict=True)
    return [(part.D @ fit.layout.K, target.weight, target.gamma, float(share)) for part, target, share in groups]


def _factor_at(general: SEMFit, restricted: SEMFit) -> float:
    return refused(general, 'ci.lr_test(method="satorra_bentler_2010")')


_ANSWERS = Answers(
    family="fits by least squares", instead='Fit the model with estimator="mlr" to look at it.',
    spread=structure.implied_spread, statistics=structure.as_measured, reported=structure.reported, headline=structure.headline,
    residuals=_residuals, law=of_fit,
    release=structure.released, difference=_difference, structure=structure.structure,
    standardized=structure.standardized, cases=structure.cases,
)  # fmt: skip

WEIGHTED = Method(
    name="least squares", serves=lambda declaration: declaration.estimator in WEIGHTS, refuse=_refuse, problem=_problem,
    check=_check,
    outcome=_outcome, answers=_ANSWERS, scores=factor_scores.of_continuous,
)  # fmt: skip

ORDERED = Method(
    name="least squares of ordered variables", serves=lambda declaration: bool(declaration.ordered_names), refuse=_refuse_ordered,
    problem=_ordered_problem, check=_check, outcome=_outcome, answers=_ANSWERS, scores=of_ordered,
)  # fmt: skip
