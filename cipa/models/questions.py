"""Questions that several families of fits answer, each in its own way."""

from __future__ import annotations

from typing import Any

from cipa.errors import InferenceError, one_of, public
from cipa.models.panel.linear.after import residual_table
from cipa.models.panel.linear.fit import PanelFit
from cipa.models.sem.after import residuals as sem
from cipa.models.sem.fit import SEMFit
from cipa.results.display import ResultTable


@public
def residuals(fit: Any, *, kind: str | None = None) -> ResultTable:
    """Where a model and the data part: of rows for a regression, of moments for a structural equation model.

    Parameters
    ----------
    fit : PanelFit or SEMFit
    kind : str, optional
        For SEM "raw", "cor_bentler" (default), "cor", "normalized", "standardized": see `cipa.models.sem.after.residuals`. For panel
        models "raw".

    Returns
    -------
    ResultTable
        Panel models: entity, time, observed, fitted, residual (row instead of the keys for a cross-section), a row for each row of the
        regression; the effects of a within model are in `fitted`, random effects in `residual`.
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
    if isinstance(fit, PanelFit):
        one_of("raw" if kind is None else kind, ("raw",), what="kind", where="ci.residuals of a panel fit")
        return residual_table(fit)
    if isinstance(fit, SEMFit):
        return sem.residuals(fit, kind="cor_bentler" if kind is None else kind)
    engine = getattr(fit, "engine", type(fit).__name__)
    raise InferenceError(
        f"ci.residuals: a fit by '{engine}' keeps no residuals, so there is nothing to compare with the data. Fit the model with the"
        " native engine (leave engine= out)."
    )
