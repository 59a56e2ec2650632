"""Searches under constraints and of many samples at once, on functions whose minimum is known."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from cipa.numerics.search.constrained import Curves, _newton, minimize_constrained
from cipa.numerics.search.replicates import minimize_many


@dataclass
class At:
    value: float
    gradient: np.ndarray
    eta: np.ndarray


class Bowl:
    """(eta - centre)' H (eta - centre) / 2."""

    switch = 1e9

    def __init__(self, H: np.ndarray, centre: np.ndarray) -> None:
        self.H, self.centre = H, centre

    def evaluate(self, eta: np.ndarray) -> At:
        away = eta - self.centre
        return At(float(away @ self.H @ away) / 2, self.H @ away, eta)

    def curvature(self, point: At, *, exact: bool) -> np.ndarray:
        return self.H


def straight(J: np.ndarray, offset: np.ndarray) -> Curves:
    return lambda eta: (J @ eta + offset, J)


def test_a_bound_that_is_only_near_is_let_go_and_one_that_presses_is_kept() -> None:
    """min (x - 2)^2 + (y - 5e-6)^2 with x <= 1 and y >= 0: SLSQP ends with both within 1e-5, and only x <= 1 holds back."""
    bowl = Bowl(2 * np.eye(2), np.array([2.0, 5e-6]))
    curves = straight(np.array([[-1.0, 0.0], [0.0, 1.0]]), np.array([1.0, 0.0]))
    solution, point, binding = minimize_constrained(bowl, np.zeros(2), curves, np.zeros(2, dtype=np.bool_))
    assert solution.converged
    assert binding.tolist() == [True, False]
    assert point is not None
    assert point.eta == pytest.approx([1.0, 5e-6], abs=1e-12)
    assert solution.eta[1] == pytest.approx(5e-6, rel=1e-6)


def test_a_step_to_a_constraint_counts_the_slope_it_meets_there() -> None:
    """Of a quadratic function under a linear equation one step from anywhere ends at the minimum (Nocedal & Wright 2006, eq. 16.5)."""
    rng = np.random.default_rng(5)
    root = rng.normal(size=(4, 4))
    bowl, J, b = Bowl(root @ root.T + np.eye(4), rng.normal(size=4)), rng.normal(size=(2, 4)), rng.normal(size=2)
    system = np.block([[bowl.H, J.T], [J, np.zeros((2, 2))]])
    best = np.linalg.solve(system, np.concatenate([bowl.H @ bowl.centre, b]))[:4]
    start = rng.normal(size=4) * 10
    found = _newton(bowl, start, bowl.evaluate(start), straight(J, -b), np.ones(2, dtype=np.bool_))
    assert found is not None
    assert start + found[0] == pytest.approx(best, rel=1e-10)


@dataclass
class Places:
    value: np.ndarray
    gradient: np.ndarray
    bend: np.ndarray


@dataclass
class Parabolas:
    """Of each the bottom is at 1. The value of the second rises wherever its slope says that it falls.

    The third is said to be bent a quarter of what it is, so that its steps are four times too long.
    """

    asked: list[int] = field(default_factory=list)

    def evaluate(self, eta: np.ndarray, which: np.ndarray) -> Places:
        self.asked += which.tolist()
        away = eta[:, 0] - 1
        return Places(np.where(which == 1, -(away**2), away**2), 2 * away[:, None], np.where(which == 2, 0.5, 2.0))

    def curvature(self, points: Places, *, exact: bool) -> np.ndarray:
        return points.bend[:, None, None]


def test_of_many_searches_each_shortens_its_own_steps_and_one_that_cannot_fall_stays_where_it_is() -> None:
    objectives = Parabolas()
    ends, done = minimize_many(objectives, np.array([[3.0], [3.0], [-2.0]]))
    assert done.tolist() == [True, False, True]
    assert ends[:, 0] == pytest.approx([1.0, 3.0, 1.0])
    assert objectives.asked.count(1) == 7  # the start and six halvings of one step; the rest is left to a search of its own
