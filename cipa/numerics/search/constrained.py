"""Minimise a smooth function under curved constraints h(eta) = 0 and g(eta) >= 0.

Newton steps that lower the function plus a multiple of what the equations miss (Han 1977) find the neighbourhood; where there are
inequalities, or these steps fail, sequential quadratic programming (SciPy's SLSQP) finds it and which of them bind. Then Newton
steps on the conditions of Karush, Kuhn and Tucker, with the binding ones as equations, end at full precision. The exact curvature
of the function is used, that of the constraints is differenced from their exact gradients: it changes the speed of the last
steps, not where they end.

Sources: Han, S.-P. (1977). Journal of Optimization Theory and Applications, 22, 297-309; Nocedal & Wright (2006), Numerical
Optimization, ch. 16 and 18.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import minimize as scipy_minimize

from cipa.numerics.algebra.linalg import Array, BoolArray, null_space
from cipa.numerics.search.optimize import ARMIJO, DECREMENT_TOLERANCE, Objective, P, Solution, minimize

Curves = Callable[[Array], tuple[Array, Array]]
"""Values (c,) and Jacobian (c, q) of constraints at eta (q,)."""

_FEASIBLE = 1e-9
_BINDING = 1e-5
_NEWTON_STEPS = 60
_DESCENTS, _HALVINGS, _NEAR = 40, 12, 1e-5  # of the search for the neighbourhood: steps, halvings of one, and where it ends


def minimize_constrained(
    objective: Objective[P], start: Array, curves: Curves, equal: BoolArray
) -> tuple[Solution, P | None, BoolArray]:
    """Minimise `objective` from `start` (q,) where `curves` are 0 (`equal` (c,) true) or not below 0 (false).

    Returns
    -------
    Solution, point, binding
        `binding` (c,) tells which constraints hold as equations; the point is None when the function is not defined near `start`.
    """
    if not equal.any():
        solution, point = minimize(objective, start)
        if point is not None:
            start = solution.eta
            if solution.converged and (curves(start)[0] >= -_FEASIBLE).all():
                return solution, point, np.zeros(len(equal), dtype=np.bool_)
    descended = _descended(objective, start, curves) if equal.all() else None
    rough = _rough(objective, start, curves, equal) if descended is None else descended
    binding = equal | (np.abs(curves(rough)[0]) < _BINDING)
    for _ in range(2 * len(equal) + 1):
        solution, point, multipliers = _polish(objective, rough, curves, binding)
        if point is None or not solution.converged:
            return solution, point, binding
        released = np.flatnonzero(binding)[(multipliers < -_FEASIBLE) & ~equal[binding]]
        violated = np.flatnonzero(curves(solution.eta)[0] < -_FEASIBLE * 10)
        violated = violated[~binding[violated]]
        if not released.size and not violated.size:
            return solution, point, binding
        binding[released], binding[violated] = False, True
        rough = solution.eta
    return solution, point, binding


def _descended(objective: Objective[P], start: Array, curves: Curves) -> Array | None:
    """Where Newton steps on function and equations come, each as long as lowers F + m |h|; None where they do not come near."""
    eta, point, weight = start, objective.evaluate(start), 0.0
    for _ in range(_DESCENTS):
        missed = curves(eta)[0]
        found = None if point is None else _newton(objective, eta, point, curves, np.ones(len(missed), dtype=np.bool_))
        if point is None or found is None:
            return None
        step, multipliers, decrement = found
        if decrement < _NEAR and np.abs(missed).max() < _NEAR:
            return eta
        weight = max(weight, 2 * float(np.abs(multipliers).max()), 1e-3)
        slope = float(point.gradient @ step) - weight * float(np.abs(missed).sum())
        merit = point.value + weight * float(np.abs(missed).sum())
        for halving in range(_HALVINGS):
            trial = eta + step / 2**halving
            there = objective.evaluate(trial)
            if there is not None:
                height = there.value + weight * float(np.abs(curves(trial)[0]).sum())
                if height <= merit + ARMIJO * min(slope, 0.0) / 2**halving:
                    break
        else:
            return None
        eta, point = trial, there
    return None


def _newton(
    objective: Objective[P], eta: Array, point: P, curves: Curves, binding: BoolArray
) -> tuple[Array, Array, float] | None:  # fmt: skip
    """The step (q,) to where function and binding constraints, as seen from here, are stationary; multipliers.

    Decrement along them.

    None where a constraint has no value or slope: outside of a logarithm or a root.
    """
    values, jacobian = curves(eta)
    c, J = values[binding], jacobian[binding]
    if not (np.isfinite(c).all() and np.isfinite(J).all()):
        return None
    multipliers = np.linalg.lstsq(J.T, point.gradient, rcond=None)[0] if len(J) else np.zeros(0)
    Z = null_space(J) if len(J) else np.eye(len(eta))
    H = objective.curvature(point, exact=True) - _curvature(curves, eta, binding, multipliers)
    if not np.isfinite(H).all() or np.linalg.eigvalsh(Z.T @ H @ Z).min(initial=np.inf) <= 0:
        H = objective.curvature(point, exact=False)
    back = -np.linalg.lstsq(J, c, rcond=None)[0] if len(J) else np.zeros_like(eta)
    slope = Z.T @ (point.gradient + H @ back)
    along = -np.linalg.lstsq(Z.T @ H @ Z, slope, rcond=None)[0]
    return back + Z @ along, multipliers, float(-slope @ along)


def _rough(objective: Objective[P], start: Array, curves: Curves, equal: BoolArray) -> Array:
    """The end point of SLSQP, in coordinates in which the function is about equally curved in every direction."""
    first = objective.evaluate(start)
    if first is None:
        return start
    diagonal = np.maximum(objective.curvature(first, exact=False).diagonal(), 1e-12)
    unit = 1 / np.sqrt(diagonal)
    last = first

    def value(u: Array) -> tuple[float, Array]:
        nonlocal last
        point = objective.evaluate(u * unit)
        if point is None:
            return 1e6 + abs(last.value), last.gradient * unit
        last = point
        return point.value, point.gradient * unit

    def part(kind: str, chosen: BoolArray) -> Any:
        return {
            "type": kind,
            "fun": lambda u: curves(u * unit)[0][chosen],
            "jac": lambda u: curves(u * unit)[1][chosen] * unit,
        }

    parts = [part(kind, chosen) for kind, chosen in (("eq", equal), ("ineq", ~equal)) if chosen.any()]
    with np.errstate(all="ignore"):
        found = scipy_minimize(
            value, start / unit, jac=True, method="SLSQP", constraints=parts, options={"maxiter": 500, "ftol": 1e-12}
        )
    ended = np.asarray(found.x * unit)
    return ended if objective.evaluate(ended) is not None and np.isfinite(curves(ended)[0]).all() else start


def _polish(objective: Objective[P], eta: Array, curves: Curves, binding: BoolArray) -> tuple[Solution, P | None, Array]:
    """Newton steps with the binding constraints as equations; also their multipliers."""
    point = objective.evaluate(eta)
    multipliers = np.zeros(int(binding.sum()))
    decrement = distance = np.inf
    for iteration in range(1, _NEWTON_STEPS + 1):
        found = None if point is None else _newton(objective, eta, point, curves, binding)
        if point is None or found is None:
            break
        step, multipliers, decrement = found
        distance = float(np.abs(curves(eta)[0][binding]).max(initial=0.0))
        done = decrement < DECREMENT_TOLERANCE and distance < _FEASIBLE
        last, eta, point = point, *_stepped(objective, eta, point, step, curves)
        if done:
            return _ended(eta, True, iteration, decrement, "stationary under the constraints"), point or last, multipliers
    return _ended(eta, False, _NEWTON_STEPS, decrement, f"the constraints are missed by {distance:.2g}"), point, multipliers


def _stepped(objective: Objective[P], eta: Array, point: P, step: Array, curves: Curves) -> tuple[Array, P | None]:
    """The longest of the halved steps that stays where function and constraints are defined."""
    for _ in range(30):
        trial = objective.evaluate(eta + step)
        if trial is not None and np.isfinite(curves(eta + step)[0]).all():
            return eta + step, trial
        step = step / 2
    return eta, point


def _curvature(curves: Curves, eta: Array, binding: BoolArray, multipliers: Array) -> Array:
    """Sum of multiplier times second derivatives (q, q) of the binding constraints, by central differences of gradients."""
    if not len(multipliers):
        return np.zeros((len(eta), len(eta)))
    found = []
    for k in range(len(eta)):
        step = np.zeros(len(eta))
        step[k] = 1e-5 * max(1.0, abs(eta[k]))
        ahead, behind = curves(eta + step)[1][binding], curves(eta - step)[1][binding]
        found.append(multipliers @ (ahead - behind) / (2 * step[k]))
    H = np.array(found)
    return np.asarray((H + H.T) / 2)


def _ended(eta: Array, converged: bool, iterations: int, decrement: float, message: str) -> Solution:
    return Solution(eta=eta, converged=converged, iterations=iterations, decrement=decrement, message=message)
