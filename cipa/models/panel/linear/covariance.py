"""The kinds of covariance that only a linear regression has, beside those of bread and scores.

    iid    s^2 (X'X)^-1, s^2 with n - K degrees of freedom, K with all effects
    hc2    each squared residual over (1 - h), h the leverage in the design with all dummies
    hc3    each squared residual over (1 - h)^2

Sources: MacKinnon, J. & White, H. (1985). Journal of Econometrics, 29, 305-325 (hc2, hc3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from cipa.numerics.algebra.linalg import Array, symmetric
from cipa.numerics.sandwich import heteroskedastic_meat
from cipa.results.covariance import SCORE_KINDS, Covariance, Kind, Rows
from cipa.results.vcov import VCov

_FULL = 1e-10
"""Below this, 1 - leverage is rounding: the row is fitted exactly."""


@dataclass(frozen=True, kw_only=True)
class Regression:
    """What the covariance of least-squares estimates is made of: the Parts of the sandwich and what a regression has beside.

    Parameters
    ----------
    bread : (k, k) array
        (X'X)^-1 of the transformed design.
    design : (n, k) array
        The transformed (weighted, projected) design X.
    residuals : (n,) array
        On the same scale.
    leverages : function of nothing to (n,) array or None
        Diagonal of the hat matrix with all effects; computed when a kind asks for it.
    rows : Rows
    df_resid : int
        n less all parameters, effects included.
    df : float
        Degrees of freedom of t where the kind names none of its own; infinity for the normal distribution.
    """

    bread: Array
    design: Array
    residuals: Array
    leverages: Callable[[], Array | None]
    rows: Rows
    df_resid: int
    df: float

    @cached_property
    def scores(self) -> Array:
        """Scores (n, k): each row of the design times its residual."""
        return np.asarray(self.design * self.residuals[:, None])

    @cached_property
    def leverage(self) -> Array | None:
        """The leverages, or None where they have no closed form."""
        return self.leverages()


def _iid(vcov: VCov, parts: Regression) -> Covariance:
    scale = float(parts.residuals @ parts.residuals) / parts.df_resid
    note = f"homoskedastic; residual variance with {parts.df_resid} degrees of freedom"
    return Covariance(matrix=symmetric(scale * parts.bread), df=parts.df, vcov=replace(vcov, note=note))


def _no_leverage(vcov: VCov, parts: Regression) -> str:
    if parts.leverage is None:
        return (
            "the leverage of more than two sets of effects, or of two large or hardly connected ones, has no closed form, and each"
            ' squared residual is divided by 1 - leverage. Use vcov="hc1" or ci.clustered(...).'
        )
    full = int((1 - parts.leverage < _FULL).sum())
    if full:
        return (
            f"it divides by 1 - leverage, and {full} rows have leverage 1 (an entity with one row, or a dummy of one row). Drop"
            ' those rows, or use vcov="hc1".'
        )
    return ""


def _by_leverage(vcov: VCov, parts: Regression) -> Covariance:
    assert parts.leverage is not None
    slack = 1 - parts.leverage
    scores = parts.scores / (np.sqrt(slack) if vcov.kind == "hc2" else slack)[:, None]
    note = "heteroskedasticity-robust; leverage of the design with all dummies"
    matrix = symmetric(parts.bread @ heteroskedastic_meat(scores) @ parts.bread)
    return Covariance(matrix=matrix, df=parts.df, vcov=replace(vcov, note=note))


KINDS: Mapping[str, Kind] = {
    "iid": Kind(name="iid", compute=_iid),
    **SCORE_KINDS,
    "hc2": Kind(name="hc2", compute=_by_leverage, refuse=_no_leverage),
    "hc3": Kind(name="hc3", compute=_by_leverage, refuse=_no_leverage),
}
"""Every kind that a linear panel model reports."""
