"""A table as a file holds it: names from its first rows, cells as numbers or words, and notes on what was not plain.

Title rows above the names are left out; a header of two rows, whose upper one was merged over groups of columns, is joined into
one. A word of digits that begins with 0, or has more digits than a number keeps (15), is an identifier and stays text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd

from cipa.errors import DataError
from cipa.language.en import EN

MISSING = (
    "",
    "NA",
    "N/A",
    "n/a",
    "nan",
    "NaN",
    "-nan",
    "-NaN",
    "null",
    "NULL",
    "None",
    "<NA>",
    "#NA",
    "1.#IND",
    "1.#QNAN",
    "-1.#IND",
    "-1.#QNAN",
)
"""Words that mean a missing value (those of pandas)."""

ERRORS = ("#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!", "#SPILL!", "#CALC!")
"""What a spreadsheet writes where a formula failed: missing, and counted."""

DOT = "."
"""Missing, as SAS and Stata write it; counted."""

IDENTIFIER = re.compile(r"0\d+|\d{16,}")

ROW_NUMBERS = "(row)"
"""Stands in for the name of a first column that only counts the rows."""

_TITLES = 6  # rows above the names that are looked at
_INVISIBLE = "\ufeff\u200b\u200c\u200d\u2060"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something about a file that its reader must know; a serious one is a warning too."""

    text: str
    serious: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What a reader of a format returns.

    Parameters
    ----------
    table : DataFrame
    detail : str
        For the log, behind the file's name.
    notes : tuple of Note
    labels : mapping of column to its label
    value_labels : mapping of column to the words of its codes
    """

    table: pd.DataFrame
    detail: str = ""
    notes: tuple[Note, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    value_labels: Mapping[str, Mapping[float, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Names of the columns, how many rows stand above the first case, and what was done to get them."""

    names: tuple[str, ...]
    above: int
    notes: tuple[Note, ...]
    labels: Mapping[str, str] = field(default_factory=dict)


def header_of(rows: Sequence[Sequence[Any]], *, file: str, lines: Sequence[int] = ()) -> Header:
    """The names that the first rows of a table give.

    Parameters
    ----------
    rows : sequence of sequences of cells
        The first ten or so, an empty cell as "" or None.
    file : str
        For messages.
    lines : sequence of int, optional
        Which rows of the file they are, from 1 (default: the first).

    Raises
    ------
    DataError
        A column without a name, a name over two columns.
    """
    line = lines or range(1, len(rows) + 3)
    rows = [_trimmed(row) for row in rows]
    first = _title_rows(rows)
    notes = []
    if first:
        titles = tuple(_joined(row)[:60] for row in rows[:first] if any(map(_filled, row)))
        notes.append(Note(text=EN("file.titles", titles=titles, row=line[first]), serious=True))
    top = rows[first] if first < len(rows) else []
    merged = _merged(rows[first:])
    if merged:
        notes.append(
            Note(text=EN("file.two_rows", first=line[first], second=line[first + 1], names=tuple(merged[:3])), serious=True)
        )
    raw = merged or [str(_plain(cell)) for cell in top]
    names = [name.strip().strip(_INVISIBLE).strip() for name in raw]
    if len(names) > 1 and all(is_number(name) for name in names):
        notes.append(Note(text=EN("file.numbers_as_names", names=tuple(names), row=line[first]), serious=True))
    blank = [name for name, written in zip(names, raw, strict=True) if name != written]
    if blank:
        notes.append(Note(text=EN("file.blanks", names=tuple(blank))))
    if names and not names[0] and all(names[1:]) and _counts_up([row[0] for row in rows[first + 1 :] if row]):
        names[0] = ROW_NUMBERS
    _refuse_names(names, file=file, line=line[first])
    above = first + (2 if merged else 1)
    below = 0 if merged else _label_rows(rows[above:])
    if below:
        text = EN("file.label_rows", first=line[above], last=line[above + below - 1], example=_joined(rows[above])[:60])
        notes.append(Note(text=text, serious=True))
    labels = {name: str(cell).strip() for name, cell in zip(names, rows[above], strict=False)} if below else {}
    return Header(names=tuple(names), above=above + below, notes=tuple(notes), labels=labels)


def _label_rows(rows: Sequence[Sequence[Any]]) -> int:
    """How many rows under the names hold labels or units: words in every cell, in two columns at least that else hold numbers."""
    for count in (1, 2):
        head, rest = rows[:count], rows[count : count + 5]
        if len(rest) < 2 or not all(_filled(cell) and not is_number(cell) for row in head for cell in row):
            return 0
        width = min(len(row) for row in (*head, *rest))
        numbers = sum(all(is_number(row[k]) for row in rest) for k in range(width))
        if numbers >= 2:
            return count
    return 0


def without_row_numbers(table: pd.DataFrame, *, file: str) -> tuple[pd.DataFrame, list[Note]]:
    """The table without its first column, where that has no name and counts the rows, as pandas and R write them."""
    if not len(table.columns) or table.columns[0] != ROW_NUMBERS:
        return table, []
    if not _counts_up(list(table.iloc[:, 0])):
        _refuse_names([""], file=file, line=1)
    return table.iloc[:, 1:], [Note(text=EN("file.row_numbers"))]


def _counts_up(cells: Sequence[Any]) -> bool:
    """Whether cells are 0, 1, 2, … or 1, 2, 3, …."""
    if len(cells) < 2 or not all(is_number(cell) for cell in cells):
        return False
    first = float(cells[0])
    return first in (0.0, 1.0) and all(float(cell) == first + place for place, cell in enumerate(cells))


def _trimmed(row: Sequence[Any]) -> list[Any]:
    cells = list(row)
    return ["" if cell is None else cell for cell in cells]


def _filled(cell: Any) -> bool:
    return bool(str(cell).strip())


def _joined(row: Sequence[Any]) -> str:
    return " ".join(str(cell).strip() for cell in row if _filled(cell))


def _plain(cell: Any) -> Any:
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell


def is_number(cell: Any) -> bool:
    """Whether a cell is a number, or a word that is one."""
    if isinstance(cell, (int, float)):
        return True
    try:
        float(cell)
    except (TypeError, ValueError):
        return False
    return True


def _title_rows(rows: Sequence[Sequence[Any]]) -> int:
    """How many rows stand above the names: none, or one filled cell each above a row of words as wide as the table."""
    for position, row in enumerate(rows[: _TITLES + 1]):
        filled = [cell for cell in row if _filled(cell)]
        if _merged(rows[position:]):
            return position
        if len(filled) < 2:
            continue
        wide = len(rows) < position + 2 or len(filled) >= sum(map(_filled, rows[position + 1])) - 1 or _merged(rows[position:])
        return position if wide and not any(is_number(cell) for cell in filled) else 0
    return 0


def _merged(rows: Sequence[Sequence[Any]]) -> list[str]:
    """The names under a header merged over groups of columns; [] where the header is one row.

    The upper row has holes, the row below only words, and under one of these words stands a number.
    """
    if len(rows) < 3 or not _filled(rows[0][0] if rows[0] else "") or all(map(_filled, rows[0])):
        return []
    upper, lower, case = rows[0], rows[1], rows[2]
    words = [position for position, cell in enumerate(lower) if _filled(cell)]
    alone = sum(map(_filled, upper)) < 2 and words[:1] == [0]  # a title above a row of names
    if alone or len(lower) != len(upper) or not words or any(is_number(lower[position]) for position in words):
        return []
    if not any(is_number(case[position]) for position in words if position < len(case)):
        return []
    group, names = "", []
    for over, under in zip(upper, lower, strict=True):
        group = str(_plain(over)).strip() if _filled(over) else group
        names.append((group, str(under).strip()))
    below = [under for _, under in names if under]
    unique = len(set(below)) == len(below) and not set(below) & {over for over, under in names if not under}
    return [(under if unique else f"{over} {under}") if under else over for over, under in names]


def _refuse_names(names: Sequence[str], *, file: str, line: int) -> None:
    empty = [position + 1 for position, name in enumerate(names) if not name]
    if empty:
        raise DataError(
            f"'{file}', line {line}: column {empty[0]} has no name. A model names its columns: give it one, or drop it "
            "(to_csv(index=False), write.csv(row.names=FALSE))."
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            f"'{file}', line {line}: the name '{twice[0]}' stands over more than one column. Which one a model means is not "
            "decided: rename one of them."
        )


def column_of(cells: Sequence[Any]) -> tuple[pd.Series[Any], dict[str, int]]:
    """One column out of the cells of a sheet, and how many were '.', an error, or a number written as text.

    Numbers and truth values give float64; anything else gives words, in which a number is written as it is read.
    """
    counts = dict.fromkeys(("dots", "errors", "texts"), 0)
    values: list[Any] = []
    for cell in cells:
        word = cell.strip() if isinstance(cell, str) else cell
        counts["dots"] += word == DOT
        counts["errors"] += isinstance(word, str) and word in ERRORS
        values.append(
            None if word is None or (isinstance(word, str) and (word in MISSING or word in ERRORS or word == DOT)) else word
        )
    present = [value for value in values if value is not None]
    words = [value for value in present if isinstance(value, str)]
    if all(isinstance(value, (int, float)) or (is_number(value) and not IDENTIFIER.fullmatch(value)) for value in present):
        counts["texts"] = len(words)
        return pd.Series([np.nan if value is None else float(value) for value in values], dtype="float64"), counts
    if all(isinstance(value, (date, datetime)) for value in present):
        return pd.Series(pd.to_datetime(pd.Series(values)).to_numpy()), counts
    return pd.Series([None if value is None else str(_plain(value)) for value in values], dtype="object"), counts


def dot_note(count: int) -> Note:
    """Cells with a single point."""
    return Note(text=EN("file.dots", cells=count))


def error_note(count: int, *, first: str = "") -> Note:
    """Cells in which a formula failed."""
    return Note(text=EN("file.errors", cells=count, first=first), serious=True)
