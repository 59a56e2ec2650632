"""An objective's derivatives against difference quotients of what they are derivatives of."""

from __future__ import annotations

from typing import Any

import numpy as np

from cipa.numerics.algebra.derivatives import central_jacobian

ROUNDING = 1e-8
"""What rounding leaves of a quotient of values of size one, beside a millionth of the derivative."""


def assert_derivatives(objective: Any, eta: np.ndarray) -> None:
    """The gradient is that of the value, and the Hessian that of the gradient."""
    point = objective.evaluate(eta)
    slope = central_jacobian(lambda at: objective.evaluate(at).value, eta).ravel()
    np.testing.assert_allclose(point.gradient, slope, rtol=1e-6, atol=ROUNDING)
    bend = central_jacobian(lambda at: objective.evaluate(at).gradient, eta)
    np.testing.assert_allclose(objective.curvature(point, exact=True), bend, rtol=1e-6, atol=ROUNDING * np.abs(bend).max())
