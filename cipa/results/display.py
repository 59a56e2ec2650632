"""How tables look in a terminal and a notebook: the one place where results meet pandas on the way out."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd


def frame(columns: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    """A DataFrame in which a missing number is NaN and a missing word None."""
    return pd.DataFrame({name: _column(values) for name, values in columns.items()})


def _column(values: Sequence[Any]) -> Any:
    kinds = {type(value) for value in values if value is not None}
    if kinds and all(issubclass(kind, (int, float, np.number)) and kind is not bool for kind in kinds):
        if all(issubclass(kind, (int, np.integer)) for kind in kinds) and None not in values:
            return np.array(values, dtype=np.int64)
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return pd.Series(list(values), dtype=object)


def render_text(table: pd.DataFrame, *, digits: int = 3) -> str:
    """A table for the terminal: numbers to `digits` decimals, missing cells empty."""
    columns = [[str(name), *_cells(table.iloc[:, position], digits=digits)] for position, name in enumerate(table)]
    widths = [max(map(_width, cells)) for cells in columns]
    return "\n".join(
        " ".join(" " * (width - _width(cell)) + cell for width, cell in zip(widths, row, strict=True)).rstrip()
        for row in zip(*columns, strict=True)
    )


def _cells(column: pd.Series[Any], *, digits: int) -> list[str]:
    """A column as words: p-values as a paper writes them, whole degrees of freedom without decimals, missing cells empty."""
    name, whole = str(column.name), all(_is_whole(value) for value in column)
    if column.dtype != object and (name.endswith("p_value") or name == "p_diff"):
        return [p_text(value) for value in column]
    if name in _DEGREES and whole:
        return ["" if pd.isna(value) else f"{value:.0f}" for value in column]
    return [_cell(value, digits=digits) for value in column]


_DEGREES = ("df", "df_diff", "df_denominator")


def _is_whole(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and (np.isnan(value) or float(value).is_integer()))


def _number(value: float, *, digits: int) -> str:
    if value != 0 and abs(value) < 10.0**-digits:
        return f"{value:.{digits}g}"
    return f"{value:.{digits}f}"


def p_text(value: float | None) -> str:
    """A p-value as a paper writes it: ".043", "< .001"; "" where there is none."""
    if value is None or not np.isfinite(value):
        return ""
    return "< .001" if value < 0.0005 else f"{value:.3f}".removeprefix("0")


Sections = Sequence[tuple[str, Sequence[Sequence[str]]]]
"""Titles with their rows of cells, the first cell of a row being its name."""


def sections_text(heads: Sequence[str], sections: Sections) -> str:
    """Tables below one another whose columns stand under each other; a column that is empty everywhere is left out."""
    rows = [row for _, body in sections for row in body]
    kept = [k for k in range(len(heads)) if k == 0 or any(row[k] for row in rows)]
    widths = [max(_width(heads[k]), *(_width(row[k]) for row in rows), 1) for k in kept]

    def line(cells: Sequence[str]) -> str:
        first, *others = (cells[k] for k in kept)
        blanks = [" " * (width - _width(cell)) for cell, width in zip((first, *others), widths, strict=True)]
        return "  ".join(
            [f"  {first}{blanks[0]}", *(blank + cell for cell, blank in zip(others, blanks[1:], strict=True))]
        ).rstrip()

    parts = [line(["", *heads[1:]])]
    for title, body in sections:
        parts += ["", title, *(line(row) for row in body)]
    return "\n".join(parts)


def _width(text: str) -> int:
    """Columns of a terminal that a text takes: two for a wide letter (协同), none for a combining mark."""
    return sum(
        2 if unicodedata.east_asian_width(letter) in "WF" else 0 if unicodedata.combining(letter) else 1 for letter in text
    )


def sections_html(heads: Sequence[str], sections: Sections) -> str:
    """The same as an escaped HTML table."""
    rows = [row for _, body in sections for row in body]
    kept = [k for k in range(len(heads)) if k == 0 or any(row[k] for row in rows)]
    head = "".join(f'<th scope="col">{escape(heads[k])}</th>' for k in kept)
    lines = []
    for title, body in sections:
        lines.append(f'<tr><th colspan="{len(kept)}" scope="rowgroup">{escape(title)}</th></tr>')
        lines += ["<tr>" + "".join(f"<td>{escape(row[k])}</td>" for k in kept) + "</tr>" for row in body]
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


SCREEN = 40
"""Lines that a terminal shows at once, about."""


def clipped(text: str) -> str:
    """A text that fits on a screen: what a session shows when a value is named; `print` shows all."""
    lines = text.splitlines()
    if len(lines) > SCREEN:
        lines = [*lines[:SCREEN], f"… {len(lines) - SCREEN} more lines: print() shows them, .to_frame() has the numbers."]
    return "\n".join(line if len(line) <= 200 else f"{line[:199]}…" for line in lines)


def render_html(table: pd.DataFrame, *, digits: int = 3) -> str:
    """An escaped HTML table for a notebook."""
    head = "".join(f'<th scope="col">{escape(str(name))}</th>' for name in table)
    columns = [_cells(table.iloc[:, position], digits=digits) for position in range(table.shape[1])]
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in zip(*columns, strict=True))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _cell(value: Any, *, digits: int) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    return _number(value, digits=digits) if isinstance(value, float) else str(value)


@dataclass(frozen=True, slots=True)
class ResultTable:
    """An immutable table that a function returns; `.to_frame()` gives a fresh DataFrame.

    Parameters
    ----------
    title : str
        What the table shows, and by which formula.
    columns : mapping of str to tuple
        The cells, column by column, in order.
    notes : tuple of str
        What a reader must know to use the numbers.
    """

    title: str
    columns: Mapping[str, tuple[Any, ...]]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def to_frame(self) -> pd.DataFrame:
        """A fresh DataFrame, one row per row."""
        return frame(self.columns)

    def __str__(self) -> str:
        table = self.to_frame()
        empty = [name for name in table if table[name].isna().all() or (name == "df" and np.isinf(table[name]).all())]
        return "\n".join([self.title, render_text(table.drop(columns=empty)), *self.notes])

    def __repr__(self) -> str:
        return clipped(str(self))

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        return f"<p>{escape(self.title)}</p>{render_html(self.to_frame())}{notes}"


class Tabular:
    """What results around one `table` share: the table as a DataFrame and in a notebook, and their text as what a console shows.

    For dataclasses with `repr=False`, whose own text is `__str__`.
    """

    __slots__ = ()

    table: ResultTable

    def to_frame(self) -> pd.DataFrame:
        """A fresh DataFrame of the table."""
        return self.table.to_frame()

    def __str__(self) -> str:
        return str(self.table)

    def __repr__(self) -> str:
        return clipped(str(self))

    def _repr_html_(self) -> str:
        return self.table._repr_html_()
