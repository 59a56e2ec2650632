"""Excel workbooks: one sheet into a table, with what a spreadsheet can hide counted.

Cells come from calamine. What it gives as empty, an error such as #DIV/0! and a formula whose value the program that wrote
the file never computed, is counted in the sheet's own XML.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pandas as pd
from python_calamine import CalamineError, CalamineWorkbook

from cipa.data.formats.kinds import damaged
from cipa.data.formats.table import Note, Read, column_of, dot_note, error_note, header_of, without_row_numbers
from cipa.errors import DataError, SpecificationError, did_you_mean
from cipa.language.en import EN

_EXPECTED = "an Excel workbook (.xlsx)"
_CELL = re.compile(rb'<c\b[^>]*?\br="([A-Z]+\d+)"[^>]*?\bt="e"|<c\b[^>]*?\bt="e"[^>]*?\br="([A-Z]+\d+)"')
_UNCOMPUTED = re.compile(
    rb'<c\b(?![^>]*\bt="str")[^>]*?\br="([A-Z]+\d+)"[^>]*>\s*<f\b(?:[^>]*/>|[^<]*</f>|[^>]*>[^<]*</f>)\s*'
    rb"(?:<v\s*/>|<v>\s*</v>)?\s*</c>"
)
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"


def read_excel(path: Path, *, sheet: str | int | None) -> Read:
    """Read a sheet of a workbook: the one named, at a position from 0, or the first.

    Raises
    ------
    DataError
        A file that is no workbook, or a sheet without a table.
    SpecificationError
        A sheet that is not there.
    """
    try:
        with CalamineWorkbook.from_path(str(path)) as book:
            names = list(book.sheet_names)
            position = _position(names, sheet, path=path)
            rows = book.get_sheet_by_index(position).to_python(skip_empty_area=False)
        failed, uncomputed = _hidden(path, names[position])
    except (
        CalamineError,
        zipfile.BadZipFile,
        zlib.error,
        ElementTree.ParseError,
        KeyError,
        OSError,
        NotImplementedError,
        EOFError,
    ) as problem:
        raise damaged(path, expected=_EXPECTED, problem=problem) from problem
    notes = []
    if sheet is None and len(names) > 1:
        notes.append(Note(text=EN("file.sheets", names=tuple(names))))
    return _table(rows, path=path, notes=notes, failed=failed, uncomputed=uncomputed)


def _position(names: Sequence[str], sheet: str | int | None, *, path: Path) -> int:
    if not names:
        raise DataError(f"'{path.name}' has no sheet, so it holds no table. Export the data again.")
    if sheet is None:
        return 0
    if isinstance(sheet, str) and sheet in names:
        return names.index(sheet)
    if isinstance(sheet, int) and not isinstance(sheet, bool) and 0 <= sheet < len(names):
        return sheet
    hint = did_you_mean(str(sheet), names) if isinstance(sheet, str) else " Positions count from 0."
    raise SpecificationError(
        f"ci.read: '{path.name}' has no sheet {sheet!r}; it has {_listed(names)}. Another sheet holds other data: choose one of "
        f"them.{hint}"
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names[:8]) + (", …" if len(names) > 8 else "")


def _table(rows: list[list[Any]], *, path: Path, notes: list[Note], failed: list[str], uncomputed: list[str]) -> Read:
    filled = [row for row in rows if any(_filled(cell) for cell in row)]
    if not filled:
        raise DataError(
            f"'{path.name}' is empty: the sheet has no header and no row. Choose another with sheet=, or export the data again."
        )
    last = max(position for position, row in enumerate(rows) if any(_filled(cell) for cell in row))
    wanted = [position for position in range(len(filled[0])) if any(_filled(row[position]) for row in filled)]
    filled = [[row[position] for position in wanted] for row in filled]
    header = header_of(filled[:10], file=path.name)
    cases = filled[header.above :]
    notes += header.notes
    blank = sum(not any(_filled(cell) for cell in row) for row in rows[: last + 1])
    if blank:
        notes.append(Note(text=EN("file.blank_rows", rows=blank)))
    columns, totals = {}, dict.fromkeys(("dots", "errors", "texts"), 0)
    for position, name in enumerate(header.names):
        columns[name], counts = column_of([row[position] for row in cases])
        totals = {key: totals[key] + counts[key] for key in totals}
    notes += _counts(totals, failed, uncomputed)
    table, numbered = without_row_numbers(pd.DataFrame(columns), file=path.name)
    return Read(
        table=table,
        notes=(*notes, *numbered),
        labels={name: label for name, label in header.labels.items() if name in table.columns},
    )


def _filled(cell: Any) -> bool:
    return cell is not None and str(cell).strip() != ""


def _counts(totals: dict[str, int], failed: list[str], uncomputed: list[str]) -> list[Note]:
    notes = []
    if totals["dots"]:
        notes.append(dot_note(totals["dots"]))
    if totals["texts"]:
        notes.append(Note(text=EN("file.texts", cells=totals["texts"])))
    if failed or totals["errors"]:
        notes.append(error_note(len(failed) + totals["errors"], first=failed[0] if failed else ""))
    if uncomputed:
        notes.append(Note(text=EN("file.uncomputed", formulas=len(uncomputed), first=uncomputed[0]), serious=True))
    return notes


def _hidden(path: Path, sheet: str) -> tuple[list[str], list[str]]:
    """References of the cells that hold an error, and of formulas without a value."""
    with zipfile.ZipFile(path) as archive:
        book = ElementTree.fromstring(archive.read("xl/workbook.xml"))
        relations = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
        targets = {one.get("Id"): str(one.get("Target")) for one in relations}
        identifier = next(
            (one.get(_RELATION) for one in book.iter() if one.tag.endswith("}sheet") and one.get("name") == sheet), None
        )
        target = targets.get(identifier, "")
        name = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
        content = archive.read(name) if name in archive.namelist() else b""
    failed = [(one or other).decode() for one, other in _CELL.findall(content)]
    return failed, [one.decode() for one in _UNCOMPUTED.findall(content)]
