"""Factor scores: where each case stands on the constructs.

    regression   E(eta | y) = alpha + Phi L' Sigma^-1 (y - mu)                    (Thomson; Thurstone 1935)
    Bartlett     (L' Theta^-1 L)^-1 L' Theta^-1 (y - nu)                          (Bartlett 1937; see `bartlett.py`)

with Phi L' = cov(eta, y). A case with missing values is scored from what it answered. Regression scores shrink towards
the mean and have the smallest error; Bartlett scores are unbiased given the construct. Neither is the construct: use
them to describe cases, and a structural model to relate constructs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cipa.language.en import EN
from cipa.models.sem.answers.bartlett import bartlett_weights
from cipa.models.sem.fit import SEMFit
from cipa.models.sem.steps.table import matrices
from cipa.numerics.algebra.linalg import Array, IntArray
from cipa.numerics.moments.normal import patterns_of


def of_continuous(fit: SEMFit, method: str) -> tuple[str, tuple[str, ...], Array]:
    """Title, constructs and scores (n, l) of the cases of the data; NaN for cases that were not used."""
    scores = np.full((fit.data.nobs, len(fit.latent)), np.nan)
    for g, group in enumerate(fit.sample.groups):
        assert group.values is not None
        patterns = group.patterns if group.gamma is None else patterns_of(group.values)
        for r, seen in enumerate(patterns.observed):
            mine = np.flatnonzero(patterns.membership == r)
            weights, centre, origin = scoring(fit, g, fit.latent, np.flatnonzero(seen), method)
            scores[group.rows[mine]] = origin + (group.values[mine][:, seen] - centre) @ weights.T
    return EN("table.scores", method=method), fit.latent, scores


def scoring(fit: SEMFit, g: int, latent: Sequence[str], seen: IntArray, method: str) -> tuple[Array, Array, Array]:
    """Weights (l, q), what is subtracted from the q values seen, and the constant (l,)."""
    block, here = fit.layout.blocks[g], fit.point.blocks[g]
    where = np.array([block.variables.index(name) for name in latent], dtype=np.intp)
    mean = here.mean if fit.layout.means else fit.sample.groups[g].saturated.mean
    placed = matrices(fit.objective, fit.point)[g]
    A, S = placed.A, placed.S
    alpha = here.tau[where] if fit.layout.means else _from_predictors(A, here.B, mean)[where]
    cross, cov = here.T[np.ix_(where, seen)], here.cov[np.ix_(seen, seen)]
    regression = np.linalg.solve(cov, cross.T).T
    if method == "regression":
        return regression, mean[seen], alpha
    weights = bartlett_weights(A, S, here.T, size=len(block.observed), latent=where, seen=seen)
    composite = np.isin(latent, fit.layout.roles[g].composites)  # its parts determine it, whatever the method
    weights[composite] = regression[composite]
    return weights, mean[seen], alpha


def _from_predictors(A: Array, B: Array, sample_mean: Array) -> Array:
    """Means of all variables that follow from those of observed variables that only predict; others have mean zero."""
    p = len(sample_mean)
    only = np.asarray(~A.any(axis=1) & A.any(axis=0))
    M = np.zeros(len(A))
    M[:p] = np.where(only[:p], sample_mean, 0.0)
    return np.asarray(B @ M)
