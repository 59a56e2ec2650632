"""Bartlett scores as generalized least squares that residual variances of zero do not break.

    y = L eta + e,  cov(e) = Theta:    eta^ = (L' V^-1 L)^-1 L' V^-1 y,    V = Theta + L D L'

with any positive D, which leaves the weights as they are where Theta has an inverse, and gives the best unbiased ones where it
has none: a construct that is its single indicator is scored by that indicator. Constructs without a disturbance (a latent change,
a sum of a trait and a state) are linear in the others and in observed variables, and are scored as that sum. A construct that the
values seen do not determine (a second-order one, a random intercept beside states without error, one whose items are all missing)
has no Bartlett score.

Sources: Bartlett, M. S. (1937). British Journal of Psychology, 28, 97-104; for singular Theta Rao, C. R. (1973). Linear
Statistical Inference and Its Applications, 2nd ed., sec. 4i.
"""

from __future__ import annotations

import numpy as np

from cipa.numerics.algebra.linalg import Array, IntArray

_RANK = 1e-8  # singular value of the loadings, relative and in standard deviations, below which a direction is not measured


def bartlett_weights(A: Array, S: Array, T: Array, *, size: int, latent: IntArray, seen: IntArray) -> Array:
    """Weights (l, q) of the q values seen, as deviations from their means; NaN rows for constructs that they do not determine.

    Parameters
    ----------
    A, S, T : (m, m) arrays
        Directed effects, residual covariances, and covariances of all variables, the observed ones first.
    size : int
        How many are observed, p.
    latent : (l,) array
        Positions of the constructs to score.
    seen : (q,) array
        Positions of the observed variables that have a value.
    """
    everything = np.arange(size, len(A))
    settled = ~S[everything].any(axis=1) & A[everything].any(axis=1)  # explained without a disturbance
    free, others = everything[~settled], np.concatenate([np.arange(size), everything[settled]])
    inner = np.linalg.inv(np.eye(len(others)) - A[np.ix_(others, others)])
    reach = inner @ A[np.ix_(others, free)]
    theta = (inner @ S[np.ix_(others, others)] @ inner.T)[np.ix_(seen, seen)]
    unit = np.sqrt(np.abs(T[free, free]))
    unit[unit == 0] = 1.0
    directions, weights = _unbiased(reach[seen] * unit, theta)
    targets, on_observed = _targets(A, size, free, everything[settled], latent)
    unseen = np.setdiff1d(np.arange(size), seen)
    targets *= unit
    known = np.linalg.norm(targets - targets @ directions @ directions.T, axis=1) <= _RANK * np.linalg.norm(targets, axis=1)
    known &= ~on_observed[:, unseen].any(axis=1)
    return np.asarray(np.where(known[:, None], targets @ weights + on_observed[:, seen], np.nan))


def _unbiased(loadings: Array, theta: Array) -> tuple[Array, Array]:
    """Directions (f, r) of the constructs that the values measure, orthonormal, and weights (f, q) of best unbiased scores."""
    V = theta + loadings @ loadings.T
    sd = np.sqrt(np.maximum(np.abs(V.diagonal()), 1e-300))
    left, singular, right = np.linalg.svd(loadings / sd[:, None], full_matrices=False)
    rank = int((singular > _RANK * singular.max(initial=0.0)).sum())
    directions, measured = right[:rank].T, left[:, :rank] * singular[:rank]
    inverse = np.linalg.pinv(V / np.outer(sd, sd), hermitian=True)
    scores = np.linalg.solve(measured.T @ inverse @ measured, measured.T @ inverse) / sd
    return directions, directions @ scores


def _targets(A: Array, size: int, free: IntArray, settled: IntArray, latent: IntArray) -> tuple[Array, Array]:
    """What each construct is of the free ones (l, f), and directly of the observed variables (l, p)."""
    inner = np.linalg.inv(np.eye(len(settled)) - A[np.ix_(settled, settled)])
    of_free, of_observed = np.zeros((len(A), len(free))), np.zeros((len(A), size))
    of_free[free] = np.eye(len(free))
    of_free[settled], of_observed[settled] = inner @ A[np.ix_(settled, free)], inner @ A[np.ix_(settled, np.arange(size))]
    return of_free[latent], of_observed[latent]
