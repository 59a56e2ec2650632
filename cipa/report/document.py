"""The blocks of a report. A table carries numbers and formats; only a writer makes strings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Format = Literal["text", "int", "estimate", "unit", "p", "stat", "interval", "paren"]
"""How a number is shown (`words.shown`): "unit" drops the leading zero, "paren" stands in parentheses."""

Value = str | int | float | tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Cell:
    """A value that is shown otherwise than its column says."""

    value: Value
    format: Format


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """Head and format of a column; words stand left, numbers right."""

    head: str
    format: Format = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row. "group" rows head a part of the table, "second" rows belong to the row above, "rule" rows follow a line."""

    cells: tuple[Value | Cell, ...]
    kind: Literal["body", "group", "second", "rule"] = "body"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A numbered table: title above, notes below, three rules."""

    key: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A numbered figure as SVG; `alt` says in words what it shows."""

    key: str
    title: str
    svg: str
    alt: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A heading; level 1 opens a part."""

    text: str
    level: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    """Prose, computed from numbers."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something a reader must know."""

    text: str
    severity: str = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Text as it was typed: syntax, a study file, a command."""

    text: str


FRAME = ("table", "figure", "note", "contents")
"""Codes of the words that writers put around blocks."""

Block = Heading | Paragraph | Table | Figure | Note | Listing


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A report; `words` are what writers put around its blocks."""

    title: str
    author: str
    blocks: tuple[Block, ...]
    language: str = "en"
    words: Mapping[str, str] = field(
        default_factory=lambda: dict(zip(FRAME, ("Table", "Figure", "Note.", "Contents"), strict=True))
    )


def body(*cells: Value | Cell) -> Row:
    """An ordinary row."""
    return Row(cells=cells)


def group(text: str, *, width: int) -> Row:
    """A row that heads a part of the table."""
    return Row(cells=(text, *[None] * (width - 1)), kind="group")


def columns(*heads: tuple[str, Format]) -> tuple[Column, ...]:
    """Columns from pairs of head and format."""
    return tuple(Column(head=head, format=format) for head, format in heads)


def numbered(document: Document) -> list[tuple[Block, int]]:
    """Every block with its number: tables, figures and headings of level 1 are counted, each for themselves; 0 for the rest."""
    count: dict[str, int] = {}
    pairs = []
    for block in document.blocks:
        counted = isinstance(block, (Table, Figure)) or (isinstance(block, Heading) and block.level == 1)
        kind = type(block).__name__
        count[kind] = count.get(kind, 0) + counted
        pairs.append((block, count[kind] if counted else 0))
    return pairs


def side(column: Column) -> str:
    """Words stand left, numbers right."""
    return "left" if column.format == "text" else "right"
