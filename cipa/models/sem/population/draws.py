"""Arrays drawn from normal or non-normal laws, and the categories that thresholds make of them."""

from __future__ import annotations

import numpy as np

from cipa.models.sem.population.nonnormal import draw_nonnormal
from cipa.numerics.algebra.linalg import Array, cholesky_or_none


def responses(rng: np.random.Generator, nobs: int, mean: Array, cov: Array, skewness: Array, kurtosis: Array) -> Array:
    """Draws (n, p) with mean (p,), covariance (p, p), and marginal skewness (p,) and excess kurtosis (p,)."""
    if skewness.any() or kurtosis.any():
        return mean + draw_nonnormal(rng, nobs, cov, skewness, kurtosis)
    return np.asarray(mean + rng.normal(size=(nobs, len(cov))) @ _root(cov).T)


def _root(cov: Array) -> Array:
    """A matrix R with R R' = cov; of a singular one by its eigenvectors."""
    factor = cholesky_or_none(cov)
    if factor is not None:
        return factor
    values, vectors = np.linalg.eigh(cov)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def categories(response: Array, thresholds: tuple[float, ...]) -> Array:
    """Categories 1, 2, … (n,) that a response (n,) falls into."""
    return np.searchsorted(np.array(thresholds), response) + 1.0
