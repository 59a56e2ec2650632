"""The covariance of estimates from their bread and scores, with a named small-sample convention: one function for every family.

    vcov = c * bread @ meat @ bread,    c = G/(G - 1) * (n - 1)/(n - K)    for clusters (Cameron & Miller 2015, eq. 12)

Programs differ in K and in c only; the convention says how:

- "fixest" (= reghdfe): K counts regressors and those effects that are not nested in a cluster; several ways share the
  smallest G; t(G - 1).
- "stata" (ivreg2, cgmreg): as above, but every part of several ways has its own G.
- "plm" (vcovHC, vcovDC, vcovSCC, vcovNW with type HC0): c = 1; t with the residual degrees of freedom.
- "none": c = 1; t(G - 1).

Without clusters: hc0 White (1980); hc1 times n/(n - K), K with all effects (fixest "hetero", Stata robust). A kind is one row of
SCORE_KINDS: its name, what its constructor takes, when it is refused, and its formula. Kinds that need more than scores (a
residual variance, leverages) are rows of the family that has it.

Sources: Cameron, C. & Miller, D. (2015). Journal of Human Resources, 50, 317-372; White, H. (1980). Econometrica, 48, 817-838;
MacKinnon, J. & White, H. (1985). Journal of Econometrics, 29, 305-325. The meats: `cipa.numerics.sandwich`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cipa.errors import InferenceError, SpecificationError, one_of
from cipa.language.en import EN
from cipa.numerics.algebra.linalg import Array, IntArray, symmetric
from cipa.numerics.panel.span import Effect, dimension, nested
from cipa.numerics.sandwich import (
    driscoll_kraay_meat,
    heteroskedastic_meat,
    multiway_meats,
    nearest_positive,
    newey_west_meat,
    rounding_only,
)
from cipa.results.fit import Notice
from cipa.results.vcov import VCov, clustered, driscoll_kraay, newey_west

FEW_CLUSTERS = 20
"""Below this many clusters, t tests with cluster-robust errors reject too often (Cameron & Miller 2015, section VI)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What the sandwich knows about the rows of the scores.

    Parameters
    ----------
    entities, periods, times : (n,) int array
    span, n_times : int
        0 where the rows have no panel keys.
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
    """The covariance of the estimates, the degrees of freedom of t (one, or one for each estimate), and how both came about."""

    matrix: Array
    df: float | Array
    vcov: VCov
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a covariance is made of.

    Parameters
    ----------
    bread : (k, k) array
        Inverse of the information (of X'X, for least squares) of the whole sample.
    scores : (n, k) array
        Gradient of each row's objective, on the same scale: their cross-product is the meat.
    rows : Rows
    df_resid : int
        n less all parameters, effects included.
    df : float
        Degrees of freedom of t where the kind names none of its own; infinity for the normal distribution.
    """

    bread: Array
    scores: Array
    rows: Rows
    df_resid: int
    df: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of covariance.

    Parameters
    ----------
    name : str
    compute : function of (VCov, parts) to Covariance
        `parts` are Parts, or what a family adds to them.
    refuse : function of (VCov, parts) to str
        Why the kind is not available for these rows, "" where it is.
    option : {"", "clusters", "lags"}
        What its constructor takes.
    make : function, optional
        The constructor (`ci.clustered`), for a kind with an option.
    example : str
        How a script writes it.
    """

    name: str
    compute: Callable[[VCov, Any], Covariance]
    refuse: Callable[[VCov, Any], str] = lambda vcov, parts: ""
    option: str = ""
    make: Callable[..., VCov] | None = None
    example: str = ""


def sandwich(bread: Array, scores: Array, rows: Rows, *, vcov: VCov, df_resid: int, df: float = np.inf) -> Covariance:
    """Covariance (k, k) of estimates from their bread and scores.

    Parameters
    ----------
    bread : (k, k) array
    scores : (n, k) array
    rows : Rows
    vcov : VCov
        Of a kind in SCORE_KINDS.
    df_resid : int
        n less all parameters, effects included.
    df : float
        Degrees of freedom of t where the kind names none of its own.

    Raises
    ------
    InferenceError
        When the rows do not allow the kind.
    """
    return covariance_of(vcov, Parts(bread=bread, scores=scores, rows=rows, df_resid=df_resid, df=df), kinds=SCORE_KINDS)


def covariance_of(vcov: VCov, parts: Any, *, kinds: Mapping[str, Kind]) -> Covariance:
    """The covariance of a kind, refused where its row says so."""
    kind = kinds[vcov.kind]
    reason = kind.refuse(vcov, parts)
    if reason:
        raise InferenceError(f'vcov="{vcov}" is not available here: {reason}')
    return kind.compute(vcov, parts)


def as_vcov(given: Any, *, kinds: Mapping[str, Kind], where: str) -> VCov:
    """Understand `vcov=`: a word, a VCov, or the table of a study file such as ``{clustered = "firm"}``.

    Parameters
    ----------
    kinds : mapping of str to Kind
        What the family derives.
    where : str
        Who asks, for messages ("ci.Panel").
    """
    known = ", ".join(kind.example or f'"{name}"' for name, kind in kinds.items())
    if isinstance(given, VCov):
        if given.kind not in kinds:
            raise SpecificationError(
                f"{where}: a covariance of kind '{given.kind}' is not derived for this family of models. Use {known}."
            )
        return given
    if isinstance(given, Mapping):
        return _from_table(given, kinds=kinds, where=where)
    plain = [name for name, kind in kinds.items() if not kind.option]
    if isinstance(given, str) and given in kinds and given not in plain:
        raise SpecificationError(
            f'{where}: vcov="{given}" does not say its {kinds[given].option}. The errors depend on them: write '
            f"vcov={kinds[given].example}."
        )
    if isinstance(given, str) and given not in plain:
        one_of(given, (*plain, *(kind.example for kind in kinds.values() if kind.option)), what="vcov", where=where)
    one_of(given, plain, what="vcov", where=where)
    return VCov(kind=given)


def _from_table(table: Mapping[str, Any], *, kinds: Mapping[str, Kind], where: str) -> VCov:
    options = {str(key): value for key, value in table.items()}
    convention = {"convention": options.pop("convention")} if "convention" in options else {}
    if len(options) != 1:
        raise SpecificationError(
            f"{where}: vcov={dict(table)!r} names no single kind, so the errors are not settled. Write vcov = {{ clustered = "
            f'"firm" }}.'
        )
    name, value = next(iter(options.items()))
    made = {key: kind.make for key, kind in kinds.items() if kind.make is not None}
    one_of(name, made, what="vcov", where=where)
    make = made[name]
    if kinds[name].option == "lags" or not isinstance(value, (list, tuple)):
        return make(value, **convention)
    return make(*value, **convention)


def _heteroskedastic(vcov: VCov, parts: Parts) -> Covariance:
    factor, note = 1.0, EN("errors.hc")
    if vcov.kind == "hc1":
        factor = len(parts.scores) / parts.df_resid
        note = EN("errors.hc1", factor=factor)
    matrix = symmetric(factor * parts.bread @ heteroskedastic_meat(parts.scores) @ parts.bread)
    return Covariance(matrix=matrix, df=parts.df, vcov=replace(vcov, note=note))


def one_cluster(vcov: VCov, parts: Any) -> str:
    """Why clusters are refused: a column with one value."""
    for name in vcov.clusters:
        if int(parts.rows.clusters[name].max()) < 1:
            return (
                f"the cluster column '{name}' has one value in the estimation sample. Clustered errors compare clusters and need "
                "at least two, better twenty. Choose another column."
            )
    return ""


def _one_time(vcov: VCov, parts: Parts) -> str:
    times = parts.rows.n_times
    if times < 2:
        why = "the sample has one" if times else "these rows have no time (means over time, or data without keys)"
        return f"it adds up products of scores at different times, so it needs at least two, and {why}. Use clustered errors."
    return ""


def _clustered(vcov: VCov, parts: Parts) -> Covariance:
    bread, scores, rows = parts.bread, parts.scores, parts.rows
    nobs, k = scores.shape
    codes = [rows.clusters[name] for name in vcov.clusters]
    groups = [int(code.max()) + 1 for code in codes]
    counted = counted_parameters(k, rows, codes)
    scale = _degrees_factor(vcov, nobs, counted)
    meat = np.zeros_like(bread)
    for part, sign, size in multiway_meats(scores, codes):
        shared = min(groups) if vcov.convention == "fixest" else size
        ratio = shared / (shared - 1) if vcov.convention in ("fixest", "stata") else 1.0
        meat += sign * ratio * part
    matrix, mended = nearest_positive(scale * bread @ meat @ bread)
    df = parts.df if vcov.convention == "plm" else float(min(groups) - 1)
    sizes = tuple(zip(groups, vcov.clusters, strict=True))
    note = EN("errors.clustered", sizes=sizes, convention=_convention_note(vcov, counted))
    matrix, vanished = _without_rounding(vcov, matrix, parts)
    notices = (*cluster_notices(vcov, groups, mended=mended), *vanished)
    return Covariance(matrix=matrix, df=df, vcov=replace(vcov, note=note), notices=notices)


def _kernel_covariance(vcov: VCov, parts: Parts) -> Covariance:
    scores, rows, lags = parts.scores, parts.rows, vcov.lags or 0
    if vcov.kind == "driscoll_kraay":
        meat = driscoll_kraay_meat(scores, rows.periods, rows.span, lags)
        ways = [rows.times]
    else:
        meat = newey_west_meat(scores, rows.entities, rows.periods, lags)
        ways = [rows.entities, rows.times]
    counted = counted_parameters(scores.shape[1], rows, ways)
    factor = _degrees_factor(vcov, len(scores), counted)
    if vcov.convention in ("fixest", "stata"):
        factor *= rows.n_times / (rows.n_times - 1)
    matrix, mended = nearest_positive(factor * parts.bread @ meat @ parts.bread)
    df = parts.df if vcov.convention == "plm" else float(rows.n_times - 1)
    note = EN("errors.kernel", lags=lags, times=rows.n_times, convention=_convention_note(vcov, counted))
    matrix, vanished = _without_rounding(vcov, matrix, parts)
    return Covariance(matrix=matrix, df=df, vcov=replace(vcov, note=note), notices=(*_mended_notice(mended), *vanished))


def _without_rounding(vcov: VCov, matrix: Array, parts: Parts) -> tuple[Array, tuple[Notice, ...]]:
    """Zero for variances that are rounding; refused where all are."""
    gone = rounding_only(matrix, parts.bread, parts.scores)
    if not gone.any():
        return matrix, ()
    why = (
        f'With vcov="{vcov}" the scores of each group add up to zero (dummies or effects fit the groups exactly, or two periods '
        "of a within model mirror each other), so the groups say nothing about the error"
    )
    if gone.all():
        raise InferenceError(
            f"{why}. What is left is rounding, not a standard error. Cluster by another column, such as the entity."
        )
    kept = np.where(np.outer(~gone, ~gone), matrix, 0.0)
    values = {"vcov": str(vcov), "gone": int(gone.sum()), "total": len(gone)}
    return kept, (Notice(code="scores_cancel", values=values, severity="warning"),)


def counted_parameters(k: int, rows: Rows, clusters: Sequence[IntArray]) -> int:
    """K of the factor: the regressors and the span of the effects that no cluster column nests.

    An effect is nested when each of its levels lies in one cluster; with all effects nested, the constant is left.
    """
    if not rows.effects:
        return k
    loose = [effect for effect in rows.effects if not any(nested(effect, code) for code in clusters)]
    if len(loose) == len(rows.effects):
        return k + rows.effect_rank
    return k + max(dimension(loose)[0], 1)


def _degrees_factor(vcov: VCov, nobs: int, counted: int) -> float:
    if vcov.convention in ("plm", "none"):
        return 1.0
    if nobs <= counted:
        raise InferenceError(
            f'vcov="{vcov}": {nobs} rows for {counted} counted parameters leave no degrees of freedom for the factor (n - 1)/(n '
            '- K). Choose convention="none", or a smaller model.'
        )
    return (nobs - 1) / (nobs - counted)


def _convention_note(vcov: VCov, counted: int) -> str:
    return EN("errors.convention", convention=vcov.convention, counted=counted, ways=len(vcov.clusters))


def cluster_notices(vcov: VCov, groups: Sequence[int], *, mended: bool = False) -> tuple[Notice, ...]:
    """Few clusters, and a matrix that was repaired."""
    few = _mended_notice(mended)
    if min(groups) < FEW_CLUSTERS:
        name = vcov.clusters[list(groups).index(min(groups))]
        values = {"clusters": min(groups), "column": name, "enough": FEW_CLUSTERS}
        few = (*few, Notice(code="few_clusters", variant="clustered", values=values))
    return few


def _mended_notice(mended: bool) -> tuple[Notice, ...]:
    if not mended:
        return ()
    return (Notice(code="vcov_mended", severity="warning"),)


SCORE_KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(name="hc0", compute=_heteroskedastic),
        Kind(name="hc1", compute=_heteroskedastic),
        Kind(
            name="clustered", compute=_clustered, refuse=one_cluster, option="clusters", make=clustered,
            example='ci.clustered("firm")',
        ),
        Kind(
            name="driscoll_kraay", compute=_kernel_covariance, refuse=_one_time, option="lags", make=driscoll_kraay,
            example="ci.driscoll_kraay(2)",
        ),
        Kind(
            name="newey_west", compute=_kernel_covariance, refuse=_one_time, option="lags", make=newey_west,
            example="ci.newey_west(2)",
        ),
    )
}  # fmt: skip
"""The kinds that need bread and scores only."""
