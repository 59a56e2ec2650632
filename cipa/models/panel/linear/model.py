"""ci.Panel: a linear panel model as a value, and its fit.

    y_it = x_it'b + mu_i + lambda_t + e_it

Each method is a transformation of the columns (`cipa.models.panel.linear.transform`, `random`), least squares on the result,
and a covariance of the estimates with a named convention (`covariance`). Sources: Wooldridge, J. (2010). Econometric
Analysis of Cross Section and Panel Data, ch. 10; Baltagi, B. (2021). Econometric Analysis of Panel Data, ch. 2-4, 9.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

from cipa.errors import SpecificationError, one_of, public
from cipa.models.panel.common.atoms import Formula, term_name
from cipa.models.panel.common.design import Design, build_design
from cipa.models.panel.common.formula import parse_formula
from cipa.models.panel.linear.answers import ANSWERS
from cipa.models.panel.linear.covariance import KINDS
from cipa.models.panel.linear.fit import METHODS, PanelFit, assemble
from cipa.models.panel.linear.least_squares import Solution, least_squares, two_stage
from cipa.models.panel.linear.random import random_effects
from cipa.models.panel.linear.transform import Transformed, between, first_difference, pooled, refuse_flat, within
from cipa.results.covariance import as_vcov
from cipa.results.vcov import VCov
from cipa.terms import Term

RANDOM_METHODS = ("swar", "swar_stata")


@public
@dataclass(frozen=True, slots=True)
class Panel:
    """A linear panel model.

    Parameters
    ----------
    formula : str
        "log(y) ~ x*z + lag(x) + i(year) + [w ~ instrument]": a closed grammar (`cipa.models.panel.common.formula`).
    method : {"within", "pooled", "between", "random", "first_difference", "mundlak"}
    effects : sequence of {"entity", "time"}, or "both"
        Which effects "within" sweeps out, "random" draws, "between" averages over. Ignored by the other methods.
    entity, time : str, optional
        The panel keys; taken from the Dataset's roles when not given. Pooled models need none: without keys the data are a
        cross-section.
    vcov : str, VCov or mapping
        "iid", "hc0" to "hc3", `ci.clustered("firm")`, `ci.driscoll_kraay(lags)`, `ci.newey_west(lags)`,
        `ci.crv3("firm")`, `ci.cr2("firm")`.
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
        if self.effects == ("both",):
            object.__setattr__(self, "effects", ("entity", "time"))
        for effect in self.effects:
            one_of(effect, ("entity", "time"), what="effects", where=where)
        object.__setattr__(self, "vcov", as_vcov(self.vcov, kinds=KINDS, where=where))
        self._refuse_contradictions(parse_formula(self.formula))

    def _refuse_contradictions(self, formula: Formula) -> None:
        where = f'ci.Panel: method="{self.method}"'
        if self.absorb and self.method != "within":
            raise SpecificationError(
                f'{where} sweeps out nothing, so absorb={list(self.absorb)} has no meaning. Use method="within".'
            )
        if self.weights and self.method not in ("pooled", "within"):
            raise SpecificationError(
                f"{where} is not derived with weights here, and without them it would weigh the rows otherwise. Use "
                'method="pooled" or "within", or drop weights=.'
            )
        if formula.endogenous and self.method in ("random", "mundlak"):
            raise SpecificationError(
                f"{where} is not derived with instruments here, and without them its slopes would be others. Use "
                'method="within", "pooled" or "first_difference".'
            )
        if len(formula.instruments) < len(formula.endogenous):
            raise SpecificationError(
                f"ci.Panel: {len(formula.endogenous)} instrumented variables and {len(formula.instruments)} instruments in "
                f"{self.formula!r}. Two-stage least squares needs at least one instrument for each: add instruments, or "
                "instrument fewer variables."
            )
        if self.method == "within" and not (self.effects or self.absorb):
            raise SpecificationError(
                f'{where} with no effects is pooled least squares. Say method="pooled", or effects=("entity",).'
            )
        if self.method == "between" and len(self.effects) > 1:
            raise SpecificationError(
                f'{where} averages over one key, as a mean over both is the row itself. Write effects=("entity",) or '
                'effects=("time",).'
            )

    def fit(self, data: Any, *, start: Any = None) -> PanelFit:
        """Estimate the model.

        Parameters
        ----------
        data : Dataset or DataFrame
            A DataFrame needs `entity` and `time`, except for pooled models without lags.
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
        return assemble(self, design, transformed, solution, answers=ANSWERS)

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
            weights=self.weights, full_dummies=not demeaned, keyed=self.method != "pooled",
        )  # fmt: skip

    def transform(self, design: Design) -> Transformed:
        """The columns of the regression that the method runs."""
        refuse_flat(design.response, design)
        found = self._transformed(design)
        root = 1.0 if found.root_weights is None else found.root_weights
        refuse_flat(found.y / root, design, after=f"of the {self.method.replace('_', ' ')} regression")
        return found

    def _transformed(self, design: Design) -> Transformed:
        if self.method == "pooled":
            return pooled(design)
        if self.method == "within":
            return within(design, self.effects)
        if self.method == "between":
            return between(design, self.effects)
        if self.method == "first_difference":
            return first_difference(design)
        return random_effects(design, self.effects, method=self.random_method, mundlak=self.method == "mundlak")


def _solve(found: Transformed, design: Design) -> Solution:
    if not design.endogenous:
        return least_squares(found.X, found.y, found.names, spread=found.spread, constant=found.constant)
    split = found.X.shape[1] - design.endogenous
    return two_stage(
        found.X[:, :split], found.X[:, split:], found.Z, found.y, found.names, design.instrument_names,
        spread=found.spread, instrument_spread=found.instrument_spread, constant=found.constant[:split],
    )  # fmt: skip
