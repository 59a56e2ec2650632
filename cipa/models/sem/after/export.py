"""A structural equation model in lavaan's words: the model as it was fitted, and a script that reruns it in R.

Every parameter of the completed table is written out, those that nobody typed too, so that the syntax means the same to
`lavaan()` (which adds nothing) as to `ci.SEM(..., defaults="lavaan")`. Only the moments of exogenous observed variables are left
to the program, because a model that writes them makes them ordinary variables and changes the baseline.

Source: Rosseel, Y. (2012). Journal of Statistical Software, 48(2), and the manual pages `model.syntax` and `lavOptions` (0.6).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cipa.errors import SpecificationError, public
from cipa.models.sem.cases.read import layout_for
from cipa.models.sem.declare.layout import Layout, effect_coding_lines
from cipa.models.sem.declare.parameters import Parameter
from cipa.models.sem.fit import SEMFit
from cipa.models.sem.model import SEM

_R_NAME = re.compile(r"(?:[^\W\d_]|\.(?!\d))[\w.]*")
_RESERVED = frozenset(
    [
        *("if", "else", "repeat", "while", "function", "for", "next", "break", "in", "TRUE", "FALSE", "NULL", "Inf", "NaN", "NA"),
        *("NA_integer_", "NA_real_", "NA_character_"),
    ]
)
"""R's own words."""

_R_INFINITE = {"lower": "-1e300", "upper": "1e300"}
"""No bound, where another group has one."""

_HEADS = {
    "=~": "loadings", "<~": "weights of composites", "~": "regressions", "~~": "variances and covariances",
    "~1": "intercepts and means", "|": "thresholds", "~*~": "scales of response variables",
}  # fmt: skip


@public
def to_lavaan(model: SEM | SEMFit, *, start: bool = False) -> str:
    r"""Write a model in lavaan's syntax, with every automatic parameter.

    Parameters
    ----------
    model : SEM or its fit
        A model with groups, or with ordered variables, is complete only with data: give its fit.
    start : bool
        Add the estimates (of a fit) or the starting values (of a model) as `start()`.

    Returns
    -------
    str
        For R's `lavaan(model, data, ...)`, and for `ci.SEM(syntax, defaults="lavaan")` with the model's own options; groups stand
        in `c()`. A name that R reserves is replaced, and a comment says by what.

    Raises
    ------
    SpecificationError
        For a model that lavaan cannot write, or that is not complete without data.

    Examples
    --------
    >>> import cipa as ci
    >>> print(ci.to_lavaan(ci.SEM("f =~ x1 + x2 + 0.8*x3")))
    # loadings
    f =~ 1*x1
    f =~ x2
    f =~ 0.8*x3
    # variances and covariances
    x1 ~~ x1
    x2 ~~ x2
    x3 ~~ x3
    f ~~ f
    """
    if not isinstance(model, (SEM, SEMFit)):
        raise SpecificationError(
            f"ci.to_lavaan: {type(model).__name__} is not a structural equation model, and lavaan's syntax describes nothing "
            "else. Give a ci.SEM or its native fit."
        )
    text = ExportedModel.of(model)
    values = _starts(model) if start else None
    renamed = [f"# {new} stands for {old}" for old, new in text.alias.items() if old != new]
    return "\n".join([*renamed, *text.lines(values)])


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedModel:
    """A layout to be written: `label` of every row ("" without one), `alias` of every variable, `ties` and other constraints."""

    layout: Layout
    model: SEM
    labels: tuple[str, ...]
    ties: tuple[str, ...]
    alias: Mapping[str, str]

    @classmethod
    def of(cls, model: SEM | SEMFit, *, ascii_only: bool = False) -> ExportedModel:
        """Refuse what cannot be written; name what needs a label."""
        declared, layout = (model.model, model.layout) if isinstance(model, SEMFit) else (model, _alone(model))
        names = list(dict.fromkeys(name for block in layout.blocks for name in block.variables))
        lacking = [name for block in layout.blocks for name in names if name not in block.variables]
        if lacking and not layout.levels:
            raise SpecificationError(
                f"ci.to_lavaan: not every group has the variable '{lacking[0]}'. In c() a parameter stands in every group, so "
                "such a model cannot be written there. Give lavaan your own syntax, whose 'group:' blocks it reads."
            )
        labels, ties = _labels(declared, layout, taken={*names})
        return cls(layout=layout, model=declared, labels=labels, ties=ties, alias=_aliases(names, ascii_only=ascii_only))

    def lines(self, starts: Sequence[float] | None) -> Iterator[str]:
        """Parameters by operator (block by block on two levels), then constraints and defined effects."""
        blocks = range(len(self.layout.blocks))
        for part in ((b,) for b in blocks) if self.layout.levels else (tuple(blocks),):
            group, level = self.layout.place(part[0])
            if level == next(iter(self.layout.levels), "") and len(blocks) > 2:
                yield f"group: {group + 1}"
            if level is not None:
                yield f"level: {level}"
            yield from self._section(part, starts)
        constraints = [*self.ties, *(f"{one.lhs} {one.op} {one.rhs}" for one in self.model.parsed.constraints)]
        if constraints:
            yield "# constraints and defined effects"
        yield from constraints

    def _section(self, blocks: Sequence[int], starts: Sequence[float] | None) -> Iterator[str]:
        """The parameters of some blocks: all groups side by side, or one level."""
        rows = [row for row in self.layout.rows if row.block in blocks and not self._implicit(row)]
        keys = list(dict.fromkeys((row.lhs, row.op, row.rhs) for row in rows))
        measured = {lhs for lhs, op, _ in keys if op in ("=~", "<~")}
        phantoms = dict.fromkeys(name for g in blocks for name in self.layout.roles[g].latent if name not in measured)
        yield from (f"{self.alias[name]} =~ 0" for name in phantoms)
        for op, head in _HEADS.items():
            kept = [key for key in keys if key[1] == op]
            if kept:
                yield f"# {head}"
            for key in kept:
                yield self._formula(key, blocks, starts)

    def _implicit(self, row: Parameter) -> bool:
        """Left to the program: moments of exogenous variables, and what follows from an ordered variable's scale."""
        exogenous = self.layout.roles[row.block].exogenous
        both = row.lhs in exogenous and (row.op == "~1" or row.rhs in exogenous)
        if both and not (row.user or row.label or row.equal):
            return True
        ordinal = self.layout.blocks[row.block].ordinal
        if ordinal is None or row.lhs not in self.layout.blocks[row.block].observed:
            return False
        ordered = bool(ordinal.ordered[self.layout.blocks[row.block].observed.index(row.lhs)])
        derived = (row.op == "~*~") if ordinal.theta else (row.op == "~~" and row.lhs == row.rhs)
        return ordered and derived and not row.free

    def _formula(self, key: tuple[str, str, str], blocks: Sequence[int], starts: Sequence[float] | None) -> str:
        lhs, op, rhs = key
        right = "1" if op == "~1" else rhs if op == "|" else self.alias[rhs]
        terms = " + ".join(f"{one}*{right}" for one in self._modifiers(self._found(key, blocks), starts)) or right
        return f"{self.alias[lhs]} {'~' if op == '~1' else op} {terms}"

    def _found(self, key: tuple[str, str, str], blocks: Sequence[int]) -> list[int | None]:
        """Where the parameter stands in each block; None in a group that does not have it."""
        place = {row.block: p for p, row in enumerate(self.layout.rows) if (row.lhs, row.op, row.rhs) == key}
        return [place.get(group) for group in blocks]

    def _modifiers(self, found: Sequence[int | None], starts: Sequence[float] | None) -> list[str]:
        """Fixed values (NA for free, 0 where a group does not have the parameter), labels and starting values, by group."""
        rows = [None if position is None else self.layout.rows[position] for position in found]
        labels = ["" if position is None else self.labels[position] for position in found]
        modifiers = []
        if not all(row and row.free for row in rows) or any(row and self._first(row) for row in rows):
            modifiers.append(_per_group(["0" if row is None else "NA" if row.free else _number(row.value) for row in rows]))
        if any(labels):
            modifiers.append(_per_group([label or f"{next(filter(None, labels))}_0" for label in labels]))
        for name, missing in (("lower", -math.inf), ("upper", math.inf)):
            bounds = [missing if row is None else getattr(row, name) for row in rows]
            if any(math.isfinite(bound) for bound in bounds):
                modifiers.append(
                    f"{name}({_per_group([_number(bound) if math.isfinite(bound) else _R_INFINITE[name] for bound in bounds])})"
                )
        given = [math.nan if starts is None or p is None or not self.layout.rows[p].free else starts[p] for p in found]
        if all(math.isfinite(value) for value in given):
            modifiers.append(f"start({_per_group([_number(value) for value in given])})")
        return modifiers

    def _first(self, row: Parameter) -> bool:
        """A free first loading says so: `cfa()` and `sem()` would fix it."""
        loadings = [one for one in self.layout.rows if (one.op, one.lhs, one.block) == ("=~", row.lhs, row.block)]
        return row.op == "=~" and row.free and loadings[0] is row


def _alone(model: SEM) -> Layout:
    """The layout of a model that needs no data to be complete."""
    if model.group or model.parsed.groups or model.ordered_names or model.parsed.levels:
        what = (
            "the groups" if model.group or model.parsed.groups
            else "the clusters" if model.parsed.levels else "the categories of ordered variables"
        )  # fmt: skip
        raise SpecificationError(
            f"ci.to_lavaan: {what} stand in the data, so this model has no list of parameters yet. Fit it, and give the fit."
        )
    return layout_for(model, None)[0]


def _aliases(names: Sequence[str], *, ascii_only: bool) -> dict[str, str]:
    """Names that R and lavaan can read."""
    taken, found = set(names), {}
    for name in names:
        good = _R_NAME.fullmatch(name) and name not in _RESERVED and (name.isascii() or not ascii_only)
        number = 1
        while not good and f"v{number}" in taken:
            number += 1
        found[name] = name if good else f"v{number}"
        taken.add(found[name])
    return found


def _labels(model: SEM, layout: Layout, *, taken: set[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """A label for every row that needs one, and the equations that shared labels do not say."""
    _refuse(model)
    rows = layout.rows
    labels = [row.label for row in rows]
    names = {f"{row.lhs}{row.op}{row.rhs}": position for position, row in reversed(list(enumerate(rows))) if row.free}
    tied: dict[str, list[int]] = {}
    for position, row in enumerate(rows):
        if row.equal and row.free:
            tied.setdefault(row.equal, [] if row.equal.startswith("@") else [names[row.equal]]).append(position)
    coded = effect_coding_lines(rows, layout.theta) if model.effect_coding else []
    needing = {layout.theta[k] for line, _ in coded for k in np.flatnonzero(line)}
    fresh = _fresh(taken | set(labels) | {one.lhs for one in model.parsed.constraints if one.op == ":="})
    ties = []
    for positions in tied.values():
        known = list(dict.fromkeys(labels[position] for position in positions if labels[position]))
        shared = known[0] if known else next(fresh)
        ties += [f"{shared} == {other}" for other in known[1:]]
        for position in positions:
            labels[position] = labels[position] or shared
    several = len(layout.blocks) > 1 and not layout.levels  # where c() wants a label for each group or for none
    groups = {(rows[p].lhs, rows[p].op, rows[p].rhs) for p in range(len(rows)) if labels[p]} if several else set()
    for position, row in enumerate(rows):
        if not labels[position] and (position in needing or (row.lhs, row.op, row.rhs) in groups):
            labels[position] = next(fresh)
    ties += [_equation(line, value, [labels[position] for position in layout.theta]) for line, value in coded]
    return tuple(labels), tuple(ties)


def _fresh(taken: set[str]) -> Iterator[str]:
    number = 0
    while True:
        number += 1
        if f"p{number}" not in taken:
            yield f"p{number}"


def _equation(line: Any, value: float, labels: Sequence[str]) -> str:
    return f"{' + '.join(labels[int(k)] for k in np.flatnonzero(line))} == {_number(value)}"


def _refuse(model: SEM) -> None:
    if model.interaction:
        raise SpecificationError(
            f'ci.to_lavaan: interaction="{model.interaction}" has no words in lavaan\'s syntax, which has no product of latent '
            "variables. Use modsem in R for such a model, or export the model without the product."
        )
    labels = [label for row in model.parsed.formulas for label in row.modifiers.label if label]
    wrong = [label for label in labels if not _R_NAME.fullmatch(label) or label in _RESERVED]
    if wrong:
        raise SpecificationError(
            f"ci.to_lavaan: the label '{wrong[0]}' is a word that R reserves, so that no formula there could use it. Rename it."
        )


def _per_group(values: Sequence[str]) -> str:
    return values[0] if len(set(values)) == 1 else f"c({','.join(values)})"


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


def _starts(model: SEM | SEMFit) -> list[float]:
    if isinstance(model, SEMFit):
        return [row.estimate for row in model.estimates]
    return [row.value if row.free else math.nan for row in _alone(model).rows]
