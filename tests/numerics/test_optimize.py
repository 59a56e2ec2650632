"""The search of a minimum: where it ends, what it says of the end, and what it does where curvature or function are bad."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from cipa.numerics.algebra.linalg import Array
from cipa.numerics.search.optimize import minimize


@dataclass(frozen=True)
class At:
    eta: Array
    value: float
    gradient: Array


@dataclass
class Function:
    """A function by value, gradient, exact and expected curvature; what was evaluated, and which curvatures were asked for."""

    f: Callable[[Array], float]
    g: Callable[[Array], Array]
    exact: Callable[[Array], Array]
    expected: Callable[[Array], Array] | None = None
    inside: Callable[[Array], bool] = lambda eta: True
    switch: float = 1e9
    asked: list[bool] = field(default_factory=list)

    def evaluate(self, eta: Array) -> At | None:
        return At(eta, self.f(eta), self.g(eta)) if self.inside(eta) else None

    def curvature(self, point: At, *, exact: bool) -> Array:
        self.asked.append(exact)
        return (self.exact if exact or self.expected is None else self.expected)(point.eta)


def test_a_parabola_takes_one_step_and_ends_where_its_point_is() -> None:
    H, bottom = np.array([[2.0, 0.3], [0.3, 1.0]]), np.array([3.0, -4.0])
    parabola = Function(lambda x: float((x - bottom) @ H @ (x - bottom)) / 2, lambda x: H @ (x - bottom), lambda x: H)
    solution, point = minimize(parabola, np.zeros(2))
    assert (solution.converged, solution.iterations, solution.message) == (True, 2, "stationary")
    assert point is not None
    assert (solution.eta == point.eta).all()
    assert solution.eta == pytest.approx(bottom, abs=1e-14)


def test_the_last_step_is_taken() -> None:
    """Of the logarithmic cosine the decrement falls below 1e-12 before the end: the step from there has the square of its error."""
    well = Function(lambda x: float(np.log(np.cosh(x)).sum()), lambda x: np.tanh(x), lambda x: np.diag(1 / np.cosh(x) ** 2))
    solution, point = minimize(well, np.array([0.5]))
    assert solution.converged
    assert point is not None
    assert abs(solution.eta[0]) < 1e-15
    assert abs(point.eta[0]) < 1e-15


def test_outside_its_domain_nothing_is_found() -> None:
    nowhere = Function(lambda x: 0.0, lambda x: x, lambda x: np.eye(1), inside=lambda x: False)
    solution, point = minimize(nowhere, np.ones(1))
    assert point is None
    assert not solution.converged
    assert "starting values" in solution.message


@pytest.mark.parametrize("unit", [1.0, 1e-7, 1e7])
def test_units_of_parameters_do_not_change_the_path(unit: float) -> None:
    """Fourth powers, whose curvature vanishes at the bottom: as many steps in any units."""
    units = np.array([1.0, unit])

    def valley(units: Array) -> Function:
        return Function(
            lambda x: float(np.sum(np.exp(x / units) - x / units)), lambda x: (np.exp(x / units) - 1) / units,
            lambda x: np.diag(np.exp(x / units) / units**2),
        )  # fmt: skip

    here, _ = minimize(valley(units), np.array([2.0, -1.5]) * units)
    there, _ = minimize(valley(np.ones(2)), np.array([2.0, -1.5]))
    assert here.converged
    assert here.iterations == there.iterations
    assert here.eta / units == pytest.approx(np.zeros(2), abs=1e-10)


def test_a_direction_without_curvature_is_damped() -> None:
    """The bottom of a valley of which the floor is flat; also where a diagonal entry of the curvature is 0 or negative."""
    floor = Function(
        lambda x: float((x[0] + x[1] - 1) ** 2), lambda x: np.full(2, 2 * (x[0] + x[1] - 1)), lambda x: np.full((2, 2), 2.0)
    )
    solution, point = minimize(floor, np.array([3.0, 5.0]))
    assert point is not None
    assert solution.eta.sum() == pytest.approx(1.0, abs=1e-5)
    hill = Function(
        lambda x: float((x[0] ** 2 - 1) ** 2),
        lambda x: np.array([4 * x[0] * (x[0] ** 2 - 1)]),
        lambda x: np.array([[12 * x[0] ** 2 - 4]]),
    )
    solution, _ = minimize(hill, np.array([0.1]))  # the curvature is negative here
    assert solution.converged
    assert abs(solution.eta[0]) == pytest.approx(1.0, abs=1e-8)


def test_expected_curvature_that_promises_too_much_gives_way_to_the_exact_one() -> None:
    """It is a hundredth of the exact one, so that steps are cut and gain little; by the decrement alone that would last."""
    bottom = np.array([1.0, 2.0])
    H = np.array([[1.0, 0.9], [0.9, 1.0]])
    wrong = Function(
        lambda x: float((x - bottom) @ H @ (x - bottom)) / 2, lambda x: H @ (x - bottom), lambda x: H,
        expected=lambda x: 0.01 * np.eye(2), switch=1e-9,
    )  # fmt: skip
    solution, _ = minimize(wrong, np.zeros(2))
    assert solution.converged
    assert solution.eta == pytest.approx(bottom, abs=1e-12)
    assert wrong.asked[:5] == [False] * 5
    assert wrong.asked.count(False) < 15
    assert wrong.asked[-1]


def test_the_exact_curvature_waits_until_the_decrement_is_below_the_switch() -> None:
    parabola = Function(
        lambda x: float(x @ x) / 2, lambda x: x, lambda x: np.eye(1), expected=lambda x: 2 * np.eye(1), switch=1e-3
    )
    solution, _ = minimize(parabola, np.array([1.0]))
    assert solution.converged
    assert parabola.asked == [False] * 6 + [True] * 2


def test_a_function_without_a_bottom_is_not_said_to_have_one() -> None:
    slope = Function(lambda x: float(np.exp(-x[0])), lambda x: -np.exp(-x), lambda x: np.diag(np.exp(-x)))
    solution, _ = minimize(slope, np.zeros(1), max_iterations=20)
    assert not solution.converged
    drift = Function(lambda x: float(-np.log1p(x[0])), lambda x: -1 / (1 + x), lambda x: np.diag(1 / (1 + x) ** 2))
    solution, _ = minimize(drift, np.zeros(1))
    assert not solution.converged


def test_where_no_step_lowers_the_function_the_search_ends_unconverged() -> None:
    """A gradient of the wrong sign: the value rises along every step."""
    wrong = Function(lambda x: float(x @ x), lambda x: -2 * x, lambda x: 2 * np.eye(1))
    solution, point = minimize(wrong, np.array([1.0]))
    assert not solution.converged
    assert solution.message == "no step lowers the function"
    assert point is not None
    assert point.eta == pytest.approx([1.0])


def test_a_gradient_that_is_rounding_is_the_end() -> None:
    """The value is known to 1e-11 only, and grows by chance along every step, which would gain less."""
    seen: list[int] = []

    def noisy(x: Array) -> float:
        seen.append(1)
        return float(x @ x) / 2 + 1e-11 * len(seen)

    floor = Function(noisy, lambda x: x, lambda x: np.eye(1))
    solution, _ = minimize(floor, np.array([3e-6]))
    assert solution.converged
    assert solution.message == "no step lowers the function"


def test_steps_out_of_the_domain_are_cut_until_they_stay_inside() -> None:
    """The logarithm has its domain a billionth of the first step away."""
    barrier = Function(
        lambda x: float(x[0] - np.log(x[0])), lambda x: 1 - 1 / x, lambda x: np.array([[1e-12]]), inside=lambda x: bool(x[0] > 0)
    )
    _, point = minimize(barrier, np.array([2.0]), max_iterations=30)
    assert point is not None
    assert 0 < point.eta[0] <= 2.0
    assert point.value < 2.0 - np.log(2.0)


def test_a_fall_within_rounding_is_a_fall() -> None:
    """Values about a million are known to 1e-10, and each here is 1e-9 above the one before: the step is taken all the same."""
    seen: list[int] = []

    def high(x: Array) -> float:
        seen.append(1)
        return 1e6 + float(x @ x) / 2 + 1e-9 * len(seen)

    solution, _ = minimize(Function(high, lambda x: x, lambda x: np.eye(1)), np.array([1.5e-5]))
    assert solution.converged
    assert solution.message == "stationary"


def test_where_the_expected_curvature_leads_nowhere_the_exact_one_is_tried() -> None:
    """Its step is 1e30 long, and after forty halvings still out of the domain."""
    pit = Function(
        lambda x: float(x @ x) / 2, lambda x: x, lambda x: np.eye(1), expected=lambda x: np.array([[1e-30]]),
        inside=lambda x: bool(abs(x[0]) < 10), switch=1e-9,
    )  # fmt: skip
    solution, _ = minimize(pit, np.array([1.0]))
    assert solution.converged
    assert solution.eta == pytest.approx([0.0], abs=1e-12)
    assert pit.asked[:2] == [False, True]


def test_a_damped_step_goes_to_the_floor() -> None:
    """Not along the gradient, which the floor's other direction would bend: five steps are enough."""
    floor = Function(
        lambda x: float((x[0] + 10 * x[1] - 1) ** 2), lambda x: np.array([2.0, 20.0]) * (x[0] + 10 * x[1] - 1),
        lambda x: np.array([[2.0, 20.0], [20.0, 200.0]]),
    )  # fmt: skip
    solution, _ = minimize(floor, np.array([3.0, 5.0]), max_iterations=5)
    assert solution.eta @ [1.0, 10.0] == pytest.approx(1.0, abs=1e-9)
