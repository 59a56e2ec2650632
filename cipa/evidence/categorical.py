"""Reliability of a sum of ordered items (Green & Yang 2009, eq. 21).

The sum of scores X_j = number of thresholds tau_jc below the response variable y_j has, with Phi2 the bivariate normal
distribution,

    cov(X_j, X_k) = sum_c sum_d [Phi2(tau_jc, tau_kd; rho_jk) - Phi(tau_jc) Phi(tau_kd)].

Reliability is the sum of these covariances with rho_jk = l_j l_k, what the construct alone explains (also for j = k, two parallel
answers to one item), over their sum with the correlations of the response variables, which is the variance of the sum.

Categories count one apart, as the codes 1, 2, 3, … do. Source: Green, S. B. & Yang, Y. (2009). Psychometrika, 74, 155-167.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr

from cipa.numerics.algebra.linalg import Array
from cipa.numerics.responses.polychoric import bivariate_normal

_ROUNDING = 1e-9  # a correlation of 1 that is computed


def sum_reliability(loadings: Array, thresholds: Sequence[Array], correlations: Array) -> float:
    """Reliability of the sum of ordered items.

    Parameters
    ----------
    loadings : (k,) array
        Standardized, of the response variables on the construct.
    thresholds : k arrays
        Standardized, ascending.
    correlations : (k, k) array
        Of the response variables, as the model implies them.

    Returns
    -------
    float
        NaN where the sum has no variance, and where a loading above 1 (a negative residual variance) gives two answers to one
        item a correlation above 1, which no variables have.
    """
    explained = np.outer(loadings, loadings)
    if max(float(np.abs(explained).max()), float(np.abs(correlations).max())) > 1 + _ROUNDING:
        return float("nan")
    explained, correlations = np.clip(explained, -1, 1), np.clip(correlations, -1, 1)
    true = total = 0.0
    for j, one in enumerate(thresholds):
        for k, other in enumerate(thresholds):
            true += _covariance(one, other, float(explained[j, k]))
            total += _covariance(one, other, float(correlations[j, k])) if j != k else _variance(one)
    return true / total if total > 0 else float("nan")


def _covariance(first: Array, second: Array, rho: float) -> float:
    """Covariance of two scores whose response variables correlate by rho."""
    x, y = first[:, None], second[None]
    return float((bivariate_normal(x, y, np.array(rho)) - ndtr(x) * ndtr(y)).sum())


def _variance(thresholds: Array) -> float:
    x, y = thresholds[:, None], thresholds[None]
    return float((ndtr(np.minimum(x, y)) - ndtr(x) * ndtr(y)).sum())
