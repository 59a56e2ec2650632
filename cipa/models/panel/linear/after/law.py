"""The law of a linear panel fit, given the regressors: what power and simulation draw from.

    y_it = fitted_it + e_it,   e_it ~ N(0, RSS / df)

Regressors and the effects of a within model are held at the sample's, as in a regression with fixed regressors; a random-effects
model draws its firm effects too. The outcome is drawn as the formula writes it, and turned back into its column.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cipa.data.dataset import Dataset
from cipa.errors import InferenceError, did_you_mean
from cipa.frozen import FrozenDict
from cipa.models.panel.common.atoms import Call, Column, column_of
from cipa.models.panel.linear.fit import PanelFit
from cipa.models.panel.linear.statistics import linear_index
from cipa.numerics.algebra.linalg import Array, frozen
from cipa.terms import Term

_METHODS = ("pooled", "within", "random")


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelLaw:
    """Fitted values (n,) of the rows used, and standard deviations of the residual and of the firm effects."""

    fit: PanelFit
    truth: Mapping[Term, float]
    mean: Array
    sigma: float
    sigma_u: float
    logged: bool
    ordered: tuple[str, ...] = ()

    @property
    def nobs(self) -> int:
        """Rows of a draw."""
        return len(self.mean)

    def draw(self, rng: np.random.Generator) -> Dataset:
        """One sample: the data of the fit with a new outcome in the rows used."""
        keys, design = self.fit.design.keys, self.fit.design
        effects = rng.normal(0.0, self.sigma_u, size=int(keys.entities.max()) + 1) if self.sigma_u else np.zeros(1)
        y = self.mean + rng.normal(0.0, self.sigma, size=self.nobs) + effects[keys.entities if self.sigma_u else 0]
        name = column_of(design.formula.response)
        column = np.full(design.data.nobs, np.nan)
        column[design.rows] = np.exp(y) if self.logged else y
        return design.data.with_columns({name: column})


def law_of(fit: PanelFit, params: Mapping[Any, float] | None, nobs: Any) -> PanelLaw:
    """The population of a fit, with the values of `params` instead of some of its estimates.

    Raises
    ------
    InferenceError
        For methods, outcomes and regressors that do not say how the outcome arises; for another number of rows; for what is no
        coefficient.
    """
    _refuse(fit, nobs)
    values = dict(zip(fit.terms, fit.params.tolist(), strict=True))
    truth = {**values, **_given(fit, params or {})}
    random = fit.model.method == "random"
    design, found = fit.design, fit.transformed
    mean = linear_index(fit.model, design, found, fit.params) if random else design.response - fit.solution.residuals
    for term, value in truth.items():
        if value != values[term]:
            mean = mean + (value - values[term]) * (1.0 if term.op == "~1" else design.column(term.rhs))
    sigma = fit.statistics["sigma_e"].value if random else float(np.sqrt((fit.solution.residuals**2).sum() / fit.df_resid))
    return PanelLaw(
        fit=fit, truth=FrozenDict(truth), mean=frozen(mean), sigma=sigma,
        sigma_u=fit.statistics["sigma_u"].value if random else 0.0,
        logged=isinstance(design.formula.response, Call),
    )  # fmt: skip


def _refuse(fit: PanelFit, nobs: Any) -> None:
    model, formula = fit.model, fit.design.formula
    response, outcome = formula.response, column_of(formula.response)
    logged = isinstance(response, Call) and response.function == "log" and isinstance(response.argument, Column)
    what = ""
    if model.method not in _METHODS or fit.design.endogenous or model.weights:
        what = f'method="{model.method}"' + (", instruments or weights" if fit.design.endogenous or model.weights else "")
    elif model.method == "random" and tuple(model.effects) != ("entity",):
        what = "random effects of other keys than the entity"
    elif not (logged or isinstance(response, Column)):
        what = f"the outcome {response}"
    elif outcome in formula.regressor_columns:
        what = f"{outcome} among its own regressors"
    if what:
        raise InferenceError(
            f"A panel fit with {what} does not say how its outcome arises row by row, so there is nothing to draw from. Give a "
            "pooled, within or random model of a column (or of its log), which has a law."
        )
    if nobs is not None and nobs != fit.nobs:
        raise InferenceError(
            f"nobs={nobs!r}: a panel is drawn at its own {fit.nobs} rows, because regressors are held at the sample's. Leave "
            "nobs= out."
        )


def _given(fit: PanelFit, params: Mapping[Any, float]) -> dict[Term, float]:
    """Population values by term."""
    names = [str(term) for term in fit.terms]
    for key in params:
        if str(key) not in names:
            raise InferenceError(
                f"params names '{key}', which is no coefficient of this fit, so that it would change "
                f"nothing.{did_you_mean(str(key), names)} Name one as the estimates print it."
            )
    return {fit.terms[names.index(str(key))]: float(value) for key, value in params.items()}
