"""Population values of the parameters: what the researcher gives, what equalities say, and what rules settle.

Values come from the syntax (fixed `0.8*x2`, starting `start(0.8)*x2`, as in lavaan's `simulateData`), from `params`, and from
equalities. What nobody gives is settled by these rules: covariances that the model adds by itself are 0, intercepts and means 0,
moments of exogenous observed variables those of independent standard variables, and every (residual) variance is what makes the
variable's variance 1. A loading, path, threshold or written covariance without a value is refused by name: 0 would be a claim.

With T = B S B', B = (I - A)^-1, the variances s_u solve the linear equations  sum_u B_vu^2 s_u = 1 - (what the given ones add),
one for each variable whose variance is not given (McArdle & McDonald 1984 for the matrices). An ordered variable has variance
1 / scale^2 given the covariates, as in the delta parameterization (Muthén & Asparouhov 2002, Mplus Web Note 4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cipa.errors import SpecificationError, did_you_mean
from cipa.models.sem.declare.layout import Block, Layout
from cipa.models.sem.declare.parameters import Parameter
from cipa.numerics.algebra.linalg import Array
from cipa.numerics.moments import ram
from cipa.terms import Term

_TIED = 1e-8  # absolute, to which values of the researcher must meet the model's own equalities


def as_term(key: Any) -> Term | None:
    """A key of `params` as a term; None for a label."""
    if isinstance(key, Term):
        return key
    return Term.parse(key) if any(mark in str(key) for mark in "~=|") else None


def _matching(layout: Layout, labels: Sequence[str], key: Any) -> list[int]:
    """Rows that a key of `params` names: by label, or by term (in every group, when it names none)."""
    term = as_term(key)
    if term is None:
        return [position for position, row in enumerate(layout.rows) if row.label == key]
    names = [row.term(labels) for row in layout.rows]
    bare = term.group is None
    return [p for p, name in enumerate(names) if (replace(name, group=None) if bare else name) == term]


def given_values(layout: Layout, labels: Sequence[str], params: Mapping[str, float], *, syntax: bool = True) -> Array:
    """Values (k,) of the free parameters from `params` and, if asked, the syntax; NaN where nobody gives one."""
    index = {position: k for k, position in enumerate(layout.theta)}
    theta = np.array([layout.rows[position].value if syntax else np.nan for position in layout.theta], dtype=np.float64)
    for key, value in params.items():
        found = _matching(layout, labels, key)
        if not found:
            known = [*layout.labels, *(str(row.term(labels)) for row in layout.rows)]
            raise SpecificationError(
                f"params has '{key}', which is neither a label nor a parameter of the model, so that it would change "
                f"nothing.{did_you_mean(str(key), known)} Name a label, or a term as the estimates print it."
            )
        if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not np.isfinite(value):
            raise SpecificationError(f"params gives '{key}' the value {value!r}. No population has it: give a finite number.")
        for position in found:
            row = layout.rows[position]
            if position in index:
                theta[index[position]] = value
            elif not row.exogenous and row.value != value:
                raise SpecificationError(
                    f"params gives '{key}' the value {value:g}, but the model holds it at {row.value:g}. Both cannot be true: "
                    "leave one out (a construct that gets all its loadings needs std_lv=True, or 'NA*' before the first)."
                )
    return theta


def exogenous_base(layout: Layout, group: int, labels: Sequence[str], params: Mapping[str, float]) -> ram.Matrices:
    """The fixed matrices, with independent standard exogenous variables, or their moments from `params`."""
    block = layout.blocks[group]
    S, M = block.base.S.copy(), block.base.M.copy()
    where = {name: k for k, name in enumerate(block.variables)}
    S[block.exogenous, block.exogenous] = 1.0
    for key, value in params.items():
        for row in (layout.rows[position] for position in _matching(layout, labels, key)):
            if row.exogenous and row.block == group:
                i = where[row.lhs]
                if row.op == "~1":
                    M[i] = value
                else:
                    S[i, where[row.rhs]] = S[where[row.rhs], i] = value
    return replace(block.base, S=S, M=M)


def settled(layout: Layout, labels: Sequence[str], theta: Array) -> Array:
    """Spread values over equalities, then apply the rules; refuse what has no value and no rule. Variances may stay NaN."""
    theta = spread(layout, theta)
    missing = []
    for k, position in enumerate(layout.theta):
        row = layout.rows[position]
        if np.isnan(theta[k]) and _scaled_by_theta(layout, row):
            theta[k] = 1.0
        if not np.isnan(theta[k]) or (row.op == "~~" and row.lhs == row.rhs):
            continue
        rule = {"~1": 0.0, "~*~": 1.0}.get(row.op, 0.0 if row.op == "~~" and not row.user else np.nan)
        theta[k] = rule
        missing += [str(row.term(labels))] if np.isnan(rule) else []
    if missing:
        listed = ", ".join(missing[:6]) + (f" and {len(missing) - 6} more" if len(missing) > 6 else "")
        raise SpecificationError(
            f"The population has no value for {listed}. A value that nobody gives would be invented. Write it in the syntax, "
            'fixed (0.8*x) or start(0.8)*x, or give params={"' + missing[0] + '": 0.5, ...}, by term or by label.'
        )
    return spread(layout, theta)


def _scaled_by_theta(layout: Layout, row: Parameter) -> bool:
    """A residual variance that the theta parameterization starts from 1."""
    block = layout.blocks[row.block]
    if block.ordinal is None or not block.ordinal.theta or row.op != "~~" or row.lhs != row.rhs or row.lhs not in block.observed:
        return False
    return bool(block.ordinal.ordered[block.observed.index(row.lhs)])


def spread(layout: Layout, theta: Array) -> Array:
    """Give parameters that are held equal the value of the one that has one."""
    theta = theta.copy()
    K = layout.K
    if not (((K == 0) | (K == 1)).all() and (K.sum(axis=1) == 1).all()):
        return theta
    for column in K.T:
        tied = np.flatnonzero(column)
        known = tied[~np.isnan(theta[tied])]
        if len(known):
            theta[tied[np.isnan(theta[tied])]] = theta[known[0]]
    return theta


def unit_variances(
    layout: Layout, group: int, base: ram.Matrices, theta: Array, labels: Sequence[str]
) -> tuple[ram.Matrices, dict[int, float]]:
    """Solve for the variances that nobody gives; those of free parameters by position, the others in the matrices."""
    block = layout.blocks[group]
    where = {name: k for k, name in enumerate(block.variables)}
    unknown = {
        where[layout.rows[position].lhs]: k
        for k, position in enumerate(layout.theta)
        if np.isnan(theta[k]) and layout.rows[position].block == group
    }
    target = dict.fromkeys(unknown, 1.0)
    own = block.ordinal
    if own is not None and not own.theta:
        scale = np.where(own.scale_free >= 0, theta[own.scale_free], own.scale_value)
        target |= {int(i): float(scale[i] ** -2) for i in np.flatnonzero(own.ordered)}
    if not target:
        return base, {}
    zeroed = np.where(np.isnan(theta), 0.0, theta)
    matrices = ram.place(block.places, zeroed[block.free], base)
    rows = np.array(list(target))
    matrices.S[rows, rows] = 0.0
    values = _solved(matrices, block, rows, np.array(list(target.values())))
    for i, value in zip(rows, values, strict=True):
        _refuse_negative(float(value), block.variables[i], labels[group])
    S = base.S.copy()
    derived = [int(i) for i in rows if int(i) not in unknown]
    S[derived, derived] = values[[int(np.flatnonzero(rows == i)[0]) for i in derived]]
    return replace(base, S=S), {unknown[int(i)]: float(value) for i, value in zip(rows, values, strict=True) if int(i) in unknown}


def _solved(matrices: ram.Matrices, block: Block, rows: Array, target: Array) -> Array:
    """Variances at `rows` with which the variables' variances are `target` (given the covariates, for ordered variables)."""
    moments = ram.implied(matrices)
    if moments is None:
        raise SpecificationError(
            "The paths of the population form a loop without end (I - A is singular), so that its variances have no bound. Give "
            "smaller values in the loop."
        )
    held = matrices.S.copy()
    held[block.exogenous, :], held[:, block.exogenous] = 0.0, 0.0
    given = np.diagonal(moments.B @ held @ moments.B.T)
    ordered = np.zeros(len(block.variables), dtype=bool)
    if block.ordinal is not None:
        ordered[: len(block.observed)] = block.ordinal.ordered
    rest = np.where(ordered, given, moments.T.diagonal())
    return np.asarray(np.linalg.solve(moments.B[np.ix_(rows, rows)] ** 2, target - rest[rows]))


def _refuse_negative(value: float, name: str, label: str) -> None:
    if value <= 0:
        where = f" in group {label}" if label else ""
        raise SpecificationError(
            f"'{name}' would have variance {1 - value:.3g}{where} from what explains it alone, so that no residual variance "
            f"makes it 1. Give '{name} ~~ {name}' a value, or smaller loadings and paths (a first loading fixed at 1 with a "
            "construct of variance 1 leaves nothing: give the construct a variance, or all loadings with std_lv=True)."
        )


def refuse_broken(layout: Layout, labels: Sequence[str], theta: Array) -> None:
    """Values that break an equality or an inequality of the model."""
    back = layout.to_theta(layout.to_eta(theta)) if not layout.curves else theta
    far = int(np.argmax(np.abs(back - theta))) if len(theta) else 0
    if len(theta) and abs(back[far] - theta[far]) > _TIED * max(1.0, abs(theta[far])):
        term = layout.rows[layout.theta[far]].term(labels)
        raise SpecificationError(
            f"The population values break an equality of the model: '{term}' is {theta[far]:g}, its equality says {back[far]:g}. "
            "Give the same value to what the model holds equal."
        )
    for curve in layout.curves:
        value, _ = curve.at(theta)
        if (abs(value) if curve.equal else -value) > _TIED:
            raise SpecificationError(
                f"The population values break the constraint '{curve.text}', so that they are no population of this model. Give "
                "values that meet it."
            )
