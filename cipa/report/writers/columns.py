"""The columns of a table on a page of A4: how wide each is, in which size of type, and in how many parts the table is set.

Numbers are never broken, so a column of numbers is as wide as its widest cell, and its head is wrapped. Columns of words share
what is left, and wrap. Where numbers leave too little, the type becomes smaller; where it would become too small to read, the
table is set in parts, each with the first column again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cipa.report.document import Table, side
from cipa.report.letters import breakable, longest_piece, text_width
from cipa.report.words import shown

PAGE = 468.0
"""Width of the page's text, in points."""

SIZES = (9.0, 8.5, 8.0, 7.5, 7.0, 6.5)

_INSET = 0.7  # on both sides of a cell together, in font sizes
_LEAST, _MODEST, _MOST = (
    9.0,
    14.0,
    24.0,
)  # font sizes of a column of words: the least, before heads of numbers are wrapped, the most
_HEAD = 7.0  # widest head above numbers that is not wrapped


def set_out(table: Table) -> list[dict[str, Any]]:
    """The parts of a table: size of type, widths in points, sides, heads, and rows of text."""
    cells = [[shown(cell, column.format) for cell, column in zip(row.cells, table.columns, strict=True)] for row in table.rows]
    heads = [column.head for column in table.columns]
    sides = [side(column) for column in table.columns]
    kinds = [row.kind for row in table.rows]
    filled = [[row[k] for row, kind in zip(cells, kinds, strict=True) if kind != "group"] for k in range(len(heads))]
    wanted = [_wanted(heads[k], filled[k], words=sides[k] == "left") for k in range(len(heads))]
    return [_part(chosen, wanted, heads, cells, kinds) for chosen in _parts(wanted)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Widths of a column in font sizes: what it needs at least, and what it would like; whether words stand in it."""

    least: float
    likes: float
    words: bool


def _wanted(head: str, cells: Sequence[str], *, words: bool) -> Wanted:
    widest = max((text_width(line, 1.0) for cell in cells for line in cell.split("\n")), default=0.0)
    whole, piece = text_width(head, 1.0), longest_piece(head)
    if words:
        likes = max(widest, whole, 1.0)
        return Wanted(least=min(likes, _LEAST), likes=likes, words=True)
    least = max(widest, min(whole, max(piece, 3.0), _HEAD)) + 0.2
    return Wanted(least=least, likes=max(least, min(whole, max(piece, whole / 3 + 1.0, min(whole, _HEAD))) + 0.2), words=False)


def _parts(wanted: Sequence[Wanted]) -> list[list[int]]:
    """The columns of each part; one part unless even the smallest type is too large."""
    room, parts = PAGE / SIZES[-1], [[0]]
    for k in range(1, len(wanted)):
        if len(parts[-1]) > 1 and _taken([wanted[j] for j in (*parts[-1], k)]) > room:
            parts.append([0])
        parts[-1].append(k)
    return parts


def _taken(wanted: Sequence[Wanted]) -> float:
    """Font sizes that columns take at least."""
    return sum(_INSET + column.least for column in wanted)


def _part(
    chosen: Sequence[int], wanted: Sequence[Wanted], heads: Sequence[str], cells: Sequence[Sequence[str]], kinds: Sequence[str]
) -> dict[str, Any]:
    mine = [wanted[k] for k in chosen]
    size = next((size for size in SIZES if _taken(mine) <= PAGE / size), SIZES[-1])
    widths = dict(zip(chosen, _widths(mine, PAGE / size - _INSET * len(mine)), strict=True))

    def fitted(k: int, text: str) -> str:
        return "\n".join(breakable(line, widths[k]) for line in text.split("\n"))

    rows: list[dict[str, Any]] = []
    for row, kind in zip(cells, kinds, strict=True):
        texts = [row[0] if kind == "group" and k == 0 else fitted(k, row[k]) for k in chosen]
        if kind == "second":  # in the cells of the row above, so that no page break parts an estimate from its error
            rows[-1]["cells"] = [f"{above}\n{below}" for above, below in zip(rows[-1]["cells"], texts, strict=True)]
        else:
            rows.append({"kind": kind, "cells": texts})
    return {
        "size": size, "widths": [(widths[k] + _INSET) * size for k in chosen],
        "sides": ["left" if wanted[k].words else "right" for k in chosen],
        "heads": [fitted(k, heads[k]) for k in chosen], "rows": rows, "inset": _INSET * size / 2,
    }  # fmt: skip


def _widths(wanted: Sequence[Wanted], room: float) -> list[float]:
    """Widths in font sizes: numbers as they like, where words still have some room.

    Words as they like, or sharing what is left.
    """
    modest = sum(min(column.likes, _MODEST) for column in wanted if column.words)
    roomy = modest + sum(column.likes for column in wanted if not column.words) <= room
    numbers = {k: column.likes if roomy else column.least for k, column in enumerate(wanted) if not column.words}
    left = room - sum(numbers.values())
    words = {k: column.likes for k, column in enumerate(wanted) if column.words}
    if sum(words.values()) > left:
        short = {k: likes for k, likes in words.items() if likes <= _LEAST}
        shares = {k: min(likes, _MOST) for k, likes in words.items() if k not in short}
        words = short | {k: (left - sum(short.values())) * share / sum(shares.values()) for k, share in shares.items()}
    return [(words | numbers)[k] for k in range(len(wanted))]
