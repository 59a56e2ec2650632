"""Which covariance of the panel estimates, with a named small-sample convention.

    vcov = c * bread @ meat @ bread,    c = G/(G - 1) * (n - 1)/(n - K)    for clusters (Cameron & Miller 2015, eq. 12)

Programs differ in K and in c only; the convention says how:

- "fixest" (= reghdfe): K counts regressors and those effects that are not nested in a cluster; several ways share the
  smallest G; t(G - 1).
- "stata" (ivreg2, cgmreg): as above, but every part of several ways has its own G.
- "plm" (vcovHC, vcovDC, vcovSCC, vcovNW with type HC0): c = 1; t with the residual degrees of freedom.
- "none": c = 1; t(G - 1).

The heteroskedastic kinds: hc0 White (1980); hc1 times n/(n - K), K with all effects (fixest "hetero", Stata robust);
hc2 and hc3 divide each squared residual by (1 - h) and (1 - h)^2, h the leverage in the design with all dummies.

Sources: Cameron, C. & Miller, D. (2015). Journal of Human Resources, 50, 317-372; MacKinnon, J. & White, H. (1985).
Journal of Econometrics, 29, 305-325.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cipa.errors import InferenceError, SpecificationError, one_of, public
from cipa.numerics.algebra.linalg import Array, IntArray, symmetric
from cipa.numerics.panel.absorb import Effect
from cipa.numerics.sandwich import (
    driscoll_kraay_meat,
    heteroskedastic_meat,
    multiway_meats,
    nearest_positive,
    newey_west_meat,
)
from cipa.results.fit import Notice
from cipa.results.vcov import VCov

CONVENTIONS = ("fixest", "stata", "plm", "none")
PLAIN = ("iid", "hc0", "hc1", "hc2", "hc3")
FEW_CLUSTERS = 20
"""Below this many clusters, t tests with cluster-robust errors reject too often (Cameron & Miller 2015, section VI)."""


@public
def clustered(*columns: str, convention: str = "fixest") -> VCov:
    """Errors clustered by one or several columns.

    Parameters
    ----------
    columns : str
        "firm", or "firm", "year" for two-way clustering (Cameron, Gelbach & Miller 2011).
    convention : {"fixest", "stata", "plm", "none"}
        The small-sample convention; see the module's documentation for each.

    Examples
    --------
    >>> print(clustered("firm", "year"))
    clustered(firm, year)
    """
    one_of(convention, CONVENTIONS, what="convention", where="ci.clustered")
    if not columns or not all(isinstance(column, str) for column in columns):
        raise SpecificationError('ci.clustered: name the column of the clusters, for example ci.clustered("firm").')
    if len(set(columns)) < len(columns):
        raise SpecificationError(f"ci.clustered: {', '.join(columns)} names a column twice. Name each way once.")
    return VCov(kind="clustered", clusters=tuple(columns), convention=convention)


@public
def driscoll_kraay(lags: int, *, convention: str = "fixest") -> VCov:
    """Errors robust to cross-sectional dependence and to serial correlation up to `lags` periods (Bartlett weights).

    Parameters
    ----------
    lags : int
        Periods, 0 or more.
    convention : {"fixest", "stata", "plm", "none"}
        The small-sample convention.

    Examples
    --------
    >>> driscoll_kraay(2).lags
    2
    """
    return _kernel("driscoll_kraay", lags, convention)


@public
def newey_west(lags: int, *, convention: str = "fixest") -> VCov:
    """Errors robust to serial correlation up to `lags` periods within each entity (Bartlett weights).

    Parameters
    ----------
    lags : int
        Periods, 0 or more.
    convention : {"fixest", "stata", "plm", "none"}
        The small-sample convention.

    Examples
    --------
    >>> newey_west(1).kind
    'newey_west'
    """
    return _kernel("newey_west", lags, convention)


def _kernel(kind: str, lags: int, convention: str) -> VCov:
    one_of(convention, CONVENTIONS, what="convention", where=f"ci.{kind}")
    if isinstance(lags, bool) or not isinstance(lags, (int, np.integer)) or lags < 0:
        raise SpecificationError(f"ci.{kind}: lags={lags!r} is not a number of periods. Give a whole number, 0 or more.")
    return VCov(kind=kind, lags=int(lags), convention=convention)


def as_vcov(given: Any) -> VCov:
    """Understand `vcov=`: a word, a VCov, or the table of a study file such as ``{clustered = "firm"}``."""
    if isinstance(given, VCov):
        known = given.kind in (*PLAIN, "clustered", "driscoll_kraay", "newey_west")
        if not known:
            raise SpecificationError(
                f"ci.Panel: a covariance of kind '{given.kind}' is not derived for panel models. Use"
                ' "iid", "hc0" to "hc3", ci.clustered(...), ci.driscoll_kraay(...) or ci.newey_west(...).'
            )
        return given
    if isinstance(given, Mapping):
        return _from_table(given)
    if isinstance(given, str) and given not in PLAIN:
        one_of(given, (*PLAIN, 'ci.clustered("firm")', "ci.driscoll_kraay(2)"), what="vcov", where="ci.Panel")
    one_of(given, PLAIN, what="vcov", where="ci.Panel")
    return VCov(kind=given)


def _from_table(table: Mapping[str, Any]) -> VCov:
    options = {str(key): value for key, value in table.items()}
    convention = options.pop("convention", "fixest")
    if len(options) != 1:
        raise SpecificationError(f'ci.Panel: vcov={dict(table)!r} names no single kind. Write vcov = {{ clustered = "firm" }}.')
    kind, value = next(iter(options.items()))
    one_of(kind, ("clustered", "driscoll_kraay", "newey_west"), what="vcov", where="ci.Panel")
    if kind == "clustered":
        if not isinstance(value, (str, list, tuple)):
            raise SpecificationError(
                f'ci.Panel: vcov={dict(table)!r} names no column of clusters. Write vcov = {{ clustered = "firm" }}, or two columns in [ ].'
            )
        return clustered(*([value] if isinstance(value, str) else value), convention=convention)
    return _kernel(kind, value, convention)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What the sandwich knows about the rows of the regression.

    Parameters
    ----------
    entities, periods, times : (n,) int array
    span, n_times : int
    clusters : mapping of str to (n,) int array
        Codes 0..G-1 of the cluster columns.
    effects : tuple of Effect
        What was swept out.
    effect_rank : int
        Dimension of their span, the constant included; 0 without effects.
    """

    entities: IntArray
    periods: IntArray
    times: IntArray
    span: int
    n_times: int
    clusters: Mapping[str, IntArray]
    effects: tuple[Effect, ...] = ()
    effect_rank: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Covariance:
    """The covariance of the estimates, the degrees of freedom of t, and how both came about."""

    matrix: Array
    df: float
    vcov: VCov
    notices: tuple[Notice, ...] = ()


def covariance(
    vcov: VCov, rows: Rows, *, bread: Array, design: Array, residuals: Array, leverage: Array | None, df_resid: int, normal: bool
) -> Covariance:
    """Covariance (k, k) of least-squares estimates.

    Parameters
    ----------
    vcov : VCov
    rows : Rows
    bread : (k, k) array
        (X'X)^-1 of the transformed design.
    design : (n, k) array
        The transformed (weighted, projected) design X.
    residuals : (n,) array
        On the same scale.
    leverage : (n,) array or None
        Diagonal of the hat matrix with all effects; needed for hc2 and hc3.
    df_resid : int
        n less all parameters, effects included.
    normal : bool
        Whether the estimator refers to the normal distribution (random effects) where the kind names no clusters.
    """
    plain_df = np.inf if normal else float(df_resid)
    if vcov.kind == "iid":
        scale = float(residuals @ residuals) / df_resid
        note = f"homoskedastic; residual variance with {df_resid} degrees of freedom"
        return Covariance(matrix=symmetric(scale * bread), df=plain_df, vcov=replace(vcov, note=note))
    if vcov.kind in PLAIN:
        return _heteroskedastic(vcov, bread, design, residuals, leverage, df_resid=df_resid, df=plain_df)
    scores = design * residuals[:, None]
    if vcov.kind == "clustered":
        return _clustered(vcov, rows, bread, scores, plain_df=plain_df)
    return _kernel_covariance(vcov, rows, bread, scores, plain_df=plain_df)


def _heteroskedastic(
    vcov: VCov, bread: Array, design: Array, residuals: Array, leverage: Array | None, *, df_resid: int, df: float
) -> Covariance:
    nobs = len(residuals)
    factor, note = 1.0, "heteroskedasticity-robust"
    used = residuals
    if vcov.kind == "hc1":
        factor = nobs / df_resid
        note += f"; factor n/(n - K) = {factor:.6g}, all effects counted"
    elif vcov.kind in ("hc2", "hc3"):
        if leverage is None:
            raise InferenceError(
                f'ci.Panel: vcov="{vcov.kind}" is not available here: the leverage of more than two sets of effects, or of two'
                ' large ones, has no closed form. Use vcov="hc1" or ci.clustered(...).'
            )
        slack = 1 - leverage
        if slack.min() < 1e-10:
            raise InferenceError(
                f'ci.Panel: vcov="{vcov.kind}" divides by 1 - leverage, and {int((slack < 1e-10).sum())} rows have leverage 1 (an entity'
                ' with one row, or a dummy of one row). Drop those rows, or use vcov="hc1".'
            )
        used = residuals / (np.sqrt(slack) if vcov.kind == "hc2" else slack)
        note += "; leverage of the design with all dummies"
    meat = heteroskedastic_meat(design * used[:, None])
    return Covariance(matrix=symmetric(factor * bread @ meat @ bread), df=df, vcov=replace(vcov, note=note))


def _clustered(vcov: VCov, rows: Rows, bread: Array, scores: Array, *, plain_df: float) -> Covariance:
    nobs, k = scores.shape
    codes = [rows.clusters[name] for name in vcov.clusters]
    groups = [int(code.max()) + 1 for code in codes]
    if min(groups) < 2:
        name = vcov.clusters[groups.index(min(groups))]
        raise InferenceError(
            f"ci.Panel: the cluster column '{name}' has one value in the estimation sample. Clustered errors compare clusters and"
            " need at least two, better twenty. Choose another column."
        )
    counted = counted_parameters(k, rows, codes)
    scale = _degrees_factor(vcov, nobs, counted)
    meat = np.zeros_like(bread)
    for part, sign, size in multiway_meats(scores, codes):
        own = min(groups) if vcov.convention == "fixest" else size
        ratio = own / (own - 1) if vcov.convention in ("fixest", "stata") else 1.0
        meat += sign * ratio * part
    matrix, mended = nearest_positive(scale * bread @ meat @ bread)
    notices = _cluster_notices(vcov, groups, mended=mended)
    df = plain_df if vcov.convention == "plm" else float(min(groups) - 1)
    sizes = ", ".join(f"{size} by {name}" for size, name in zip(groups, vcov.clusters, strict=True))
    note = f"clusters: {sizes}; {_convention_note(vcov, counted)}"
    return Covariance(matrix=matrix, df=df, vcov=replace(vcov, note=note), notices=notices)


def _kernel_covariance(vcov: VCov, rows: Rows, bread: Array, scores: Array, *, plain_df: float) -> Covariance:
    nobs, k = scores.shape
    lags = vcov.lags or 0
    if rows.n_times < 2:
        raise InferenceError(f"ci.Panel: {vcov.kind} errors need at least two times; the sample has one. Use clustered errors.")
    if vcov.kind == "driscoll_kraay":
        meat = driscoll_kraay_meat(scores, rows.periods, rows.span, lags)
        ways = [rows.times]
    else:
        meat = newey_west_meat(scores, rows.entities, rows.periods, lags)
        ways = [rows.entities, rows.times]
    counted = counted_parameters(k, rows, ways)
    factor = _degrees_factor(vcov, nobs, counted)
    if vcov.convention in ("fixest", "stata"):
        factor *= rows.n_times / (rows.n_times - 1)
    matrix, mended = nearest_positive(factor * bread @ meat @ bread)
    df = plain_df if vcov.convention == "plm" else float(rows.n_times - 1)
    note = f"Bartlett weights, {lags} lags, {rows.n_times} times; {_convention_note(vcov, counted)}"
    return Covariance(matrix=matrix, df=df, vcov=replace(vcov, note=note), notices=_mended_notice(mended))


def counted_parameters(k: int, rows: Rows, clusters: Sequence[IntArray]) -> int:
    """K of the factor: the regressors and the span of the effects that no cluster column nests.

    An effect is nested when each of its levels lies in one cluster; with all effects nested, the constant is left.
    """
    if not rows.effects:
        return k
    loose = [effect for effect in rows.effects if not any(_nested(effect, code) for code in clusters)]
    if len(loose) == len(rows.effects):
        return k + rows.effect_rank
    return k + max(sum(effect.levels for effect in loose) - (len(loose) - 1), 1) if loose else k + 1


def _nested(effect: Effect, cluster: IntArray) -> bool:
    first = np.zeros(effect.levels, dtype=cluster.dtype)
    first[effect.codes] = cluster
    return bool(np.array_equal(first[effect.codes], cluster))


def _degrees_factor(vcov: VCov, nobs: int, counted: int) -> float:
    if vcov.convention in ("plm", "none"):
        return 1.0
    if nobs <= counted:
        raise InferenceError(
            f"ci.Panel: {nobs} rows for {counted} counted parameters leave no degrees of freedom for the factor (n - 1)/(n - K)."
            ' Choose convention="none", or a smaller model.'
        )
    return (nobs - 1) / (nobs - counted)


def _convention_note(vcov: VCov, counted: int) -> str:
    if vcov.convention in ("plm", "none"):
        return f'convention "{vcov.convention}": no small-sample factor'
    ways = "the smallest G for all parts" if vcov.convention == "fixest" else "each part with its own G"
    several = f", {ways}" if len(vcov.clusters) > 1 else ""
    return f'convention "{vcov.convention}": G/(G-1) * (n-1)/(n-K) with K = {counted}, nested effects not counted{several}'


def _cluster_notices(vcov: VCov, groups: Sequence[int], *, mended: bool) -> tuple[Notice, ...]:
    few = _mended_notice(mended)
    if min(groups) < FEW_CLUSTERS:
        name = vcov.clusters[list(groups).index(min(groups))]
        text = (
            f"There are only {min(groups)} clusters by {name}. With fewer than {FEW_CLUSTERS}, tests with clustered errors reject a"
            " true null too often; read p-values near 0.05 with reserve and add a wild cluster bootstrap."
        )
        few = (*few, Notice(code="few_clusters", text=text, severity="info"))
    return few


def _mended_notice(mended: bool) -> tuple[Notice, ...]:
    if not mended:
        return ()
    text = (
        "The covariance of the estimates was not positive semidefinite (it subtracts one matrix from others, with few"
        " groups); its negative eigenvalues were set to zero, as Cameron, Gelbach & Miller (2011) advise. Compare with"
        " one-way clustering by the column with the fewest groups."
    )
    return (Notice(code="vcov_mended", text=text, severity="warning"),)
