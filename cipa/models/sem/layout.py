"""From the parameter table to arrays: where each parameter stands, and which are tied.

The free parameters theta (k,) live on an affine set, theta = offset + K eta, made of shared labels and linear
constraints; eta (q,) is what the search moves, and q is the number of parameters that count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cipa.errors import SpecificationError, did_you_mean
from cipa.models.sem.parameters import Parameter, Roles
from cipa.numerics.linalg import Array, IntArray, null_space
from cipa.numerics.ram import Matrices, Places
from cipa.study.expressions import gradient_of
from cipa.study.syntax import Constraint, Syntax

_KIND = {"=~": 0, "~": 0, "<~": 0, "~~": 1, "~1": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One group: its variables (observed first), the places of its free parameters, and the fixed entries.

    `free` (k_g,) are positions in theta; `places` where they stand; `base` the matrices with the fixed values in;
    `exogenous` positions of the observed variables whose moments are held at the sample's; `thresholds` positions in theta of
    the thresholds of ordered variables, in the order of the variables.
    """

    variables: tuple[str, ...]
    observed: tuple[str, ...]
    places: Places
    free: IntArray
    base: Matrices
    exogenous: IntArray
    thresholds: IntArray = field(default_factory=lambda: _index([]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """All groups, the map K (k, q) and offset (k,), and the rows behind theta."""

    rows: tuple[Parameter, ...]
    blocks: tuple[Block, ...]
    roles: tuple[Roles, ...]
    theta: tuple[int, ...]  # position in `rows` of each free parameter
    K: Array
    offset: Array
    labels: Mapping[str, int]  # label -> position in theta
    means: bool

    @property
    def nfree(self) -> int:
        """Free rows, k."""
        return len(self.theta)

    @property
    def npar(self) -> int:
        """Parameters that count, q."""
        return int(self.K.shape[1])

    @property
    def tied(self) -> bool:
        """Whether any parameters are tied."""
        return bool(self.K.shape[0] != self.K.shape[1])


def build_layout(
    rows: Sequence[Parameter], roles: Sequence[Roles], syntax: Syntax, *, means: bool, effect_coding: bool = False
) -> Layout:
    """Compile the table. Raises SpecificationError for constraints on labels that no parameter has."""
    theta = tuple(position for position, row in enumerate(rows) if row.free)
    index = {position: k for k, position in enumerate(theta)}
    blocks = tuple(_block(rows, here, group=g, index=index, means=means) for g, here in enumerate(roles))
    labels: dict[str, int] = {}
    for k, position in enumerate(theta):
        if rows[position].label:
            labels.setdefault(rows[position].label, k)
    _refuse_unknown_labels(rows, syntax)
    R, r = _constraint_matrix(rows, theta, syntax, labels=labels, effect_coding=effect_coding)
    K, offset = _affine(R, r, size=len(theta))
    return Layout(
        rows=tuple(rows), blocks=blocks, roles=tuple(roles), theta=theta, K=K, offset=offset, labels=labels, means=means
    )


def _block(rows: Sequence[Parameter], roles: Roles, *, group: int, index: Mapping[int, int], means: bool) -> Block:
    variables = (*roles.observed, *roles.latent)
    where = {name: position for position, name in enumerate(variables)}
    A, S, M = np.zeros((len(variables), len(variables))), np.zeros((len(variables), len(variables))), np.zeros(len(variables))
    kinds, places, cols, free = [], [], [], []
    thresholds: list[tuple[int, int]] = []
    for position, row in enumerate(rows):
        if row.group != group or row.op == "~*~":
            continue
        if row.op == "|":
            thresholds.append((where[row.lhs], index[position]))
            continue
        kind, i, j = place_of(row, where)
        if position in index:
            kinds.append(kind)
            places.append(i)
            cols.append(j)
            free.append(index[position])
        elif not row.exogenous:
            if kind == 0:
                A[i, j] = row.value
            elif kind == 1:
                S[i, j] = S[j, i] = row.value
            else:
                M[i] = row.value
    held = {row.lhs for row in rows if row.group == group and row.exogenous and row.op == "~~" and row.lhs == row.rhs}
    return Block(
        variables=variables,
        observed=roles.observed,
        places=Places(kind=_index(kinds), row=_index(places), col=_index(cols)),
        free=_index(free),
        base=Matrices(A=A, S=S, M=M, observed=len(roles.observed)),
        exogenous=_index([where[name] for name in roles.exogenous if name in held]),
        thresholds=_index([k for _, k in sorted(thresholds)]),
    )


def _index(values: Sequence[int]) -> IntArray:
    return np.array(values, dtype=np.intp)


def place_of(row: Parameter, where: Mapping[str, int]) -> tuple[int, int, int]:
    """Which matrix (0 A, 1 S, 2 M), row and column a parameter stands at."""
    kind = _KIND[row.op]
    if row.op == "~1":
        return kind, where[row.lhs], 0
    lhs, rhs = where[row.lhs], where[row.rhs]
    if row.op == "=~":
        return kind, rhs, lhs
    return (kind, max(lhs, rhs), min(lhs, rhs)) if row.op == "~~" else (kind, lhs, rhs)


def _refuse_unknown_labels(rows: Sequence[Parameter], syntax: Syntax) -> None:
    """Refuse a `:=` effect on a label that no parameter carries and no line before it defines."""
    known = {row.label for row in rows if row.label}
    for constraint in syntax.constraints:
        if constraint.op == ":=":
            for name in constraint.names:
                if name not in known:
                    raise syntax.refuse(
                        constraint,
                        f"'{name}' is neither a label of the model nor defined above.{did_you_mean(name, known)} Label a parameter"
                        f" by writing '{name}*x' in its formula.",
                    )
            known.add(constraint.lhs)


def _constraint_matrix(
    rows: Sequence[Parameter], theta: Sequence[int], syntax: Syntax, *, labels: Mapping[str, int], effect_coding: bool
) -> tuple[Array, Array]:
    """R (c, k) and r (c,) of the linear constraints R theta = r."""
    lines: list[Array] = []
    right: list[float] = []

    def tie(one: int, two: int) -> None:
        line = np.zeros(len(theta))
        line[one], line[two] = 1.0, -1.0
        lines.append(line)
        right.append(0.0)

    fixed_labels = {
        rows[p].label: rows[p].value for p in range(len(rows)) if rows[p].label and not rows[p].free and not rows[p].exogenous
    }
    first_equal: dict[str, int] = {}
    names = {f"{rows[p].lhs}{rows[p].op}{rows[p].rhs}": k for k, p in reversed(list(enumerate(theta)))}
    for k, position in enumerate(theta):
        row = rows[position]
        if row.label and row.label in fixed_labels:
            line = np.zeros(len(theta))
            line[k] = 1.0
            lines.append(line)
            right.append(fixed_labels[row.label])
        elif row.label and labels[row.label] != k:
            tie(labels[row.label], k)
        if row.equal.startswith("@"):
            if first_equal.setdefault(row.equal, k) != k:
                tie(first_equal[row.equal], k)
        elif row.equal:
            if row.equal not in names:
                raise SpecificationError(
                    f'equal("{row.equal}") names no free parameter of the model.{did_you_mean(row.equal, names)}'
                )
            tie(names[row.equal], k)
    for constraint in syntax.constraints:
        if constraint.op == "==":
            line, value = _linear(constraint, syntax, labels=labels, fixed=fixed_labels, size=len(theta))
            lines.append(line)
            right.append(value)
        elif constraint.op in ("<", ">"):
            raise syntax.refuse(
                constraint,
                "Inequality constraints are not available. Fit without it and look whether the estimate meets the bound.",
            )
    if effect_coding:
        for line, value in _effect_coding(rows, theta):
            lines.append(line)
            right.append(value)
    return np.array(lines).reshape(len(lines), len(theta)), np.array(right)


def _linear(
    constraint: Constraint, syntax: Syntax, *, labels: Mapping[str, int], fixed: Mapping[str, float], size: int
) -> tuple[Array, float]:
    """`left == right` as a line of R theta = r; refuses a constraint that is not linear."""
    assert constraint.left is not None
    known = {*labels, *fixed}
    for name in constraint.names:
        if name not in known:
            raise syntax.refuse(constraint, f"'{name}' is not a label of the model.{did_you_mean(name, known)}")
    extra = {name: size + k for k, name in enumerate(fixed)}
    positions = {**extra, **labels}

    def at_point(point: Array) -> tuple[float, Array]:
        full = np.concatenate([point, list(fixed.values())])
        left, dleft = gradient_of(constraint.left, full, positions)  # type: ignore[arg-type]
        right, dright = gradient_of(constraint.right, full, positions)
        return left - right, (dleft - dright)[:size]

    zero, line = at_point(np.full(size, 0.7))
    _, again = at_point(np.linspace(0.3, 1.9, size))
    if not np.allclose(line, again, rtol=1e-9, atol=1e-12):
        raise syntax.refuse(
            constraint,
            "This constraint is not linear in the labels, and only linear ones are available. Reparametrise, or define it with ':='.",
        )
    return line, float(line @ np.full(size, 0.7) - zero)


def _effect_coding(rows: Sequence[Parameter], theta: Sequence[int]) -> list[tuple[Array, float]]:
    """Loadings of a construct average 1 and its indicators' intercepts 0 (Little, Slegers & Card, 2006)."""
    found: list[tuple[Array, float]] = []
    index = {position: k for k, position in enumerate(theta)}
    groups: dict[tuple[int, str], list[int]] = {}
    for position, row in enumerate(rows):
        if row.op == "=~":
            groups.setdefault((row.group, row.lhs), []).append(position)
    for (group, _), positions in groups.items():
        line = np.zeros(len(theta))
        target = float(len(positions))
        for position in positions:
            if position in index:
                line[index[position]] = 1.0
            else:
                target -= rows[position].value
        found.append((line, target))
        items = {rows[position].rhs for position in positions}
        means = [k for p, k in index.items() if rows[p].op == "~1" and rows[p].group == group and rows[p].lhs in items]
        if means:
            line = np.zeros(len(theta))
            line[means] = 1.0
            found.append((line, 0.0))
    return found


def _affine(R: Array, r: Array, *, size: int) -> tuple[Array, Array]:
    """K and offset with {theta: R theta = r} = {offset + K eta}."""
    if not len(R):
        return np.eye(size), np.zeros(size)
    if _only_ties(R, r):
        return _merge_ties(R, size=size), np.zeros(size)
    offset, *_ = np.linalg.lstsq(R, r, rcond=None)
    if not np.allclose(R @ offset, r, atol=1e-9):
        raise SpecificationError("The equality constraints contradict each other: no parameters meet all of them. Remove one.")
    return null_space(R), offset


def _only_ties(R: Array, r: Array) -> bool:
    return bool(
        (r == 0).all() and ((R == 1).sum(1) == 1).all() and ((R == -1).sum(1) == 1).all() and ((R != 0).sum(1) == 2).all()
    )


def _merge_ties(R: Array, *, size: int) -> Array:
    """A 0/1 matrix K for pure ties, which keeps eta readable and K sparse."""
    owner = np.arange(size)
    for line in R:
        one, two = owner[np.flatnonzero(line)]
        owner[owner == max(one, two)] = min(one, two)
    kept = np.unique(owner)
    K = np.zeros((size, len(kept)))
    K[np.arange(size), np.searchsorted(kept, owner)] = 1.0
    return K
