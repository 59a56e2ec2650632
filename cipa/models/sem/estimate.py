"""From a declaration and data to a fit: the one sequence, whatever the method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cipa.data.dataset import Dataset, as_dataset
from cipa.errors import ConvergenceError, IdentificationError, InadmissibleWarning
from cipa.language.en import EN
from cipa.models.sem.cases.columns import refuse_names_taken
from cipa.models.sem.cases.products import label_notices, with_products
from cipa.models.sem.declare.declaration import Declaration
from cipa.models.sem.declare.options import WEIGHTS
from cipa.models.sem.fit import Measures, SEMFit
from cipa.models.sem.method import Method
from cipa.models.sem.methods import method_of
from cipa.models.sem.problem import Outcome, Problem
from cipa.models.sem.steps.admissible import admissible_notices
from cipa.models.sem.steps.identification import refuse_underidentified
from cipa.models.sem.steps.indices import as_statistics
from cipa.models.sem.steps.search import tangent
from cipa.models.sem.steps.starts import with_user_starts
from cipa.models.sem.steps.table import tabulated
from cipa.numerics.algebra.linalg import Array, frozen
from cipa.numerics.search.optimize import Solution
from cipa.results.fit import Convergence, Notice, announce

_OTHER_TANGENTS, _STEP = 2, 0.3  # places to look at when the start seems to leave parameters undetermined, and how far they are


def estimate(declaration: Declaration, data: Any, *, start: Mapping[str, float] | None = None) -> SEMFit:
    """Declare, read, check, search, describe."""
    method = method_of(declaration)
    refuse_names_taken(declaration.parsed, data)
    idle = label_notices(declaration, data)
    data, made = with_products(declaration, _columns_used(declaration, data))
    problem = method.problem(declaration, data)
    refuse_underidentified(problem.layout, problem.moments)
    theta = with_user_starts(problem.start, start, problem.layout, problem.names) if start else problem.start
    _refuse_unidentified(method, problem, theta)
    objective, point, solution = _solved(method, problem, theta)
    fit = _assembled(problem, method, method.outcome(problem, objective, point), solution, (*idle, *made))
    announce(fit.notices, category=InadmissibleWarning)
    return fit


def _columns_used(declaration: Declaration, data: Any) -> Any:
    """The columns that the model needs, copied out of a DataFrame once.

    Where one is not there it is refused later, with its place.
    """
    present = {str(name) for name in getattr(data, "columns", ())}
    columns = (declaration.group, declaration.cluster, declaration.sampling_weight)
    needed = list(dict.fromkeys([*declaration.variables, *(name for name in columns if name)]))
    return data if isinstance(data, Dataset) or not present.issuperset(needed) else as_dataset(data, columns=needed)


def _refuse_unidentified(method: Method, problem: Problem, theta: Array) -> None:
    """The method's check where nonlinear equations have their tangent at the start.

    If that is a singular point of them, elsewhere.
    """
    rng = np.random.default_rng(20190707)
    steps = rng.uniform(0.5, 1.5, (_OTHER_TANGENTS if problem.layout.curves else 0, len(theta)))
    refusals = []
    for place in (theta, *(theta + _STEP * np.where(theta == 0, 1.0, theta) * step for step in steps)):
        try:
            method.check(problem, tangent(problem.objective, place), place)
        except IdentificationError as error:
            refusals.append(error)
        else:
            return
    raise refusals[0]


def _solved(method: Method, problem: Problem, theta: Array) -> tuple[Any, Any, Solution]:
    try:
        objective, point, solution = method.solve(problem.objective, theta, others=problem.others(theta))
    except ConvergenceError as error:
        if method.lost is None:
            raise
        raise ConvergenceError(f"{error} {method.lost(problem)}") from error
    return objective, point, solution


def _assembled(
    problem: Problem, method: Method, outcome: Outcome, solution: Solution, made: Sequence[Notice]
) -> SEMFit:  # fmt: skip
    """The fit, once covariance and measures are known: estimates with errors, standardized values, notices."""
    declaration, sample, point = problem.declaration, problem.sample, outcome.point
    layout, labels = outcome.objective.layout, problem.labels
    estimates, errors = tabulated(declaration.parsed.constraints, outcome.objective, point, labels, outcome.vcov)
    notices = (*made, *sample.notices, *outcome.notices, *admissible_notices(layout, labels, estimates, point, errors))
    return SEMFit(
        model=declaration, data=sample.data, kind="sem", terms=tuple(estimates.rows[position].term for position in layout.theta),
        params=frozen(point.theta), vcov=frozen(outcome.vcov), bread=frozen(outcome.bread), nobs=sample.nobs,
        df_resid=outcome.measures["df"], loglik=outcome.measures.get("logl", float("nan")), npar=layout.npar,
        vcov_type=outcome.described, estimates=estimates,
        convergence=Convergence(converged=True, iterations=solution.iterations, criterion=solution.decrement,
        message=solution.message),
        statistics=as_statistics(outcome.measures), notices=notices, title=_title(problem), answers=method.answers, layout=layout,
        sample=sample, point=point, objective=outcome.objective, recipe=problem.recipe, group_labels=problem.labels,
        measures=Measures(outcome.measures),
    )  # fmt: skip


def _title(problem: Problem) -> str:
    declaration, sample = problem.declaration, problem.sample
    return EN(
        "title.structural",
        weight=WEIGHTS.get(declaration.estimator_used),
        missing=sample.missing,
        groups=len(sample.groups),
        levels=bool(sample.levels),
        ordered=bool(declaration.ordered_names),
    )
