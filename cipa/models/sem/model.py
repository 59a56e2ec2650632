"""ci.SEM: a structural equation model as a value, and its fit.

The fit is a sequence of named steps: parameter table, layout, sample, identification, search, solution.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from cipa.data.dataset import Dataset, as_dataset
from cipa.errors import (
    InadmissibleWarning,
    SpecificationError,
    one_of,
    public,
)
from cipa.models.sem.cases.moments import MISSING, TWO_STAGE, Sample, group_labels, prepare
from cipa.models.sem.declare.layout import Layout, build_layout
from cipa.models.sem.declare.parameters import GROUP_EQUAL, Rules, hold_equal, parameter_table, roles_of
from cipa.models.sem.declare.refusals import (
    check_declaration,
    moment_count,
    refuse_means_without_means,
    refuse_underidentified,
)
from cipa.models.sem.fit import SEMFit as SEMFit
from cipa.models.sem.fit import assemble
from cipa.models.sem.likelihood.objective import Likelihood, bases_with_exogenous
from cipa.models.sem.population.law import Population, categories_of, checked, group_names, of_model, refuse_design
from cipa.models.sem.population.restrict import fitted_to, restricted
from cipa.models.sem.steps.covariance import ERRORS, ESTIMATORS, Recipe, recipe
from cipa.models.sem.steps.identification import check_identified
from cipa.models.sem.steps.scaled import SCALED_TESTS
from cipa.models.sem.steps.search import at_tangent, search
from cipa.models.sem.steps.starts import other_values, starting_values, with_user_starts
from cipa.models.sem.twolevel.fit import fit_two_level
from cipa.models.sem.weighted.fit import WEIGHTS, continuous_targets, fit_weighted
from cipa.models.sem.weighted.ordered import ordered_rows, read_responses, refuse_unscalable, response_sample
from cipa.results.fit import announce
from cipa.study.syntax import Syntax, parse
from cipa.terms import Term
from cipa.threads import one_thread

_parsed = lru_cache(maxsize=128)(parse)


LAVAAN_WORDS: Mapping[str, Mapping[str, str]] = {
    "missing": {"ml": "fiml", "direct": "fiml", "ml.x": "fiml_x", "two.step": "two_stage", "twostage": "two_stage"},
    "test": {"sb": "satorra_bentler", "satterthwaite": "mean_var_adjusted"},
}
"""lavaan's words that are ours by another name; those that differ in dots and case only are understood everywhere."""


@public
@dataclass(frozen=True, slots=True)
class SEM:
    r"""A structural equation model.

    Parameters
    ----------
    syntax : str
        lavaan model syntax (`=~ ~ ~~ ~1 := ==`, modifiers, labels, `group:` blocks). Two `level:` blocks (within, between) with cluster=
        make a two-level model with random intercepts.
    estimator : str
        Maximum likelihood: "ml"; with robust errors and a scaled test "mlm" (Satorra-Bentler), "mlmv" (scaled and shifted), "mlmvs"
        (mean and variance adjusted), "mlr" (Yuan-Bentler, also with missing values, clusters, weights); "mlf", with first-order errors.
        Least squares: "gls", "wls" (ADF), "dwls", "uls", and with robust errors "wlsm", "wlsmv", "ulsm", "ulsmv". With ordered
        variables "ml" stands for "wlsmv", as in lavaan.
    missing : {"listwise", "fiml", "fiml_x", "two_stage", "robust_two_stage", "pairwise"}
        Complete cases; full information maximum likelihood (cases with a missing exogenous variable are dropped, as
        lavaan does); the same with exogenous variables made random, so that no case is lost; unrestricted moments first, the model to them
        second, errors and test corrected for it (robust: also for non-normality); each pair's cases, errors and test corrected likewise
        (lavaan's own errors ignore the holes: se="standard", test="standard" gives them).
    se : {"standard", "robust", "robust_sem", "robust_huber_white", "first_order"}, optional
    test : {"standard", "satorra_bentler", "mean_var_adjusted", "scaled_shifted", "yuan_bentler_mplus"}, optional
        Instead of the estimator's own.
    information : {"expected", "observed"}, optional
        For standard errors. Default as lavaan: expected with complete data, observed with missing values.
    likelihood : {"normal", "wishart"}
        Divisor n and chi-square n F, or n - 1 and (n - 1) F (LISREL, EQS).
    group : str, optional
        Column of a multi-group model; groups are ordered by appearance in the data.
    group_equal, group_partial : sequence of str
        Classes of parameters held equal across groups ("loadings", "intercepts", …), and terms that stay free.
    ordered : sequence of str, or True
        Variables seen through thresholds (2 to 30 categories), beside continuous ones as you like; True: all but covariates. Exogenous
        variables are conditioned on (probit regressions) unless fixed_x=False.
    parameterization : {"delta", "theta"}
        Of ordered variables: the variance of the response variable is 1, or its residual variance is.
    cluster, sampling_weight : str, optional
        Columns of a survey's design: errors and tests are corrected for them (estimators "ml" and "mlr"). With `level:` blocks the
        clusters are the between level instead.
    meanstructure : bool, optional
        Estimate means. Default: when the syntax has `~1`, with missing values, groups, or "growth".
    std_lv : bool
        Latent variances at 1 instead of first loadings at 1.
    orthogonal : bool
        Latent covariances at 0.
    fixed_x : bool, optional
        Hold the moments of exogenous observed variables at the sample's (default, as lavaan; not by least squares of continuous variables).
    effect_coding : bool
        Loadings of a construct average 1.
    conditional_x : bool
        Condition on exogenous variables: so it is with ordered variables; not available without them.
    defaults : {"sem", "cfa", "growth", "lavaan"}
        Which parameters are added to those written ("lavaan": none).
    interaction, nodes, bounds : optional
        Reserved for products of latent variables and bounds of parameters; not available in this version (write `a > 0` for a bound).

    Examples
    --------
    >>> import cipa as ci
    >>> model = ci.SEM("visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9")
    >>> fit = model.fit(ci.datasets.load("holzinger1939"))
    >>> round(fit.statistics["chisq"].value, 3)
    85.306
    """

    syntax: str
    _: KW_ONLY
    estimator: str = "ml"
    missing: str = "listwise"
    se: str | None = None
    test: str | None = None
    information: str | None = None
    likelihood: str = "normal"
    group: str | None = None
    group_equal: Sequence[str] = ()
    group_partial: Sequence[str] = ()
    ordered: Sequence[str] | bool = ()
    parameterization: str = "delta"
    cluster: str | None = None
    sampling_weight: str | None = None
    meanstructure: bool | None = None
    std_lv: bool = False
    orthogonal: bool = False
    fixed_x: bool | None = None
    effect_coding: bool = False
    conditional_x: bool = False
    defaults: str = "sem"
    interaction: str | None = None
    nodes: int | None = None
    bounds: str | None = None

    def __post_init__(self) -> None:
        where = "ci.SEM"
        allowed = {
            "estimator": ESTIMATORS, "missing": MISSING, "parameterization": ("delta", "theta"), "likelihood": ("normal", "wishart"),
            "defaults": ("sem", "cfa", "growth", "lavaan"), "information": ("expected", "observed"), "se": (*ERRORS, "robust"),
            "test": ("standard", *SCALED_TESTS),
        }  # fmt: skip
        for name, words in allowed.items():
            given = getattr(self, name)
            if given is not None:
                object.__setattr__(
                    self,
                    name,
                    one_of(LAVAAN_WORDS.get(name, {}).get(str(given).lower(), given), words, what=name, where=where, lavaan=True),
                )
        equal = tuple(
            one_of(word, sorted(GROUP_EQUAL), what="group_equal", where=where, lavaan=True)
            for word in _words(self, "group_equal")
        )
        object.__setattr__(self, "group_equal", equal)
        for word in _words(self, "group_partial"):
            if not isinstance(word, str):
                raise SpecificationError(f"{where}: group_partial lists terms such as 'x3 ~1', not {word!r}.")
        check_declaration(self)

    def recipe(self, sample: Sample) -> Recipe:
        """Which information, standard errors and test this model reports for a sample."""
        found = recipe(
            "mlm" if sample.missing in TWO_STAGE else self.estimator, se=self.se, test=self.test, information=self.information,
            complete=sample.missing in ("listwise", *TWO_STAGE) and sample.levels is None,
            design=bool(self.cluster or self.sampling_weight) and sample.levels is None,
        )  # fmt: skip
        if any(group.values is None for group in sample.groups) and (found.se != "standard" or found.test != "standard"):
            raise SpecificationError(
                f'ci.SEM: estimator="{self.estimator}" corrects by what the cases show, and a covariance matrix has no cases. Give the data,'
                ' or use estimator="ml".'
            )
        return found

    def test_of(self, sample: Sample) -> str:
        """Which test this model reports for a sample."""
        if not self.ordered_names:
            return self.recipe(sample).test
        return recipe(self.estimator_used, se=self.se, test=self.test, information=None, complete=True, design=False).test

    @property
    def ordered_names(self) -> tuple[str, ...]:
        """Variables declared ordered, by name, by True (all that are not covariates), or by a threshold in the syntax."""
        with_thresholds = (row.lhs for row in self.parsed.formulas if row.op == "|")
        if self.ordered is True:
            roles = roles_of(self.parsed.formulas)
            return tuple(name for name in roles.observed if name not in roles.exogenous)
        return tuple(dict.fromkeys([*_words(self, "ordered"), *with_thresholds]))

    @property
    def holds_exogenous(self) -> bool:
        """Whether the moments of exogenous variables are held at the sample's; by least squares of continuous variables they are not."""
        if self.missing == "fiml_x":
            return False
        random = self.estimator in WEIGHTS and not self.ordered_names
        return not random if self.fixed_x is None else self.fixed_x

    @property
    def estimator_used(self) -> str:
        """The estimator; with ordered variables ML means WLSMV, as in lavaan."""
        return "wlsmv" if self.ordered_names and self.estimator == "ml" else self.estimator

    @property
    def parsed(self) -> Syntax:
        """The statements of the syntax."""
        return _parsed(self.syntax)

    @property
    def variables(self) -> tuple[str, ...]:
        """The columns of the data that the syntax needs, in order of appearance."""
        latent = {row.lhs for row in self.parsed.formulas if row.op in ("=~", "<~")}
        names = (name for row in self.parsed.formulas for name in (row.lhs, row.rhs) if name)
        return tuple(dict.fromkeys(name for name in names if name not in latent))

    @property
    def declared_terms(self) -> tuple[Term, ...]:
        """The parameters and defined effects that the syntax writes."""
        written = [Term(lhs=row.lhs, op=row.op, rhs=row.rhs, level=row.level) for row in self.parsed.formulas]
        return (*written, *(Term(lhs=one.lhs, op=":=", rhs="") for one in self.parsed.constraints if one.op == ":="))

    def population(self, *, params: Mapping[Any, float] | None = None, nobs: Any = None) -> Population:
        """The model with a value for every parameter (see `ci.simulate`, which draws from it)."""
        refuse_design(self)
        labels, sizes = group_names(self, 500 if nobs is None else nobs)
        categories = categories_of(self, checked(params))
        means = bool(categories) or wants_means(self, self.parsed, ngroups=len(labels), data=None)
        layout = lay_out(self, labels, means=means, categories=categories)
        return of_model(self, layout, labels, sizes, checked(params))

    def fit_population(self, law: Population) -> SEMFit:
        """The model fitted by maximum likelihood to the exact moments of a population."""
        return fitted_to(self, law)

    def restricted(self, claim: str, fit: SEMFit) -> SEM:
        """The model with one claim more: a parameter of `fit` at 0, or an equation of labels."""
        return restricted(self, claim, fit)

    @public
    @one_thread
    def fit(self, data: Any, *, start: Mapping[str, float] | None = None) -> SEMFit:
        """Estimate the model.

        Parameters
        ----------
        data : Dataset, DataFrame, SampleMoments, or a list of SampleMoments (groups)
        start : mapping, optional
            Starting values by label or term ("y ~ x").

        Raises
        ------
        DataError
            Text, constant, collinear or missing columns; too few cases.
        IdentificationError
            The model has no unique solution.
        ConvergenceError
            The search did not end at a stationary point.
        """
        data = self._copied(data)
        if self.parsed.levels:
            fit = fit_two_level(self, data, start=start)
            announce(fit.notices, category=InadmissibleWarning)
            return fit
        if self.ordered_names:
            return self._fit_ordered(data, start=start)
        layout, labels = declare(self, data)
        sample = prepare(
            data,
            self.parsed,
            observed=[block.observed for block in layout.blocks],
            exogenous=[_held(self, roles.exogenous) for roles in layout.roles],
            labels=labels,
            group=self.group,
            missing=self.missing,
            likelihood=self.likelihood,
            cluster=self.cluster,
            weight=self.sampling_weight,
        )
        refuse_means_without_means(layout, sample)
        if self.estimator in WEIGHTS:
            refuse_underidentified(layout.npar - sum(curve.equal for curve in layout.curves), moment_count(layout))
            targets = continuous_targets(WEIGHTS[self.estimator], sample, means=layout.means)
            bases = bases_with_exogenous(layout, sample)
            fit = fit_weighted(self, layout, sample, targets, bases, self.recipe(sample), labels, start=start)
            announce(fit.notices, category=InadmissibleWarning)
            return fit
        objective = _objective(self, layout, sample)
        refuse_underidentified(layout.npar - sum(curve.equal for curve in layout.curves), moment_count(layout))
        moments = [(group.saturated.cov, group.saturated.mean) for group in sample.groups]
        theta = starting_values(layout, moments)
        names = [str(layout.rows[position].term(labels)) for position in layout.theta]
        if start:
            theta = with_user_starts(theta, start, layout, names)
        scales = tuple(np.sqrt(group.saturated.cov.diagonal()) for group in sample.groups)
        check_identified(replace(objective, layout=at_tangent(layout, theta)), theta, names, scales)
        objective, point, solution = search(objective, theta, others=other_values(layout, moments, theta))
        fit = assemble(self, objective.layout, sample, objective, point, solution, labels=labels)
        announce(fit.notices, category=InadmissibleWarning)
        return fit

    def _copied(self, data: Any) -> Any:
        """The columns that the model needs, copied out of a DataFrame once; where one is not there it is refused later, with its place."""
        present = {str(name) for name in getattr(data, "columns", ())}
        columns = (self.group, self.cluster, self.sampling_weight)
        needed = list(dict.fromkeys([*self.variables, *(name for name in columns if name)]))
        return data if isinstance(data, Dataset) or not present.issuperset(needed) else as_dataset(data, columns=needed)

    def _fit_ordered(self, data: Any, *, start: Mapping[str, float] | None) -> SEMFit:
        """Weighted least squares of thresholds, slopes, polychoric and polyserial correlations."""
        labels = group_labels(data, group=self.group)
        _, roles = parameter_table(self.parsed, rules=_rules(self, means=True), group_labels=labels)
        found = read_responses(self, data, roles=roles, held=[_held(self, here.exogenous) for here in roles], labels=labels)
        layout = lay_out(self, labels, means=True, categories=found.categories)
        sample, targets = response_sample(self, found, layout, labels, WEIGHTS[self.estimator_used])
        curved = sum(curve.equal for curve in layout.curves)
        refuse_underidentified(layout.npar - curved, sum(len(target.s) for target in targets))
        chosen = recipe(self.estimator_used, se=self.se, test=self.test, information=None, complete=True, design=False)
        fit = fit_weighted(self, layout, sample, targets, bases_with_exogenous(layout, sample), chosen, labels, start=start)
        announce(fit.notices, category=InadmissibleWarning)
        return fit


def declare(model: SEM, data: Any) -> tuple[Layout, tuple[str, ...]]:
    """The layout of a model for the groups that the data have."""
    labels = group_labels(data, group=model.group)
    return lay_out(model, labels, means=wants_means(model, model.parsed, ngroups=len(labels), data=data)), labels


def lay_out(model: SEM, labels: Sequence[str], *, means: bool, categories: Mapping[str, int] | None = None) -> Layout:
    """The layout of a model for groups of these labels, and ordered variables of these numbers of categories."""
    syntax, theta = model.parsed, model.parameterization == "theta"
    unknown = [label for label in syntax.groups if label not in labels and label not in [str(i + 1) for i in range(len(labels))]]
    if unknown:
        raise SpecificationError(
            f"The syntax has a block 'group: {unknown[0]}', but the groups are {', '.join(labels) or 'none (give group=)'}."
        )
    rows, roles = parameter_table(syntax, rules=_rules(model, means=means), group_labels=labels)
    classes = _words(model, "group_equal")
    if categories:
        refuse_unscalable(rows, categories, theta=theta)
        rows = ordered_rows(
            rows, categories, ngroups=len(labels), theta=theta, equal_thresholds="thresholds" in classes
        )  # fmt: skip
    rows = hold_equal(rows, roles, classes=classes, partial=_words(model, "group_partial"), automatic=model.defaults != "lavaan")
    own_theta = theta and bool(categories)
    return build_layout(rows, roles, syntax, means=means, effect_coding=model.effect_coding, theta=own_theta)


def _rules(model: SEM, *, means: bool) -> Rules:
    return Rules(
        defaults=model.defaults, means=means, std_lv=model.std_lv, orthogonal=model.orthogonal, fixed_x=model.holds_exogenous,
        effect_coding=model.effect_coding,
    )  # fmt: skip


def wants_means(model: SEM, syntax: Syntax, *, ngroups: int, data: Any) -> bool:
    """Whether means are estimated."""
    incomplete = model.missing not in ("listwise", "pairwise")
    if model.meanstructure is not None and not (incomplete and not model.meanstructure):
        return model.meanstructure
    written = any(row.op == "~1" for row in syntax.formulas)
    given = [data] if not isinstance(data, (list, tuple)) else list(data)
    without = any(getattr(one, "mean", 0) is None for one in given)
    return written or incomplete or model.cluster is not None or model.defaults == "growth" or (ngroups > 1 and not without)


def _words(model: SEM, name: str) -> tuple[str, ...]:
    value = getattr(model, name) or ()
    return (value,) if isinstance(value, str) else tuple(value)


def _held(model: SEM, exogenous: Sequence[str]) -> tuple[str, ...]:
    return tuple(exogenous) if model.holds_exogenous else ()


def _objective(model: SEM, layout: Layout, sample: Sample) -> Likelihood:
    lost = 1 if model.likelihood == "wishart" else 0
    counts = np.array([group.total - lost for group in sample.groups])
    return Likelihood(
        layout=layout,
        patterns=tuple(group.patterns for group in sample.groups),
        bases=bases_with_exogenous(layout, sample),
        weights=counts / counts.sum(),
    )
