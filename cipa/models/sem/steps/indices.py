"""Fit measures of normal-theory maximum likelihood, with lavaan's names and lavaan 0.6's definitions.

    chisq           2 n (F - F_saturated)                       rmsea   sqrt(max(chisq - df, 0) / (df n))
    cfi             1 - max(chisq - df, 0) / max(b - db, ...)   tli     ((b/db) - (chisq/df)) / ((b/db) - 1)
    srmr            root mean squared residual correlation      gfi     1 - s'Vs residual / total (Joreskog & Sorbom)

b, db are the baseline model's. `gfi` is lavaan 0.6's (lavaan 0.7 reports that of Maydeu-Olivares et al., 2024).

Sources: Bentler (1990), Psychological Bulletin, 107; Tucker & Lewis (1973), Psychometrika, 38; Browne & Cudeck
(1993), Alternative ways of assessing model fit; Hu & Bentler (1999); Joreskog & Sorbom (1982); McDonald (1989);
Hoelter (1983); Bollen (1989), ch. 7.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy.special import chdtrc, chdtri, chndtr, chndtrinc

from cipa.language.en import EN
from cipa.numerics.algebra.linalg import Array, IntArray
from cipa.results.statistics import Statistic, Statistics

RMSEA_LEVEL = 0.90
CLOSE, NOT_CLOSE = 0.05, 0.08


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """A chi-square with its degrees of freedom; the p-value is NaN without any."""

    chisq: float
    df: float

    @property
    def p_value(self) -> float:
        """Upper tail of the central chi-square."""
        return float(chdtrc(self.df, self.chisq)) if self.df > 0 else math.nan


def chisq_rounded(chisq: float, nobs: int) -> float:
    """A chi-square that is zero up to rounding of the log-likelihood is zero."""
    return 0.0 if abs(chisq) < 1e-11 * nobs * 10 else chisq


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMoments:
    """Sample (saturated) and implied moments of a group, its share of the cases, and its patterns.

    P (R, p, p): inverse implied covariance of each missing pattern, zero-padded; shares (R,) of its cases.
    available: moments of the available values, pair by pair, which lavaan's GFI uses; exogenous: variables held.
    """

    sample_cov: Array
    sample_mean: Array
    cov: Array
    mean: Array
    weight: float
    P: Array
    shares: Array
    available_cov: Array
    available_mean: Array
    exogenous: IntArray


def measures(
    *, test: Test, baseline: Test | None, loglik: float, loglik_saturated: float, npar: int, nobs: int, total: int,
    groups: Sequence[GroupMoments], means: bool,
) -> dict[str, float]:  # fmt: skip
    """Every measure of an ML fit.

    Parameters
    ----------
    nobs : int
        n of the chi-square (n - G under Wishart likelihood).
    total : int
        Number of cases.
    """
    found = likelihood_measures(
        test=test, baseline=baseline, loglik=loglik, loglik_saturated=loglik_saturated, npar=npar, nobs=nobs, total=total,
        ngroups=len(groups),
    )  # fmt: skip
    found.update(residual_measures(groups, means=means))
    found.update(_absolute(test, groups, npar=npar, nobs=nobs, means=means))
    return found


def likelihood_measures(
    *, test: Test, baseline: Test | None, loglik: float, loglik_saturated: float, npar: int, nobs: int, total: int, ngroups: int
) -> dict[str, float]:
    """The measures that rest on log-likelihoods alone: tests, incremental indices, information criteria, RMSEA."""
    found: dict[str, float] = {
        "npar": float(npar),
        "fmin": test.chisq / nobs / 2,
        "chisq": test.chisq,
        "df": float(test.df),
        "pvalue": test.p_value,
    }
    if baseline is not None:
        found.update(incremental(test, baseline))
    found.update(
        {
            "logl": loglik, "unrestricted.logl": loglik_saturated, "aic": -2 * loglik + 2 * npar,
            "bic": -2 * loglik + npar * math.log(total), "ntotal": float(total),
            "bic2": -2 * loglik + npar * math.log((total + 2) / 24),
        }
    )  # fmt: skip
    found.update(rmsea(test, nobs=nobs, ngroups=ngroups))
    return found


def incremental(test: Test, baseline: Test) -> dict[str, float]:
    """Comparisons with the baseline model; NaN where that is saturated (a single outcome), as nothing can be worse."""
    x, df, b, db = test.chisq, test.df, baseline.chisq, baseline.df
    if db == 0:
        undefined = dict.fromkeys(("cfi", "tli", "nnfi", "rfi", "nfi", "pnfi", "ifi", "rni"), math.nan)
        return {"baseline.chisq": 0.0, "baseline.df": 0.0, "baseline.pvalue": math.nan, **undefined}
    excess, worst = max(x - df, 0.0), max(x - df, b - db, 0.0)
    cfi = 1.0 if worst == 0 else 1 - excess / worst
    if df > 0 and b != db:
        tli = (b / db - x / df) / (b / db - 1)
        rfi = (b / db - x / df) / (b / db) if b and b / db >= x / df else 1.0 if b else math.nan  # as lavaan
    else:
        tli = rfi = 1.0
    nfi = (b - x) / b if b else math.nan
    ifi = (b - x) / (b - df) if b != df else math.nan
    rni = 1 - (x - df) / (b - db) if b != db else math.nan
    return {
        "baseline.chisq": b, "baseline.df": float(db), "baseline.pvalue": baseline.p_value, "cfi": cfi, "tli": tli, "nnfi": tli,
        "rfi": rfi, "nfi": nfi, "pnfi": df / db * nfi, "ifi": ifi, "rni": rni,
    }  # fmt: skip


def rmsea(test: Test, *, nobs: int, ngroups: int = 1, scale: float = 1.0) -> dict[str, float]:
    """RMSEA with its 90 % interval and tests of close and not close fit (Browne & Cudeck, 1993).

    `scale` multiplies the excess over df (the robust form's c-hat; 1 for the plain form).
    """
    x, df = test.chisq, test.df
    root = math.sqrt(ngroups)
    base = {"rmsea.ci.level": RMSEA_LEVEL, "rmsea.close.h0": CLOSE, "rmsea.notclose.h0": NOT_CLOSE}
    if df == 0:
        return {
            **base,
            "rmsea": 0.0,
            "rmsea.ci.lower": 0.0,
            "rmsea.ci.upper": 0.0,
            "rmsea.pvalue": math.nan,
            "rmsea.notclose.pvalue": math.nan,
        }
    tail = (1 - RMSEA_LEVEL) / 2

    def size(noncentrality: float) -> float:
        return math.sqrt(scale * max(noncentrality, 0.0) / (df * nobs)) * root

    lower = 0.0 if chdtrc(df, x) >= tail else float(chndtrinc(x, df, 1 - tail))
    upper = 0.0 if chdtrc(df, x) >= 1 - tail else float(chndtrinc(x, df, tail))
    return {
        **base,
        "rmsea": size(x - df),
        "rmsea.ci.lower": size(lower),
        "rmsea.ci.upper": size(upper),
        "rmsea.pvalue": float(1 - chndtr(x, df, nobs * df * CLOSE**2 / ngroups / scale)),
        "rmsea.notclose.pvalue": float(chndtr(x, df, nobs * df * NOT_CLOSE**2 / ngroups / scale)),
    }


def residual_measures(groups: Sequence[GroupMoments], *, means: bool) -> dict[str, float]:
    """Root mean squares of raw, Bentler-standardized, correlation and Mplus residuals, with and without means."""
    found: dict[str, float] = {}
    for name, residuals in (("rmr", _raw), ("srmr", _bentler), ("crmr", _correlation), ("srmr_mplus", _mplus)):
        with_means, without = 0.0, 0.0
        for group in groups:
            cov, mean = residuals(group)
            p = len(mean)
            cells = p * (p - 1) / 2 if name == "crmr" else p * (p + 1) / 2
            squares = float((np.tril(cov) ** 2).sum())
            # a single variable has no correlation to leave a residual
            without += group.weight * (math.sqrt(squares / cells) if cells else 0.0)
            with_means += group.weight * (
                math.sqrt((squares + float(mean @ mean)) / (cells + p))
                if means
                else (math.sqrt(squares / cells) if cells else 0.0)
            )
        found[name], found[f"{name}_nomean"] = with_means, without
    for kind in ("", "_nomean"):
        found[f"srmr_bentler{kind}"] = found["srmr" + kind]
    found["srmr"] = found["srmr_bentler"]
    del found["srmr_nomean"]
    return found


def _raw(group: GroupMoments) -> tuple[Array, Array]:
    return group.sample_cov - group.cov, group.sample_mean - group.mean


def _bentler(group: GroupMoments) -> tuple[Array, Array]:
    sd = np.sqrt(group.sample_cov.diagonal())
    return (group.sample_cov - group.cov) / np.outer(sd, sd), (group.sample_mean - group.mean) / sd


def _correlation(group: GroupMoments) -> tuple[Array, Array]:
    sd, implied_sd = np.sqrt(group.sample_cov.diagonal()), np.sqrt(group.cov.diagonal())
    return (
        group.sample_cov / np.outer(sd, sd) - group.cov / np.outer(implied_sd, implied_sd),
        (group.sample_mean - group.mean) / sd,
    )


def _mplus(group: GroupMoments) -> tuple[Array, Array]:
    cov, _ = _correlation(group)
    mean = group.sample_mean / np.sqrt(group.sample_cov.diagonal()) - group.mean / np.sqrt(group.cov.diagonal())
    variances = group.sample_cov.diagonal()
    np.fill_diagonal(cov, (variances - group.cov.diagonal()) / variances)
    return cov, mean


def _absolute(test: Test, groups: Sequence[GroupMoments], *, npar: int, nobs: int, means: bool) -> dict[str, float]:
    x, df = test.chisq, test.df
    found: dict[str, float] = {}
    for name, level in (("cn_05", 0.05), ("cn_01", 0.01)):
        found[name] = float(chdtri(df, level)) / (x / nobs) + 1 if df > 0 and x > 0 else math.nan
    cells = sum(len(group.mean) * (len(group.mean) + 1) // 2 + (len(group.mean) if means else 0) for group in groups)
    gfi = float(sum(group.weight * _explained_share(group, means=means) for group in groups))
    found["gfi"] = gfi
    found["agfi"] = 1 - cells / df * (1 - gfi) if df > 0 else 1.0
    found["pgfi"] = df / cells * gfi
    found["mfi"] = math.exp(-0.5 * (x - df) / nobs)
    found["ecvi"] = x / nobs + 2 * npar / nobs
    return found


def _explained_share(group: GroupMoments, *, means: bool) -> float:
    """1 - r'Vr / s'Vs, V the expected information of unrestricted moments at the implied ones (in two stages, the first's).

    Moments that are held (of exogenous variables) carry no information and drop out of both.
    """
    S, m = group.available_cov.copy(), group.available_mean.copy()
    R, d = S - group.cov, m - group.mean
    x = group.exogenous
    S[np.ix_(x, x)], m[x] = 0.0, 0.0
    R[np.ix_(x, x)], d[x] = 0.0, 0.0
    residual = explained = 0.0
    for share, P in zip(group.shares, group.P, strict=True):
        gap, whole = P @ R, P @ S
        residual += share * (float(np.sum(gap * gap.T)) / 2 + (float(d @ P @ d) if means else 0.0))
        explained += share * (float(np.sum(whole * whole.T)) / 2 + (float(m @ P @ m) if means else 0.0))
    return 1 - residual / explained


LABELLED = (
    "chisq", "baseline.chisq", "cfi", "tli", "rmsea", "srmr", "aic", "bic", "bic2", "chisq.scaling.factor", "gfi", "agfi", "nfi",
    "ifi", "logl",
)  # fmt: skip
"""Measures that have a label."""

_FORMS = ("scaled", "robust")
_FIRST = ("chisq", "cfi", "tli", "rmsea", "srmr", "aic", "bic", "logl")


def as_statistics(found: Mapping[str, float]) -> Statistics:
    """The measures as a table; tests carry their df and p-value, RMSEA its interval."""
    names = (*(name for name in _FIRST if name in found), *(name for name in found if name not in _FIRST))
    return Statistics(tuple(Statistic(name=name, value=found[name], label=_label(name), **_extra(name, found)) for name in names))


@cache
def _label(name: str) -> str:
    """How a reader writes it, with the form of a corrected measure: "CFI, robust"."""
    stem, _, form = name.rpartition(".")
    if form in _FORMS and stem in LABELLED:
        return EN("label.scaled" if form == "scaled" else "label.robust", label=_label(stem))
    return EN(f"label.{name}") if name in LABELLED else ""


def _extra(name: str, found: Mapping[str, float]) -> dict[str, Any]:
    """Degrees of freedom and p-value of a test, interval and p-value of RMSEA, of the same form as the measure."""
    form = next((f".{form}" for form in _FORMS if name.endswith(f".{form}")), "")
    stem = name.removesuffix(form)
    if stem in ("chisq", "baseline.chisq"):
        about = stem.removesuffix("chisq")
        return {"df": found[f"{about}df{form}"], "p_value": found[f"{about}pvalue{form}"], "reference": "chi2"}
    if stem == "rmsea":
        bounds = {f"conf_{side}": found[f"rmsea.ci.{bound}{form}"] for side, bound in (("low", "lower"), ("high", "upper"))}
        return {**bounds, "conf_level": RMSEA_LEVEL, "p_value": found[f"rmsea.pvalue{form}"]}
    return {}
