"""Residual moments: where the model and the sample part, raw, as correlations, and over their standard errors.

    standardized   r / se,  cov(r) = Q G Q' / n,  Q = I - D (D'W D)^-1 D'W
    normalized     r / se of the sample moment alone (conservative)

G is the covariance of the sample moments, estimated by the inverse information of the unrestricted model or, for robust
errors, by its sandwich (for first-order errors, by the inverse outer product of its scores); W the information of the
moments at the fitted ones, of the kind that the standard errors use.

Sources: Bentler, P. M. (1995). EQS Structural Equations Program Manual; Ogasawara, H. (2001). Behaviormetrika, 28, 1-20;
Maydeu-Olivares, A. (2017). Structural Equation Modeling, 24, 383-394.
"""

from __future__ import annotations

from typing import Any

from cipa.errors import one_of, public
from cipa.models.sem.fit import SEMFit
from cipa.models.sem.methods import method_of
from cipa.results.display import ResultTable
from cipa.results.questions import asked

KINDS = {
    "raw": "sample less implied moments",
    "cor_bentler": "sample less implied correlations, each over the sample's standard deviations (Bentler)",
    "cor": "sample correlations less implied correlations (Bollen)",
    "normalized": "raw residuals over the standard errors of the sample moments",
    "standardized": "raw residuals over their own standard errors",
}


@public
def residuals(fit: SEMFit, *, kind: str = "cor_bentler") -> ResultTable:
    """Residual covariances (and means) of the observed variables.

    Parameters
    ----------
    fit : SEMFit
    kind : {"raw", "cor_bentler", "cor", "normalized", "standardized"}

    Returns
    -------
    ResultTable
        group, level, lhs, op ("~~" or "~1"), rhs, residual: lower triangle with diagonal, then means where they are modelled; for least
        squares the moments that were fitted, with thresholds ("|") and slopes on covariates ("~").
        Standardized residuals compare with a standard normal variable; one that has no variance of its own is 0. On two levels the
        residual mean of a variable that has both stands at the between level.

    Examples
    --------
    >>> import cipa as ci
    >>> fit = ci.SEM("f =~ x1 + x2 + x3 + x4").fit(ci.datasets.load("holzinger1939"))
    >>> ci.residuals(fit).to_frame().loc[1, ["lhs", "rhs"]].tolist(), round(ci.residuals(fit).columns["residual"][1], 3)
    (['x2', 'x1'], -0.034)
    """
    one_of(kind, KINDS, what="kind", where="ci.residuals")
    residuals_of = asked(fit, method_of(fit.model).residuals, f'ci.residuals(kind="{kind}")')
    rows: list[tuple[Any, ...]] = []
    for g in range(len(fit.layout.blocks)):
        label = (None, fit.levels[g]) if fit.levels else (fit.block_labels[g], None)
        rows += [(*label, *row) for row in residuals_of(fit, g, kind)]
    columns = {head: tuple(row[k] for row in rows) for k, head in enumerate(("group", "level", "lhs", "op", "rhs", "residual"))}
    return ResultTable(title=f"Residuals: {KINDS[kind]}", columns=columns)
