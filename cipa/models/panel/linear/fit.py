"""ci.PanelFit: the fit of a linear panel model as a value, assembled from the regression that was run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from cipa.errors import SpecificationError
from cipa.language.en import EN
from cipa.models.panel.common.design import Design
from cipa.models.panel.linear.covariance import KINDS, Regression
from cipa.models.panel.linear.least_squares import Solution
from cipa.models.panel.linear.statistics import log_likelihood, statistics_of
from cipa.models.panel.linear.transform import Transformed, words_of
from cipa.numerics.algebra.linalg import Array, frozen
from cipa.results.answers import Answers
from cipa.results.covariance import covariance_of
from cipa.results.estimates import tabulate
from cipa.results.fit import Fit, Notice, announce
from cipa.results.vcov import VCov

_EXACT = 1e-20  # share of the outcome's sum of squares below which residuals are rounding

METHODS = ("pooled", "within", "between", "random", "first_difference", "mundlak")


@dataclass(frozen=True, kw_only=True, repr=False)
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

    @cached_property
    def residuals(self) -> Array:
        """Residuals (m,) of the transformed regression."""
        return frozen(self.solution.residuals)


def assemble(model: Any, design: Design, found: Transformed, solution: Solution, *, answers: Answers) -> PanelFit:
    """The fit of a Panel `model`: covariance, estimates and statistics of a solved regression."""
    assert isinstance(model.vcov, VCov)
    nobs, k = found.X.shape
    df_resid = nobs - k - found.rows.effect_rank
    if df_resid <= 0:
        raise _no_freedom(nobs, k, found.rows.effect_rank, words=words_of(design, model.effects))
    parts = Regression(
        inner=solution.inner, design=solution.centred, shares=solution.shares, residuals=solution.residuals, rows=found.rows,
        df_resid=df_resid, leverages=lambda: found.leverage(solution.inner, solution.centred),
        df=np.inf if found.normal else float(df_resid),
        root_weights=found.root_weights, plain=not design.endogenous and found.theta is None,
    )  # fmt: skip
    spread = covariance_of(model.vcov, parts, kinds=KINDS)
    errors = np.sqrt(np.maximum(spread.matrix.diagonal(), 0.0))
    estimates = tabulate(
        found.terms, solution.params, errors, df=spread.df, standardized=solution.params * found.scale_x / found.scale_y
    )
    notices = (*design.notices, *found.notices, *spread.notices, *_exact(found.y, solution.residuals))
    announce(notices)
    return PanelFit(
        model=model, data=design.data, kind="panel", terms=found.terms, params=frozen(solution.params),
        vcov=frozen(spread.matrix),
        bread=frozen(solution.bread), nobs=nobs, df_resid=float(df_resid), npar=k, vcov_type=spread.vcov, estimates=estimates,
        loglik=log_likelihood(model.method, design, found, solution),
        statistics=statistics_of(model, design, found, solution, matrix=spread.matrix, df=spread.df, df_resid=df_resid),
        notices=notices, title=_title(model, design), answers=answers, design=design, transformed=found, solution=solution,
    )  # fmt: skip


def _exact(y: Array, residuals: Array) -> tuple[Notice, ...]:
    """A notice where the regressors give the outcome (m,) itself, so that what is left is rounding."""
    if residuals @ residuals > _EXACT * (y @ y):
        return ()
    return (Notice(code="exact", severity="warning"),)


def _title(model: Any, design: Design) -> str:
    method, instruments = model.method, bool(design.endogenous)
    if not design.keys.named:
        return EN("title.regression", method=method, instruments=instruments)
    drawn = method in ("random", "mundlak")
    shown = replace(design, absorbed={}) if drawn else design  # what is absorbed is not drawn
    return EN(
        "title.panel",
        method=method,
        effects=words_of(shown, model.effects) if drawn or method == "within" else None,
        components=model.random_method if drawn else None,
        instruments=instruments,
    )


def _no_freedom(nobs: int, k: int, rank: int, *, words: str) -> SpecificationError:
    return SpecificationError(
        f"The model has {nobs} rows, {k} regressors and {rank} parameters of the {words}: no degrees of freedom are left for the"
        " residual variance. Use fewer regressors or effects, or more data."
    )
