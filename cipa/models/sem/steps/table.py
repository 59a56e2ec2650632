"""The rows of a fit: values, defined effects with their gradients (delta method), standardized values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cipa.models.sem.declare.layout import Layout
from cipa.models.sem.problem import Objective, Point
from cipa.models.sem.steps.standardize import derived_slopes, scale_factors
from cipa.numerics.algebra.linalg import Array
from cipa.numerics.moments import ram
from cipa.results.estimates import Estimates, Status, tabulate
from cipa.study.expressions import Dual, evaluate
from cipa.study.syntax import Constraint
from cipa.terms import Term

_NO_ERROR = 1e-9  # relative size of a standard error that is rounding: a standardized value that cannot vary


def tabulated(
    constraints: Sequence[Constraint], objective: Objective, point: Point, labels: Sequence[str], vcov: Array
) -> tuple[Estimates, Array]:
    """The table of estimates, completely standardized values beside them, and the standard errors (rows,) of all rows."""
    layout = objective.layout
    values = row_values(objective, point)
    slopes = np.zeros((len(values), layout.nfree))
    slopes[list(layout.theta), np.arange(layout.nfree)] = 1.0
    beta, _ = standardized_values(objective, point, values, kind="std_all", slopes=False)
    beta, _ = with_defined(constraints, layout, beta, None)
    values, slopes = with_defined(constraints, layout, values, slopes)
    errors = delta_errors(slopes, vcov)
    terms, names, statuses = _rows(layout, labels, constraints)
    return tabulate(terms, values, errors, labels=names, statuses=statuses, standardized=beta), errors


def standardized_table(
    constraints: Sequence[Constraint], objective: Objective, point: Point, labels: Sequence[str], vcov: Array, *, kind: str,
    conf_level: float,
) -> Estimates:  # fmt: skip
    """The standardized solution of one kind ("std_all", "std_lv", "std_nox") with delta-method errors."""
    layout = objective.layout
    values, slopes = standardized_values(objective, point, row_values(objective, point), kind=kind)
    values, slopes = with_defined(constraints, layout, values, slopes)
    errors = delta_errors(slopes, vcov)
    errors = np.where(errors > _NO_ERROR * np.maximum(1.0, np.abs(values)), errors, np.nan)
    terms, names, statuses = _rows(layout, labels, constraints)
    return tabulate(terms, values, errors, labels=names, statuses=statuses, standardized=values, conf_level=conf_level)


def values_at(constraints: Sequence[Constraint], objective: Objective, point: Point) -> Array:
    """All rows of the estimates, defined effects included, at a point."""
    return with_defined(constraints, objective.layout, row_values(objective, point), None)[0]


def row_values(objective: Objective, point: Point) -> Array:
    """The estimate or fixed value of every row, the sample's moment for exogenous ones."""
    layout = objective.layout
    values = np.array([row.value for row in layout.rows])
    values[list(layout.theta)] = point.theta
    for position, row in enumerate(layout.rows):
        if row.exogenous:
            block, base = layout.blocks[row.block], objective.bases[row.block]
            i = block.variables.index(row.lhs)
            values[position] = base.M[i] if row.op == "~1" else base.S[i, block.variables.index(row.rhs)]
    return values


def matrices(objective: Objective, point: Point) -> tuple[ram.Matrices, ...]:
    """A, S and M of each group at a point."""
    pairs = zip(objective.layout.blocks, objective.bases, strict=True)
    return tuple(ram.place(block.places, point.theta[block.free], base) for block, base in pairs)


def residual_matrices(objective: Objective, point: Point) -> tuple[Array, ...]:
    """S (m, m) of each group at a point: variances and covariances of what is not explained."""
    return tuple(placed.S for placed in matrices(objective, point))


def standardized_values(
    objective: Objective, point: Point, values: Array, *, kind: str, slopes: bool = True
) -> tuple[Array, Array]:
    """Standardized rows and their derivatives (rows, k)."""
    layout, unexplained = objective.layout, residual_matrices(objective, point)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio, log_slope = scale_factors(layout, point.blocks, unexplained, kind=kind, slopes=slopes)
        beta = values * ratio
        beta = np.where(np.isfinite(beta), beta, np.nan)  # a variable without variance has no standard deviations to count in
        scales = [p for p, row in enumerate(layout.rows) if row.op == "~*~" and kind != "std_lv"]
        beta[scales] = 1.0  # the variance is the unit
        if not slopes:
            return beta, log_slope
        derivative = beta[:, None] * log_slope
    derivative[list(layout.theta), np.arange(layout.nfree)] += ratio[list(layout.theta)]
    for position, slope in derived_slopes(layout, point.blocks, unexplained):
        derivative[position] += ratio[position] * slope
    derivative[scales] = 0.0
    return beta, derivative


def with_defined(constraints: Sequence[Constraint], layout: Layout, values: Array, slopes: Array | None) -> tuple[Array, Array]:
    """Append `:=` effects, evaluated on the labels, with their gradients (delta method)."""
    defined = [constraint for constraint in constraints if constraint.op == ":="]
    if slopes is None:
        slopes = np.zeros((len(values), layout.nfree))
    if not defined:
        return values, slopes
    duals: dict[str, Dual] = {row.label: (values[p], slopes[p]) for p, row in reversed(list(enumerate(layout.rows))) if row.label}
    effects, gradients = [], []
    for constraint in defined:
        value, slope = evaluate(constraint.right, duals, size=layout.nfree)
        duals[constraint.lhs] = (value, slope)
        effects.append(float(value))
        gradients.append(np.asarray(slope, dtype=np.float64))
    return np.concatenate([values, effects]), np.vstack([slopes, *gradients])


def delta_errors(slopes: Array, vcov: Array) -> Array:
    """Standard errors of functions with gradients `slopes` (r, k): the delta method."""
    return np.asarray(np.sqrt(np.maximum(((slopes @ vcov) * slopes).sum(axis=1), 0.0)))


def where(layout: Layout, labels: Sequence[str], block: int) -> tuple[str | None, str | None]:
    """Group and level of a block, None where there is one of them."""
    group, level = layout.place(block)
    return labels[group] if len(labels) > 1 else None, level


def _rows(layout: Layout, labels: Sequence[str], constraints: Sequence[Constraint]) -> tuple[list[Term], list[str], list[Status]]:
    terms = [row.term(labels) for row in layout.rows]
    names = [row.label for row in layout.rows]
    statuses: list[Status] = ["free" if row.free else "fixed" for row in layout.rows]
    for constraint in constraints:
        if constraint.op == ":=":
            terms.append(Term(lhs=constraint.lhs, op=":=", rhs=constraint.rhs))
            names.append(constraint.lhs)
            statuses.append("defined")
    return terms, names, statuses
