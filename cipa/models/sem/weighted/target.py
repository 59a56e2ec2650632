"""What least squares compares the moments with: the sample's, their places, and their weight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cipa.numerics.algebra.linalg import Array, IntArray, symmetric
from cipa.numerics.moments.normal import complete_pattern, evaluate, saturated_information
from cipa.numerics.responses.stages import Moments


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The moments of a group that a model is fitted to, in the order thresholds, means, slopes, covariances.

    s (m,); weight (m, m); gamma (m, m), n times the covariance of s. Positions among the observed variables: outcomes (p,) and
    covariates (q,), owner (t,) of each threshold, means (c,), rows and cols (r,) of each covariance.
    """

    s: Array
    weight: Array
    gamma: Array
    nobs: int
    outcomes: IntArray
    covariates: IntArray
    owner: IntArray
    means: IntArray
    rows: IntArray
    cols: IntArray

    @property
    def ordinal(self) -> bool:
        """Whether any variable is ordered."""
        return bool(len(self.owner))

    def split(self, moments: Array) -> tuple[Array, Array, Array, Array]:
        """Thresholds (t,), means (c,), slopes (p, q), covariances (r,)."""
        t, c = len(self.owner), len(self.means)
        slopes = len(self.outcomes) * len(self.covariates)
        th, mean, slope, cov = np.split(moments, [t, t + c, t + c + slopes])
        return th, mean, slope.reshape(len(self.outcomes), len(self.covariates)), cov


def continuous_target(kind: str, cov: Array, mean: Array, gamma: Array, *, means: bool, nobs: int) -> Target:
    """Covariances (divisor n - 1) and means of continuous variables.

    Parameters
    ----------
    kind : {"gls", "uls", "wls", "dwls"}
    gamma : (m, m) array
        n times the covariance of the moments, row-wise vech then means.
    """
    p = len(cov)
    rows, cols = np.tril_indices(p)
    c = len(rows)
    order = np.concatenate([np.arange(c, c + p), np.arange(c)]) if means else np.arange(c)
    used = gamma[np.ix_(order, order)]
    if kind == "gls":
        found = evaluate(complete_pattern(cov, mean, nobs), cov, mean)
        assert found is not None
        weight = saturated_information(found)[np.ix_(order, order)]
    else:
        weight = weight_of(kind, used)
    none = np.empty(0, dtype=np.intp)
    return Target(
        s=np.concatenate([mean, cov[rows, cols]]) if means else cov[rows, cols], weight=weight, gamma=used, nobs=nobs, owner=none,
        outcomes=np.arange(p), covariates=none, means=np.arange(p) if means else none, rows=rows, cols=cols,
    )  # fmt: skip


def response_target(kind: str, moments: Moments, outcomes: IntArray, covariates: IntArray, nobs: int) -> Target:
    """Moments of ordered and continuous variables, `outcomes` and `covariates` their positions among the observed ones."""
    ordered = np.zeros(len(outcomes), dtype=np.bool_)
    ordered[moments.owner] = True
    return Target(
        s=np.concatenate([moments.thresholds, moments.means, moments.slopes.ravel(), moments.cov[moments.rows, moments.cols]]),
        weight=weight_of(kind, moments.gamma), gamma=moments.gamma, nobs=nobs, outcomes=outcomes, covariates=covariates,
        owner=outcomes[moments.owner], means=outcomes[~ordered], rows=outcomes[moments.rows], cols=outcomes[moments.cols],
    )  # fmt: skip


def weight_of(kind: str, gamma: Array) -> Array:
    """W (m, m) of ULS, DWLS or WLS."""
    if kind == "uls":
        return np.eye(len(gamma))
    return np.diag(1 / gamma.diagonal()) if kind == "dwls" else symmetric(np.linalg.inv(gamma))
