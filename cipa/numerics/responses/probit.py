"""Ordered probit regression of one variable: thresholds and slopes by Newton steps, and the scores of its cases."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtr

from cipa.numerics.algebra.linalg import Array, IntArray
from cipa.numerics.responses.polychoric import TINY

_ITERATIONS = 100
ROOT = math.sqrt(2 * math.pi)


def density(x: Array) -> Array:
    """Standard normal density."""
    return np.asarray(np.exp(-np.minimum(x * x, 1400) / 2) / ROOT)


def probit_scores(codes: IntArray, x: Array, lower: Array, upper: Array, categories: int) -> Array:
    """Casewise derivatives (n, K - 1 + q) of an ordered probit's log-likelihood."""
    probability = np.maximum(ndtr(upper) - ndtr(lower), TINY)
    below, above = density(lower) / probability, density(upper) / probability
    scores = np.zeros((len(codes), categories + 1))
    index = np.arange(len(codes))
    scores[index, codes] -= below
    scores[index, codes + 1] += above
    return np.hstack([scores[:, 1:-1], (below - above)[:, None] * x])


def probit(codes: IntArray, x: Array, start: Array, w: Array) -> tuple[Array, Array]:
    """Ordered probit by scoring steps with halving: thresholds and slopes."""
    centre, spread = x.mean(axis=0), x.std(axis=0)
    scaled = (x - centre) / spread
    t = len(start)
    params = np.concatenate([start, np.zeros(x.shape[1])])

    def at(params: Array) -> tuple[float, Array]:
        edges = np.concatenate([[-np.inf], params[:t], [np.inf]])
        if (np.diff(params[:t]) <= 0).any():
            return -np.inf, np.empty(0)
        middle = scaled @ params[t:]
        lower, upper = edges[codes] - middle, edges[codes + 1] - middle
        value = float(w @ np.log(np.maximum(ndtr(upper) - ndtr(lower), TINY)))
        return value, probit_scores(codes, scaled, lower, upper, t + 1)

    value, scores = at(params)
    for _ in range(_ITERATIONS):
        gradient = w @ scores
        step = np.linalg.solve((scores * w[:, None]).T @ scores, gradient)
        found = at(params + step)
        while found[0] < value - 1e-12 * abs(value) and np.abs(step).max() > 1e-14:
            step = step / 2
            found = at(params + step)
        params, (value, scores) = params + step, found
        if np.abs(step).max() < 1e-12:
            break
    slopes = params[t:] / spread
    return params[:t] + centre @ slopes, slopes
