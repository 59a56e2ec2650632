"""Jacobians by complex step, and by central difference where a function does not take complex numbers.

Sources: Squire, W. & Trapp, G. (1998). SIAM Review, 40, 110-112 (complex step); Dennis, J. & Schnabel, R. (1983),
section 5.4 (step of a central difference).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cipa.numerics.algebra.linalg import Array

COMPLEX_STEP = 1e-20
"""No subtraction takes place, so the step may be far below the square root of the machine precision."""

CENTRAL_STEP = np.finfo(np.float64).eps ** (1 / 3)
"""Balances truncation (h^2) and rounding (eps / h)."""


def jacobian(function: Callable[[Array], Any], point: Array) -> Array:
    """Derivatives (m, k) of a function from (k,) to (m,) (or to a number, m = 1).

    The complex step is exact to rounding, but only for an analytic function; the result is compared with one central
    difference, and a function that drops the imaginary part (`abs`, a comparison, a table look-up) falls back to it.
    """
    central = central_jacobian(function, point)
    try:
        exact = complex_jacobian(function, point)
    except (TypeError, ValueError):  # the function refuses complex numbers
        return central
    scale = np.maximum(np.abs(central), np.abs(exact)).max(initial=0.0)
    agrees = np.abs(exact - central).max(initial=0.0) <= 1e-4 * max(scale, 1e-300)
    return exact if agrees and np.isfinite(exact).all() else central


def complex_jacobian(function: Callable[[Array], Any], point: Array) -> Array:
    """Derivatives (m, k) as Im f(x + ih e_j) / h."""
    columns = []
    for position in range(len(point)):
        shifted = point.astype(np.complex128)
        shifted[position] += 1j * COMPLEX_STEP
        columns.append(np.atleast_1d(np.imag(function(shifted))) / COMPLEX_STEP)
    return np.column_stack(columns).astype(np.float64) if columns else np.empty((1, 0))


def central_jacobian(function: Callable[[Array], Any], point: Array) -> Array:
    """Derivatives (m, k) as (f(x + h e_j) - f(x - h e_j)) / 2h, h scaled to x_j."""
    columns = []
    for position in range(len(point)):
        step = CENTRAL_STEP * max(abs(float(point[position])), 1e-2)
        above, below = point.copy(), point.copy()
        above[position] += step
        below[position] -= step
        width = above[position] - below[position]
        columns.append((np.atleast_1d(function(above)) - np.atleast_1d(function(below))) / width)
    return np.column_stack(columns).astype(np.float64) if columns else np.empty((1, 0))
