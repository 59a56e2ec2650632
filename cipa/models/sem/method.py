"""A method of estimation, as the sequence of a fit and what follows it see it. A type only; `methods.py` lists them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cipa.models.sem.declare.declaration import Declaration
from cipa.models.sem.fit import SEMFit
from cipa.models.sem.problem import Outcome, Problem
from cipa.models.sem.steps.search import search
from cipa.numerics.algebra.linalg import Array
from cipa.results.answers import Answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """How one family of discrepancies is declared, searched and described.

    Parameters
    ----------
    serves : declaration -> whether this method fits it
    refuse : declaration -> None; raises for what is not derived
    problem : declaration, data -> Problem
    check : problem, objective at the tangent of the constraints, theta -> None; raises where parameters are not identified
    outcome : problem, objective, point -> Outcome
    solve : objective, theta, others= -> objective, point, solution
    lost : problem -> what to do when the search does not end, a sentence behind the general one
    answers : what a fit by this method can be asked
    scores : fit -> (names, values (n, l)) of factor scores by method; None where there are none
    """

    name: str
    serves: Callable[[Declaration], bool]
    refuse: Callable[[Declaration], None]
    problem: Callable[[Declaration, Any], Problem]
    check: Callable[[Problem, Any, Array], None]
    outcome: Callable[[Problem, Any, Any], Outcome]
    answers: Answers
    solve: Callable[..., Any] = search
    lost: Callable[[Problem], str] | None = None
    scores: Callable[[SEMFit, str], tuple[str, tuple[str, ...], Array]] | None = None
