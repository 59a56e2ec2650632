"""Correlated non-normal variables of given skewness and kurtosis: Vale & Maurelli's method.

Each variable is a cubic of a standard normal one, x = -c + b z + c z^2 + d z^3, whose coefficients give it variance 1 and the
skewness and excess kurtosis wanted (Fleishman 1978, eqs. 5, 11, 17, 18). The normal variables are correlated by rho, the root of
r = rho (b1 b2 + 3 b1 d2 + 3 d1 b2 + 9 d1 d2) + 2 c1 c2 rho^2 + 6 d1 d2 rho^3  for the correlation r wanted (Vale & Maurelli 1983,
eq. 11). The method fixes margins and covariances, not the rest of the law (Foldnes & Grønneberg 2015).

Sources: Fleishman, A. I. (1978). Psychometrika, 43, 521-532; Vale, C. D. & Maurelli, V. A. (1983). Psychometrika, 48, 465-471.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import root

from cipa.errors import SpecificationError
from cipa.numerics.algebra.linalg import Array, cholesky_or_none

_SOLVED = 1e-8  # residual of the equations, in units of the moments


def fleishman(skewness: float, kurtosis: float) -> tuple[float, float, float]:
    """Coefficients b, c, d of the cubic with variance 1, given skewness and excess kurtosis.

    Raises
    ------
    SpecificationError
        No cubic of a normal variable has these moments.
    """

    def gap(at: Array) -> list[float]:
        b, c, d = at
        return [
            b**2 + 6 * b * d + 2 * c**2 + 15 * d**2 - 1,
            2 * c * (b**2 + 24 * b * d + 105 * d**2 + 2) - skewness,
            24 * (b * d + c**2 * (1 + b**2 + 28 * b * d) + d**2 * (12 + 48 * b * d + 141 * c**2 + 225 * d**2)) - kurtosis,
        ]

    for d in (0.0, 0.05, -0.05, 0.15, -0.15):
        found = root(gap, [1.0 - 3 * d, skewness / 6, d], method="hybr", tol=1e-13)
        if np.abs(gap(found.x)).max() < _SOLVED and found.x[0] > 0:
            return float(found.x[0]), float(found.x[1]), float(found.x[2])
    raise SpecificationError(
        f"skewness={skewness:g} with kurtosis={kurtosis:g}: no cubic of a normal variable has these moments. The excess kurtosis "
        f"must exceed about 1.6 skewness² - 1.15, here {1.588 * skewness**2 - 1.132:.2f}. Give a larger kurtosis or a smaller "
        "skewness."
    )


def intermediate(correlations: Array, coefficients: Array) -> Array:
    """Correlations (p, p) of the normal variables, for those wanted (p, p) and coefficients (p, 3)."""
    b, c, d = (coefficients[:, k] for k in range(3))
    linear = np.outer(b, b) + 3 * np.outer(b, d) + 3 * np.outer(d, b) + 9 * np.outer(d, d)
    square, cubic = 2 * np.outer(c, c), 6 * np.outer(d, d)
    rho = correlations.copy()
    for _ in range(100):
        value = rho * (linear + rho * (square + rho * cubic)) - correlations
        slope = linear + rho * (2 * square + 3 * rho * cubic)
        rho = np.clip(rho - value / np.where(np.abs(slope) > 1e-8, slope, 1e-8), -1.0, 1.0)
    np.fill_diagonal(rho, 1.0)
    left = np.abs(rho * (linear + rho * (square + rho * cubic)) - correlations)
    np.fill_diagonal(left, 0.0)
    if left.max(initial=0.0) > 1e-7 or cholesky_or_none(rho) is None:
        i, j = np.unravel_index(int(left.argmax()), left.shape)
        raise SpecificationError(
            f"No normal variables give the correlations of the population together with these margins (variables {i + 1} and "
            f"{j + 1}: {correlations[i, j]:.2f}). Give smaller skewness and kurtosis, or more alike ones."
        )
    return rho


def draw_nonnormal(rng: np.random.Generator, nobs: int, cov: Array, skewness: Array, kurtosis: Array) -> Array:
    """Draws (n, p) with mean 0, covariance (p, p) and the marginal skewness (p,) and excess kurtosis (p,)."""
    sd = np.sqrt(cov.diagonal())
    coefficients = np.array([fleishman(float(one), float(two)) for one, two in zip(skewness, kurtosis, strict=True)])
    factor = np.linalg.cholesky(intermediate(cov / np.outer(sd, sd), coefficients))
    z = rng.normal(size=(nobs, len(cov))) @ factor.T
    b, c, d = (coefficients[:, k] for k in range(3))
    return np.asarray(sd * (-c + z * (b + z * (c + z * d))))
