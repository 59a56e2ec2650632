"""Excel workbooks: one sheet into a table, with what a spreadsheet can hide counted.

Cells come from calamine. What it gives as empty, an error such as #DIV/0! and a formula whose value the program that wrote
the file never computed, is counted in the sheet's own XML.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pandas as pd
from python_calamine import CalamineError, CalamineWorkbook

from cipa.data.formats.kinds import damaged, without_rows
from cipa.data.formats.table import Note, Read, column_of, dot_note, error_note, header_of, is_number, without_row_numbers
from cipa.errors import DataError, SpecificationError, did_you_mean
from cipa.language.en import EN

_EXPECTED = "an Excel workbook (.xlsx)"
_CELL = re.compile(rb'<c\b[^>]*?\br="([A-Z]+\d+)"[^>]*?\bt="e"|<c\b[^>]*?\bt="e"[^>]*?\br="([A-Z]+\d+)"')
_UNCOMPUTED = re.compile(
    rb'<c\b(?![^>]*\bt="str")[^>]*?\br="([A-Z]+\d+)"[^>]*>\s*<f\b(?:[^>]*/>|[^<]*</f>|[^>]*>[^<]*</f>)\s*'
    rb"(?:<v\s*/>|<v>\s*</v>)?\s*</c>"
)
_MERGED = re.compile(rb'<mergeCell\b[^>]*?\bref="([A-Z]+\d+:[A-Z]+\d+)"')
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
        hidden = _hidden(path, names[position])
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
    return _table(
        rows,
        path=path,
        sheet=names[position],
        others=[name for name in names if name != names[position]],
        notes=notes,
        hidden=hidden,
    )


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """What only the XML of a sheet says: references of cells with an error, of formulas without a value, of merged cells."""

    failed: tuple[str, ...] = ()
    uncomputed: tuple[str, ...] = ()
    merged: tuple[str, ...] = ()


def _table(rows: list[list[Any]], *, path: Path, sheet: str, others: list[str], notes: list[Note], hidden: Hidden) -> Read:
    filled = [row for row in rows if any(_filled(cell) for cell in row)]
    if not filled:
        raise DataError(
            f"'{path.name}' is empty: the sheet has no header and no row. Choose another with sheet=, or export the data again."
        )
    lines = [line for line, row in enumerate(rows, start=1) if any(_filled(cell) for cell in row)]
    wanted = [position for position in range(len(filled[0])) if any(_filled(row[position]) for row in filled)]
    filled = [[row[position] for position in wanted] for row in filled]
    header = header_of(filled[:10], file=path.name, lines=lines)
    cases = filled[header.above :]
    if not cases:
        raise _without_cases(path, sheet=sheet, others=others)
    notes += header.notes
    if lines[-1] > len(lines):
        notes.append(Note(text=EN("file.blank_rows", rows=lines[-1] - len(lines))))
    notes += [*_merged(hidden.merged, first=lines[header.above]), *_remark(cases[-1], lines)]
    columns, totals = {}, dict.fromkeys(("dots", "errors", "texts"), 0)
    for position, name in enumerate(header.names):
        columns[name], counts = column_of([row[position] for row in cases])
        totals = {key: totals[key] + counts[key] for key in totals}
    notes += _counts(totals, hidden.failed, hidden.uncomputed)
    table, numbered = without_row_numbers(pd.DataFrame(columns), file=path.name)
    return Read(
        table=table,
        notes=(*notes, *numbered),
        labels={name: label for name, label in header.labels.items() if name in table.columns},
    )


def _without_cases(path: Path, *, sheet: str, others: list[str]) -> DataError:
    if not others:
        return without_rows(path)
    return DataError(
        f"'{path.name}': the sheet '{sheet}' has a header but no row, so there is nothing to analyse in it. The workbook has "
        f"other sheets, {_listed(others)}: name the one that holds the data with sheet=."
    )


def _merged(references: Sequence[str], *, first: int) -> list[Note]:
    """A note on cells merged over others in the rows from `first` on."""
    among = [reference for reference in references if int(re.findall(r"\d+", reference)[-1]) >= first]
    among.sort(key=lambda reference: [int(row) for row in re.findall(r"\d+", reference)])
    return [Note(text=EN("file.merged", cells=len(among), first=among[0]), serious=True)] if among else []


def _remark(case: Sequence[Any], lines: Sequence[int]) -> list[Note]:
    """A note on words that stand alone in the last row, below a blank one."""
    words = [cell for cell in case if _filled(cell)]
    if len(case) < 2 or len(words) != 1 or is_number(words[0]) or len(lines) < 2 or lines[-1] - lines[-2] < 2:
        return []
    return [Note(text=EN("file.remark", text=str(words[0]).strip()[:60], row=lines[-1]), serious=True)]


def _filled(cell: Any) -> bool:
    return cell is not None and str(cell).strip() != ""


def _counts(totals: dict[str, int], failed: Sequence[str], uncomputed: Sequence[str]) -> list[Note]:
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


def _hidden(path: Path, sheet: str) -> Hidden:
    """What cells hold beside the values that calamine gives."""
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
    return Hidden(
        failed=tuple((one or other).decode() for one, other in _CELL.findall(content)),
        uncomputed=tuple(reference.decode() for reference in _UNCOMPUTED.findall(content)),
        merged=tuple(reference.decode() for reference in _MERGED.findall(content)),
    )
