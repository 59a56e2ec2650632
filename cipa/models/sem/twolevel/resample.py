"""Refitting a two-level model to other clusters.

    cluster      whole clusters with replacement, each copy a cluster of its own (Davison & Hinkley 1997, section 3.8; van der
    Leeden
                 et al. 2008): clusters are the independent units, and a case is none
    parametric   y_ij = mu + b_j + w_ij from the fitted normal law of both levels, with the clusters and the holes of the data

Exogenous variables that are held at the sample's moments are held at those of each draw. The search starts at the estimates.

Sources: Davison, A. C. & Hinkley, D. V. (1997). Bootstrap Methods and Their Application; van der Leeden, R., Meijer, E. & Busing,
F. (2008). Resampling multilevel models. In Handbook of Multilevel Analysis, 401-433.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cipa.errors import InferenceError
from cipa.models.sem.declare.layout import levels_of_group
from cipa.models.sem.fit import SEMFit
from cipa.models.sem.steps.draws import admissible_draws, stacked
from cipa.models.sem.steps.table import values_at
from cipa.models.sem.twolevel.objective import TwoLevelLikelihood, TwoLevelPoint, ends_of, objective_at
from cipa.models.sem.twolevel.read import arranged, direct_moments
from cipa.numerics.algebra.linalg import Array, IntArray
from cipa.numerics.search.optimize import minimize
from cipa.numerics.twolevel import kernel
from cipa.results.answers import Draws, Refit

KINDS = ("cluster", "parametric")
_NEGATIVE = 1e-9  # an eigenvalue below it, as a share of the largest, is no rounding


def refit(fit: SEMFit, kind: str | None) -> Refit:
    """The model on other clusters, one draw after the other."""
    kind = "cluster" if kind is None else kind
    if kind not in KINDS:
        raise InferenceError(
            f'ci.bootstrap: kind="{kind}" draws or rotates cases, and those of one cluster are not independent: the errors '
            'between clusters would be far too small. Take kind="cluster" (whole clusters) or kind="parametric".'
        )
    if fit.layout.curves:
        raise InferenceError(
            "ci.bootstrap: draws under inequality or nonlinear constraints are not available: the bound may bind in some draws "
            "and not in others. Drop the constraint, or test it with ci.wald_test."
        )
    clusters = fit.sample.clusters if kind == "cluster" else None
    return Refit(kind=kind, sizes=tuple(len(group.rows) for group in fit.sample.groups), clusters=clusters,
                 run=Resampler.of(fit, kind))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Resampler:
    """The model, where the search starts, and for parametric draws the roots of the laws of each level of each group."""

    fit: SEMFit
    start: Array
    roots: tuple[Array, ...]

    @classmethod
    def of(cls, fit: SEMFit, kind: str) -> Resampler:
        """Prepare; refuses a parametric draw from what is no law."""
        roots: tuple[Array, ...] = ()
        if kind == "parametric":
            roots = tuple(_root(moments.cov, place) for moments, place in zip(fit.point.blocks, fit.block_labels, strict=True))
        return cls(fit, fit.layout.to_eta(fit.params), roots)

    def __call__(self, draws: Sequence[Any]) -> Draws:
        """The estimates of each draw: rows of whole clusters, or a generator for a parametric draw."""
        return stacked([self._refitted(self._drawn(draw)) for draw in draws], len(self.fit.estimates))

    def _drawn(self, draw: Any) -> list[tuple[Array, IntArray]]:
        """Cases of each group and codes of their clusters."""
        groups = range(len(self.fit.sample.groups))
        if self.roots:
            return [self._simulated(draw, g) for g in groups]
        return [self._copied(draw[g], g) for g in groups]

    def _copied(self, rows: IntArray, g: int) -> tuple[Array, IntArray]:
        group = self.fit.sample.groups[g]
        assert group.values is not None
        return group.values[rows], codes_of_copies(rows, self.fit.sample.levels[g].codes)

    def _simulated(self, rng: np.random.Generator, g: int) -> tuple[Array, IntArray]:
        values, levels = self.fit.sample.groups[g].values, self.fit.sample.levels[g]
        assert values is not None
        c, pair = levels.clusters, levels_of_group(g)
        (inner, outer), (within, between) = self.fit.point.blocks[pair], self.roots[pair]
        parts = outer.mean + rng.normal(size=(c.nclusters, len(c.between))) @ between.T
        drawn = np.zeros_like(values)
        drawn[:, c.within] += inner.mean + rng.normal(size=(c.nobs, len(c.within))) @ within.T
        drawn[:, c.between] += parts[levels.codes]
        return np.where(np.isnan(values), np.nan, drawn), levels.codes

    def _refitted(self, groups: Sequence[tuple[Array, IntArray]]) -> tuple[Array, float, bool] | None:
        """All rows of the estimates, chi-square, whether admissible; None where the search does not converge."""
        fit, clusters, held = self.fit, [], []
        for (values, codes), c in zip(groups, ends_of(fit)[0].clusters, strict=True):
            if not len(codes):  # no cluster of this group was drawn
                return None
            clusters.append(arranged(values, codes, within=c.within, between=c.between))
            held.append(direct_moments(values, codes, within=c.within, between=c.between))
        objective = objective_at(fit.layout, clusters, held)
        solution, point = minimize(objective, self.start)
        if point is None or not solution.converged:
            return None
        rows = values_at(fit.model.parsed.constraints, objective, point)
        admissible = admissible_draws(fit.layout, rows[None], [moments.T[None] for moments in point.blocks])
        return rows, _chisq(objective, point), bool(admissible[0])


def codes_of_copies(rows: IntArray, clusters: IntArray) -> IntArray:
    """Codes 0, 1, ... of the drawn `rows`: the k-th time that a row is drawn it belongs to the k-th copy of its cluster."""
    order = np.argsort(rows, kind="stable")
    _, first, count = np.unique(rows[order], return_index=True, return_counts=True)
    copy = np.empty(len(rows), dtype=np.intp)
    copy[order] = np.arange(len(rows)) - np.repeat(first, count)
    pairs = clusters[rows] * (int(copy.max(initial=0)) + 1) + copy
    return np.unique(pairs, return_inverse=True)[1].reshape(-1).astype(np.intp)


def _root(cov: Array, place: tuple[str | None, str | None]) -> Array:
    """A factor R with R R' = cov, which may be singular; refuses a negative eigenvalue."""
    values, vectors = np.linalg.eigh(cov)
    if values[0] < -_NEGATIVE * max(values[-1], 0.0):
        group, level = place
        where = "" if group is None else f" of group {group}"
        raise InferenceError(
            f"ci.bootstrap: the covariance matrix that the fit implies at level '{level}'{where} has a negative eigenvalue "
            f"({values[0]:.3g}), so that no data follow it and nothing can be drawn. Draw whole clusters "
            '(kind="cluster"), or fix the negative variance at 0.'
        )
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def _chisq(objective: TwoLevelLikelihood, point: TwoLevelPoint) -> float:
    """Chi-square of a draw; NaN where its unrestricted moments have no maximum."""
    total = 0.0
    for clusters, one in zip(objective.clusters, point.groups, strict=True):
        free = kernel.unrestricted(clusters)
        if free is None or not free.converged:
            return math.nan
        total += 2 * (free.loglik - kernel.loglik(clusters, one.likelihood.value))
    return total
