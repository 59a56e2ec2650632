"""ci.Panel: a linear panel model as a value, and its fit.

    y_it = x_it'b + mu_i + lambda_t + e_it

Each method is a transformation of the columns (`cipa.models.panel.transform`, `random`), least squares on the result,
and a covariance of the estimates with a named convention (`covariance`). Sources: Wooldridge, J. (2010). Econometric
Analysis of Cross Section and Panel Data, ch. 10; Baltagi, B. (2021). Econometric Analysis of Panel Data, ch. 2-4, 9.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import chdtrc, fdtrc

from cipa.errors import SpecificationError, one_of, public
from cipa.models.panel.covariance import as_vcov, covariance
from cipa.models.panel.design import Design, build_design
from cipa.models.panel.formula import Formula, parse_atom, parse_formula, term_name
from cipa.models.panel.least_squares import Solution, least_squares, two_stage
from cipa.models.panel.random import random_effects
from cipa.models.panel.transform import Transformed, between, first_difference, group_means, pooled, within, words_of
from cipa.numerics.algebra.linalg import Array, frozen
from cipa.numerics.panel.absorb import Effect
from cipa.results.estimates import tabulate
from cipa.results.fit import Fit, Spread, announce
from cipa.results.statistics import Statistic, Statistics
from cipa.results.vcov import VCov
from cipa.terms import Term

METHODS = {
    "pooled": "pooled least squares",
    "within": "within (fixed effects)",
    "between": "between",
    "random": "random effects",
    "first_difference": "first difference",
    "mundlak": "correlated random effects (Mundlak)",
}
RANDOM_METHODS = ("swar", "swar_stata")


@public
@dataclass(frozen=True, slots=True)
class Panel:
    """A linear panel model.

    Parameters
    ----------
    formula : str
        "log(y) ~ x*z + lag(x) + i(year) + [w ~ instrument]": a closed grammar (`cipa.models.panel.formula`).
    method : {"within", "pooled", "between", "random", "first_difference", "mundlak"}
    effects : sequence of {"entity", "time"}
        Which effects "within" sweeps out, "random" draws, "between" averages over. Ignored by the other methods.
    entity, time : str, optional
        The panel keys; taken from the Dataset's roles when not given.
    vcov : str, VCov or mapping
        "iid", "hc0" to "hc3", `ci.clustered("firm")`, `ci.driscoll_kraay(lags)`, `ci.newey_west(lags)`.
    absorb : sequence of str
        Further columns (or combinations "a^b") whose effects "within" sweeps out.
    weights : str, optional
        Column of positive weights (pooled and within).
    random_method : {"swar", "swar_stata"}
        Variance components as plm's "swar" or as Stata's `xtreg, re`; they differ on unbalanced panels.

    Examples
    --------
    >>> import cipa as ci
    >>> grunfeld = ci.datasets.load("grunfeld")
    >>> fit = ci.Panel("inv ~ value + capital", entity="firm", time="year").fit(grunfeld)
    >>> round(fit.estimates["inv ~ value"].estimate, 4)
    0.1101
    """

    formula: str
    _: KW_ONLY
    method: str = "within"
    effects: Sequence[str] = ("entity",)
    entity: str | None = None
    time: str | None = None
    vcov: str | VCov | Mapping[str, Any] = "iid"
    absorb: Sequence[str] = ()
    weights: str | None = None
    random_method: str = "swar"

    def __post_init__(self) -> None:
        where = "ci.Panel"
        one_of(self.method, METHODS, what="method", where=where)
        one_of(self.random_method, RANDOM_METHODS, what="random_method", where=where)
        for name in ("effects", "absorb"):
            given = getattr(self, name)
            object.__setattr__(self, name, (given,) if isinstance(given, str) else tuple(given))
        for effect in self.effects:
            one_of(effect, ("entity", "time"), what="effects", where=where)
        object.__setattr__(self, "vcov", as_vcov(self.vcov))
        self._refuse_contradictions(parse_formula(self.formula))

    def _refuse_contradictions(self, formula: Formula) -> None:
        where = f'ci.Panel: method="{self.method}"'
        if self.absorb and self.method != "within":
            raise SpecificationError(
                f'{where} sweeps out nothing, so absorb={list(self.absorb)} has no meaning. Use method="within".'
            )
        if self.weights and self.method not in ("pooled", "within"):
            raise SpecificationError(
                f'{where} is not derived with weights here. Use method="pooled" or "within", or drop weights=.'
            )
        if formula.endogenous and self.method in ("random", "mundlak"):
            raise SpecificationError(
                f'{where} is not derived with instruments here. Use method="within", "pooled" or "first_difference".'
            )
        if len(formula.instruments) < len(formula.endogenous):
            raise SpecificationError(
                f"ci.Panel: {len(formula.endogenous)} instrumented variables and {len(formula.instruments)} instruments in {self.formula!r}."
                " Two-stage least squares needs at least one instrument for each: add instruments, or instrument fewer variables."
            )
        if self.method == "within" and not (self.effects or self.absorb):
            raise SpecificationError(
                f'{where} with no effects is pooled least squares. Say method="pooled", or effects=("entity",).'
            )
        if self.method == "between" and len(self.effects) > 1:
            raise SpecificationError(f'{where} averages over one key: effects=("entity",) or effects=("time",).')

    def fit(self, data: Any, *, start: Any = None) -> PanelFit:
        """Estimate the model.

        Parameters
        ----------
        data : Dataset or DataFrame
            A DataFrame needs `entity` and `time`.
        start : ignored
            Linear models have a closed form.

        Returns
        -------
        PanelFit

        Raises
        ------
        DataError, IdentificationError, InferenceError
        """
        design = self.design(data)
        transformed = self.transform(design)
        solution = _solve(transformed, design)
        return _assemble(self, design, transformed, solution)

    @property
    def variables(self) -> tuple[str, ...]:
        """The columns of the data that the formula needs."""
        return parse_formula(self.formula).columns

    @property
    def declared_terms(self) -> tuple[Term, ...]:
        """The effects that the formula writes (dummies of i(...) by their variable)."""
        formula = parse_formula(self.formula)
        outcome = str(formula.response)
        return tuple(Term(lhs=outcome, op="~", rhs=term_name(term)) for term in (*formula.terms, *formula.endogenous))

    def design(self, data: Any) -> Design:
        """The estimation sample: columns, keys, and what was dropped."""
        formula = parse_formula(self.formula)
        assert isinstance(self.vcov, VCov)
        demeaned = self.method in ("within", "first_difference")
        return build_design(
            data, formula, entity=self.entity, time=self.time, clusters=self.vcov.clusters, absorb=self.absorb,
            weights=self.weights, full_dummies=not demeaned,
        )  # fmt: skip

    def transform(self, design: Design) -> Transformed:
        """The columns of the regression that the method runs."""
        if self.method == "pooled":
            return pooled(design)
        if self.method == "within":
            return within(design, self.effects)
        if self.method == "between":
            return between(design, self.effects)
        if self.method == "first_difference":
            return first_difference(design)
        return random_effects(design, self.effects, method=self.random_method, mundlak=self.method == "mundlak")


@dataclass(frozen=True, kw_only=True)
class PanelFit(Fit):
    """The fit of a linear panel model.

    Parameters
    ----------
    design : Design
        The estimation sample.
    transformed : Transformed
        The columns of the regression that was run.
    solution : Solution
        Its residuals and the design whose products with them are the scores.

    Examples
    --------
    >>> import cipa as ci
    >>> fit = ci.Panel("inv ~ value", effects=("entity",)).fit(ci.datasets.load("grunfeld"))
    >>> fit.scores.shape, round(fit.estimates["inv ~ value"].estimate, 4)
    ((200, 1), 0.1899)
    """

    design: Design
    transformed: Transformed
    solution: Solution

    @property
    def scores(self) -> Array:
        """Scores (m, k): the (transformed) regressors times the residuals."""
        return self.solution.design * self.solution.residuals[:, None]

    @cached_property
    def residuals(self) -> Array:
        """Residuals (m,) of the transformed regression."""
        return frozen(self.solution.residuals)

    def spread_of(self, name: str) -> Spread:
        """Mean and standard deviation of a variable over the estimation sample."""
        values = self.design.column(parse_atom(name))
        return Spread(mean=float(values.mean()), sd=float(values.std(ddof=1)), values=frozen(values))

    @property
    def headline(self) -> tuple[str, ...]:
        """The statistics that a summary shows first."""
        first = ("entities", "times", "r2", "r2_within", "r2_between", "r2_overall", "f", "wald")
        return tuple(name for name in first if name in self.statistics)


def _solve(found: Transformed, design: Design) -> Solution:
    if not design.endogenous:
        return least_squares(found.X, found.y, found.names, spread=found.spread, constant=found.constant)
    split = found.X.shape[1] - design.endogenous
    return two_stage(
        found.X[:, :split], found.X[:, split:], found.Z, found.y, found.names, design.instrument_names,
        spread=found.spread, instrument_spread=found.instrument_spread, constant=found.constant[:split],
    )  # fmt: skip


def _assemble(model: Panel, design: Design, found: Transformed, solution: Solution) -> PanelFit:
    assert isinstance(model.vcov, VCov)
    nobs, k = found.X.shape
    df_resid = nobs - k - found.rows.effect_rank
    if df_resid <= 0:
        raise _no_freedom(nobs, k, found.rows.effect_rank, words=words_of(design, model.effects))
    leverage = found.leverage(solution.bread, solution.design) if model.vcov.kind in ("hc2", "hc3") else None
    spread = covariance(
        model.vcov, found.rows, bread=solution.bread, design=solution.design, residuals=solution.residuals,
        leverage=leverage, df_resid=df_resid, normal=found.normal,
    )  # fmt: skip
    errors = np.sqrt(np.maximum(spread.matrix.diagonal(), 0.0))
    estimates = tabulate(
        found.terms, solution.params, errors, df=spread.df, standardized=solution.params * found.scale_x / found.scale_y
    )
    notices = (*design.notices, *found.notices, *spread.notices)
    announce(notices)
    rss = float(solution.residuals @ solution.residuals)
    likelihood = model.method in ("pooled", "within") and not design.endogenous
    return PanelFit(
        model=model, data=design.data, kind="panel", terms=found.terms, params=frozen(solution.params), vcov=frozen(spread.matrix),
        bread=frozen(solution.bread), nobs=nobs, df_resid=float(df_resid), npar=k, vcov_type=spread.vcov, estimates=estimates,
        loglik=-nobs / 2 * float(np.log(2 * np.pi * rss / nobs) + 1) if likelihood else float("nan"),
        statistics=_statistics(model, design, found, solution, matrix=spread.matrix, df=spread.df, df_resid=df_resid),
        notices=notices, title=_title(model, design), design=design, transformed=found, solution=solution,
    )  # fmt: skip


def _title(model: Panel, design: Design) -> str:
    how = METHODS[model.method]
    if model.method == "within":
        how = f"within, {words_of(design, model.effects)}"
    if model.method in ("random", "mundlak"):
        how = f"{how}, {words_of(_without_absorbed(design), model.effects)}, {model.random_method}"
    return f"Panel model, {how}{', two-stage least squares' if design.endogenous else ''}"


def _without_absorbed(design: Design) -> Design:
    """The design without absorbed columns, whose names a random-effects title does not list."""
    return replace(design, absorbed={})


def _no_freedom(nobs: int, k: int, rank: int, *, words: str) -> SpecificationError:
    return SpecificationError(
        f"The model has {nobs} rows, {k} regressors and {rank} parameters of the {words}: no degrees of freedom are left for the"
        " residual variance. Use fewer regressors or effects, or more data."
    )


def _statistics(
    model: Panel, design: Design, found: Transformed, solution: Solution, *, matrix: Array, df: float, df_resid: int
) -> Statistics:
    residuals = solution.residuals
    rss = float(residuals @ residuals)
    rows = [
        Statistic(name="nobs", value=float(len(residuals)), label="Observations"),
        Statistic(name="entities", value=float(design.keys.n_entities), label=f"Entities ({design.keys.entity})"),
        Statistic(name="times", value=float(design.keys.n_times), label=f"Times ({design.keys.time})"),
        *_fit_shares(model, found, solution, df_resid),
        *_correlations(design, found, solution),
        Statistic(name="sigma", value=float(np.sqrt(rss / df_resid)), label="Residual standard deviation"),
        *_components(found),
        *_joint_test(found, solution.params, matrix, df),
    ]
    return Statistics(tuple(rows))


def _fit_shares(model: Panel, found: Transformed, solution: Solution, df_resid: int) -> list[Statistic]:
    """R² of the regression that was run, about the mean where it has an intercept; adjusted for its own parameters.

    Quasi-demeaning an unbalanced panel leaves no constant column; then R² is the squared correlation of outcome and fit, as in plm.
    """
    rss = float(solution.residuals @ solution.residuals)
    centred = bool(found.constant.any())
    tss = float(((found.y - found.y.mean()) ** 2).sum() if centred else found.y @ found.y)
    r2 = (
        _squared_correlation(np.column_stack([found.y, found.y - solution.residuals]))
        if found.theta is not None
        else 1 - rss / tss
    )
    adjusted = 1 - (1 - r2) * (len(found.y) - centred) / df_resid
    own = {"within": " of the demeaned outcome", "random": " of the quasi-demeaned outcome"}.get(model.method, "")
    return [Statistic(name="r2", value=r2, label=f"R²{own}"), Statistic(name="r2_adj", value=adjusted, label="Adjusted R²")]


def _correlations(design: Design, found: Transformed, solution: Solution) -> list[Statistic]:
    """Squared correlations of outcome and X b: within, between and overall (Stata `xtreg`)."""
    slopes = dict(zip(found.names, solution.params, strict=True))
    columns = [slopes[name] * design.regressors[:, j] for j, name in enumerate(design.names)]
    index = np.sum(columns, axis=0) if columns else np.zeros(design.nobs)
    effect = Effect(codes=design.keys.entities, levels=design.keys.n_entities)
    both = np.column_stack([design.response, index])
    means = group_means(both, effect)
    parts = {"within": both - means[effect.codes], "between": means, "overall": both}
    return [
        Statistic(name=f"r2_{name}", value=_squared_correlation(part), label=f"{name.capitalize()} R²")
        for name, part in parts.items()
    ]


def _squared_correlation(pair: Array) -> float:
    centred = pair - pair.mean(axis=0)
    cross, (first, second) = centred[:, 0] @ centred[:, 1], (centred**2).sum(axis=0)
    scale = np.abs(pair).max(axis=0, initial=0.0) ** 2 * len(pair) * 1e-24
    return float(cross**2 / (first * second)) if first > scale[0] and second > scale[1] else float("nan")


def _components(found: Transformed) -> list[Statistic]:
    parts = found.components
    if not parts:
        return []
    u, e = parts["sigma2_u"], parts["sigma2_e"]
    rows = [
        Statistic(name="sigma_u", value=float(np.sqrt(u)), label="Standard deviation of the effects"),
        Statistic(name="sigma_e", value=float(np.sqrt(e)), label="Standard deviation of the idiosyncratic error"),
        Statistic(name="rho", value=u / (u + e), label="Share of variance due to the effects"),
    ]
    if found.theta is not None:
        rows.append(
            Statistic(name="theta", value=float(np.median(found.theta)), label="Median share of the mean taken off (theta)")
        )
    return rows


def _joint_test(found: Transformed, params: Array, matrix: Array, df: float) -> list[Statistic]:
    """Wald test that every slope is zero, with the covariance that the fit reports."""
    slopes = np.flatnonzero(~found.constant)
    block = matrix[np.ix_(slopes, slopes)]
    q = int(np.linalg.matrix_rank(block, hermitian=True)) if slopes.size else 0
    if q < slopes.size or not q:
        return []
    wald = float(params[slopes] @ np.linalg.solve(block, params[slopes]))
    if np.isfinite(df):
        row = Statistic(
            name="f", value=wald / q, df=float(q), df_denominator=df, p_value=float(fdtrc(q, df, wald / q)), reference="F",
            label="F test of all slopes",
        )  # fmt: skip
        return [row]
    row = Statistic(
        name="wald", value=wald, df=float(q), p_value=float(chdtrc(q, wald)), reference="chi2", label="Wald test of all slopes"
    )
    return [row]
