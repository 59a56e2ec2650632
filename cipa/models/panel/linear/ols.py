"""ci.OLS: a regression of a cross-section."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cipa.errors import public
from cipa.models.panel.linear.model import Panel
from cipa.results.vcov import VCov


@public
def OLS(formula: str, *, vcov: str | VCov | Mapping[str, Any] = "iid", weights: str | None = None) -> Panel:
    """Ordinary least squares of a cross-section: `ci.Panel(..., method="pooled")` under another name, without panel keys.

    Parameters
    ----------
    formula : str
        As of `ci.Panel`; columns of words expand into indicators, the first level left out.
    vcov : str, VCov or mapping
        "iid", "hc0" to "hc3", `ci.clustered("region")`. Errors by time need a panel.
    weights : str, optional
        Column of positive weights.

    Returns
    -------
    Panel
        A model, with `.fit(data)`.

    Examples
    --------
    >>> import cipa as ci
    >>> fit = ci.OLS("x4 ~ x1 + school", vcov="hc1").fit(ci.datasets.load("holzinger1939"))
    >>> [term.rhs for term in fit.terms], round(fit.statistics["r2"].value, 4)
    (['', 'x1', 'school[Pasteur]'], 0.1849)
    """
    return Panel(formula, method="pooled", effects=(), vcov=vcov, weights=weights)
