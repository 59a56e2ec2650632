"""Bootstrap: the estimates of resampled data, and intervals from them.

- perc   quantiles of the draws;   basic  2 b - quantiles;   norm  b ± z sd(draws);
- bc     quantiles shifted for bias (Efron 1981);   bca  also for acceleration, from the jackknife (Efron 1987), which leaves out
each
  case in turn, or each firm or cluster where these are drawn whole.

Kinds: case (rows within groups), entity (whole firms of a panel), cluster (whole clusters), parametric (from the fitted model),
bollen_stine (rows of data that were rotated to fit the model; for the p-value of its chi-square). Draws in which the search does
not converge are left out and counted. Draw r depends on the seed and on r only.

Sources: Efron, B. & Tibshirani, R. (1993); Efron, B. (1987). JASA, 82, 171-185; Bollen, K. A. & Stine, R. A. (1992).
Sociological Methods & Research, 21, 205-229.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from html import escape
from itertools import islice, pairwise
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from cipa.errors import ConvergenceError, SpecificationError, one_of, public, whole_seed
from cipa.numerics.algebra.linalg import Array, IntArray, frozen
from cipa.numerics.resample import case_rows, cluster_rows, generators, quantiles
from cipa.progress import watched
from cipa.results.answers import Refit
from cipa.results.display import clipped
from cipa.results.estimates import Estimates
from cipa.results.fit import Fit
from cipa.results.questions import refit
from cipa.threads import one_thread

KINDS = ("case", "entity", "cluster", "parametric", "bollen_stine")
CONF_TYPES = ("perc", "basic", "norm", "bc", "bca")
_STACK = 200  # draws searched together: enough to spread the cost of a call, few enough for the processor's cache
_ENOUGH = 0.5  # share of draws that must converge; with fewer the intervals describe a selection


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrapped:
    """Estimates with bootstrap errors and intervals.

    Parameters
    ----------
    fit : Fit
        The fit that was resampled.
    estimates : Estimates
        All parameters, `std_error` the standard deviation of the draws, intervals of type `conf_type`; no p-values.
    draws : (R, m) array
        Values of all rows of `estimates` in each draw that converged.
    chisq : (R,) array
        The chi-square of each draw (NaN for families without one).
    failed : int
        Draws that did not converge; they are left out.
    inadmissible : int
        Draws with a negative variance, or latent correlations beyond what is possible; they are kept.
    jackknife : (n, m) array or None
        For intervals of type "bca": the estimates without each case (or each of what is drawn whole).
    """

    fit: Fit
    estimates: Estimates
    draws: Array
    chisq: Array
    failed: int
    inadmissible: int
    kind: str
    conf_type: str
    seed: int
    jackknife: Array | None = None

    @property
    def p_value(self) -> float:
        """Share of draws with a chi-square as large as the sample's; NaN but for kind "bollen_stine"."""
        if self.kind != "bollen_stine":
            return math.nan
        return float((self.chisq >= self.fit.statistics["chisq"].value).mean())

    def to_frame(self) -> Any:
        """A fresh DataFrame of the estimates."""
        return self.estimates.to_frame()

    @property
    def _head(self) -> str:
        """How the draws were made, and what became of them."""
        head = f"Bootstrap ({self.kind}), {len(self.draws)} draws, seed {self.seed}, intervals: {self.conf_type}"
        lost = f"; {self.failed} draws did not converge and are left out" if self.failed else ""
        odd = f"; {self.inadmissible} draws are inadmissible (a negative variance, say) and are kept" if self.inadmissible else ""
        return f"{head}{lost}{odd}"

    def __str__(self) -> str:
        return f"{self._head}\n{self.estimates}"

    def __repr__(self) -> str:
        return clipped(str(self))

    def _repr_html_(self) -> str:
        return f"<p>{escape(self._head)}</p>{self.estimates._repr_html_()}"


@public
@one_thread
def bootstrap(
    fit: Fit,
    *,
    draws: int = 5000,
    seed: int | None = None,
    kind: str | None = None,
    conf_type: str = "perc",
    conf_level: float | None = None,
) -> Bootstrapped:
    """Bootstrap a fit.

    Parameters
    ----------
    fit : Fit
        Of a structural equation model fitted to cases, or of a linear panel model or cross-section.
    draws : int
        At least 100.
    seed : int
        Needed, so that the result can be reproduced.
    kind : {"case", "entity", "cluster", "parametric", "bollen_stine"}, optional
        Default: whole firms of a panel, whole clusters of a two-level model, cases otherwise. Structural equation models have all
        but "entity", on two levels "cluster" and "parametric"; panel models "entity" and "cluster", a cross-section "case" and
        "cluster".
    conf_type : {"perc", "basic", "norm", "bc", "bca"}
    conf_level : float, optional
        Default: the fit's.

    Returns
    -------
    Bootstrapped

    Raises
    ------
    InferenceError
        For a fit that cannot be resampled; when fewer than half of the draws converge.

    Examples
    --------
    >>> import cipa as ci
    >>> fit = ci.SEM("x4 ~ x1 + x2").fit(ci.datasets.load("holzinger1939"))
    >>> found = ci.bootstrap(fit, draws=200, seed=1)
    >>> found.draws.shape, found.failed
    ((200, 6), 0)
    """
    if kind is not None:
        one_of(kind, KINDS, what="kind", where="ci.bootstrap")
    one_of(conf_type, CONF_TYPES, what="conf_type", where="ci.bootstrap")
    if isinstance(draws, bool) or not isinstance(draws, (int, np.integer)) or draws < 100:
        raise SpecificationError(
            f"ci.bootstrap: draws={draws!r}. Intervals rest on the tails of the draws: take at least 100, better 5,000."
        )
    seed = whole_seed(seed, where="ci.bootstrap")
    again = refit(fit, kind, "ci.bootstrap")
    drawn = watched((_rows(again, rng) for rng in generators(seed, int(draws))), total=int(draws), what="ci.bootstrap")
    values, chisq, admissible = _refitted(again, drawn)
    if len(values) < _ENOUGH * draws:
        raise ConvergenceError(
            f"ci.bootstrap: {draws - len(values)} of {draws} draws did not converge. Intervals from the rest would describe a "
            "selection of samples. Simplify the model, or use more cases."
        )
    level = fit.conf_level if conf_level is None else conf_level
    jackknife = _jackknife(fit, again) if conf_type == "bca" else None
    estimates = _with_intervals(fit.estimates, values, level, conf_type, jackknife)
    return Bootstrapped(
        fit=fit, estimates=estimates, draws=frozen(values), chisq=frozen(chisq), failed=int(draws) - len(values),
        inadmissible=int((~admissible).sum()), kind=again.kind, conf_type=conf_type, seed=seed, jackknife=jackknife,
    )  # fmt: skip


def _refitted(again: Refit, draws: Iterable[Any]) -> tuple[Array, Array, Array]:
    """Values (R, m), chi-squares (R,) and admissibility (R,) of the draws that converge, a stack at a time."""
    values, chisq, admissible = [], [], []
    remaining = iter(draws)
    while stack := list(islice(remaining, _STACK)):
        found = again.run(stack)
        values.append(found.values[found.converged])
        chisq.append(found.chisq[found.converged])
        admissible.append(found.admissible[found.converged])
    return np.concatenate(values), np.concatenate(chisq), np.concatenate(admissible)


def _rows(again: Refit, rng: np.random.Generator) -> Any:
    """What a draw is made of: rows of each group, or the generator for a parametric draw."""
    if again.kind == "parametric":
        return rng
    if again.clusters is None:
        return case_rows(rng, again.sizes)
    return _by_group(cluster_rows(rng, again.clusters), again.sizes)


def _with_intervals(rows: Estimates, draws: Array, level: float, conf_type: str, jackknife: Array | None) -> Estimates:
    point = np.array([row.estimate for row in rows])
    error = draws.std(axis=0, ddof=1)
    low, high = intervals(point, draws, level=level, conf_type=conf_type, jackknife=jackknife)
    nan = math.nan
    found = []
    for k, row in enumerate(rows):
        varies = row.status != "fixed" and error[k] > 1e-12 * max(1.0, abs(point[k]))
        bounds = (float(error[k]), float(low[k]), float(high[k])) if varies else (nan, nan, nan)
        found.append(replace(row, std_error=bounds[0], statistic=nan, p_value=nan, conf_low=bounds[1], conf_high=bounds[2]))
    return Estimates(tuple(found), level)


def intervals(point: Array, draws: Array, *, level: float, conf_type: str, jackknife: Array | None = None) -> tuple[Array, Array]:
    """Lower and upper bounds (m,) from draws (R, m) about the estimates (m,)."""
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    size = len(point)
    if conf_type == "norm":
        half = float(ndtri(tails[1])) * draws.std(axis=0, ddof=1)
        return point - half, point + half
    if conf_type in ("perc", "basic"):
        low, high = (quantiles(draws, np.full(size, tail)) for tail in tails)
        return (low, high) if conf_type == "perc" else (2 * point - high, 2 * point - low)
    shift = ndtri(np.clip((draws < point).mean(axis=0), 0.5 / len(draws), 1 - 0.5 / len(draws)))
    acceleration = np.zeros(size)
    if jackknife is not None:
        centred = jackknife.mean(axis=0) - jackknife
        spread = (centred**2).sum(axis=0) ** 1.5
        acceleration = np.where(spread > 0, (centred**3).sum(axis=0) / (6 * np.maximum(spread, 1e-300)), 0.0)
    bounds = []
    for tail in tails:
        z = shift + ndtri(tail)
        bounds.append(quantiles(draws, ndtr(shift + z / (1 - acceleration * z))))
    return bounds[0], bounds[1]


def _jackknife(fit: Fit, again: Refit) -> Array:
    """Estimates from the data without each case in turn (n, m), or without each of what is drawn whole (G, m)."""
    plain = again if again.kind in ("case", "entity", "cluster") else refit(fit, None, "ci.bootstrap")
    units = np.arange(sum(plain.sizes)) if plain.clusters is None else plain.clusters
    left_out = (_by_group(np.flatnonzero(units != unit), again.sizes) for unit in np.unique(units))
    return _refitted(plain, left_out)[0]


def _by_group(rows: IntArray, sizes: Sequence[int]) -> list[IntArray]:
    """Rows of the whole sample as rows within each group."""
    edges = np.concatenate([[0], np.cumsum(sizes)])
    return [rows[(rows >= a) & (rows < b)] - a for a, b in pairwise(edges.tolist())]
