"""Where a model and the data part, whatever the family; and what it expects."""

from __future__ import annotations

from typing import Any

from cipa.errors import public
from cipa.results.display import ResultTable
from cipa.results.fit import Fit
from cipa.results.questions import asked


@public
def residuals(fit: Fit, *, kind: str | None = None) -> ResultTable:
    """Where a model and the data part: of rows for a regression, of moments for a structural equation model.

    Parameters
    ----------
    fit : Fit
        Of a structural equation or a panel model.
    kind : str, optional
        For SEM "raw", "cor_bentler" (default), "cor", "normalized", "standardized" (docs/after-the-fit.md). For panel
        models "raw".

    Returns
    -------
    ResultTable
        Panel models: entity, time, observed, fitted, residual (row instead of the keys for a cross-section), a row for each row
        of the regression; the effects of a within model are in `fitted`, random effects in `residual`.
        SEM: group, level, lhs, op, rhs, residual of covariances (and means). Least squares: the moments that were fitted.

    Raises
    ------
    InferenceError
        For a fit by another engine, which keeps no residuals.

    Examples
    --------
    >>> import cipa as ci
    >>> fit = ci.SEM("f =~ x1 + x2 + x3 + x4").fit(ci.datasets.load("holzinger1939"))
    >>> ci.residuals(fit).to_frame().loc[1, ["lhs", "rhs"]].tolist(), round(ci.residuals(fit).columns["residual"][1], 3)
    (['x2', 'x1'], -0.034)
    >>> panel = ci.Panel("inv ~ value + capital").fit(ci.datasets.load("grunfeld"))
    >>> list(ci.residuals(panel).columns)
    ['entity', 'time', 'observed', 'fitted', 'residual']
    """
    return asked(fit, fit.answers.residuals, "ci.residuals")(fit, kind)


@public
def predict(fit: Fit, data: Any = None) -> ResultTable:
    """The outcome that a model expects.

    Parameters
    ----------
    fit : Fit
        Of a linear panel model.
    data : Dataset or DataFrame, optional
        Other rows, with the columns of the regressors (the outcome is not needed) and the panel keys where the fit has them. None
        takes the rows of the fit.

    Returns
    -------
    ResultTable
        entity, time, fitted; row instead of the keys for a cross-section. For other data there is a row for each of theirs, in
        their order, with NaN where a regressor is missing or a level (a firm, a year, a word) was not in the estimation sample:
        the notes count them. Levels and means (`center`) are those of the estimation sample; the estimated effects of a within
        model are included, random effects count as 0.

    Raises
    ------
    InferenceError
        For families that derive no predictions, and for other data after first differences.

    Examples
    --------
    >>> import cipa as ci
    >>> grunfeld = ci.datasets.load("grunfeld").to_frame()
    >>> fit = ci.Panel("inv ~ value + capital", entity="firm", time="year").fit(grunfeld)
    >>> ci.predict(fit, grunfeld.head(2).assign(value=0)).to_frame()["fitted"].round(3).tolist()
    [-69.429, -53.987]
    """
    return asked(fit, fit.answers.predict, "ci.predict")(fit, data)
