"""The bivariate normal distribution, and the polychoric correlation of a table.

The integral is Phi(x) Phi(y) + the integral of the density over the correlation (Plackett 1954), by Gauss-Legendre in the
arc sine. The correlation of a table is its maximum-likelihood estimate given the thresholds (Olsson 1979, two steps).

Sources: Olsson, U. (1979). Psychometrika, 44, 443-460; Plackett, R. L. (1954). Biometrika, 41, 351-360; Drezner, Z. &
Wesolowsky, G. O. (1990). J. Stat. Comput. Simul., 35, 101-107.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtr

from cipa.numerics.linalg import Array

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
LIMIT = 0.9999
"""A correlation beyond it is not estimated: the table shows one variable, not two."""

TINY = 1e-12  # floor of a cell's probability
_ITERATIONS = 60


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


def _cells(rho: float, one: Array, two: Array) -> tuple[Array, Array]:
    """Probabilities of the cells and their derivatives in rho."""
    corner = bivariate_normal(one[:, None], two[None, :], np.array(rho))
    slope = bivariate_density(one[:, None], two[None, :], np.array(rho))
    probability = np.maximum(np.diff(np.diff(corner, axis=0), axis=1), TINY)
    return probability, np.diff(np.diff(slope, axis=0), axis=1)


def table_correlation(table: Array, one: Array, two: Array) -> tuple[float, bool]:
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
            trial = min(max(z + step, -math.atanh(LIMIT)), math.atanh(LIMIT))
            if float((table * np.log(_cells(math.tanh(trial), one, two)[0])).sum()) >= value - 1e-12 * abs(value):
                break
            step /= 2
        moved, z = abs(trial - z), trial
        if moved < 1e-12:
            return math.tanh(z), True
    return math.tanh(z), moved < 1e-8


def table_scores(rho: float, one: Array, two: Array) -> tuple[Array, tuple[Array, Array]]:
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
