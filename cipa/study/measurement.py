"""From constructs and structural equations to a whole model in lavaan syntax."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from cipa.errors import SpecificationError, did_you_mean
from cipa.study.constructs import Construct
from cipa.study.syntax import parse


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownName:
    """A name of the structure that is neither a construct nor a column: which line (0-based), which column (1-based)."""

    name: str
    line: int
    column: int
    suggestion: str


def unknown_name(structure: Sequence[str], constructs: Mapping[str, Construct], columns: Collection[str]) -> UnknownName | None:
    """The first name of the structural equations that nothing measures."""
    for row in parse("\n".join(structure)).formulas:
        for name in (row.lhs, row.rhs):
            for part in name.split(":") if name else ():
                if part not in columns and not (part in constructs and constructs[part].measurement):
                    text = structure[row.line - 1]
                    column = _column_of(text, part)
                    return UnknownName(
                        name=part,
                        line=row.line - 1,
                        column=column,
                        suggestion=did_you_mean(part, [*constructs, *sorted(columns)]),
                    )
    return None


def _column_of(text: str, name: str) -> int:
    position = 0
    while (position := text.find(name, position)) >= 0:
        before = text[position - 1] if position else " "
        after = text[position + len(name)] if position + len(name) < len(text) else " "
        if not (before.isalnum() or before in "_.") and not (after.isalnum() or after in "_."):
            return position + 1
        position += 1
    return 1


def whole_model(structure: Sequence[str], constructs: Mapping[str, Construct]) -> str:
    """Measurement equations of the constructs that the structure names (and of their dimensions), then the structure.

    Raises
    ------
    SpecificationError
        When a construct names a dimension that is not declared.

    Examples
    --------
    >>> capability = Construct(name="capability", items=("cap1", "cap2", "cap3"))
    >>> print(whole_model(["sales ~ capability"], {"capability": capability}))
    capability =~ cap1 + cap2 + cap3
    sales ~ capability
    """
    used: dict[str, None] = {}
    _refuse_circle(constructs)
    for row in parse("\n".join(structure)).formulas:
        for name in (row.lhs, row.rhs):
            for part in name.split(":"):
                _collect(part, constructs, used)
    return "\n".join([*(constructs[name].measurement for name in used), *structure])


def _refuse_circle(constructs: Mapping[str, Construct]) -> None:
    """Refuse a construct that contains itself, directly or through its dimensions."""

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            circle = " contains ".join(f"'{one}'" for one in (*above[above.index(name) :], name))
            raise SpecificationError(
                f"The construct {circle}: it would be measured by itself, so nothing measures it. Take '{name}' out of the "
                f"dimensions of '{above[-1]}'."
            )
        for dimension in constructs[name].dimensions if name in constructs else ():
            visit(dimension, (*above, name))

    for name in constructs:
        visit(name, ())


def _collect(name: str, constructs: Mapping[str, Construct], used: dict[str, None]) -> None:
    construct = constructs.get(name)
    if construct is None or name in used or not construct.measurement:
        return
    for dimension in construct.dimensions:
        if dimension not in constructs:
            raise SpecificationError(
                f"The construct '{name}' has the dimension '{dimension}', which is not "
                f"declared.{did_you_mean(dimension, constructs)} Nothing measures it then: declare it with its items, or drop it."
            )
        _collect(dimension, constructs, used)
    used[name] = None
