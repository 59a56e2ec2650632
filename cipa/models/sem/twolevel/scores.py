"""Factor scores of both levels of a two-level fit.

    E(b_j | y_j) = Sigma_B V_j^-1 (m_j - mu)                   the cluster's part of its variables, m_j its means, V_j = cov(m_j)

A construct between clusters is scored from E(b_j | y_j); one within, from the case's values less its cluster's part. Regression
scores are then the expectations given all data of the cluster, because each step is linear (as lavaan's `lavPredict(level = )`).

Source: Rosseel, Y. (2021). Psych, 3, 197-232.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cipa.language.en import EN
from cipa.models.sem.answers.factor_scores import scoring
from cipa.models.sem.declare.layout import levels_of_group
from cipa.models.sem.fit import SEMFit
from cipa.models.sem.twolevel.objective import ends_of
from cipa.numerics.algebra.linalg import Array
from cipa.numerics.twolevel.incomplete import IncompleteTwoLevel


def of_levels(fit: SEMFit, method: str) -> tuple[str, tuple[str, ...], Array]:
    """Scores of constructs within clusters, from the cases less their clusters' parts, and between, from those parts."""
    names = [list(dict.fromkeys(name for roles in fit.layout.roles[level::2] for name in roles.latent)) for level in (0, 1)]
    found = [np.full((fit.data.nobs, len(own)), np.nan) for own in names]
    for g, group in enumerate(fit.sample.groups):
        codes = fit.sample.levels[g].codes
        for level, values in enumerate(level_values(fit, g)):
            block = 2 * g + level
            latent = fit.layout.roles[block].latent
            scores = _scored(fit, block, latent, values, method)
            places = np.array([names[level].index(name) for name in latent], dtype=np.intp)
            found[level][np.ix_(group.rows, places)] = scores if level == 0 else scores[codes]
    heads = [
        f"{name} [level {label}]" if name in names[1 - level] else name
        for level, label in enumerate(fit.levels)
        for name in names[level]
    ]
    return EN("table.scores.levels", method=method), tuple(heads), np.hstack(found)


def _scored(fit: SEMFit, block: int, latent: Sequence[str], values: Array, method: str) -> Array:
    """Scores (m, l) of a block's constructs from `values` (m, p) of its variables."""
    scores = np.full((len(values), len(latent)), np.nan)
    patterns, which = np.unique(~np.isnan(values), axis=0, return_inverse=True)
    for r, seen in enumerate(patterns):
        mine = np.flatnonzero(which.reshape(-1) == r)
        weights, centre, origin = scoring(fit, block, latent, np.flatnonzero(seen), method)
        scores[mine] = origin + (values[mine][:, seen] - centre) @ weights.T
    return scores


def level_values(fit: SEMFit, g: int) -> tuple[Array, Array]:
    """A group's cases less their cluster's part (n, q), its clusters' expected parts (J, r), each with its level's means."""
    objective, point = ends_of(fit)
    c, found, outer = objective.clusters[g], point.groups[g].likelihood, point.blocks[levels_of_group(g)][1]
    B, means = np.zeros((c.variables, c.variables)), np.zeros(c.variables)
    B[np.ix_(c.between, c.between)], means[c.between] = outer.cov, outer.mean
    expected = found.part if isinstance(found, IncompleteTwoLevel) else _expected(c, found, B)
    parts = expected + means
    values = fit.sample.groups[g].values
    assert values is not None
    return (values - parts[fit.sample.levels[g].codes])[:, c.within], parts[:, c.between]


def _expected(clusters: Any, found: Any, B: Array) -> Array:
    """Sigma_B V_j^-1 (m_j - mu) of each cluster (J, p)."""
    a = np.einsum("jab,jb->ja", found.P[clusters.kind], clusters.mean - found.mean)
    return np.asarray(a @ B)
