"""ci.vcov: the same estimates with another covariance, for every family that has bread and scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cipa.errors import public
from cipa.results.fit import Fit
from cipa.results.questions import asked
from cipa.results.vcov import VCov


@public
def vcov(fit: Fit, kind: str | VCov | Mapping[str, Any], *, data: Any = None) -> Fit:
    """The same estimates with another covariance: a new fit, nothing estimated again.

    Parameters
    ----------
    fit : Fit
        Of a linear panel model, or of a structural equation model by maximum likelihood.
    kind : str, VCov or mapping
        What `ci.Panel(vcov=...)` takes: "iid", "hc0" to "hc3", `ci.clustered("firm")`, `ci.driscoll_kraay(lags)`,
        `ci.newey_west(lags)`, `ci.crv3("firm")`, `ci.cr2("firm")`; for structural equation models the sandwiches of casewise
        scores: "hc0", "hc1", `ci.clustered(...)`.
    data : Dataset or DataFrame, optional
        The data again, for a cluster column that the fit has not kept: of a DataFrame a fit keeps the columns of its model.

    Returns
    -------
    Fit
        Standard errors, tests, intervals and the notices belong to the new covariance; estimates, R² and likelihood are those of
        `fit`, bit for bit. The joint test of a panel model is recomputed, and its model is the one that would have given it; the
        chi-square of a structural equation model stays as it was, and a notice says so.

    Raises
    ------
    DataError
        When a cluster column is not in the data, or is missing in rows that were used, or `data` are not those of the fit.
    InferenceError
        For families without bread and scores, and where the rows do not allow the kind.

    Examples
    --------
    >>> import cipa as ci
    >>> fit = ci.Panel("inv ~ value + capital").fit(ci.datasets.load("grunfeld"))
    >>> again = ci.vcov(fit, ci.driscoll_kraay(2))
    >>> round(fit.estimates[0].std_error, 5), round(again.estimates[0].std_error, 5)
    (0.01186, 0.01867)
    """
    again: Fit = asked(fit, fit.answers.vcov, "ci.vcov")(fit, kind, data)
    return again
