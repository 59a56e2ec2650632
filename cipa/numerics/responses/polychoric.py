"""The bivariate normal distribution, and the polychoric correlation of a table.

The integral is Phi(x) Phi(y) + the integral of the density over the correlation (Plackett 1954), by Gauss-Legendre in the
arc sine. The correlation of a table is its maximum-likelihood estimate given the thresholds (Olsson 1979, two steps).

Sources: Olsson, U. (1979). Psychometrika, 44, 443-460; Plackett, R. L. (1954). Biometrika, 41, 351-360; Drezner, Z. &
Wesolowsky, G. O. (1990). J. Stat. Comput. Simul., 35, 101-107; Savalei, V. (2011). Structural Equation Modeling, 18, 253-273.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtr

from cipa.numerics.algebra.linalg import Array, BoolArray

_RULES = [(limit, *np.polynomial.legendre.leggauss(size)) for limit, size in ((0.5, 8), (0.75, 12), (0.925, 20), (1.0, 64))]
"""Gauss-Legendre rules that are exact to 1e-13 for correlations up to a limit."""

LIMIT = 0.9999
"""A correlation beyond it is not estimated: the table shows one variable, not two."""

TINY = 1e-12  # floor of a cell's probability
_ITERATIONS = 60
SHORT = 1e-6  # a step in Fisher's z; gradients differ by more than their rounding over it


def bivariate_normal(x: Array, y: Array, rho: Array) -> Array:
    """P(X <= x, Y <= y) with correlation rho, elementwise; x and y may be infinite."""
    x, y, rho = np.broadcast_arrays(np.clip(x, -38, 38), np.clip(y, -38, 38), rho)
    largest = float(np.abs(rho).max(initial=0.0))
    nodes, weights = next((nodes, weights) for limit, nodes, weights in _RULES if largest <= limit)
    angle = np.arcsin(rho) / 2
    theta = angle[..., None] * (1 + nodes)
    sine, cosine2 = np.sin(theta), np.cos(theta) ** 2
    exponent = (x * x + y * y)[..., None] - 2 * (x * y)[..., None] * sine
    integral = (np.exp(-exponent / (2 * cosine2)) * weights).sum(axis=-1) * angle / (2 * math.pi)
    return np.asarray(ndtr(x) * ndtr(y) + integral)


def bivariate_density(x: Array, y: Array, rho: Array) -> Array:
    """Density of two standard normal variables with correlation rho; 0 at infinity."""
    x, y, rho = np.broadcast_arrays(x, y, rho)
    finite = np.isfinite(x) & np.isfinite(y)
    a, b = np.where(finite, x, 0.0), np.where(finite, y, 0.0)
    rest = 1 - rho * rho
    density = np.exp(-(a * a - 2 * rho * a * b + b * b) / (2 * rest)) / (2 * math.pi * np.sqrt(rest))
    return np.asarray(np.where(finite, density, 0.0))


def _cells(rho: Array, one: Array, two: Array) -> tuple[Array, Array]:
    """Probabilities (P, K1, K2) of the cells of P tables, and their derivatives in rho (P,)."""
    x, y, r = one[:, :, None], two[:, None, :], rho[:, None, None]
    corner, slope = bivariate_normal(x, y, r), bivariate_density(x, y, r)
    probability = corner[:, 1:, 1:] - corner[:, :-1, 1:] - corner[:, 1:, :-1] + corner[:, :-1, :-1]
    slopes = slope[:, 1:, 1:] - slope[:, :-1, 1:] - slope[:, 1:, :-1] + slope[:, :-1, :-1]
    return np.maximum(probability, TINY), slopes


def table_correlations(tables: Array, one: Array, two: Array) -> tuple[Array, BoolArray]:
    """Maximum-likelihood correlations (P,) of tables (P, K1, K2), by steps in Fisher's z with halving.

    A step divides the gradient by the expected information; once a step has gone beyond the maximum, by the slope of the gradient
    that the step before met (secant), as the curvature of a table that normal variables do not give is far from the expected one.

    Parameters
    ----------
    one, two : (P, K1 + 1) and (P, K2 + 1) arrays
        Thresholds with infinite ends.

    Returns
    -------
    rho, converged : (P,) arrays
        A correlation at its bound, `LIMIT`, has not converged.
    """
    limit = np.arctanh(LIMIT)
    total = np.maximum(tables.sum(axis=(1, 2)), 1.0)
    z = np.arctanh(np.clip(_rough(tables, total), -0.9, 0.9))
    found, moved = z.copy(), np.full(len(z), np.inf)
    active = np.arange(len(z))
    state = _likelihood(z, tables, one, two)
    bend, beyond = total * state[2], np.zeros(len(z), dtype=np.bool_)
    for _ in range(_ITERATIONS):
        value, gradient, _ = state
        step = gradient / np.maximum(bend, 1e-300)
        for _halving in range(30):
            trial = np.clip(z + step, -limit, limit)
            state = _likelihood(trial, tables[active], one[active], two[active])
            worse = state[0] < value - 1e-12 * np.abs(value)
            if not worse.any():
                break
            step = np.where(worse, step / 2, step)
        moved[active], found[active] = np.abs(trial - z), trial
        beyond = beyond | (gradient * state[1] < 0)
        met = _curvature_met(trial - z, gradient - state[1], bend)
        bend = np.where(beyond & (met > 0), met, total[active] * state[2])
        left = moved[active] >= 1e-12
        z, state, active = trial[left], tuple(part[left] for part in state), active[left]
        bend, beyond = bend[left], beyond[left]
        if not active.size:
            break
    return np.tanh(found), (moved < 1e-8) & (np.abs(found) < limit)


def _curvature_met(moved: Array, fall: Array, before: Array) -> Array:
    """Fall of the gradient over a step (P,); over one so short that rounding decides it, that of the step before."""
    return np.where(np.abs(moved) < SHORT, before, fall / np.where(moved == 0, 1.0, moved))


def without_empty_cells(tables: Array) -> tuple[Array, BoolArray]:
    """Fourfold tables (P, 2, 2) with an empty cell get half a case there, margins kept (Savalei 2011); and which ones did."""
    a, b, c, d = tables[:, 0, 0], tables[:, 0, 1], tables[:, 1, 0], tables[:, 1, 1]
    diagonal, off = (a == 0) | (d == 0), (b == 0) | (c == 0)
    shift = np.where(diagonal & ~off, 0.5, np.where(off & ~diagonal, -0.5, 0.0))
    return tables + shift[:, None, None] * np.array([[1.0, -1.0], [-1.0, 1.0]]), shift != 0


def _likelihood(z: Array, tables: Array, one: Array, two: Array) -> tuple[Array, ...]:
    """Log-likelihood, its derivative in z, and the expected information of a case, each (P,)."""
    rho = np.tanh(z)
    probability, slope = _cells(rho, one, two)
    inner = 1 - rho * rho
    gradient = (tables * slope / probability).sum(axis=(1, 2)) * inner
    return (tables * np.log(probability)).sum(axis=(1, 2)), gradient, (slope**2 / probability).sum(axis=(1, 2)) * inner**2


def _rough(tables: Array, total: Array) -> Array:
    """Correlations (P,) of the category numbers, to start from."""
    a, b = np.arange(tables.shape[1])[:, None], np.arange(tables.shape[2])[None, :]

    def mean(values: Array) -> Array:
        return np.asarray((tables * values).sum(axis=(1, 2)) / total)

    ma, mb = mean(a), mean(b)
    spread = np.sqrt(np.maximum((mean(a * a) - ma**2) * (mean(b * b) - mb**2), 1e-12))
    return np.asarray((mean(a * b) - ma * mb) / spread)


def table_scores(rho: Array, one: Array, two: Array) -> tuple[Array, tuple[Array, Array]]:
    """D log p / d rho (P, K1, K2), and d log p / d thresholds of either variable (P, K1, K2, K - 1)."""
    probability, slope = _cells(rho, one, two)
    root = np.sqrt(1 - rho * rho)[:, None, None]

    def in_thresholds(own: Array, other: Array) -> Array:
        """D p / d threshold, with own categories first: phi(tau) (Phi(upper | tau) - Phi(lower | tau))."""
        tau = own[:, 1:-1]
        conditional = np.diff(ndtr((other[:, None, :] - rho[:, None, None] * tau[:, :, None]) / root), axis=2)
        wave = np.exp(-(tau**2) / 2)[:, :, None] / math.sqrt(2 * math.pi) * conditional
        found = np.zeros((len(own), own.shape[1] - 1, other.shape[1] - 1, tau.shape[1]))
        index = np.arange(tau.shape[1])
        found[:, index, :, index] += wave.swapaxes(0, 1)
        found[:, index + 1, :, index] -= wave.swapaxes(0, 1)
        return found

    first = in_thresholds(one, two) / probability[..., None]
    second = np.swapaxes(in_thresholds(two, one), 1, 2) / probability[..., None]
    return slope / probability, (first, second)
