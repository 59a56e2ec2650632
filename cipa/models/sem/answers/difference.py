"""Scaled difference tests of nested models: what turns the difference of two chi-squares into one.

    satorra_bentler_2001        (X0 - X1) / c,  c = (df0 c0 - df1 c1) / (df0 - df1)
    satorra_bentler_2010        c = (df0 c0 - df1 c10) / (df0 - df1),  c10 of model 1 at the estimates of model 0
    satorra_2000                a (X0 - X1) + b,  a = sqrt(m / tr((U G)^2)),  b = m - a tr(U G),  U of the restriction

U = W D P^-1 A' (A P^-1 A')^-1 A P^-1 D' W with D, W, G the general model's Jacobian, weight and covariance of moments, P = D'W D,
and A the restriction in its parameters, taken from both Jacobians. The 2001 factor can be negative in small samples; then the
test is not defined and says so (use 2010, which cannot).

Sources: Satorra, A. (2000). In Heijmans, Pollock & Satorra (eds.), Innovations in multivariate statistical analysis, 233-247;
Asparouhov & Muthén (2010); Satorra, A. & Bentler, P. M. (2001). Psychometrika, 66, 507-514; Satorra & Bentler (2010).
Psychometrika, 75, 243-248.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from cipa.errors import InferenceError
from cipa.models.sem.fit import SEMFit
from cipa.numerics.algebra.linalg import Array, null_space

Parts = Sequence[tuple[Array, Array, Array, float]]
"""Per group: Jacobian (m, q), weight and n times covariance (m, m) of the moments, share of the cases."""

_ADJUSTED_IN_VARIANCE = ("mean_var_adjusted", "scaled_shifted")


def scaled_difference(
    restricted: SEMFit, general: SEMFit, df: float, method: str, *, parts_of: Callable[[SEMFit], Parts],
    factor_at: Callable[[SEMFit, SEMFit], float],
) -> tuple[float, float]:  # fmt: skip
    """(scale, shift) by one method; "default" chooses by the tests that the fits have, (1, 0) without a scaled one.

    parts_of : fit -> Parts. factor_at : general, restricted -> scaling factor of the general model at the restricted estimates.
    """
    if method == "default":
        method = _default(restricted, general)
    if method == "none":
        return 1.0, 0.0
    if method == "satorra_2000":
        return _scale_and_shift(parts_of(restricted), parts_of(general), df)
    return 1 / _factor(restricted, general, method, df, factor_at), 0.0


def _default(*fits: SEMFit) -> str:
    if any("chisq.scaling.factor" not in fit.statistics for fit in fits):
        return "none"
    return "satorra_2000" if any(fit.recipe.test in _ADJUSTED_IN_VARIANCE for fit in fits) else "satorra_bentler_2001"


def _scale_and_shift(restricted: Parts, general: Parts, df: float) -> tuple[float, float]:
    """Satorra's (2000) difference, adjusted in mean and variance by Asparouhov & Muthén's (2010) shift."""
    slopes = np.vstack([D for D, *_ in general])
    narrow = np.vstack([D for D, *_ in restricted])
    A = null_space((np.linalg.pinv(slopes) @ narrow).T, tolerance=1e-8).T
    P = sum(share * D.T @ W @ D for D, W, _, share in general)
    inverse = np.linalg.inv(np.asarray(P))
    M = inverse @ A.T @ np.linalg.pinv(A @ inverse @ A.T, hermitian=True) @ A @ inverse
    meat = sum(share * (W @ D).T @ G @ (W @ D) for D, W, G, share in general)
    UG = M @ meat  # tr(U G) and tr((U G)^2) in the parameters
    scale = math.sqrt(df / float(np.trace(UG @ UG)))
    return scale, df - scale * float(np.trace(UG))


def _factor(restricted: SEMFit, general: SEMFit, method: str, df: float, factor_at: Callable[[SEMFit, SEMFit], float]) -> float:
    statistics = [fit.statistics.values_by_name for fit in (restricted, general)]
    if any("chisq.scaling.factor" not in values for values in statistics):
        raise InferenceError(
            f'ci.lr_test: method="{method}" divides by scaling factors, which fits without a scaled test do not have. Fit with '
            'estimator="mlm" or "mlr", or use method="none".'
        )
    if any(fit.recipe.test in _ADJUSTED_IN_VARIANCE for fit in (restricted, general)):
        raise InferenceError(
            f'ci.lr_test: method="{method}" divides by one factor, and these tests are adjusted in mean and variance. Use '
            '"satorra_2000".'
        )
    c0, c1 = (values["chisq.scaling.factor"] for values in statistics)
    if method == "satorra_bentler_2010":
        c1 = factor_at(general, restricted)
    inner = general.df_resid * c1 if general.df_resid else 0.0
    factor = (restricted.df_resid * c0 - inner) / df
    if not factor > 0:
        raise InferenceError(
            f"ci.lr_test: the scaling factor of the difference is estimated at {factor:.3g}, and a variance cannot be negative. "
            'It happens in small samples with the 2001 formula: use method="satorra_bentler_2010".'
        )
    return float(factor)
