"""Thresholds and polychoric correlations of ordered variables, with their joint asymptotic covariance.

An ordered variable is a normal variable seen through thresholds. Thresholds come from the margins, each correlation by
maximum likelihood from its table given the thresholds (Olsson 1979, two steps). With the casewise scores of both steps, u of
the thresholds and v of the correlations, and

    B = [A11 0; A21 A22],  A11 = sum u u' (within variables),  A21 = sum v d(log p)/d(thresholds)',  A22 = sum v^2,

the covariance of the estimates is B^-1 (sum [u v][u v]') B^-T (Muthén 1984).

The bivariate normal integral is Phi(x) Phi(y) + the integral of its density over the correlation (Plackett 1954), by
Gauss-Legendre in the arc sine.

Sources: Olsson, U. (1979). Psychometrika, 44, 443-460; Muthén, B. (1984). Psychometrika, 49, 115-132; Plackett, R. L.
(1954). Biometrika, 41, 351-360; Drezner, Z. & Wesolowsky, G. O. (1990). J. Stat. Comput. Simul., 35, 101-107.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from cipa.numerics.linalg import Array, IntArray, symmetric

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
_LIMIT = 0.9999
"""A correlation beyond it is not estimated: the table shows one variable, not two."""

_TINY = 1e-12  # floor of a cell's probability
_ITERATIONS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdinalMoments:
    """What ordered variables tell.

    thresholds (t,), variable by variable; owner (t,), the variable of each; correlations (p, p); gamma (m, m), n times the
    covariance of (thresholds, correlations below the diagonal row by row); converged, whether every correlation did.
    """

    thresholds: Array
    owner: IntArray
    correlations: Array
    gamma: Array
    converged: bool


def bivariate_normal(x: Array, y: Array, rho: Array) -> Array:
    """P(X <= x, Y <= y) with correlation rho, elementwise; x and y may be infinite."""
    x, y, rho = np.broadcast_arrays(np.clip(x, -38, 38), np.clip(y, -38, 38), rho)
    angle = np.arcsin(rho) / 2
    theta = angle[..., None] * (1 + _NODES)
    sine, cosine2 = np.sin(theta), np.cos(theta) ** 2
    exponent = (x * x + y * y)[..., None] - 2 * (x * y)[..., None] * sine
    integral = (np.exp(-exponent / (2 * cosine2)) * _WEIGHTS).sum(axis=-1) * angle / (2 * math.pi)
    return np.asarray(ndtr(x) * ndtr(y) + integral)


def bivariate_density(x: Array, y: Array, rho: Array) -> Array:
    """Density of two standard normal variables with correlation rho; 0 at infinity."""
    x, y, rho = np.broadcast_arrays(x, y, rho)
    finite = np.isfinite(x) & np.isfinite(y)
    a, b = np.where(finite, x, 0.0), np.where(finite, y, 0.0)
    rest = 1 - rho * rho
    density = np.exp(-(a * a - 2 * rho * a * b + b * b) / (2 * rest)) / (2 * math.pi * np.sqrt(rest))
    return np.asarray(np.where(finite, density, 0.0))


def ordinal_moments(codes: IntArray, categories: Sequence[int]) -> OrdinalMoments:
    """Thresholds and polychoric correlations of (n, p) codes 0..K_j-1 without missing values."""
    n, p = codes.shape
    edges = [_edges(codes[:, j], categories[j]) for j in range(p)]
    thresholds = np.concatenate([edge[1:-1] for edge in edges])
    owner = np.repeat(np.arange(p), [size - 1 for size in categories])
    first = np.concatenate([[0], np.cumsum([size - 1 for size in categories])])
    u, A11 = _threshold_scores(codes, edges, first)
    pairs = [(i, j) for i in range(p) for j in range(i)]
    t, q = len(thresholds), len(pairs)
    v, A21, A22 = np.zeros((n, q)), np.zeros((q, t)), np.zeros(q)
    correlations, converged = np.eye(p), True
    for k, (i, j) in enumerate(pairs):
        table = np.zeros((categories[i], categories[j]))
        np.add.at(table, (codes[:, i], codes[:, j]), 1.0)
        rho, done = _correlation(table, edges[i], edges[j])
        converged &= done
        correlations[i, j] = correlations[j, i] = rho
        score, slopes = _pair_scores(rho, edges[i], edges[j])
        v[:, k] = score[codes[:, i], codes[:, j]]
        A22[k] = float((table * score**2).sum())
        for side, variable in enumerate((i, j)):
            A21[k, first[variable] : first[variable + 1]] = np.einsum("ab,ab,abt->t", table, score, slopes[side])
    inverse = np.linalg.inv(A11)
    B = np.block([[inverse, np.zeros((t, q))], [-(A21 @ inverse) / A22[:, None], np.diag(1 / A22)]])
    scores = np.hstack([u, v])
    return OrdinalMoments(
        thresholds=thresholds,
        owner=owner,
        correlations=correlations,
        gamma=symmetric(B @ (scores.T @ scores) @ B.T) * n,
        converged=converged,
    )


def _edges(codes: IntArray, categories: int) -> Array:
    """Thresholds (K + 1,) with infinite ends."""
    share = np.cumsum(np.bincount(codes, minlength=categories)) / len(codes)
    return np.concatenate([[-np.inf], ndtri(share[:-1]), [np.inf]])


def _threshold_scores(codes: IntArray, edges: Sequence[Array], first: IntArray) -> tuple[Array, Array]:
    """Casewise derivatives (n, t) of the marginal log-likelihoods in the thresholds, and A11 (t, t)."""
    n = len(codes)
    scores, A = np.zeros((n, first[-1])), np.zeros((first[-1], first[-1]))
    for j, edge in enumerate(edges):
        share = np.diff(ndtr(edge))
        density = np.exp(-(edge[1:-1] ** 2) / 2) / math.sqrt(2 * math.pi)
        slopes = np.zeros((len(share), len(density)))
        index = np.arange(len(density))
        slopes[index, index] = density / share[:-1]
        slopes[index + 1, index] = -density / share[1:]
        here = slice(first[j], first[j + 1])
        scores[:, here] = slopes[codes[:, j]]
        A[here, here] = scores[:, here].T @ scores[:, here]
    return scores, A


def _cells(rho: float, one: Array, two: Array) -> tuple[Array, Array]:
    """Probabilities of the cells and their derivatives in rho."""
    corner = bivariate_normal(one[:, None], two[None, :], np.array(rho))
    slope = bivariate_density(one[:, None], two[None, :], np.array(rho))
    probability = np.maximum(np.diff(np.diff(corner, axis=0), axis=1), _TINY)
    return probability, np.diff(np.diff(slope, axis=0), axis=1)


def _correlation(table: Array, one: Array, two: Array) -> tuple[float, bool]:
    """Maximum-likelihood correlation of a table, by Fisher steps in Fisher's z."""
    total = table.sum()
    a, b = np.indices(table.shape)
    spread = math.sqrt(
        np.cov(a.ravel(), fweights=table.ravel().astype(int)) * np.cov(b.ravel(), fweights=table.ravel().astype(int))
    )
    start = float((table * a * b).sum() / total - (table * a).sum() * (table * b).sum() / total**2) / spread
    z = math.atanh(min(max(start, -0.9), 0.9))
    value = -math.inf
    for _ in range(_ITERATIONS):
        rho = math.tanh(z)
        probability, slope = _cells(rho, one, two)
        value = float((table * np.log(probability)).sum())
        inner = 1 - rho * rho
        gradient = float((table * slope / probability).sum()) * inner
        information = total * float((slope**2 / probability).sum()) * inner**2
        step = gradient / max(information, 1e-300)
        for _halving in range(30):
            trial = min(max(z + step, -math.atanh(_LIMIT)), math.atanh(_LIMIT))
            if float((table * np.log(_cells(math.tanh(trial), one, two)[0])).sum()) >= value - 1e-12 * abs(value):
                break
            step /= 2
        moved, z = abs(trial - z), trial
        if moved < 1e-12:
            return math.tanh(z), True
    return math.tanh(z), moved < 1e-8


def _pair_scores(rho: float, one: Array, two: Array) -> tuple[Array, tuple[Array, Array]]:
    """D log p / d rho (K1, K2), and d log p / d thresholds of either variable (K1, K2, K - 1)."""
    probability, slope = _cells(rho, one, two)
    root = math.sqrt(1 - rho * rho)

    def in_thresholds(own: Array, other: Array) -> Array:
        """D p / d threshold, with own categories first: phi(tau) (Phi(upper | tau) - Phi(lower | tau))."""
        tau = own[1:-1]
        conditional = np.diff(ndtr((other[None, :] - rho * tau[:, None]) / root), axis=1)
        wave = np.exp(-(tau**2) / 2)[:, None] / math.sqrt(2 * math.pi) * conditional
        found = np.zeros((len(own) - 1, len(other) - 1, len(tau)))
        index = np.arange(len(tau))
        found[index, :, index] += wave
        found[index + 1, :, index] -= wave
        return found

    first = in_thresholds(one, two) / probability[:, :, None]
    second = np.swapaxes(in_thresholds(two, one), 0, 1) / probability[:, :, None]
    return slope / probability, (first, second)
