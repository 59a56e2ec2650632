"""From the parameter table to arrays: where each parameter stands, and which are tied.

The free parameters theta (k,) live on an affine set, theta = offset + K eta, made of shared labels and linear
constraints; eta (q,) is what the search moves, and q is the number of parameters that count.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cipa.errors import SpecificationError, did_you_mean
from cipa.models.sem.declare.parameters import Parameter, Roles
from cipa.numerics.algebra.linalg import Array, BoolArray, IntArray, null_space
from cipa.numerics.moments.ram import Matrices, Places
from cipa.study.expressions import Binary, Expression, Name, Number, gradient_of, names_in, substitute
from cipa.study.syntax import Syntax

_KIND = {"=~": 0, "~": 0, "<~": 0, "~~": 1, "~1": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordinal:
    """Ordered variables of a block: thresholds and scales, each a position in theta (`free`) or, where that is -1, a value.

    ordered (p,) bool among the observed variables; free, value (t,) of the thresholds, variable by variable; scale_free,
    scale_value (p,). `theta`: scales follow from the variances; otherwise residual variances follow from the scales.
    """

    ordered: BoolArray
    free: IntArray
    value: Array
    scale_free: IntArray
    scale_value: Array
    theta: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One group, or one level of it: its variables (observed first), the places of its free parameters, and the fixed entries.

    `free` (k_g,) are positions in theta; `places` where they stand; `base` the matrices with the fixed values in;
    `exogenous` positions of the observed variables whose moments are held at the sample's.
    """

    variables: tuple[str, ...]
    observed: tuple[str, ...]
    places: Places
    free: IntArray
    base: Matrices
    exogenous: IntArray
    ordinal: Ordinal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A constraint that K cannot carry: `expression` of the labels is 0 (`equal`), or at least 0.

    `positions` says where labels stand: below k in theta, from k on in `fixed`, the values of labels that are not free. `text` is
    what the researcher wrote.
    """

    expression: Expression
    equal: bool
    positions: Mapping[str, int]
    fixed: tuple[float, ...]
    text: str = ""

    def at(self, theta: Array) -> tuple[float, Array]:
        """Value and gradient (k,) at theta (k,)."""
        value, gradient = gradient_of(self.expression, np.concatenate([theta, self.fixed]), self.positions)
        return value, gradient[: len(theta)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """All blocks, the map K (k, q) and offset (k,), the curved constraints, and the rows behind theta.

    A block is a group. In a two-level model each group has one for each of the two `levels` (labels), within before between.
    `conditional`: exogenous variables are
    conditioned on, so that the baseline model keeps what they explain.
    At the end of a search under curved constraints K is their tangent and the offset the solution; `binding` counts the
    inequalities among them, which cost a direction but, as in lavaan, no parameter; `bend` (k, k) sums multiplier times second
    derivatives of the constraints that hold, by which the Hessian along their curve differs from that along the tangent.
    """

    rows: tuple[Parameter, ...]
    blocks: tuple[Block, ...]
    roles: tuple[Roles, ...]
    theta: tuple[int, ...]  # position in `rows` of each free parameter
    K: Array
    offset: Array
    labels: Mapping[str, int]  # label -> position in theta
    means: bool
    curves: tuple[Curve, ...] = ()
    binding: int = 0
    bend: Array | None = None
    levels: tuple[str, ...] = ()
    conditional: bool = False

    @property
    def nfree(self) -> int:
        """Free rows, k."""
        return len(self.theta)

    @property
    def npar(self) -> int:
        """Parameters that count, q."""
        return int(self.K.shape[1]) + self.binding

    def place(self, block: int) -> tuple[int, str | None]:
        """Position of the group of a block, and the label of its level."""
        return (block // len(self.levels), self.levels[block % len(self.levels)]) if self.levels else (block, None)

    @property
    def tied(self) -> bool:
        """Whether any parameters are tied."""
        return bool(self.K.shape[0] != self.K.shape[1])

    def to_theta(self, eta: Array) -> Array:
        """Parameters theta (k,) at eta (q,)."""
        return self.offset + self.K @ eta if self.tied else eta

    def to_eta(self, theta: Array) -> Array:
        """The eta (q,) whose theta is nearest to theta (k,)."""
        return np.asarray(np.linalg.lstsq(self.K, theta - self.offset, rcond=None)[0]) if self.tied else theta


def levels_of_group(group: int) -> slice:
    """Where the two levels of a group stand among the blocks of a two-level model."""
    return slice(2 * group, 2 * group + 2)


def build_layout(
    rows: Sequence[Parameter], roles: Sequence[Roles], syntax: Syntax, *, means: bool, effect_coding: bool = False,
    theta: bool = False,
) -> Layout:  # fmt: skip
    """Compile the table. Raises SpecificationError for constraints on labels that no parameter has."""
    free = tuple(position for position, row in enumerate(rows) if row.free)
    index = {position: k for k, position in enumerate(free)}
    blocks = tuple(_block(rows, here, block=b, index=index, theta=theta) for b, here in enumerate(roles))
    labels: dict[str, int] = {}
    for k, position in enumerate(free):
        if rows[position].label:
            labels.setdefault(rows[position].label, k)
    _refuse_unknown_labels(rows, syntax)
    R, r, curves = _constraints(rows, free, syntax, labels=labels, effect_coding=effect_coding)
    K, offset = _affine(R, r, size=len(free))
    return Layout(
        rows=tuple(rows), blocks=blocks, roles=tuple(roles), theta=free, K=K, offset=offset, labels=labels, means=means,
        curves=curves
    )  # fmt: skip


def _block(rows: Sequence[Parameter], roles: Roles, *, block: int, index: Mapping[int, int], theta: bool) -> Block:
    variables = (*roles.observed, *roles.latent)
    where = {name: position for position, name in enumerate(variables)}
    A, S, M = np.zeros((len(variables), len(variables))), np.zeros((len(variables), len(variables))), np.zeros(len(variables))
    kinds, places, cols, free = [], [], [], []
    for position, row in enumerate(rows):
        if row.block != block or row.op in ("~*~", "|"):
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
    held = {row.lhs for row in rows if row.block == block and row.exogenous and row.op == "~~" and row.lhs == row.rhs}
    return Block(
        variables=variables,
        observed=roles.observed,
        places=Places(kind=_index(kinds), row=_index(places), col=_index(cols)),
        free=_index(free),
        base=Matrices(A=A, S=S, M=M, observed=len(roles.observed)),
        exogenous=_index([where[name] for name in roles.exogenous if name in held]),
        ordinal=_ordinal(rows, roles, block=block, index=index, theta=theta),
    )


def _ordinal(rows: Sequence[Parameter], roles: Roles, *, block: int, index: Mapping[int, int], theta: bool) -> Ordinal | None:
    """Thresholds and scales of a group; None without ordered variables."""
    where = {name: position for position, name in enumerate(roles.observed)}
    thresholds, scale_free, scale_value = [], np.full(len(where), -1, dtype=np.intp), np.ones(len(where))
    for position, row in enumerate(rows):
        if row.block == block and row.op == "|":
            thresholds.append((where[row.lhs], int(row.rhs[1:]), index.get(position, -1), row.value))
        elif row.block == block and row.op == "~*~":
            scale_free[where[row.lhs]] = index.get(position, -1)
            scale_value[where[row.lhs]] = row.value
    if not thresholds:
        return None
    thresholds.sort()
    ordered = np.zeros(len(where), dtype=np.bool_)
    ordered[[variable for variable, *_ in thresholds]] = True
    return Ordinal(
        ordered=ordered, free=_index([k for *_, k, _ in thresholds]), value=np.array([value for *_, value in thresholds]),
        scale_free=scale_free, scale_value=scale_value, theta=theta,
    )  # fmt: skip


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
                        f"'{name}' is neither a label of the model nor defined above.{did_you_mean(name, known)} Label a "
                        f"parameter by writing '{name}*x' in its formula.",
                    )
            known.add(constraint.lhs)


def _constraints(
    rows: Sequence[Parameter], theta: Sequence[int], syntax: Syntax, *, labels: Mapping[str, int], effect_coding: bool
) -> tuple[Array, Array, tuple[Curve, ...]]:
    """R (c, k) and r (c,) of the linear constraints R theta = r, and the others."""
    size = len(theta)
    fixed = {row.label: row.value for row in rows if row.label and not row.free and not row.exogenous}
    lines = [*_ties(rows, theta, labels=labels, fixed=fixed)]
    curves = [*_bounds(rows, theta)]
    for curve in _written(syntax, labels=labels, fixed=fixed, size=size):
        linear = _linear(curve, size) if curve.equal else None
        if linear is None:
            curves.append(curve)
        else:
            lines.append(linear)
    if effect_coding:
        lines += effect_coding_lines(rows, theta)
    return np.array([line for line, _ in lines]).reshape(len(lines), size), np.array([value for _, value in lines]), tuple(curves)


def _ties(
    rows: Sequence[Parameter], theta: Sequence[int], *, labels: Mapping[str, int], fixed: Mapping[str, float]
) -> Iterator[tuple[Array, float]]:  # fmt: skip
    """Lines of shared labels, of labels that a fixed parameter carries, and of `equal()` and `group_equal`."""

    def line(plus: int, minus: int | None = None) -> Array:
        entries = np.zeros(len(theta))
        entries[plus] = 1.0
        if minus is not None:
            entries[minus] = -1.0
        return entries

    def names() -> dict[str, int]:
        return {f"{rows[p].lhs}{rows[p].op}{rows[p].rhs}": k for k, p in reversed(list(enumerate(theta)))}

    first_equal: dict[str, int] = {}
    for k, position in enumerate(theta):
        row = rows[position]
        if row.label in fixed:
            yield line(k), fixed[row.label]
        elif row.label and labels[row.label] != k:
            yield line(labels[row.label], k), 0.0
        if not row.equal:
            continue
        known = {row.equal: first_equal.setdefault(row.equal, k)} if row.equal.startswith("@") else {**labels, **names()}
        if row.equal not in known:
            raise SpecificationError(
                f'equal("{row.equal}") names no free parameter of the model, by term or label.{did_you_mean(row.equal, known)} '
                "Nothing would be held equal: name a parameter as the estimates print it, or by its label."
            )
        if known[row.equal] != k:
            yield line(known[row.equal], k), 0.0


def _written(syntax: Syntax, *, labels: Mapping[str, int], fixed: Mapping[str, float], size: int) -> Iterator[Curve]:
    """The constraints `==`, `<` and `>` of the syntax; effects defined by `:=` stand for what defines them."""
    defined: dict[str, Expression] = {}
    positions = {**{name: size + k for k, name in enumerate(fixed)}, **labels}
    for one in syntax.constraints:
        if one.op == ":=":
            defined[one.lhs] = substitute(one.right, defined)
            continue
        assert one.left is not None
        for name in one.names:
            if name not in positions and name not in defined:
                known = {*positions, *defined}
                raise syntax.refuse(
                    one,
                    f"'{name}' is not a label of the model.{did_you_mean(name, known)} Nothing would be constrained: mend the "
                    f"name, or label a parameter by writing '{name}*x' in its formula.",
                )
        left, right = substitute(one.left, defined), substitute(one.right, defined)
        gap = Binary("-", right, left) if one.op == "<" else Binary("-", left, right)
        if not any(positions[name] < size for name in names_in(gap)):
            raise syntax.refuse(one, "This constraint has no free parameter in it, so there is nothing to constrain. Remove it.")
        text = f"{one.lhs} {one.op} {one.rhs}"
        yield Curve(expression=gap, equal=one.op == "==", positions=positions, fixed=tuple(fixed.values()), text=text)


def _bounds(rows: Sequence[Parameter], theta: Sequence[int]) -> Iterator[Curve]:
    """The bounds of single parameters, `lower()` and `upper()`."""
    for k, position in enumerate(theta):
        row = rows[position]
        for bound, sign in ((row.lower, ">"), (row.upper, "<")):
            if math.isfinite(bound):
                value, limit = Name("@"), Number(bound)
                gap = Binary("-", value, limit) if sign == ">" else Binary("-", limit, value)
                yield Curve(
                    expression=gap,
                    equal=False,
                    positions={"@": k},
                    fixed=(),
                    text=f"{row.lhs} {row.op} {row.rhs} {sign} {bound:g}",
                )


def _linear(curve: Curve, size: int) -> tuple[Array, float] | None:
    """An equation as a line of R theta = r; None when it is not linear."""
    trials = np.full(size, 0.7), np.linspace(0.3, 1.9, size), np.linspace(-1.3, 0.4, size)
    (zero, line), *others = (curve.at(trial) for trial in trials)
    if not all(np.allclose(line, again, rtol=1e-9, atol=1e-12) for _, again in others):
        return None
    return line, float(line @ trials[0] - zero)


def effect_coding_lines(rows: Sequence[Parameter], theta: Sequence[int]) -> list[tuple[Array, float]]:
    """Loadings of a construct average 1 and its indicators' intercepts 0 (Little, Slegers & Card, 2006)."""
    found: list[tuple[Array, float]] = []
    index = {position: k for k, position in enumerate(theta)}
    groups: dict[tuple[int, str], list[int]] = {}
    for position, row in enumerate(rows):
        if row.op == "=~":
            groups.setdefault((row.block, row.lhs), []).append(position)
    for (block, _), positions in groups.items():
        line = np.zeros(len(theta))
        target = float(len(positions))
        for position in positions:
            if position in index:
                line[index[position]] = 1.0
            else:
                target -= rows[position].value
        found.append((line, target))
        items = {rows[position].rhs for position in positions}
        means = [k for p, k in index.items() if rows[p].op == "~1" and rows[p].block == block and rows[p].lhs in items]
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
