"""SEMFit, and how it is put together from the end point of the search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from cipa.errors import InferenceError, did_you_mean
from cipa.models.sem.cases.conditions import cluster_notices
from cipa.models.sem.cases.moments import TWO_STAGE, Sample
from cipa.models.sem.declare.layout import Layout
from cipa.models.sem.likelihood import robust_fiml
from cipa.models.sem.likelihood.measures import likelihood_measures
from cipa.models.sem.likelihood.objective import Likelihood, LikelihoodPoint
from cipa.models.sem.likelihood.resample import Resampler
from cipa.models.sem.population.law import Population, checked, of_fit, refuse_design, sizes_of
from cipa.models.sem.steps.admissible import admissible_notices
from cipa.models.sem.steps.covariance import bread, casewise_scores, covariance
from cipa.models.sem.steps.indices import Test, as_statistics
from cipa.models.sem.steps.release import release_tests
from cipa.models.sem.steps.scaled import moment_parts, moment_sandwich, scaled_measures
from cipa.models.sem.steps.standardize import derived_slopes, explained_variance, scale_factors
from cipa.models.sem.twolevel.sample import level_moments
from cipa.numerics.algebra.linalg import Array, IntArray, frozen
from cipa.numerics.moments import ram
from cipa.numerics.search.optimize import Solution
from cipa.results.estimates import Estimates, Status, tabulate
from cipa.results.fit import Convergence, Fit, Spread
from cipa.results.statistics import Statistics
from cipa.results.vcov import VCov
from cipa.study.expressions import evaluate
from cipa.terms import Term

if TYPE_CHECKING:
    from cipa.models.sem.model import SEM


@dataclass(frozen=True, kw_only=True)
class SEMFit(Fit):
    """A fitted structural equation model.

    Besides what every fit has: the layout, the sample and the end point of the search, from which the standardized
    solution, R², casewise scores and the robust fit measures are derived when they are first asked for.

    Examples
    --------
    >>> import cipa as ci
    >>> fit = ci.SEM("visual =~ x1 + x2 + x3").fit(ci.datasets.load("holzinger1939"))
    >>> fit.latent, fit.observed, round(fit.implied_cov[0, 1], 3)
    (('visual',), ('x1', 'x2', 'x3'), np.float64(0.407))
    """

    layout: Layout
    sample: Sample
    point: LikelihoodPoint
    objective: Any
    group_labels: tuple[str, ...]
    measures: Mapping[str, float]

    @property
    def levels(self) -> tuple[str, ...]:
        """Labels of the levels of a two-level model, the within level first; otherwise ()."""
        return self.layout.levels

    @property
    def block_labels(self) -> tuple[str | None, ...]:
        """What tells the blocks of the layout apart: levels, groups, or nothing."""
        return self.levels or (self.group_labels if len(self.group_labels) > 1 else (None,))

    @property
    def latent(self) -> tuple[str, ...]:
        """Names of the latent variables (of the within level)."""
        return self.layout.roles[0].latent

    @property
    def observed(self) -> tuple[str, ...]:
        """Names of the observed variables (of the within level)."""
        return self.layout.blocks[0].observed

    @property
    def headline(self) -> tuple[str, ...]:
        """The statistics that a summary shows first: with a scaled test the scaled chi-square too, and corrected indices."""
        if not self._has_scaled_test:
            return ("chisq", "cfi", "tli", "rmsea", "srmr", "aic", "bic", "logl")
        indices = (self.reported_statistics.corrected(name).name for name in ("cfi", "tli", "rmsea"))
        return ("chisq", "chisq.scaled", "chisq.scaling.factor", *indices, "srmr", "aic", "bic", "logl")

    @cached_property
    def reported_statistics(self) -> Statistics:
        """The statistics; beside a scaled test, indices corrected for missing values replace those that are not."""
        return as_statistics({**self.measures, **self.robust_measures}) if self._has_scaled_test else self.statistics

    @property
    def _has_scaled_test(self) -> bool:
        return bool(np.isfinite(self.measures.get("chisq.scaling.factor", np.nan)))

    @cached_property
    def standardized(self) -> Estimates:
        """The completely standardized solution with delta-method standard errors."""
        return self.standardized_solution("std_all")

    def standardized_solution(self, kind: str) -> Estimates:
        """The standardized solution of one kind ("std_all", "std_lv", "std_nox")."""
        values, slopes = standardized_values(self.layout, self.point, self._values, self.residual_matrices, kind=kind)
        values, slopes = _with_defined(self.model.parsed.constraints, self.layout, values, slopes)
        errors = _delta_errors(slopes, self.vcov)
        errors = np.where(errors > 1e-9 * np.maximum(1.0, np.abs(values)), errors, np.nan)
        terms, labels, statuses = _rows(self.layout, self.group_labels, self.model.parsed.constraints)
        return tabulate(terms, values, errors, labels=labels, statuses=statuses, standardized=values, conf_level=self.conf_level)

    @cached_property
    def r_squared_rows(self) -> tuple[tuple[str, str | None, float], ...]:
        """(variable, label of its group or level or None, R²) of every dependent variable."""
        found = explained_variance(self.layout, tuple(point.moments for point in self.point.groups), self.residual_matrices)
        return tuple((name, self.block_labels[block], value) for block, name, value in found)

    @cached_property
    def r_squared(self) -> Mapping[str, float]:
        """R² by variable (of the first group or level)."""
        return {name: value for name, label, value in reversed(self.r_squared_rows) if label == self.block_labels[0]}

    @property
    def implied_cov(self) -> Array:
        """Implied covariance of the observed variables of the first group."""
        return self.point.groups[0].moments.cov

    @property
    def latent_cov(self) -> Array:
        """Implied covariance of the latent variables of the first group."""
        return self.latent_covs[0]

    @property
    def latent_covs(self) -> tuple[Array, ...]:
        """Implied covariance of the latent variables, group by group in the order of `latent`, or level by level."""
        return tuple(
            one.moments.T[np.ix_(rows, rows)]
            for one, block, roles in zip(self.point.groups, self.layout.blocks, self.layout.roles, strict=True)
            for rows in [[block.variables.index(name) for name in (roles.latent if self.levels else self.latent)]]
        )

    @property
    def sample_covs(self) -> tuple[Array, ...]:
        """Sample covariance of the observed variables, group by group (divisor n; by EM with missing values)."""
        return tuple(group.saturated.cov for group in self.sample.groups)

    def sample_moments(self, block: int) -> tuple[Array, Array]:
        """Sample covariance and mean of a group's observed variables, or the unrestricted ones of a level.

        The mean of a variable on both levels is one number: what it differs from the implied one stands at the between level.
        """
        if self.sample.levels is None:
            group = self.sample.groups[block]
            return group.saturated.cov, group.saturated.mean
        return level_moments(self.sample.levels, self.point, block)

    def spread_of(self, name: str) -> Spread:
        """Mean and standard deviation of a variable as the model implies them (first group)."""
        self.require_one_level("How a variable varies")
        block, moments = self.layout.blocks[0], self.point.groups[0].moments
        if name not in block.variables:
            raise InferenceError(f"'{name}' is not a variable of this model.{did_you_mean(name, block.variables)}")
        position = block.variables.index(name)
        return Spread(mean=float(moments.tau[position]), sd=float(np.sqrt(moments.T[position, position])))

    @property
    def test_used(self) -> str:
        """The kind of chi-square test ("standard", "satorra_bentler", …)."""
        return str(self.model.test_of(self.sample))

    @property
    def by_likelihood(self) -> bool:
        """Whether the fit is by maximum likelihood (not by least squares)."""
        return "logl" in self.measures

    def require_one_level(self, what: str) -> None:
        """Refuse what is derived here for single-level models only."""
        if self.levels:
            raise InferenceError(
                f"{what} is derived here for single-level models, and this fit has the levels {' and '.join(self.levels)}. A fit without"
                " 'level:' blocks (with cluster= for the errors) has it; defined parameters (:=) and ci.wald_test work on two levels."
            )

    def require_likelihood(self, what: str) -> None:
        """Refuse what is derived here for fits by maximum likelihood only."""
        if not self.by_likelihood:
            raise InferenceError(
                f"{what} is derived here for fits by maximum likelihood, and this one is by least squares"
                f' (estimator {self.model.estimator_used}). Fit the model with estimator="mlr" to look at it.'
            )

    @property
    def group_sizes(self) -> tuple[int, ...]:
        """Cases used in each group."""
        return tuple(len(group.rows) for group in self.sample.groups)

    @property
    def cluster_codes(self) -> IntArray | None:
        """Codes (n,) of the clusters of the cases used, or None."""
        return self.sample.clusters

    def population(self, *, params: Mapping[Any, float] | None = None, nobs: Any = None) -> Population:
        """The estimates as a population (see `ci.simulate`, which draws from it); `nobs` as many as the fit had."""
        refuse_design(self.model)
        sizes = self.group_sizes if nobs is None else sizes_of(self.group_labels, nobs)
        return of_fit(self, sizes, checked(params))

    def values_at(self, point: LikelihoodPoint, objective: Likelihood) -> Array:
        """All rows of the estimates, defined effects included, at a point of an objective of this layout."""
        values = row_values(self.layout, point, objective)
        return _with_defined(self.model.parsed.constraints, self.layout, values, None)[0]

    def resampler(self, kind: str) -> Resampler:
        """A function from rows (or a generator, for parametric draws) to (values of all rows, chi-square), or None."""
        self.require_likelihood("ci.bootstrap")
        self.require_one_level("ci.bootstrap")
        if self.layout.curves:
            raise InferenceError(
                "ci.bootstrap: draws under inequality or nonlinear constraints are not available: the bound may bind in some draws and not"
                " in others. Drop the constraint, or test it with ci.wald_test."
            )
        return Resampler.of(self, kind)

    def scaling_factor_at(self, other: Fit) -> float:
        """The scaling factor of this model's test at the estimates of another (restricted) model, for difference tests."""
        self.require_likelihood("The 2010 difference test")
        self.require_one_level("The 2010 difference test")
        layout = self.layout
        theta = self.params.copy()
        for k, term in enumerate(self.terms):
            row = other.estimates.find(term)
            theta[k] = theta[k] if row is None else row.estimate
        point = self.objective.evaluate(layout.to_eta(theta))
        if point is None:
            raise InferenceError(
                "The estimates of the restricted model imply no covariance matrix in the general one: the models are not nested."
            )
        test = Test(chisq=self.measures["chisq"], df=self.df_resid)
        recipe = self.model.recipe(self.sample)
        found = scaled_measures(recipe, self.objective, point, self.sample, test=test, baseline=None, nobs=self.nobs)
        return found["chisq.scaling.factor"]

    def moment_parts(self) -> list[tuple[Array, Array, Array, float]]:
        """Per group: Jacobian (m, q), weight and n times covariance (m, m) of the moments, share of the cases (Satorra 2000)."""
        self.require_one_level('ci.lr_test(method="satorra_2000")')
        if self.by_likelihood:
            complete = all(group.values is not None and group.patterns.complete for group in self.sample.groups)
            if not complete or self.sample.clusters is not None or self.sample.weights is not None:
                raise InferenceError(
                    'ci.lr_test: method="satorra_2000" is derived for complete, independent, unweighted cases. Use "satorra_bentler_2001".'
                )
            return moment_parts(self.objective, self.point, self.sample)
        parts = (self.objective.part(self.point, g) for g in range(len(self.sample.groups)))
        groups = zip(parts, self.objective.targets, self.objective.shares, strict=True)
        return [(part.D @ self.layout.K, target.weight, target.gamma, float(share)) for part, target, share in groups]

    def release_tests(self) -> list[tuple[Term, float, float]]:
        """(term, chi-square, expected parting) of freeing each parameter that a constraint holds (expected information)."""
        self.require_one_level("ci.score_test")
        return release_tests(self)

    @cached_property
    def robust_measures(self) -> Mapping[str, float]:
        """CFI, TLI and RMSEA corrected for missing values; empty with complete data and on two levels."""
        return {} if self.levels else robust_fiml.measures(self)

    @cached_property
    def scores(self) -> Array | None:
        """Casewise gradient (n, k) of the log-likelihood, in the order of the cases used; None for covariance input and on two levels."""
        if self.levels:  # where clusters are the independent units
            return None
        return casewise_scores(self.layout, self.sample.groups, self.point) if self.by_likelihood else None

    @cached_property
    def _values(self) -> Array:
        return row_values(self.layout, self.point, self.objective)

    def matrices(self, group: int) -> tuple[Array, Array, Array]:
        """A (m, m), S (m, m) and M (m,) of a group at the estimates, `variables` in the order of its block."""
        block = self.layout.blocks[group]
        placed = ram.place(block.places, self.point.theta[block.free], self.objective.bases[group])
        return placed.A, placed.S, placed.M

    @cached_property
    def residual_matrices(self) -> tuple[Array, ...]:
        """S of each group: variances and covariances of what is not explained."""
        return residual_matrices(self.layout, self.point, self.objective)


def assemble(
    model: SEM,
    layout: Layout,
    sample: Sample,
    objective: Likelihood,
    point: LikelihoodPoint,
    solution: Solution,
    *,
    labels: Sequence[str],
) -> SEMFit:
    """The fit at the end point of the search."""
    recipe = model.recipe(sample)
    nobs = _chisq_n(model, sample)
    inverse = bread(objective, point, observed=recipe.information == "observed", nobs=nobs)
    held = any(len(block.exogenous) for block in layout.blocks)
    if recipe.se == "robust_sem" and (held or sample.missing in TWO_STAGE):
        vcov, inverse = moment_sandwich(objective, point, sample)
    else:
        vcov = covariance(recipe.se, objective, point, sample, inverse=inverse, nobs=nobs)
    if sample.clusters is not None:
        few = cluster_notices(int(sample.clusters.max()) + 1, layout.npar)
        sample = replace(sample, notices=(*sample.notices, *few))
    found = likelihood_measures(model, objective, point, sample, recipe=recipe, nobs=nobs)
    return solved(
        model, layout, sample, objective, point, solution, labels=labels, vcov=vcov, inverse=inverse, measures=found,
        described=recipe.described(sample),
    )  # fmt: skip


def solved(
    model: SEM,
    layout: Layout,
    sample: Sample,
    objective: Any,
    point: LikelihoodPoint,
    solution: Solution,
    *,
    labels: Sequence[str],
    vcov: Array,
    inverse: Array,
    measures: Mapping[str, float],
    described: VCov,
) -> SEMFit:
    """The fit, once covariance and measures are known: estimates with errors, standardized values, notices."""
    values = row_values(layout, point, objective)
    parsed = model.parsed.constraints
    slopes = np.zeros((len(values), layout.nfree))
    slopes[list(layout.theta), np.arange(layout.nfree)] = 1.0
    full, slopes = _with_defined(parsed, layout, values, slopes)
    errors = _delta_errors(slopes, vcov)
    matrices_s = residual_matrices(layout, point, objective)
    beta, _ = _with_defined(
        parsed, layout, standardized_values(layout, point, values, matrices_s, kind="std_all", slopes=False)[0], None
    )
    terms, names, statuses = _rows(layout, labels, parsed)
    estimates = tabulate(terms, full, errors, labels=names, statuses=statuses, standardized=beta)
    notices = (*sample.notices, *admissible_notices(layout, labels, estimates, point, errors))
    return SEMFit(
        model=model, data=sample.data, kind="sem", terms=tuple(terms[position] for position in layout.theta),
        params=frozen(point.theta), vcov=frozen(vcov), bread=frozen(inverse), nobs=sample.nobs, df_resid=measures["df"],
        loglik=measures.get("logl", float("nan")), npar=layout.npar, vcov_type=described, estimates=estimates,
        convergence=Convergence(converged=True, iterations=solution.iterations, criterion=solution.decrement, message=solution.message),
        statistics=as_statistics(measures), notices=notices, title=_title(model, sample), layout=layout, sample=sample, point=point,
        objective=objective, group_labels=tuple(labels), measures=measures,
    )  # fmt: skip


def _delta_errors(slopes: Array, vcov: Array) -> Array:
    """Standard errors of functions with gradients `slopes` (r, k): the delta method."""
    return np.asarray(np.sqrt(np.maximum(((slopes @ vcov) * slopes).sum(axis=1), 0.0)))


def _title(model: SEM, sample: Sample) -> str:
    how = {
        "listwise": "complete cases",
        "fiml": "full information (FIML)",
        "fiml_x": "full information (FIML), random x",
        "pairwise": "pairwise present cases",
        "two_stage": "two stages",
        "robust_two_stage": "two stages, robust",
    }[sample.missing]
    groups = f", {len(sample.groups)} groups" if len(sample.groups) > 1 else ", two levels" if sample.levels is not None else ""
    by = {"gls": "generalized", "uls": "unweighted", "wls": "weighted", "dwls": "diagonally weighted"}
    kind = {"ulsm": "uls", "ulsmv": "uls", "wlsm": "dwls", "wlsmv": "dwls"}.get(model.estimator_used, model.estimator_used)
    estimator = f"{by[kind]} least squares" if kind in by else "maximum likelihood"
    ordered = ", ordered variables" if model.ordered_names else ""
    return f"Structural equation model, {estimator}, {how}{groups}{ordered}"


def _chisq_n(model: SEM, sample: Sample) -> int:
    return sample.nobs - (len(sample.groups) if model.likelihood == "wishart" else 0)


def row_values(layout: Layout, point: LikelihoodPoint, objective: Likelihood) -> Array:
    """The estimate or fixed value of every row, the sample's moment for exogenous ones."""
    values = np.array([row.value for row in layout.rows])
    values[list(layout.theta)] = point.theta
    for position, row in enumerate(layout.rows):
        if row.exogenous:
            block, base = layout.blocks[row.group], objective.bases[row.group]
            i = block.variables.index(row.lhs)
            values[position] = base.M[i] if row.op == "~1" else base.S[i, block.variables.index(row.rhs)]
    return values


def residual_matrices(layout: Layout, point: LikelihoodPoint, objective: Any) -> tuple[Array, ...]:
    """S (m, m) of each group at a point."""
    pairs = zip(layout.blocks, objective.bases, strict=True)
    return tuple(ram.place(block.places, point.theta[block.free], base).S for block, base in pairs)


def standardized_values(
    layout: Layout, point: LikelihoodPoint, values: Array, matrices_s: tuple[Array, ...], *, kind: str, slopes: bool = True
) -> tuple[Array, Array]:
    """Standardized rows and their derivatives (rows, k)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio, log_slope = scale_factors(layout, tuple(one.moments for one in point.groups), matrices_s, kind=kind, slopes=slopes)
        found = values * ratio
        found = np.where(np.isfinite(found), found, np.nan)  # a variable without variance has no standard deviations to count in
        scales = [p for p, row in enumerate(layout.rows) if row.op == "~*~" and kind != "std_lv"]
        found[scales] = 1.0  # the variance is the unit
        if not slopes:
            return found, log_slope
        derivative = found[:, None] * log_slope
    derivative[list(layout.theta), np.arange(layout.nfree)] += ratio[list(layout.theta)]
    for position, slope in derived_slopes(layout, tuple(one.moments for one in point.groups), matrices_s):
        derivative[position] += ratio[position] * slope
    derivative[scales] = 0.0
    return found, derivative


def _with_defined(constraints: Sequence[Any], layout: Layout, values: Array, slopes: Array | None) -> tuple[Array, Array]:
    """Append `:=` effects, evaluated on the labels, with their gradients (delta method)."""
    defined = [one for one in constraints if one.op == ":="]
    if slopes is None:
        slopes = np.zeros((len(values), layout.nfree))
    if not defined:
        return values, slopes
    duals: dict[str, Any] = {row.label: (values[p], slopes[p]) for p, row in reversed(list(enumerate(layout.rows))) if row.label}
    extra_values, extra_slopes = [], []
    for one in defined:
        value, slope = evaluate(one.right, duals, size=layout.nfree)
        duals[one.lhs] = (value, slope)
        extra_values.append(float(value))
        extra_slopes.append(np.asarray(slope, dtype=np.float64))
    return np.concatenate([values, extra_values]), np.vstack([slopes, *extra_slopes])


def _rows(layout: Layout, labels: Sequence[str], constraints: Sequence[Any]) -> tuple[list[Term], list[str], list[Status]]:
    terms = [row.term(labels) for row in layout.rows]
    names = [row.label for row in layout.rows]
    statuses: list[Status] = ["free" if row.free else "fixed" for row in layout.rows]
    for one in constraints:
        if one.op == ":=":
            terms.append(Term(lhs=one.lhs, op=":=", rhs=one.rhs))
            names.append(one.lhs)
            statuses.append("defined")
    return terms, names, statuses
