"""The kinds of covariance that only a linear regression has, beside those of bread and scores.

    iid    s^2 (X'X)^-1, s^2 with n - K degrees of freedom, K with all effects
    hc2    each squared residual over (1 - h), h the leverage in the design with all dummies
    hc3    each squared residual over (1 - h)^2
    crv3   (G - 1)/G sum_g (b_g - b)(b_g - b)',  b_g the estimates without cluster g

    cr2    clustered with A_g = (I - H_gg)^(-1/2) (`bias_reduced`)

crv3 is the cluster jackknife, centred at the full estimate. Effects that lie in one cluster leave with it; others (of years) are
swept out again from the clusters that remain.

Sources: MacKinnon, J. & White, H. (1985). Journal of Econometrics, 29, 305-325 (hc2, hc3); MacKinnon, J., Nielsen, M. & Webb, M.
(2023). Journal of Applied Econometrics, 38, 671-694, eq. 16 (crv3).
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from cipa.errors import InferenceError, SpecificationError, public
from cipa.language.en import EN
from cipa.models.panel.linear.bias_reduced import Hat, bias_reduced
from cipa.numerics.algebra.linalg import Array, IntArray, inverse_and_logdet, symmetric
from cipa.numerics.panel.absorb import DIRECT_LEVELS, absorb
from cipa.numerics.panel.span import Effect, nested
from cipa.numerics.sandwich import heteroskedastic_meat, summed_scores
from cipa.results.covariance import SCORE_KINDS, Covariance, Kind, Rows, cluster_notices, one_cluster
from cipa.results.vcov import VCov

_FULL = 1e-10
"""Below this, 1 - leverage is rounding: the row is fitted exactly."""

LARGEST_CLUSTER, MOST_CLUSTERS = 2000, 4000
"""Sizes up to which the eigenvectors of a cluster's block, and the products between clusters, take seconds."""

_SINGULAR = 1e-9
"""Share of a regressor's variance, given the others, below which it is not identified without a cluster."""


@dataclass(frozen=True, kw_only=True)
class Regression:
    """What the covariance of least-squares estimates is made of: the Parts of the sandwich and what a regression has beside.

    Parameters
    ----------
    inner : (k, k) array
        (X'X)^-1 of the design.
    design : (n, k) array
        The transformed (weighted, projected) design X, less its projection on the constant: regressors far from 0 keep their
        digits.
    shares : (k, k) array
        From its coefficients to the estimates.
    residuals : (n,) array
        On the same scale.
    leverages : function of nothing to (n,) array or None
        Diagonal of the hat matrix with all effects; computed when a kind asks for it.
    rows : Rows
    df_resid : int
        n less all parameters, effects included.
    df : float
        Degrees of freedom of t where the kind names none of its own; infinity for the normal distribution.
    root_weights : (n,) array or None
        By which the rows of design and residuals are multiplied.
    plain : bool
        Whether the estimates are least squares of the design as it is: no instruments, no estimated variance components.
    """

    inner: Array
    design: Array
    shares: Array
    residuals: Array
    leverages: Callable[[], Array | None]
    rows: Rows
    df_resid: int
    df: float
    root_weights: Array | None = None
    plain: bool = True

    @cached_property
    def scores(self) -> Array:
        """What each row adds to the estimates (n, k): (X'X)^-1 times the score, so that the bread is the identity."""
        return np.asarray((self.design * self.residuals[:, None]) @ self.inner @ self.shares.T)

    @cached_property
    def bread(self) -> Array:
        """The identity (k, k), as the scores have their bread."""
        return np.eye(len(self.inner))

    @cached_property
    def leverage(self) -> Array | None:
        """The leverages, or None where they have no closed form."""
        return self.leverages()


def _iid(vcov: VCov, parts: Regression) -> Covariance:
    scale = float(parts.residuals @ parts.residuals) / parts.df_resid
    note = EN("errors.iid", df=parts.df_resid)
    matrix = symmetric(scale * parts.shares @ parts.inner @ parts.shares.T)
    return Covariance(matrix=matrix, df=parts.df, vcov=replace(vcov, note=note))


def _no_leverage(vcov: VCov, parts: Regression) -> str:
    if parts.leverage is None:
        return (
            "the leverage of more than two sets of effects, or of two large or hardly connected ones, has no closed form, and "
            'each squared residual is divided by 1 - leverage. Use vcov="hc1" or ci.clustered(...).'
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
    note = EN("errors.leverage")
    matrix = symmetric(heteroskedastic_meat(scores))
    return Covariance(matrix=matrix, df=parts.df, vcov=replace(vcov, note=note))


@public
def crv3(column: str) -> VCov:
    """Errors by the cluster jackknife (CV3 of MacKinnon, Nielsen & Webb 2023), for few or unequal clusters.

    Parameters
    ----------
    column : str
        The column of the clusters.

    Examples
    --------
    >>> import cipa as ci
    >>> fit = ci.Panel("inv ~ value + capital", method="pooled", vcov=ci.crv3("firm")).fit(ci.datasets.load("grunfeld"))
    >>> round(fit.estimates["inv ~ capital"].std_error, 5)
    0.14733
    """
    return _of_column("crv3", column)


@public
def cr2(column: str) -> VCov:
    """Clustered errors with the bias reduction of Bell & McCaffrey, t with Satterthwaite's degrees of freedom (CR2).

    Each estimate has degrees of freedom of its own; an effect of several (a simple slope) takes the smallest of theirs.

    Parameters
    ----------
    column : str
        The column of the clusters.

    Examples
    --------
    >>> import cipa as ci
    >>> fit = ci.Panel("inv ~ value + capital", method="pooled", vcov=ci.cr2("firm")).fit(ci.datasets.load("grunfeld"))
    >>> round(fit.estimates["inv ~ capital"].std_error, 5), round(fit.estimates["inv ~ capital"].df, 2)
    (0.11047, 2.86)
    """
    return _of_column("cr2", column)


def _of_column(kind: str, column: str) -> VCov:
    if not isinstance(column, str):
        raise SpecificationError(
            f"ci.{kind}: {column!r} is no column, and the clusters are those of one column. Name it: ci.{kind}('firm')."
        )
    return VCov(kind=kind, clusters=(column,), convention="none")


def _no_bias_reduction(vcov: VCov, parts: Regression) -> str:
    name, effects = vcov.clusters[0], parts.rows.effects
    code = parts.rows.clusters[name]
    largest, groups = int(np.bincount(code).max()), int(code.max()) + 1
    if not parts.plain or parts.root_weights is not None:
        return f'with weights, instruments or random effects its working model is not derived here. Use ci.clustered("{name}").'
    if len(effects) > 2 or (len(effects) == 2 and min(effect.levels for effect in effects) > DIRECT_LEVELS):
        return f'it needs the hat matrix of all dummies, of two sets at most. Use ci.clustered("{name}") or ci.crv3("{name}").'
    if largest > LARGEST_CLUSTER or groups > MOST_CLUSTERS:
        return (
            f"{groups} clusters with up to {largest} rows need matrices of that size (at most {MOST_CLUSTERS} and "
            f'{LARGEST_CLUSTER}). With so many clusters the correction is small: use ci.clustered("{name}").'
        )
    return one_cluster(vcov, parts)


def _bias_reduced(vcov: VCov, parts: Regression) -> Covariance:
    name = vcov.clusters[0]
    code = parts.rows.clusters[name]
    hat = Hat.of(parts.rows.effects, parts.design, parts.inner)
    if hat is None:
        raise _not_identified("cr2", name, "the effects are connected too weakly for a hat matrix")
    matrix, degrees = bias_reduced(hat, parts.shares @ parts.inner, parts.design, parts.residuals, code)
    note = EN("errors.cr2", clusters=int(code.max()) + 1, column=name)
    return Covariance(matrix=matrix, df=degrees, vcov=replace(vcov, note=note))


def _no_jackknife(vcov: VCov, parts: Regression) -> str:
    if not parts.plain:
        return (
            "without a cluster the first stage, or the variance components, would be others, and that jackknife is not derived "
            "here. Use"
            f' ci.clustered("{vcov.clusters[0]}").'
        )
    return one_cluster(vcov, parts)


def _jackknife(vcov: VCov, parts: Regression) -> Covariance:
    name = vcov.clusters[0]
    code = parts.rows.clusters[name]
    groups = int(code.max()) + 1
    inside = all(nested(effect, code) for effect in parts.rows.effects)
    changes = (_changes if inside else _changes_swept_again)(parts, code, groups, name) @ parts.shares.T
    matrix = symmetric((groups - 1) / groups * changes.T @ changes)
    note = EN("errors.crv3", clusters=groups, column=name)
    notices = cluster_notices(vcov, [groups])
    return Covariance(matrix=matrix, df=float(groups - 1), vcov=replace(vcov, note=note), notices=notices)


def _changes(parts: Regression, code: IntArray, groups: int, name: str) -> Array:
    """b_g - b (groups, k), where a cluster takes its effects with it: from the cross-products that remain."""
    X = parts.design
    whole, sums = X.T @ X, summed_scores(X * parts.residuals[:, None], code, groups)
    order = np.argsort(code, kind="stable")
    ends = np.cumsum(np.bincount(code, minlength=groups))
    changes = np.empty_like(sums)
    for group, rows in enumerate(np.split(order, ends[:-1])):
        changes[group] = _solved(whole - X[rows].T @ X[rows], -sums[group], whole, name=name)
    return changes


def _changes_swept_again(parts: Regression, code: IntArray, groups: int, name: str) -> Array:
    """b_g - b (groups, k), where the effects of the rows that remain are other ones than with the cluster."""
    root = np.ones(len(code)) if parts.root_weights is None else parts.root_weights
    columns = np.column_stack([parts.residuals, parts.design]) / root[:, None]
    whole = parts.design.T @ parts.design
    changes = np.empty((groups, parts.design.shape[1]))
    for group in range(groups):
        rows = np.flatnonzero(code != group)
        effects = [_remaining(effect, rows) for effect in parts.rows.effects]
        swept = absorb(columns[rows], effects, weights=root[rows] ** 2, ranked=False)
        if not swept.converged:
            raise _not_identified(
                "crv3", name, f"without one cluster by {name} the effects of the rows that remain are hardly connected"
            )
        left = swept.values * root[rows, None]
        changes[group] = _solved(left[:, 1:].T @ left[:, 1:], left[:, 1:].T @ left[:, 0], whole, name=name)
    return changes


def _remaining(effect: Effect, rows: IntArray) -> Effect:
    levels, codes = np.unique(effect.codes[rows], return_inverse=True)
    return Effect(codes=codes.reshape(-1), levels=len(levels))


def _solved(matrix: Array, right: Array, whole: Array, *, name: str) -> Array:
    """Solve the normal equations without a cluster on the scale of all clusters; refused where they are singular."""
    scale = np.sqrt(whole.diagonal())
    inverse = inverse_and_logdet(matrix / np.outer(scale, scale))
    if inverse is None or np.abs(inverse[0]).max(initial=0.0) > 1 / _SINGULAR:
        raise _not_identified(
            "crv3",
            name,
            f"without one cluster by {name} the regressors that remain are collinear, because one varies in that cluster alone",
        )
    return np.asarray(inverse[0] @ (right / scale) / scale)


def _not_identified(kind: str, name: str, why: str) -> InferenceError:
    return InferenceError(
        f'vcov="{kind}({name})" is not available here: {why}. It needs the design of each cluster, and of the others without it. '
        f'Drop the regressor, merge clusters, or use ci.clustered("{name}").'
    )


_OWN: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(name="iid", compute=_iid),
        Kind(name="hc2", compute=_by_leverage, refuse=_no_leverage),
        Kind(name="hc3", compute=_by_leverage, refuse=_no_leverage),
        Kind(name="crv3", compute=_jackknife, refuse=_no_jackknife, option="clusters", make=crv3, example='ci.crv3("firm")'),
        Kind(name="cr2", compute=_bias_reduced, refuse=_no_bias_reduction, option="clusters", make=cr2, example='ci.cr2("firm")'),
    )
}
"""The kinds that need residuals, leverages or the design."""

KINDS: Mapping[str, Kind] = ChainMap(_OWN, SCORE_KINDS)
"""Every kind that a linear panel model reports."""
