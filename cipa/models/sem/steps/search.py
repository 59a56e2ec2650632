"""The search for the estimates, and the layout at its end.

Labels and linear equalities are part of the layout, and the search moves freely in what they leave. Curved equalities and
inequalities are met on the way; at the end the layout carries their tangent, from which covariances and degrees of freedom
follow.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from cipa.errors import ConvergenceError, SpecificationError
from cipa.models.sem.declare.layout import Layout
from cipa.models.sem.problem import Objective
from cipa.numerics.algebra.derivatives import central_jacobian
from cipa.numerics.algebra.linalg import Array, null_space, symmetric
from cipa.numerics.search.constrained import minimize_constrained
from cipa.numerics.search.optimize import Solution, minimize

Kind = TypeVar("Kind", bound=Objective)

_CONTRADICTION = 1e-6
_PLACES, _ASIDE = 10, 0.1  # where to look for values of constraints that have none at the start
_AGAIN = 100  # iterations from another place to start, which leads there in a dozen or not at all


def search(objective: Objective, theta: Array, *, others: Iterable[Array] = ()) -> tuple[Any, Any, Solution]:
    """Minimise from theta (k,), under all constraints; from `others` (k,) where that does not end at a stationary point.

    Returns
    -------
    objective, point, solution
        The objective with the layout that holds at the solution.

    Raises
    ------
    ConvergenceError
        When the end point is not stationary.
    SpecificationError
        When no parameters meet the constraints.
    """
    layout = objective.layout
    if not layout.curves:
        solution, point = minimize(objective, layout.to_eta(theta))
        if point is None:
            solution, point = minimize(objective, _diagonal_start(layout, theta))
        for other in others if not solution.converged else ():
            again, there = minimize(objective, _inside(objective, other), max_iterations=_AGAIN)
            if again.converged:
                solution, point = again, there
                break
        return objective, *_checked(layout, solution, point)
    equal = np.array([curve.equal for curve in layout.curves])
    start = _inside(objective, _where_defined(layout, theta))
    solution, point, binding = minimize_constrained(objective, start, lambda at: _curves(layout, at), equal)
    if point is not None and not solution.converged and _distance(layout, solution.eta) > _CONTRADICTION:
        raise SpecificationError(
            "No parameters were found that meet all of the constraints ('==', '<', '>'), so that there is no estimate: "
            f"{solution.message}. Look whether they contradict each other, or give start values that meet them."
        )
    point, solution = _checked(layout, solution, point)
    found = replace(objective, layout=at_tangent(layout, point.theta, binding))
    ended = found.evaluate(found.layout.to_eta(point.theta))
    assert ended is not None
    gradient, _ = found.derivatives(found.layout, ended, np.empty(0))
    bend = _bend(layout, gradient, point.theta, binding)
    return replace(found, layout=replace(found.layout, bend=bend)), ended, solution


def _where_defined(layout: Layout, theta: Array) -> Array:
    """Theta (k,), or a place near it where every constraint has a value and a slope."""
    rng = np.random.default_rng(20190707)
    for attempt in range(_PLACES):
        place = theta + (0.0 if attempt == 0 else _ASIDE * rng.uniform(0.5, 1.5, len(theta)))
        if all(np.isfinite(value) and np.isfinite(slope).all() for value, slope in (curve.at(place) for curve in layout.curves)):
            return place
    return theta


def _bend(layout: Layout, gradient: Array, theta: Array, holding: Array) -> Array:
    """Sum of multiplier times second derivatives (k, k) of the constraints that hold, at the solution theta (k,).

    Along the curve h(theta) = 0 the second derivative of F is that of F - multiplier h, with K'(dF - multiplier dh) = 0: without
    the second part, observed information depends on how a model is parametrized (Aitchison & Silvey, 1958, Annals of Mathematical
    Statistics, 29, 813-828).
    """
    curves = [curve for curve, holds in zip(layout.curves, holding, strict=True) if holds]
    if not curves:
        return np.zeros((layout.nfree, layout.nfree))
    slopes = np.array([curve.at(theta)[1] for curve in curves])
    multipliers = np.linalg.lstsq(layout.K.T @ slopes.T, layout.K.T @ gradient, rcond=None)[0]
    return symmetric(central_jacobian(lambda at: multipliers @ np.array([curve.at(at)[1] for curve in curves]), theta))


def tangent(objective: Kind, theta: Array) -> Kind:
    """The objective with the layout tangent, at theta (k,), to the equalities."""
    return replace(objective, layout=at_tangent(objective.layout, theta))


def at_tangent(layout: Layout, theta: Array, binding: Array | None = None) -> Layout:
    """The layout with K tangent, at theta (k,), to the equalities and the binding inequalities (all equalities by default)."""
    equal = np.array([curve.equal for curve in layout.curves], dtype=np.bool_)
    held = equal if binding is None else binding
    if not held.any():
        return layout
    slopes = np.array([curve.at(theta)[1] for curve, holds in zip(layout.curves, held, strict=True) if holds])
    slopes[~np.isfinite(slopes).all(axis=1)] = 0.0  # a division by 0, or a root of it: here the equation says nothing
    K = layout.K @ null_space(slopes @ layout.K)
    equations = layout.K @ null_space(slopes[equal[held]] @ layout.K) if equal.any() else layout.K
    return replace(layout, K=K, offset=theta, binding=equations.shape[1] - K.shape[1])


def _curves(layout: Layout, eta: Array) -> tuple[Array, Array]:
    theta = layout.to_theta(eta)
    found = [curve.at(theta) for curve in layout.curves]
    slopes = np.array([slope for _, slope in found])
    return np.array([value for value, _ in found]), slopes @ layout.K if layout.tied else slopes


def _distance(layout: Layout, eta: Array) -> float:
    """By how much the worst constraint is missed."""
    values, _ = _curves(layout, eta)
    equal = np.array([curve.equal for curve in layout.curves])
    return float(np.where(equal, np.abs(values), np.maximum(-values, 0.0)).max())


def _inside(objective: Any, theta: Array) -> Array:
    """The eta (q,) of theta (k,); where no covariance is implied there, that without effects."""
    eta = objective.layout.to_eta(theta)
    return eta if objective.evaluate(eta) is not None else _diagonal_start(objective.layout, theta)


def _diagonal_start(layout: Layout, theta: Array) -> Array:
    """Start with all directed effects and covariances at 0, where the implied covariance is positive definite."""
    values = theta.copy()
    for k, position in enumerate(layout.theta):
        row = layout.rows[position]
        if row.op == "~" or (row.op == "~~" and row.lhs != row.rhs):
            values[k] = 0.0
    return layout.to_eta(values)


def _checked(layout: Layout, solution: Solution, point: Any | None) -> tuple[Any, Solution]:
    if point is None or not solution.converged:
        theta = any(block.ordinal is not None and block.ordinal.theta for block in layout.blocks)
        negative = (
            ' With parameterization="theta" no residual variance of an ordered variable can be negative, so that a model which '
            'needs one has no solution: parameterization="delta" shows which.'
        )
        raise ConvergenceError(
            f"The search for the estimates did not end at a stationary point after {solution.iterations} iterations "
            f"({solution.message}; decrement {solution.decrement:.2g}). No estimate is reported, because none would be the "
            "optimum. Look for a construct whose items hardly correlate, nearly empty categories, variables on very different "
            f"scales, or too few cases; then give start values, or simplify the model.{negative if theta else ''}"
        )
    return point, solution
