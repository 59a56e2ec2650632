"""Rows of ordered variables in the parameter table: thresholds, scales, and what is not free beside them.

Delta parameterization: the scale of a response variable is 1 (free in later groups when thresholds are equal), and its residual
variance follows. Theta: the residual variance is 1 (free there), and the scale follows.

Sources: Muthén & Asparouhov (2002). Mplus Web Note 4; Millsap & Yun-Tein (2004). Multivariate Behavioral Research, 39, 479-515.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from cipa.errors import SpecificationError
from cipa.models.sem.declare.parameters import Parameter
from cipa.terms import Term

_THRESHOLD = re.compile(r"t([1-9][0-9]?)")


def ordered_rows(
    rows: Sequence[Parameter], categories: Mapping[str, int], *, ngroups: int, theta: bool, classes: Sequence[str],
    partial: Sequence[str],
) -> tuple[Parameter, ...]:  # fmt: skip
    """The table of a model with ordered variables: thresholds and scales are added, intercepts are 0.

    `classes` and `partial` are the words of `group_equal` and `group_partial`. Equal thresholds let the later groups' scales
    (delta) or residual variances (theta) free; with equal residual variances besides, theta's stay at the first group's 1.
    """
    written = {(row.block, row.lhs, row.op, row.rhs) for row in rows}
    equal_thresholds = "thresholds" in classes
    spared = {Term.parse(text) for text in partial}

    def free_residual(row: Parameter) -> bool:
        at_one = "residuals" in classes and row.term(()) not in spared
        return theta and row.group > 0 and equal_thresholds and not at_one

    found = [_settled(row, categories, theta=theta, free_residual=free_residual(row)) for row in rows]
    for g in range(ngroups):
        for name, count in categories.items():
            missing = [f"t{k}" for k in range(1, count) if (g, name, "|", f"t{k}") not in written]
            found += [Parameter(lhs=name, op="|", rhs=rhs, block=g) for rhs in missing]
            if (g, name, "~*~", name) not in written:
                free = g > 0 and equal_thresholds and not theta
                found.append(Parameter(lhs=name, op="~*~", rhs=name, block=g, free=free, value=1.0))
    return tuple(found)


def with_thresholds(classes: Sequence[str]) -> tuple[str, ...]:
    """The words of `group_equal` for ordered variables: thresholds and intercepts are held together, as in lavaan.

    They are the places of ordered and of continuous variables; a latent mean that is free in the later groups needs both.
    """
    both = ("thresholds", "intercepts")
    return tuple(dict.fromkeys([*classes, *(both if set(both) & set(classes) else ())]))


def _settled(row: Parameter, categories: Mapping[str, int], *, theta: bool, free_residual: bool) -> Parameter:
    if row.op in ("|", "~*~"):
        if row.lhs not in categories:
            raise SpecificationError(
                f"The model writes '{row.lhs} {row.op} {row.rhs}', but '{row.lhs}' is not declared ordered, so that it has "
                "neither thresholds nor a scale. Name it in ordered=."
            )
        number = _THRESHOLD.fullmatch(row.rhs)
        if row.op == "|" and (number is None or int(number[1]) >= categories[row.lhs]):
            last = categories[row.lhs] - 1
            raise SpecificationError(
                f"'{row.lhs} | {row.rhs}' is no threshold of '{row.lhs}', which has {last + 1} categories. Thresholds stand "
                f"between neighbours: write t1{f' to t{last}' if last > 1 else ''}."
            )
        return replace(row, value=1.0) if row.op == "~*~" and np.isnan(row.value) else row
    variance = row.op == "~~" and row.lhs == row.rhs
    if row.lhs not in categories or (row.user and (theta or not variance)):
        return row
    if row.op == "~1":
        return replace(row, free=False, value=0.0)
    if variance:
        return replace(row, free=free_residual, value=1.0)
    return row


def refuse_unscalable(rows: Sequence[Parameter], categories: Mapping[str, int], *, theta: bool) -> None:
    """Delta leaves no residual variance to a value, a label or a bound: it may be written, and follows all the same."""
    if theta:
        return
    for row in rows:
        variance = row.op == "~~" and row.lhs == row.rhs and row.lhs in categories and row.user
        changed = not row.free or row.label or row.equal or not np.isnan(row.value) or np.isfinite([row.lower, row.upper]).any()
        if variance and changed:
            raise SpecificationError(
                f"ci.SEM: '{row.lhs} ~~ {row.rhs}' is written with a value, a label or a bound. With parameterization=\"delta\" "
                f"the residual variance of the ordered variable '{row.lhs}' follows from its scale and what explains it, so that "
                f'it would change nothing. Use parameterization="theta", in which it is a parameter, or write \'{row.lhs} ~~ '
                f"{row.rhs}' alone."
            )
