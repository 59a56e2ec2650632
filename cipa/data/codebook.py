"""codebook.toml: what the columns of a data set mean.

[data]                      title, licence, source
[columns.env5]              label, text, scale = [1, 7], reversed = true
[constructs.ENV]            label, items = [...] or dimensions = [...], column
[roles]                     entity, time, cluster, weight, group
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from cipa.data.dataset import Dataset, Roles
from cipa.errors import DataError, SpecificationError, did_you_mean
from cipa.study.constructs import Construct, Item

_SECTIONS = ("data", "columns", "constructs", "roles")
_COLUMN_KEYS = ("label", "text", "scale", "reversed", "unit")
_CONSTRUCT_KEYS = ("label", "items", "dimensions", "column")


@dataclass(frozen=True, slots=True, kw_only=True)
class Codebook:
    """Labels, items, constructs and roles of a data set."""

    labels: dict[str, str] = field(default_factory=dict)
    items: dict[str, Item] = field(default_factory=dict)
    constructs: tuple[Construct, ...] = ()
    roles: Roles = field(default_factory=Roles)

    def describe(self, data: Dataset, *, source: str) -> Dataset:
        """Attach the codebook; refuses a line about a column that the data do not have, and a value off its scale."""
        for name in (*self.labels, *self.items, *(item for one in self.constructs for item in one.items)):
            if name not in data.columns:
                raise DataError(
                    f"{source}: '{name}' is described, but {data.name} has no such column.{did_you_mean(name, data.columns)}"
                    " A label without its column would describe another one: mend the name, or drop the line."
                )
        for item in self.items.values():
            _refuse_off_scale(data, item, source=source)
        return replace(data, labels=self.labels, items=self.items, constructs=self.constructs, roles=self.roles)


def read_codebook(path: Path) -> Codebook:
    """Read a codebook; unknown keys are refused with the nearest known one."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise SpecificationError(
            f"{path.name} is not a TOML file: {problem}. No label and no scale can be taken from it. Text stands in quotes, "
            "lists in [ ]: mend that place."
        ) from problem
    _refuse_unknown(found, _SECTIONS, where=path.name)
    labels, items = {}, {}
    for section, table in found.items():
        _refuse_other(table, dict, where=f"{path.name}, {section}", example=f"[{section}], with keys below it")
    for name, line in found.get("columns", {}).items():
        _refuse_unknown(line, _COLUMN_KEYS, where=f"{path.name}, [columns.{name}]")
        labels[name] = str(line.get("label") or line.get("text") or name)
        if "scale" in line or "reversed" in line:
            items[name] = _item(name, line, where=f"{path.name}, [columns.{name}]")
    constructs = []
    for name, line in found.get("constructs", {}).items():
        _refuse_unknown(line, _CONSTRUCT_KEYS, where=f"{path.name}, [constructs.{name}]")
        for key in ("items", "dimensions"):
            _refuse_other(line.get(key, []), list, where=f"{path.name}, [constructs.{name}], {key}", example='["env1", "env2"]')
        constructs.append(construct_of(name, line))
    roles = found.get("roles", {})
    _refuse_unknown(roles, tuple(one.name for one in fields(Roles)), where=f"{path.name}, [roles]")
    for role, column in roles.items():
        _refuse_other(column, str, where=f"{path.name}, [roles], {role}", example='"firm_id"')
    return Codebook(labels=labels, items=items, constructs=tuple(constructs), roles=Roles(**roles))


def _item(name: str, line: Mapping[str, Any], *, where: str) -> Item:
    """A survey question from its TOML table."""
    scale, turned = line.get("scale", [None, None]), line.get("reversed", False)
    _refuse_other(turned, bool, where=f"{where}, reversed", example="true")
    _refuse_other(scale, list, where=f"{where}, scale", example="[1, 7]")
    if len(scale) != 2 or ("scale" in line and not all(type(end) in (int, float) for end in scale)):
        raise SpecificationError(
            f"{where}, scale: expected the two ends of the answers such as [1, 7], got {scale!r}. Without both of them no item "
            "can be turned round: mend the line."
        )
    low, high = (None if end is None else float(end) for end in scale)
    return Item(name=name, text=str(line.get("text", "")), reversed=turned, low=low, high=high)


def _refuse_other(value: Any, kind: type, *, where: str, example: str) -> None:
    if not isinstance(value, kind) or (isinstance(value, list) and any(isinstance(one, (list, dict)) for one in value)):
        raise SpecificationError(
            f"{where}: {value!r} is of another kind than is read there, so that it describes nothing. Write it as {example}."
        )


def construct_of(name: str, line: dict[str, Any]) -> Construct:
    """A construct from its TOML table."""
    return Construct(
        name=name,
        label=str(line.get("label", "")),
        items=tuple(line.get("items", ())),
        dimensions=tuple(line.get("dimensions", ())),
        column=line.get("column"),
    )


def _refuse_unknown(found: Any, known: tuple[str, ...], *, where: str) -> None:
    if not isinstance(found, dict):
        raise SpecificationError(
            f"{where} is a table of keys and values; it holds {found!r}, which describes nothing. Write keys below it, as in "
            '[columns.env5] and label = "...".'
        )
    for key in found:
        if key not in known:
            raise SpecificationError(
                f"{where}: the key '{key}' is not known.{did_you_mean(key, known)} It would describe nothing: rename or drop it. "
                f"Known: {', '.join(known)}."
            )


def _refuse_off_scale(data: Dataset, item: Item, *, source: str) -> None:
    values = data.numeric([item.name])[:, 0]
    for row, value in enumerate(values):
        if item.low is not None and item.high is not None and (value < item.low or value > item.high):
            raise DataError(
                f"{data.name}, row {row + 1}: {item.name} is {value:g}, but {source} gives its scale as {item.low:g} to "
                f"{item.high:g}. A code for a missing answer, or a typing error, would count as an answer: mark the cell as "
                "missing, or mend the scale."
            )
