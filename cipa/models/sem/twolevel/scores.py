"""Factor scores of both levels of a two-level fit.

    E(b_j | y_j) = Sigma_B V_j^-1 (m_j - mu)                   the cluster's part of its variables, m_j its means, V_j = cov(m_j)

A construct between clusters is scored from E(b_j | y_j); one within, from the case's values less its cluster's part. Regression
scores are then the expectations given all data of the cluster, because each step is linear (as lavaan's `lavPredict(level = )`).

Source: Rosseel, Y. (2021). Psych, 3, 197-232.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cipa.language.en import EN
from cipa.models.sem.answers.factor_scores import scoring
from cipa.models.sem.fit import SEMFit
from cipa.models.sem.twolevel.objective import ends_of
from cipa.numerics.algebra.linalg import Array
from cipa.numerics.twolevel.incomplete import IncompleteTwoLevel


def of_levels(fit: SEMFit, method: str) -> tuple[str, tuple[str, ...], Array]:
    """Scores of constructs within clusters, from the cases less their clusters' parts, and between, from those parts."""
    names = [(name, label) for label, roles in zip(fit.levels, fit.layout.roles, strict=True) for name in roles.latent]
    group = fit.sample.groups[0]
    scores = []
    for g, values in enumerate(level_values(fit)):
        latent = fit.layout.roles[g].latent
        own = np.full((len(values), len(latent)), np.nan)
        patterns, which = np.unique(~np.isnan(values), axis=0, return_inverse=True)
        for r, seen in enumerate(patterns):
            mine = np.flatnonzero(which.reshape(-1) == r)
            weights, centre, origin = scoring(fit, g, latent, np.flatnonzero(seen), method)
            own[mine] = origin + (values[mine][:, seen] - centre) @ weights.T
        scores.append(own if g == 0 else own[group.clusters])
    found = np.full((fit.data.nobs, len(names)), np.nan)
    found[group.rows] = np.hstack(scores)
    twice = {name for name in fit.layout.roles[0].latent if name in fit.layout.roles[1].latent}
    heads = [f"{name} [level {label}]" if name in twice else name for name, label in names]
    return EN("table.scores.levels", method=method), tuple(heads), found


def level_values(fit: SEMFit) -> tuple[Array, Array]:
    """The cases' values less their cluster's part (n, q), the clusters' expected parts (J, r), each with its level's means."""
    objective, point = ends_of(fit)
    c, found, outer = objective.clusters, point.likelihood, point.blocks[1]
    B, means = np.zeros((c.variables, c.variables)), np.zeros(c.variables)
    B[np.ix_(c.between, c.between)], means[c.between] = outer.cov, outer.mean
    expected = found.part if isinstance(found, IncompleteTwoLevel) else _expected(c, found, B)
    parts = expected + means
    group = fit.sample.groups[0]
    assert group.values is not None
    assert group.clusters is not None
    return (group.values - parts[group.clusters])[:, c.within], parts[:, c.between]


def _expected(clusters: Any, found: Any, B: Array) -> Array:
    """Sigma_B V_j^-1 (m_j - mu) of each cluster (J, p)."""
    a = np.einsum("jab,jb->ja", found.P[clusters.kind], clusters.mean - found.mean)
    return np.asarray(a @ B)
