"""The standardized solution with delta-method standard errors, and R² (formulas: `steps/standardize.py`)."""

from __future__ import annotations

from cipa.errors import one_of, public
from cipa.language.en import EN
from cipa.models.sem.fit import SEMFit
from cipa.models.sem.steps.table import standardized_table
from cipa.results.display import ResultTable
from cipa.results.estimates import Estimates

KINDS = ("std_all", "std_lv", "std_nox")


@public
def standardized(fit: SEMFit, *, kind: str = "std_all") -> Estimates:
    """Standardized parameters with delta-method standard errors and intervals.

    Parameters
    ----------
    fit : SEMFit
    kind : {"std_all", "std_lv", "std_nox"}
        Standardize all variables, latent variables only, or all but exogenous observed ones.

    Returns
    -------
    Estimates
        One row per parameter; the standard error is of the standardized parameter (not the unstandardized one's).

    Examples
    --------
    >>> import cipa as ci
    >>> fit = ci.SEM("visual =~ x1 + x2 + x3").fit(ci.datasets.load("holzinger1939"))
    >>> row = ci.standardized(fit)["visual =~ x2"]
    >>> round(row.estimate, 3), round(row.std_error, 3)
    (0.479, 0.063)
    """
    one_of(kind, KINDS, what="kind", where="ci.standardized")
    return standardized_table(
        fit.model.parsed.constraints, fit.objective, fit.point, fit.group_labels, fit.vcov, kind=kind, conf_level=fit.conf_level
    )


@public
def r_squared(fit: SEMFit) -> ResultTable:
    """Explained variance of every dependent variable: 1 - residual variance / total variance, as implied.

    NaN where the residual variance is estimated negative: no share of the variance is explained by an impossible one.

    Parameters
    ----------
    fit : SEMFit

    Examples
    --------
    >>> import cipa as ci
    >>> fit = ci.SEM("x4 ~ x1 + x2").fit(ci.datasets.load("holzinger1939"))
    >>> round(ci.r_squared(fit).columns["r_squared"][0], 3)
    0.141
    """
    rows = fit.r_squared_rows
    return ResultTable(
        title=EN("table.r_squared"),
        columns={
            "variable": tuple(row[0] for row in rows),
            "group": tuple(row[1] for row in rows),
            "level": tuple(row[2] for row in rows),
            "r_squared": tuple(row[3] for row in rows),
        },
    )
